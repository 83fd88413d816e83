"""The way to one device over eAPI, as something that can be cut from another thread: pyeapi makes a connection for each request, and a push
that is given up must not go on with its next one."""

from __future__ import annotations

import logging
import socket
import ssl
from contextlib import suppress
from typing import Any

from napalm.eos import EOSDriver
from pyeapi.eapilib import HttpsEapiConnection

from drivers.napalm_config.options import EosOptions

LOG = logging.getLogger("netcordon.napalm")


class EosLine:
    def __init__(self, device: str, options: EosOptions) -> None:
        self._device, self._options = device, options
        self.napalm: Any = None
        self._is_cut = False
        self._transport: Any = None

    def cut(self) -> None:
        self._is_cut = True
        open_socket = getattr(self._transport, "sock", None)
        if open_socket is not None:
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)

    def open(self, password: str) -> None:
        """NAPALM checks the new session by asking for the version."""
        options = self._options
        optional = {
            "port": options.port,
            "context": trust(self._device, options),
            "lock_disable": True,
            "transport": self._connection_class(),
        }
        napalm = EOSDriver(options.host, options.username, password, timeout=30, optional_args=optional)
        napalm.open()
        self.napalm = napalm

    def _connection_class(self) -> type[HttpsEapiConnection]:
        line = self

        class Connection(HttpsEapiConnection):  # type: ignore[misc]  # pyeapi ships no types
            """As pyeapi's own; NAPALM takes one of ours by its option `transport`."""

            def __init__(
                self,
                host: str,
                port: int | None = None,
                username: str | None = None,
                password: str | None = None,
                context: ssl.SSLContext | None = None,
                timeout: int = 60,
            ) -> None:
                super().__init__(
                    host,
                    port,
                    username=username,
                    password=password,
                    context=context,
                    timeout=timeout,
                    enforce_verification=True,
                )
                line._watch(self.transport)

        return Connection

    def _watch(self, transport: Any) -> None:
        """Checked again once the socket stands: a cut before that has seen no socket, one after that shuts it."""
        self._transport, connect = transport, transport.connect

        def connect_unless_cut() -> None:
            self._check()
            connect()
            self._check()

        transport.connect = connect_unless_cut

    def _check(self) -> None:
        if self._is_cut:
            raise OSError("given up")


def trust(device: str, options: EosOptions) -> ssl.SSLContext:
    if options.verify:
        return ssl.create_default_context(cafile=None if options.ca is None else str(options.ca.expanduser()))
    LOG.warning("%s: its certificate is not verified (verify: false): who is in between can read the password", device)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
