"""A command line over SSH, as a switch's management plane has one: password login, one terminal a session, and files put by SCP. Or none of
these, and messages instead: NETCONF's subsystem (RFC 6242), each of them ended by `]]>]]>`.

It is the server's side of paramiko, which is installed with os-ken and Netmiko anyway; asyncssh would be one dependency more, for tests and
labs alone. Files come by the old SCP protocol (`scp -t` run as a command), which is what Netmiko's and NAPALM's transfers speak to Cisco.
"""

from __future__ import annotations

import hmac
import logging
import shlex
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol

import paramiko

from topologies.vendor.faults import Faults, Sever

LOG = logging.getLogger("netcordon.virtual.ssh")
LOG.propagate = False  # a client that hangs up is its own business, and paramiko logs it as an error
LOG.addHandler(logging.NullHandler())
LOOK = 0.05  # seconds from one look at whether the switch is still reachable to the next


class Ended(Exception):
    """The session is over by the user's own word."""


class Terminal(Protocol):
    """What answers to one session's lines."""

    @property
    def asks(self) -> bool:
        """Whether a question waits for its answer, so that an empty line is one."""

    def prompt(self) -> str:
        """What stands before the next line that is typed."""

    def take(self, line: str) -> str:
        """The answer to a line. Raises Ended."""


class Peer(Protocol):
    """What answers to one session's messages, "" where there is nothing to say. It ends when it is `over`, or with who hangs up."""

    over: bool

    def hello(self) -> str:
        """What it says first."""

    def answer(self, message: str) -> str: ...

    def close(self) -> None:
        """The session is over, whoever ended it."""


END = "]]>]]>"
Upload = Callable[[str, str, bytes], None]
"""A user has put a file: his name, its path, what is in it. Raises OSError with what he is told."""


class SshFront:
    """Serves terminals on `address` (a port of 0 takes a free one) to `users`, as name and password, until the block ends. The host key is
    made once, in `folder`. `heard` are all lines that were typed, and those of all files that were put."""

    def __init__(
        self,
        terminal: Callable[[str], Terminal] | None,
        upload: Upload | None,
        users: Mapping[str, str],
        folder: Path,
        faults: Faults,
        address: tuple[str, int] = ("127.0.0.1", 0),
        netconf: Callable[[str], Peer] | None = None,
    ) -> None:
        self.terminal, self.upload, self.users, self.faults = terminal, upload, users, faults
        self.netconf = netconf
        self.key = _host_key(folder)
        self.heard: set[str] = set()
        self._address = address
        self._listener: socket.socket | None = None
        self._transports: set[paramiko.Transport] = set()
        self._accepting = threading.Thread(target=self._accept, name="ssh", daemon=True)

    @property
    def port(self) -> int:
        assert self._listener is not None  # noqa: S101 - it was started
        return int(self._listener.getsockname()[1])

    @property
    def connections(self) -> int:
        """How many stand now."""
        return len(self._transports)

    def start(self) -> None:
        self._listener = socket.create_server(self._address)
        self._accepting.start()

    def stop(self) -> None:
        assert self._listener is not None  # noqa: S101 - it was started
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for transport in list(self._transports):
            transport.close()

    def __enter__(self) -> SshFront:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def write_known_hosts(self, path: Path, host: str = "127.0.0.1") -> Path:
        """What a client that is to trust this switch must know."""
        path.write_text(f"[{host}]:{self.port} {self.key.get_name()} {self.key.get_base64()}\n")
        return path

    def _accept(self) -> None:
        assert self._listener is not None  # noqa: S101 - it was started
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.faults.unreachable:
                    client.close()
                    continue
                threading.Thread(target=self._serve, args=(client,), name="ssh-session", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport = paramiko.Transport(client)
        transport.set_log_channel(LOG.name)
        transport.add_server_key(self.key)
        self._transports.add(transport)
        try:
            transport.start_server(server=_Session(self, transport))
            while transport.is_active() and not self.faults.unreachable:
                transport.join(LOOK)
        except (paramiko.SSHException, OSError, EOFError):
            pass
        finally:
            transport.close()
            self._transports.discard(transport)


class _Session(paramiko.ServerInterface):
    def __init__(self, front: SshFront, transport: paramiko.Transport) -> None:
        self._front, self._transport = front, transport
        self._user = ""

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        wanted = self._front.users.get(username)
        if wanted is None or not hmac.compare_digest(wanted.encode(), password.encode()):
            return int(paramiko.AUTH_FAILED)
        self._user = username
        return int(paramiko.AUTH_SUCCESSFUL)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        known = kind == "session"
        return int(paramiko.OPEN_SUCCEEDED if known else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED)

    def check_channel_pty_request(self, channel: paramiko.Channel, *_: object) -> bool:
        return True

    def check_channel_window_change_request(self, channel: paramiko.Channel, *_: object) -> bool:
        return True

    def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:
        if self._front.terminal is None:
            return False
        self._run(self._type, channel)
        return True

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        if self._front.netconf is None or name != "netconf":
            return False
        self._run(self._exchange, channel)
        return True

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        words = shlex.split(command.decode(errors="replace"))
        if self._front.upload is None or words[:1] != ["scp"] or "-t" not in words:
            return False
        self._run(self._receive, channel, words[-1])
        return True

    def _run(self, work: Callable[..., None], channel: paramiko.Channel, *also: str) -> None:
        def guarded() -> None:
            with suppress(OSError, EOFError, paramiko.SSHException):
                work(channel, *also)
            with suppress(OSError, EOFError, paramiko.SSHException):
                channel.close()

        threading.Thread(target=guarded, name="ssh-channel", daemon=True).start()

    def _type(self, channel: paramiko.Channel) -> None:
        """A terminal with echo, as a line editor has it: what is typed ahead waits its turn."""
        assert self._front.terminal is not None  # noqa: S101 - see check_channel_shell_request
        terminal = self._front.terminal(self._user)
        channel.sendall(("\r\n" + terminal.prompt()).encode())
        typed = ""
        while data := channel.recv(65536):
            for sign in data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n"):
                if sign != "\n":
                    typed += sign if sign.isprintable() else ""
                    continue
                line, typed = typed, ""
                try:
                    answer = self._answer(terminal, line)
                except Ended:
                    channel.sendall((line + "\r\n").encode())
                    self._transport.close()
                    return
                shown = line + "\n" + answer + ("\n" if answer and answer[-1] != "\n" else "")
                channel.sendall((shown.replace("\n", "\r\n") + terminal.prompt()).encode())

    def _answer(self, terminal: Terminal, line: str) -> str:
        if not line.strip() and not terminal.asks:
            return terminal.take(line)
        if line.strip():
            self._front.heard.add(line)
        with self._fault():
            return terminal.take(line)

    def _receive(self, channel: paramiko.Channel, path: str) -> None:
        """The sink of the SCP protocol: `C<mode> <size> <name>`, the bytes and a zero; each is answered by a zero."""
        stream = channel.makefile("rb")
        channel.sendall(b"\0")
        while header := stream.readline():
            if header[:1] != b"C":
                channel.sendall(b"\0")
                continue
            channel.sendall(b"\0")
            content = stream.read(int(header.split()[1]))
            self._front.heard.update(line.strip() for line in content.decode(errors="replace").splitlines())
            stream.read(1)
            with self._fault():
                try:
                    assert self._front.upload is not None  # noqa: S101 - see check_channel_exec_request
                    self._front.upload(self._user, path, content)
                except OSError as error:
                    channel.sendall(b"\1" + str(error).encode() + b"\n")
                    return
            channel.sendall(b"\0")
        channel.send_exit_status(0)

    def _exchange(self, channel: paramiko.Channel) -> None:
        assert self._front.netconf is not None  # noqa: S101 - see check_channel_subsystem_request
        peer = self._front.netconf(self._user)
        try:
            channel.sendall(f"{peer.hello()}\n{END}\n".encode())
            heard = ""
            while data := channel.recv(65536):
                heard += data.decode(errors="replace")
                while END in heard:
                    message, _, heard = heard.partition(END)
                    answer = self._told(peer, message.strip())
                    if answer:
                        channel.sendall(f"{answer}\n{END}\n".encode())
                    if peer.over:
                        return
        finally:
            peer.close()

    def _told(self, peer: Peer, message: str) -> str:
        if "<hello" in message[:400]:
            return peer.answer(message)
        with self._fault():
            return peer.answer(message)

    def _fault(self) -> _Fault:
        return _Fault(self._front.faults, self._transport)


class _Fault:
    """A command, or a file, that may lose its connection: before it is run, or after it."""

    def __init__(self, faults: Faults, transport: paramiko.Transport) -> None:
        self._faults, self._transport = faults, transport
        self._due: Sever | None = None

    def __enter__(self) -> None:
        if self._faults.unreachable:
            self._hang_up()
        self._due = self._faults.due()
        if self._due is Sever.BEFORE:
            self._hang_up()
        if self._faults.delay:
            time.sleep(self._faults.delay)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._due is Sever.AFTER:
            self._hang_up()

    def _hang_up(self) -> None:
        self._transport.close()
        raise EOFError


def _host_key(folder: Path) -> paramiko.PKey:
    path = folder / "ssh_host_key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        paramiko.ECDSAKey.generate().write_private_key_file(str(path))
    return paramiko.ECDSAKey(filename=str(path))
