"""The way to one device over eAPI, as something that can be cut from another thread: pyeapi makes a connection for each request, and a push
that is given up must not go on with its next one."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import Any

from pyeapi.eapilib import HttpsEapiConnection

from drivers.napalm_config.options import NapalmOptions


class Line:
    """`napalm` is the open driver, None before that. Once it is cut, nothing more is sent on it."""

    def __init__(self) -> None:
        self.napalm: Any = None
        self._is_cut = False
        self._transport: Any = None

    def cut(self) -> None:
        self._is_cut = True
        open_socket = getattr(self._transport, "sock", None)
        if open_socket is not None:
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)

    def open(self, options: NapalmOptions, password: str, trust: ssl.SSLContext) -> None:
        """NAPALM checks the new session by asking for the version. Raises what NAPALM and pyeapi raise, and OSError when it was cut."""
        from napalm.eos import EOSDriver

        optional = {"port": options.port, "context": trust, "lock_disable": True, "transport": self._connection_class()}
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
