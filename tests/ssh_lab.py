"""A real OpenSSH server in the namespace of a Mininet host, and the way to it as something that can be cut. sshd is started by its path and
ended by its process id; the system's own configuration, keys and shadow file are not used."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from tests.openflow_lab import wait_for

NEW_NET = 0x40000000  # CLONE_NEWNET
SSHD = "/usr/sbin/sshd"
CUTTING = """#!/bin/sh
# Stands in the place of {tool} and ends its SSH session where the test says so: before the tool runs, or after.
fault=$(cat {fault} 2>/dev/null)
die() {{
    rm -f {fault}
    parent=$PPID
    until [ "$(cat /proc/$parent/comm)" = sshd ]; do parent=$(cut -d ' ' -f 4 /proc/$parent/stat); done
    kill -9 "$parent"
}}
case "$fault $*" in
"look "*"{look}"*) die; exit 1 ;;
"before "*"{push}"*) die; exit 1 ;;
"after "*"{push}"*) {real} "$@"; die; exit 1 ;;
esac
exec {real} "$@"
"""


def in_namespace(pid: int, make: Any) -> Any:
    """What `make` gives in the network namespace of a process. A thread of its own goes there, and does not come back."""
    made: list[Any] = []

    def go() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/proc/{pid}/ns/net") as namespace:
            if libc.setns(namespace.fileno(), NEW_NET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        with suppress(OSError):
            made.append(make())

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    if not made:
        raise OSError("could not be reached")
    return made[0]


class Wire:
    """Clients connect to `port` on loopback, and from the namespace of process `pid` to `server`. Can be cut, at once or after so many
    more bytes from the client."""

    def __init__(self, pid: int, server: tuple[str, int]) -> None:
        self._pid, self._server = pid, server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.whole = True
        self.up = 0  # bytes from the client
        self.logins = 0
        self._end: int | None = None
        self._ends: set[socket.socket] = set()

    def __enter__(self) -> Wire:
        threading.Thread(target=self._accept, name="wire", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sever()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def sever(self) -> None:
        self.whole = False
        for end in list(self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def sever_after(self, more: int) -> None:
        self._end = self.up + more

    def mend(self) -> None:
        self._end, self.whole = None, True

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        if not self.whole:
            client.close()
            return
        self.logins += 1
        with (
            client,
            suppress(OSError),
            in_namespace(self._pid, lambda: socket.create_connection(self._server)) as server,
        ):
            pair = {client, server}
            self._ends |= pair
            for end in pair:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            down = threading.Thread(target=self._pass, args=(server, client), daemon=True)
            down.start()
            self._pass(client, server)
            down.join()
            self._ends -= pair

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if source is not target and source.getsockname()[1] == self.port:
                    self.up += len(data)
                    if self._end is not None and self.up > self._end:
                        target.sendall(data[: max(0, len(data) - (self.up - self._end))])
                        self.sever()
                        return
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def require_sshd() -> None:
    if os.geteuid() != 0 or not Path(SSHD).exists() or shutil.which("nft", path="/usr/sbin:/sbin") is None:
        pytest.fail("needs root, openssh-server and nftables: see `make setup`")


def known_hosts(folder: Path, port: int) -> Path:
    """The file that knows the host key of the server in `folder`, at a port on loopback."""
    key = (folder / "host_key.pub").read_text().split()
    found = folder / f"known_hosts_{port}"
    found.write_text(f"[127.0.0.1]:{port} {key[0]} {key[1]}\n")
    return found


def cutting(node: Any, folder: Path, tool: str, look: str, push: str) -> Path:
    """From now on the node's sessions end where the file that is given back says so (`look`, `before`, `after`): see CUTTING."""
    path = shutil.which(tool, path="/usr/sbin:/sbin:/usr/bin")
    assert path is not None
    real, script, fault = folder / f"{tool}-real", folder / f"{tool}-cutting", folder / f"{tool}-fault"
    shutil.copy2(path, real)
    script.write_text(CUTTING.format(tool=tool, fault=fault, real=real, look=look, push=push))
    script.chmod(0o755)
    assert node.cmd(f"mount --bind {script} {os.path.realpath(path)}") == ""
    return fault


@contextmanager
def running_sshd(node: Any, folder: Path, *addresses: str, password: str | None = None) -> Iterator[Path]:
    """sshd in the node's namespaces, on port 22 of its addresses. Gives the private key that root may log in with; with `password`, that
    does too."""
    require_sshd()
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True, timeout=10)
    shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
    if password is not None:
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", password], check=True, capture_output=True, text=True, timeout=10
        ).stdout.strip()
        shadow = folder / "shadow"
        shadow.touch(0o600)
        shadow.write_text(f"root:{hashed}:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n")
        assert node.cmd(f"mount --bind {shadow} /etc/shadow") == ""
    (folder / "sshd_config").write_text(
        "\n".join(
            [
                *(f"ListenAddress {address}" for address in addresses),
                f"HostKey {folder}/host_key",
                f"AuthorizedKeysFile {folder}/authorized_keys",
                "PidFile none",
                "UsePAM no",
                "UseDNS no",
                "StrictModes no",
                "PrintMotd no",
                "PermitRootLogin yes",
                f"PasswordAuthentication {'no' if password is None else 'yes'}",
                "LogLevel ERROR",
                "",
            ]
        )
    )
    node.cmd("mkdir -p /run/sshd && chmod 755 /run/sshd")
    log = folder / "sshd.log"
    with log.open("wb") as said:
        server = node.popen([SSHD, "-D", "-e", "-f", str(folder / "sshd_config")], stdout=said, stderr=said)
    try:
        for address in addresses:
            wait_for(f"sshd at {address}: {log.read_text()}", lambda: _listens(node.pid, address))  # noqa: B023 - waited for here
        yield folder / "user_key"
    finally:
        server.terminate()
        server.wait(timeout=10)


def _listens(pid: int, address: str) -> bool:
    try:
        in_namespace(pid, lambda: socket.create_connection((address, 22), timeout=5)).close()
    except OSError:
        return False
    return True
