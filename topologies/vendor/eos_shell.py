"""The command line of a virtual EOS switch: exec commands, and the modes in which configuration is typed."""

from __future__ import annotations

import re
from collections.abc import Callable

from topologies.vendor.configuration import Editor, InvalidInput
from topologies.vendor.eos import CommandFailed, EosSwitch
from topologies.vendor.eos_grammar import GRAMMAR


class Shell:
    """The commands of one request, run in turn: eAPI keeps no mode from one request to the next. Call under the switch's lock."""

    def __init__(self, switch: EosSwitch, show: Callable[[EosSwitch, str], object], *, may_change: bool) -> None:
        self._switch, self._show, self._may_change = switch, show, may_change
        self._session = ""
        self._editor: Editor | None = None
        self._terminal = False
        self._opened: str | None = None

    def run(self, command: str) -> object:
        """What the command answers: a mapping, or a text where EOS knows none. Raises CommandFailed."""
        words = command.split()
        if not words or words == ["!"]:
            return {}
        refuse = self._switch.faults.refuse
        try:
            if refuse is not None and refuse.search(command):
                raise InvalidInput(0, words[0])
            return self._exec(words, command) if self._editor is None else self._configure(self._editor, words, command)
        except InvalidInput as error:
            raise CommandFailed(1002, f"invalid command: {error}") from error

    def _exec(self, words: list[str], command: str) -> object:
        match words:
            case ["end" | "exit"]:
                return {}
            case ["enable"] if self._may_change:
                return {}
            case ["show", *_]:
                return self._show(self._switch, " ".join(words))
            case _ if not self._may_change:
                raise CommandFailed(1005, "Command unauthorized: user has insufficient permissions to run the command")
            case ["configure"] | ["configure", "terminal"]:
                self._editor, self._terminal = Editor(GRAMMAR, self._switch.running), True
                return {}
            case ["configure", "session", name]:
                self._session = name
                session = self._switch.enter(name)
                session.took.append("end")  # every request begins at the top
                self._editor = Editor(GRAMMAR, session.candidate)
                return {}
            case ["configure", "session", name, "commit"]:
                self._switch.commit(name)
            case ["configure", "session", name, "commit", "timer", span]:
                self._switch.commit(name, _seconds(span, 5))
            case ["configure", "session", name, "abort"]:
                self._switch.abort(name)
            case ["configure", "replace", file] if file.startswith("flash:"):
                self._switch.replace(file.removeprefix("flash:").lstrip("/"))
            case ["write"] | ["write", "memory"] | ["copy", "running-config", "startup-config"]:
                self._switch.save()
            case ["copy", "startup-config", file] if file.startswith("flash:"):
                self._switch.save(file.removeprefix("flash:").lstrip("/"), self._switch.read("startup-config"))
            case ["reload", "now"]:
                self._switch.reload()
            case _:
                raise InvalidInput(0, words[0])
        return "Copy completed successfully.\n" if words[0] in ("write", "copy") else ""

    def _configure(self, editor: Editor, words: list[str], command: str) -> object:
        if words == ["end"]:
            self._editor, self._terminal = None, False
            return {}
        if self._terminal:
            self._switch.edit([*self._context(), command])
            self._editor = Editor(GRAMMAR, self._switch.running)
            self._remember(words, command)
            return {}
        session = self._switch.named(self._session)
        if words == ["rollback", "clean-config"]:
            session.clean, session.candidate, session.took = True, self._switch.factory(), []
            self._editor = Editor(GRAMMAR, session.candidate)
        elif words[0] in ("commit", "abort"):
            getattr(self._switch, words[0])(
                self._session, *([_seconds(words[2], 2)] if words[1:2] == ["timer"] else [])
            )
            self._editor = None
        else:
            editor.take(command)
            session.took.append(command)
        return {}

    def _context(self) -> list[str]:
        """Under `configure terminal` each line counts at once, and is taken in the mode that the former ones opened."""
        return [self._opened] if self._opened is not None else []

    def _remember(self, words: list[str], command: str) -> None:
        if words[0] in ("interface", "vlan") or words[1:2] == ["access-list"]:
            self._opened = command
        elif words == ["exit"]:
            self._opened = None


def _seconds(span: str, token: int) -> float:
    found = re.fullmatch(r"(\d{1,2}):(\d{2}):(\d{2})", span)
    if found is None:
        raise InvalidInput(token, span)
    hours, minutes, seconds = (int(part) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds
