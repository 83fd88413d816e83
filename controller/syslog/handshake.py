"""TLS handshakes that fail, heard: asyncio and uvloop end such a connection without a word to whoever listens."""

from __future__ import annotations

import ssl
from collections.abc import Callable


def heard(refused: Callable[[str], None]) -> type[ssl.SSLObject]:
    """For a context's `sslobject_class`: `refused` is told, once for each connection, why its handshake failed: a certificate that is
    missing, unknown or over, another version of TLS, or no TLS at all. Who leaves in the middle is not told of."""

    class Heard(ssl.SSLObject):
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                refused(f"a TLS handshake failed: {getattr(error, 'verify_message', '') or error.reason or error}")
                raise

    return Heard
