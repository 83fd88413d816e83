"""The command line of a virtual NX-OS switch: prompts and modes, exec commands, configuration that counts line by line, and dual-stage
configuration that counts when it is committed.

What a session is answered follows public transcripts: a word that cannot stand where it stands is pointed at by a caret, `% Invalid command
at '^' marker.`; a line that ends too early is `% Incomplete command at '^' marker.`. `show` is taken in any mode. What `end` does with
lines that were not committed is not known; here they are gone, as with `abort`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from topologies.vendor.configuration import Editor, InvalidInput, Rejected
from topologies.vendor.nxos import NxosSwitch, Unconfirmed, opened
from topologies.vendor.nxos_show import show
from topologies.vendor.ssh_front import Ended, SshFront

_FREE, _TOTAL = 110_314_684_416, 116_526_366_720
_SUBMODES = {"interface": "if", "vlan": "vlan", "ip": "acl", "ipv6": "ipv6-acl", "mac": "mac-acl"}
_ENTER = "Enter configuration commands, one per line. End with CNTL/Z."
_ROLLING = """\
Note: Applying config parallelly may fail Rollback verification
Collecting Running-Config
Generating Rollback Patch
Executing Rollback Patch
"""
_ROLLED = """\
Generating Running-config for verification
Generating Patch for verification
Verification is Successful.

Rollback completed successfully.
"""
_COMMITTED = """\
Verification Succeeded.

Proceeding to apply configuration. This might take a while depending on amount of configuration in buffer.
Please avoid other configuration changes during this time.
Configuration committed by user '{}' using Commit ID : {}"""


class NxosShell:
    """One session of a user, who may change nothing where he may only look (`faults.read_only`). `_staged` are the lines that were typed
    in dual-stage mode, each with the header of the mode that it was typed in; `_trial` has taken them so far."""

    def __init__(self, switch: NxosSwitch, user: str) -> None:
        self._switch, self._user = switch, user
        self._mode = ""
        self._context: str | None = None
        self._staged: list[tuple[str | None, str]] = []
        self._trial: Editor | None = None
        self._waiting: Unconfirmed | None = None
        self._asks_back = True
        self._question: tuple[str, Callable[[str], str]] | None = None

    @property
    def asks(self) -> bool:
        return self._question is not None

    def prompt(self) -> str:
        if self._question is not None:
            return self._question[0]
        name = self._switch.hostname
        if not self._mode:
            return f"{name}# "
        submode = f"-{_SUBMODES[self._context.split()[0]]}" if self._context is not None else ""
        return f"{name}({self._mode}{submode})# "

    def take(self, line: str) -> str:
        with self._switch.lock:
            if self._question is not None:
                (_, answer), self._question = self._question, None
                return self._guarded(lambda: answer(line.strip()), line, 0)
            said, column = self._news(), len(self.prompt())
            if not line.split() or line.lstrip().startswith("!"):
                return said
            return said + self._guarded(lambda: self._typed(line), line, column)

    def _news(self) -> str:
        if self._waiting is None or not self._waiting.expired:
            return ""
        self._waiting = None
        return "Confirm commit Timer expired, triggering rollback commit\nRollback in progress\n"

    def _guarded(self, work: Callable[[], str], line: str, column: int) -> str:
        try:
            return work()
        except InvalidInput as error:
            return complaint(line, error, column)
        except Rejected as error:
            return str(error)

    def _typed(self, line: str) -> str:
        words = line.split()
        if words == ["show", "configuration"] and self._mode == "config-dual-stage":
            return self._cached()
        if words[0] == "show":
            self._switch.check(line)
            return show(self._switch, " ".join(words))
        if not self._mode:
            return self._exec(line)
        return self._staging(line) if self._mode == "config-dual-stage" else self._configure(line)

    # --- exec -------------------------------------------------------------------------------------------------------------

    def _exec(self, line: str) -> str:
        words = line.split()
        self._switch.check(line)
        match words:
            case ["exit" | "logout"]:
                raise Ended
            case ["terminal", "length" | "width", _] | ["enable"]:
                return ""
            case ["terminal", "dont-ask"] | ["no", "terminal", "dont-ask"]:
                self._asks_back = words[0] == "no"
                return ""
            case _ if self._user in self._switch.faults.read_only:
                return "% Permission denied for the role"
            case ["configure", "terminal" | "dual-stage"]:
                self._mode = "config" if words[1] == "terminal" else "config-dual-stage"
                self._context, self._staged, self._trial = None, [], None
                return _ENTER
            case ["copy", source, target]:
                return self._copy(source, target)
            case ["dir", *name]:
                return self._dir(name[0] if name else "bootflash:")
            case ["delete", name]:
                return self._delete(name)
            case ["checkpoint", "file", name]:
                self._switch.path(name).write_text(f"!Command: Checkpoint cmd vdc 1\n\n{self._switch.text()}")
                return "Done"
            case ["rollback", "running-config", "file", name]:
                return self._rollback(name)
        raise InvalidInput(0, words[0])

    def _copy(self, source: str, target: str) -> str:
        if source == "running-config" and target == "startup-config":
            self._switch.save()
            return "[########################################] 100%\nCopy complete."
        text = self._switch.text() if source == "running-config" else self._switch.contents(source)
        self._switch.path(target).write_text(text)
        return "Copy complete."

    def _dir(self, name: str) -> str:
        plain = re.sub(r"^bootflash:/*", "", name)
        found = sorted(self._switch.flash.iterdir()) if not plain else [self._switch.path(name)]
        if not all(path.is_file() for path in found):
            raise Rejected("No such file or directory")
        rows = [f"{path.stat().st_size:>11}    Nov 24 00:00:00 2026  {path.name}" for path in found]
        usage = [f"{_TOTAL - _FREE:>12} bytes used", f"{_FREE:>12} bytes free", f"{_TOTAL:>12} bytes total"]
        return "\n".join([*rows, "", "Usage for bootflash://sup-local", *usage])

    def _delete(self, name: str) -> str:
        self._switch.contents(name)

        def gone(said: str) -> str:
            if said in ("", "y", "yes"):
                self._switch.path(name).unlink()
            return ""

        if self._asks_back:
            self._question = (f'Do you want to delete "/{self._switch.path(name).name}" ? (yes/no/abort)   [y] ', gone)
            return ""
        return gone("y")

    def _rollback(self, name: str) -> str:
        try:
            wanted = self._switch.read(self._switch.contents(name))
            self._switch.replace(wanted)
        except InvalidInput as error:
            return f"{_ROLLING}{complaint('', error, 0)}\nRollback failed.\n"
        except Rejected as error:
            return f"{_ROLLING}{error}\nRollback failed.\n"
        return _ROLLING + _ROLLED

    # --- configuration ----------------------------------------------------------------------------------------------------

    def _configure(self, line: str) -> str:
        words = line.split()
        if self._left(words):
            return ""
        self._switch.take(self._context, line)
        self._context = opened(words, self._context)
        return ""

    def _left(self, words: list[str]) -> bool:
        if words == ["end"] or (words == ["exit"] and self._context is None):
            self._mode, self._context, self._staged = "", None, []
            return True
        if words == ["exit"]:
            self._context = None
            if self._trial is not None:
                self._trial.take("exit")
            return True
        return False

    def _staging(self, line: str) -> str:
        """A line is read where it is typed; whether it can be is found when it is committed."""
        words = line.split()
        match words:
            case ["abort"]:
                self._mode, self._context, self._staged = "", None, []
                return ""
            case ["commit"]:
                return self._commit(None)
            case ["commit", "confirmed", seconds]:
                if not seconds.isdigit() or not 30 <= int(seconds) <= 65535:
                    raise InvalidInput(2, seconds)
                return self._commit(int(seconds))
        if self._left(words):
            return ""
        self._switch.check(line)
        if self._trial is None:
            self._trial = self._switch.editor(self._switch.running.copy())
        self._trial.take(line)
        self._context = opened(words, self._context)
        self._staged.append((None if self._context == " ".join(words) else self._context, line.strip()))
        return ""

    def _lines(self) -> list[str]:
        """What is staged, each line after what opens its mode."""
        return [word for context, line in self._staged for word in ([context, line] if context else [line])]

    def _commit(self, seconds: int | None) -> str:
        if self._waiting is not None and seconds is None and not self._staged:
            self._switch.settled()
            self._waiting = None
            return ""
        try:
            number = self._switch.commit(self._lines(), self, seconds)
        except InvalidInput as error:
            return f"Failed. {error}\ncommit verification failed"
        except Rejected as error:
            return f"{error}\ncommit verification failed"
        self._staged, self._context, self._trial = [], None, None
        self._waiting = self._switch.unconfirmed
        return _COMMITTED.format(self._user, number)

    def _cached(self) -> str:
        told = ["! Cached configuration"]
        for context, line in self._staged:
            told += [f" {line}"] if context else ["!", line]
        return "\n".join(told)


def served_over_ssh(
    switch: NxosSwitch, users: Mapping[str, str], address: tuple[str, int] = ("127.0.0.1", 0)
) -> SshFront:
    """The switch's SSH and SCP server, not started yet. Without `feature scp-server` it takes no file."""

    def put(user: str, path: str, content: bytes) -> None:
        with switch.lock:
            if "feature scp-server" not in switch.running.lines or user in switch.faults.read_only:
                raise OSError("Permission denied")
            try:
                switch.path(path).write_bytes(content)
            except Rejected as error:
                raise OSError(str(error)) from None

    return SshFront(lambda user: NxosShell(switch, user), put, users, switch.flash, switch.faults, address)


def complaint(line: str, error: InvalidInput, column: int) -> str:
    """What NX-OS says of a line that it does not take; the caret stands under the word that cannot stand there."""
    starts = [found.start() for found in re.finditer(r"\S+", line)]
    token = error.token
    at = column + (len(line) if token is None or token >= len(starts) else starts[token])
    return f"{' ' * at}^\n% {'Incomplete' if token is None else 'Invalid'} command at '^' marker.\n"
