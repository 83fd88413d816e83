"""TLS for the OpenFlow listener, on os-ken and on Ryu: a switch shows a certificate that our authority signed, or it is refused and the
log says why. Import it after `runtime`: eventlet patches `ssl` and `socket`.

The libraries' own TLS is not used. It says nothing of a switch that it refuses, goes round for ever on a broken session, and os-ken's
reads and writes one TLS session from two threads at once, which OpenSSL does not allow (SSL_read and SSL_write on one object need a lock).
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from drivers.openflow.starting import BadCertificates, Tls
from drivers.openflow.tracker import Bucket

HANDSHAKE_SECONDS = 10.0
REFUSALS_TOLD = 5.0  # a second: whoever can connect must not fill the disk
LOG = logging.getLogger("netcordon.speaker")
T = TypeVar("T")
Handle = Callable[[Any, Any], None]


def server(base: Any, files: Tls, shared: bool) -> Any:
    """A class that takes the place of `base`, the library's StreamServer. `shared`: a session is read and written by two threads.
    Raises BadCertificates."""
    context, told = _context(files), Bucket(REFUSALS_TOLD)

    class TlsServer(base):
        def __init__(self, listen_info: Any, handle: Handle, **_: Any) -> None:
            super().__init__(listen_info, lambda accepted, address: self._serve(accepted, address, handle))

        def _serve(self, accepted: Any, address: Any, handle: Handle) -> None:
            accepted.settimeout(HANDSHAKE_SECONDS)
            try:
                secured = context.wrap_socket(accepted, server_side=True)
            except OSError as error:  # ssl.SSLError is one
                if told.take(time.monotonic()):
                    LOG.warning("a switch that connected from %s was refused: %s", address[0], _reason(error))
                accepted.close()
                return
            handle(Shared(secured) if shared else Single(secured), address)

    return TlsServer


def _context(files: Tls) -> ssl.SSLContext:
    for path in (files.certificate, files.key, files.ca):
        try:
            path.read_bytes()
        except OSError as error:
            raise BadCertificates(f"{path}: {error.strerror}") from error
    if files.key.stat().st_mode & 0o007:
        raise BadCertificates(f"{files.key}: everybody on this machine may read the private key; chmod 600 it")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(files.certificate, files.key)
    except ssl.SSLError as error:
        raise BadCertificates(f"{files.certificate} with {files.key}: {_reason(error)}") from error
    try:
        context.load_verify_locations(files.ca)
    except ssl.SSLError as error:
        raise BadCertificates(f"{files.ca}: {_reason(error)}") from error
    return context


def _reason(error: OSError) -> str:
    """In words, for instance "peer did not return a certificate"."""
    said = getattr(error, "verify_message", None) or getattr(error, "reason", None) or error.strerror or str(error)
    return str(said).lower().replace("_", " ") or type(error).__name__


class Single:
    """A TLS session for one thread at a time (eventlet's are all one). As a socket, as far as the libraries use one."""

    def __init__(self, secured: ssl.SSLSocket) -> None:
        self._secured = secured

    def setsockopt(self, level: int, option: int, value: int) -> None:
        self._secured.setsockopt(level, option, value)

    def settimeout(self, seconds: float | None) -> None:
        self._secured.settimeout(seconds)

    def recv(self, most: int) -> bytes:
        return self._told(lambda: self._secured.recv(most))

    def sendall(self, data: bytes) -> None:
        self._told(lambda: self._secured.sendall(data))

    def shutdown(self, how: int) -> None:
        """Of the connection: SSLSocket's own would go on in plain text."""
        socket.socket.shutdown(self._secured, how)

    def close(self) -> None:
        self._secured.close()

    @staticmethod
    def _told(act: Callable[[], T]) -> T:
        """A session that TLS gives up is over: the libraries take any other SSLError for a timeout, and try for ever."""
        try:
            return act()
        except ssl.SSLError as error:
            if "timed out" in str(error):
                raise TimeoutError(str(error)) from error
            raise ConnectionResetError(f"TLS: {_reason(error)}") from error


class Shared(Single):
    """A TLS session that one thread reads while another writes: OpenSSL is called by one of them at a time, and never waits in there."""

    def __init__(self, secured: ssl.SSLSocket) -> None:
        super().__init__(secured)
        secured.setblocking(False)
        self._lock = threading.Lock()
        self._seconds: float | None = None

    def settimeout(self, seconds: float | None) -> None:
        self._seconds = seconds

    def recv(self, most: int) -> bytes:
        return self._when_ready(lambda: self._secured.recv(most))

    def sendall(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._when_ready(lambda left=left: self._secured.send(left)) :]  # type: ignore[misc]  # mypy cannot infer a lambda's default

    def _when_ready(self, act: Callable[[], T]) -> T:
        """Raises TimeoutError when the other side is not ready in time, ConnectionResetError when the session is over."""
        while True:
            try:
                with self._lock:
                    number = self._secured.fileno()
                    return self._told(act)
            except ssl.SSLWantReadError:
                wanted = select.POLLIN
            except ssl.SSLWantWriteError:
                wanted = select.POLLOUT
            self._wait(number, wanted)

    def _wait(self, number: int, wanted: int) -> None:
        if number < 0:
            raise ConnectionResetError("the connection was closed")
        ready = select.poll()
        ready.register(number, wanted)
        if not ready.poll(None if self._seconds is None else 1000 * self._seconds):
            raise TimeoutError("timed out")

    @staticmethod
    def _told(act: Callable[[], T]) -> T:
        try:
            return act()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            raise ConnectionResetError(f"TLS: {_reason(error)}") from error
