"""The command line of a virtual IOS switch: prompts and modes, exec commands, and configuration that counts line by line.

What a session is answered follows Cisco's "Using the Command-Line Interface": a word that cannot stand where it stands is pointed at by a
caret, `% Invalid input detected at '^' marker.`; a line that ends too early is `% Incomplete command.`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping

from topologies.vendor.configuration import InvalidInput, Rejected
from topologies.vendor.ios import STARTUP, IosSwitch, opened
from topologies.vendor.ios_show import show
from topologies.vendor.ssh_front import Ended, SshFront

_FREE = 90_000_000
_SUBMODES = {
    "interface": "if",
    "vlan": "vlan",
    "archive": "archive",
    "line": "line",
    "ip": "ext-nacl",
    "ipv6": "ipv6-acl",
    "mac": "ext-macl",
}
_BACKING_UP = "Rollback Confirmed Change: Backing up current running config to flash:archive-0"


class IosShell:
    """One session of a user, privileged unless he may only look (`faults.read_only`)."""

    def __init__(self, switch: IosSwitch, user: str) -> None:
        self._switch, self._user = switch, user
        self._configures = False
        self._context: str | None = None
        self._question: tuple[str, Callable[[str], str]] | None = None

    @property
    def asks(self) -> bool:
        return self._question is not None

    @property
    def _may_change(self) -> bool:
        return self._user not in self._switch.faults.read_only

    def prompt(self) -> str:
        if self._question is not None:
            return self._question[0]
        name = self._switch.hostname
        if not self._configures:
            return f"{name}{'#' if self._may_change else '>'}"
        submode = f"-{_SUBMODES[self._context.split()[0]]}" if self._context is not None else ""
        return f"{name}(config{submode})#"

    def take(self, line: str) -> str:
        with self._switch.lock:
            if self._question is not None:
                (_, answer), self._question = self._question, None
                return self._guarded(lambda: answer(line.strip()), line, 0)
            if not line.split():
                return ""
            column = len(self.prompt())
            return self._guarded(lambda: self._configure(line) if self._configures else self._exec(line), line, column)

    def _guarded(self, work: Callable[[], str], line: str, column: int) -> str:
        try:
            return work()
        except InvalidInput as error:
            return complaint(line, error, column)
        except Rejected as error:
            return str(error)

    def _exec(self, line: str) -> str:
        words = line.split()
        refuse = self._switch.faults.refuse
        if refuse is not None and refuse.search(line.strip()):
            raise InvalidInput(0, words[0])
        match words:
            case ["exit" | "logout" | "quit"]:
                raise Ended
            case ["show", *_]:
                return show(self._switch, " ".join(words))
            case ["terminal", "length" | "width", _] | ["enable"]:
                if words[0] == "enable" and not self._may_change:
                    return "% Access denied"
                return ""
            case _ if not self._may_change:
                raise InvalidInput(0, words[0])
            case ["configure", *rest]:
                return self._configure_command(rest)
            case ["copy", source, target]:
                return self._copy(source, target)
            case ["write"] | ["write", "mem" | "memory"]:
                self._switch.save()
                return "Building configuration...\n[OK]"
            case ["more", name]:
                return self._switch.contents(name)
            case ["dir"]:
                return self._dir("flash:/")
            case ["dir", name]:
                return self._dir(name)
            case ["verify", "/md5", name]:
                content = self._switch.contents(name).encode()
                digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
                return f".Done!\nverify /md5 ({name}) = {digest}"
            case ["delete", "/force", name]:
                self._switch.contents(name)
                self._switch.path(name).unlink()
                return ""
        raise InvalidInput(0, words[0])

    def _configure_command(self, words: list[str]) -> str:
        match words:
            case ["terminal"]:
                self._configures, self._context = True, None
                return "Enter configuration commands, one per line.  End with CNTL/Z."
            case ["terminal", "revert", "timer", minutes]:
                self._switch.wait_for_confirmation(self._user, _minutes(minutes, 4))
                self._configures, self._context = True, None
                return f"{_BACKING_UP}\nEnter configuration commands, one per line.  End with CNTL/Z."
            case ["replace", file, *options]:
                return self._replace(file, options)
            case ["confirm"]:
                return "" if self._switch.settled() else "%No Rollback Confirmed Change pending"
            case ["revert", "now"]:
                self._switch.revert()
                return (
                    "Rollback Confirmed Change: rolling to: flash:archive-0\n\nTotal number of passes: 1\nRollback Done"
                )
        raise InvalidInput(1 if words else None, words[0] if words else "")

    def _replace(self, file: str, options: list[str]) -> str:
        """`[force] [revert trigger error] [timer <minutes> | revert timer <minutes>]`."""
        said = " ".join(options)
        found = re.fullmatch(r"(?:force)? ?(revert trigger error)? ?(?:(?:revert )?timer (\d+))?", said)
        if found is None:
            raise InvalidInput(3, said.split()[0])
        if found[2] is not None and not self._switch.archives:
            return "%Please turn config archive on"
        try:
            wanted = self._switch.read(file)
        except InvalidInput as error:
            restored = "\nThe original configuration has been successfully restored." if found[1] else ""
            return f"{complaint('', error, 0)}\nError: the replacement configuration could not be applied.{restored}"
        told = ""
        if found[2] is not None:
            self._switch.wait_for_confirmation(self._user, _minutes(found[2], 3))
            told = f"{_BACKING_UP}\n"
        self._switch.replace(wanted)
        return f"{told}Total number of passes: 1\nRollback Done\n"

    def _copy(self, source: str, target: str) -> str:
        """IOS asks for the name of what is written unless `file prompt quiet` is configured."""
        if target in ("running-config", "system:/running-config", "system:running-config"):
            return self._asked("running-config", lambda: self._merge(source))
        if target in ("startup-config", "nvram:/startup-config"):
            return self._asked("startup-config", lambda: self._write(source, STARTUP))
        name = self._switch.path(target).name
        return self._asked(name, lambda: self._write(source, name))

    def _asked(self, name: str, work: Callable[[], str]) -> str:
        if "file prompt quiet" in self._switch.running.lines:
            return work()
        self._question = (f"Destination filename [{name}]? ", lambda _: work())
        return ""

    def _write(self, source: str, name: str) -> str:
        if source == "running-config" and name == STARTUP:
            self._switch.save()
            return "Building configuration...\n[OK]"
        if source == "null:":
            text = ""
        else:
            text = self._switch.text() if source == "running-config" else self._switch.contents(source)
        (self._switch.flash / name).write_text(text)
        return f"{len(text)} bytes copied in 0.101 secs ({len(text) * 10} bytes/sec)"

    def _merge(self, source: str) -> str:
        text = self._switch.contents(source)
        refused = [
            complaint(line, error, 0) if isinstance(error, InvalidInput) else str(error)
            for line, error in self._switch.merge(text.splitlines())
        ]
        return "\n".join([*refused, f"{len(text)} bytes copied in 0.101 secs ({len(text) * 10} bytes/sec)"])

    def _dir(self, name: str) -> str:
        plain = re.sub(r"^flash:/?", "", name)
        found = sorted(self._switch.flash.iterdir()) if not plain else [self._switch.path(name)]
        if not all(path.is_file() for path in found):
            raise Rejected(f"%Error opening {name} (No such file or directory)")
        rows = [
            f"    {n}  -rwx  {path.stat().st_size:10d}   Mar 1 1993 00:01:00 +00:00  {path.name}"
            for n, path in enumerate(found, 2)
        ]
        return "\n".join(
            [
                f"Directory of {name if plain else 'flash:/'}",
                "",
                *rows,
                "",
                f"122185728 bytes total ({_FREE} bytes free)",
            ]
        )

    def _configure(self, line: str) -> str:
        words = line.split()
        if words == ["end"] or (words == ["exit"] and self._context is None):
            self._configures, self._context = False, None
            return ""
        if words == ["exit"]:
            self._context = None
            return ""
        if words[0] == "do":
            return self._exec(" ".join(words[1:]))
        if words[0].startswith("!"):
            return ""
        vlans = set(self._switch.running.of("vlan"))
        self._switch.take(self._context, line)
        self._context = opened(words, self._context)
        made = sorted(set(self._switch.running.of("vlan")) - vlans)
        return f"% Access VLAN does not exist. Creating vlan {made[0]}" if made and words[0] == "switchport" else ""


def served_over_ssh(
    switch: IosSwitch, users: Mapping[str, str], address: tuple[str, int] = ("127.0.0.1", 0)
) -> SshFront:
    """The switch's SSH and SCP server, not started yet. Without `ip scp server enable` it takes no file."""

    def put(user: str, path: str, content: bytes) -> None:
        with switch.lock:
            if "ip scp server enable" not in switch.running.lines or user in switch.faults.read_only:
                raise OSError("Privilege denied.")
            try:
                switch.path(path).write_bytes(content)
            except Rejected as error:
                raise OSError(str(error)) from None

    return SshFront(lambda user: IosShell(switch, user), put, users, switch.flash, switch.faults, address)


def complaint(line: str, error: InvalidInput, column: int) -> str:
    """What IOS says of a line that it does not take; the caret stands under the word that cannot stand there."""
    if error.token is None:
        return "% Incomplete command.\n"
    starts = [found.start() for found in re.finditer(r"\S+", line)]
    at = column + (starts[error.token] if error.token < len(starts) else len(line))
    return f"{' ' * at}^\n% Invalid input detected at '^' marker.\n"


def _minutes(word: str, token: int) -> int:
    if not word.isdigit() or not 1 <= int(word) <= 120:
        raise InvalidInput(token, word)
    return int(word)
