"""A POSIX shell on the far side of an SSH session that Netmiko opened: a command goes in, its output and its exit status come out.

The login shell is replaced by `sh` with a prompt that nobody can guess and that carries `$?`. So the end of an answer is never mistaken for
something in it, and no command's failure is missed. Netmiko's own `send_command` tells neither a closed channel from a slow one nor an exit
status, so its channel is read here.
"""

from __future__ import annotations

import logging
import re
import secrets
import socket
import time
from contextlib import suppress
from typing import Any

from netmiko import ConnectHandler
from netmiko.exceptions import NetmikoBaseException
from paramiko.ssh_exception import SSHException

from drivers.credentials import password, require_private
from drivers.netmiko_cli.options import NetmikoOptions
from drivers.warm_session import Lost, Refused, in_one_line

LOG = logging.getLogger("netcordon.netmiko")
CONNECT = 10.0
"""Seconds for each step of a login."""
ANSWER = 30.0
"""Seconds for one command, for whoever has set no shorter deadline."""
TICK = 0.005
LONGEST_LINE = 4000
"""Bytes: a terminal takes 4,095 in one line (N_TTY), and drops what is beyond."""


class Shell:
    """Once it is cut, nothing more is sent on it."""

    def __init__(self, device: str, options: NetmikoOptions) -> None:
        self._device, self._options = device, options
        self._socket: socket.socket | None = None
        self._netmiko: Any = None
        self._is_cut = False
        self._prompt = re.compile("")

    @property
    def stands(self) -> bool:
        """Whether it is open, as far as this side knows."""
        channel = None if self._netmiko is None else self._netmiko.remote_conn
        return channel is not None and not channel.closed and not channel.eof_received

    @property
    def was_open(self) -> bool:
        return self._netmiko is not None

    def cut(self) -> None:
        self._is_cut = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()

    def open(self) -> None:
        """Log in. Raises Lost, or NoCredentials."""
        options = self._options
        login = self._login()
        logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # it prints tracebacks of what is reported here anyway
        try:
            self._socket = socket.create_connection((options.host, options.port), timeout=CONNECT)
            if self._is_cut:
                raise OSError("given up")
            self._netmiko = ConnectHandler(
                device_type="linux",
                host=options.host,
                port=options.port,
                username=options.username,
                sock=self._socket,
                ssh_strict=options.verify,
                system_host_keys=options.verify and options.known_hosts is None,
                alt_host_keys=options.verify and options.known_hosts is not None,
                alt_key_file="" if options.known_hosts is None else str(options.known_hosts.expanduser()),
                conn_timeout=CONNECT,
                auth_timeout=CONNECT,
                banner_timeout=CONNECT,
                keepalive=30,
                auto_connect=False,
                **login,
            )
            self._netmiko.establish_connection()
            self._become_sh()
        except (NetmikoBaseException, SSHException, OSError, EOFError, ValueError) as error:
            raise Lost(_login_failed(error)) from None

    def run(self, command: str, deadline: float = ANSWER) -> str:
        """What the command printed. Raises Refused with its last words when its status is not 0, and Lost."""
        if any(len(line.encode()) > LONGEST_LINE for line in command.splitlines()):
            raise Refused("a line of the command is longer than a terminal takes: nothing was sent")
        try:
            self._netmiko.write_channel(command + "\n")
            said, status = self._answer(deadline)
        except (NetmikoBaseException, SSHException, OSError, EOFError) as error:
            raise Lost(in_one_line(error)) from None
        if status != 0:
            raise Refused(f"exit status {status}: {in_one_line(said[-290:])}")
        return said

    def _login(self) -> dict[str, Any]:
        options = self._options
        if options.key_file is None:
            return {"password": password(self._device, options.password_file)}
        key = options.key_file.expanduser()
        require_private(key)
        locked = None if options.password_file is None else password(self._device, options.password_file)
        return {"use_keys": True, "key_file": str(key), "passphrase": locked}

    def _become_sh(self) -> None:
        if not self._options.verify:
            LOG.warning(
                "%s: its host key is not verified (verify: false): who is in between can read all", self._device
            )
        mark = f"nc-{secrets.token_hex(12)}"
        self._prompt = re.compile(rf"<{mark}:(\d+)> ")
        # The login shell may be any: this line is quoted so that all of them read it alike, and what it echoes is no prompt.
        self._netmiko.write_channel(f"exec env ENV= TERM=dumb LC_ALL=C HISTFILE= TMOUT=0 PS1='<{mark}:$?> ' PS2= sh\n")
        self._answer(CONNECT)
        self._netmiko.write_channel("stty -echo -opost; PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; export PATH\n")
        self._answer(CONNECT)

    def _answer(self, deadline: float) -> tuple[str, int]:
        """All up to the next prompt, and the status that this tells."""
        said, ends = "", time.monotonic() + deadline
        while True:
            stood = self.stands
            said += self._netmiko.read_channel()
            if (end := self._prompt.search(said, max(0, len(said) - 200))) is not None:
                return said[: end.start()], int(end[1])
            if not stood:
                raise EOFError("the session ended")
            if time.monotonic() > ends:
                raise EOFError(f"no answer within {deadline:g} s")
            time.sleep(TICK)


def _login_failed(error: BaseException) -> str:
    """Netmiko's messages have headings and advice of many lines; what counts is the cause."""
    said = in_one_line(error)
    if "not found in known_hosts" in said:
        return (
            "its host key is not known: put it into `known_hosts` after you have compared it (ssh-keyscan asks for it)"
        )
    if "does not match" in said:
        return "its host key is another one than `known_hosts` has: it was installed anew, or somebody is in between"
    if "Authentication" in said:
        return "the device does not accept the user name, key or password"
    return said
