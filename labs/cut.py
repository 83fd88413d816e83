"""The connection between a switch and its OpenFlow controller, as something that can be cut: at once, or in the middle of a push."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType

EXPERIMENTER, FLOW_MOD, PORT_MOD, BARRIER_REQUEST = 4, 14, 16, 20
MODIFY_STRICT = 2  # the speaker's way to have counters added up: it changes nothing


def is_change(message: bytes) -> bool:
    """Whether an OpenFlow 1.3 message changes what the switch holds, or is part of a bundle that will."""
    return message[1] in (EXPERIMENTER, PORT_MOD) or (message[1] == FLOW_MOD and message[25] != MODIFY_STRICT)


class Cut:
    """Switches connect to `port`, and through it to the controller. What was passed on before a cut arrives; nothing comes back after."""

    def __init__(self, controller_port: int) -> None:
        self._controller_port = controller_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.whole = True
        self.changes = 0  # that were passed on
        self.held = threading.Event()  # nothing more is passed on to the switch, with its session open
        self._left: int | None = None
        self._hold = False
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()

    @property
    def sessions(self) -> int:
        return len(self._pairs)

    def __enter__(self) -> Cut:
        threading.Thread(target=self._accept, name="cut", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sever()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def sever(self) -> None:
        """No session from now on. The switch still reads what it was sent, and then the end."""
        self.whole = False
        for controller, switch in list(self._pairs):
            with suppress(OSError):
                switch.shutdown(socket.SHUT_WR)
            with suppress(OSError):
                controller.shutdown(socket.SHUT_RDWR)

    def sever_after(self, changes: int) -> None:
        """Cut once so many more changes were passed on: before the next, or before the barrier that ends the push."""
        self._left = changes

    def hold_after(self, changes: int) -> None:
        """Pass nothing more on once so many more changes were; the session stands until the controller's end of it is gone."""
        self._left, self._hold = changes, True

    def mend(self) -> None:
        """The switch may connect again."""
        self._left, self._hold = None, False
        self.held.clear()
        self.whole = True

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                switch, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(switch,), daemon=True).start()

    def _serve(self, switch: socket.socket) -> None:
        with switch, suppress(OSError), socket.create_connection(("127.0.0.1", self._controller_port)) as controller:
            for end in (switch, controller):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs.add((controller, switch))
            down = threading.Thread(target=self._to_switch, args=(controller, switch), daemon=True)
            down.start()
            if not self.whole:
                self.sever()
            while data := switch.recv(65536):
                with suppress(OSError):  # after a cut the switch may speak on; nobody hears it
                    controller.sendall(data)
            with suppress(OSError):
                controller.shutdown(socket.SHUT_RDWR)
            down.join()
            self._pairs.discard((controller, switch))

    def _to_switch(self, controller: socket.socket, switch: socket.socket) -> None:
        with suppress(OSError), controller.makefile("rb") as stream:
            while len(head := stream.read(8)) == 8:
                message = head + stream.read(int.from_bytes(head[2:4], "big") - 8)
                if self._is_the_end(message):
                    if not self._hold:
                        self.sever()
                        return
                    self.held.set()
                    stream.read()
                    break
                switch.sendall(message)
                self.changes += is_change(message)
        with suppress(OSError):
            switch.shutdown(socket.SHUT_WR)

    def _is_the_end(self, message: bytes) -> bool:
        if self._left is None or not (is_change(message) or message[1] == BARRIER_REQUEST):
            return not self.whole
        self._left -= 1
        return self._left < 0
