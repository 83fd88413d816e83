"""A running configuration as a tree two levels deep (global lines, and sections with lines of their own), and the editor that takes
command lines into it. What a platform's lines are is the platform's `Grammar`; here is only how they are taken and shown."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

Parser = Callable[[str], str]
"""A word's canonical form; ValueError when it is none of its kind."""


class InvalidInput(Exception):
    """The command line is none of the platform's. `token` counts its words from 0; None: it ends too early."""

    def __init__(self, token: int | None, word: str = "") -> None:
        super().__init__("Incomplete command" if token is None else f"Invalid input (at token {token}: {word!r})")
        self.token = token


class Rejected(Exception):
    """The command's words are right, and it is refused all the same; the text is what the platform says."""


@dataclass(frozen=True)
class Statement:
    """A line of one mode. `{kind}` stands for a word of that kind, `{text}` for the rest of the line. The first `key` words name the
    setting whose former value it replaces, together with the last one where `ends` is set; 0: it stands beside others. `default` is the
    line that holds without any, and is not shown."""

    pattern: str
    key: int = 0
    default: str = ""
    ends: bool = False

    @property
    def words(self) -> list[str]:
        return self.pattern.split()

    def replaces(self, text: str, line: str) -> bool:
        """Whether `text`, which is of this statement, takes the place of `line`."""
        new, old = text.split(), line.removeprefix("no ").split()
        if "{" not in self.pattern:
            return new[new[0] == "no" :] == old
        return old[: self.key] == new[: self.key] and (not self.ends or old[-1] == new[-1])


@dataclass(frozen=True)
class Mode:
    """A section's kind: `header` opens it, `statements` are what may stand in it. `entries` reads the lines of an ordered list."""

    header: Statement
    statements: tuple[Statement, ...]
    entries: Callable[[list[str]], tuple[int | None, str]] | None = None


@dataclass(frozen=True)
class Grammar:
    kinds: Mapping[str, Parser]
    top: tuple[Statement, ...]
    modes: tuple[Mode, ...]
    order: tuple[str, ...]
    """Beginnings of headers and lines, in the order in which the platform shows them."""
    indent: str = "   "


@dataclass
class Configuration:
    lines: list[str] = field(default_factory=list)
    sections: dict[str, list[str]] = field(default_factory=dict)

    def copy(self) -> Configuration:
        return Configuration(list(self.lines), {header: list(lines) for header, lines in self.sections.items()})

    def section(self, header: str) -> list[str]:
        return self.sections.get(header, [])

    def of(self, beginning: str) -> dict[str, list[str]]:
        """The sections whose header begins so, by what follows."""
        start = beginning + " "
        return {name[len(start) :]: lines for name, lines in self.sections.items() if name.startswith(start)}

    def text(self, grammar: Grammar) -> str:
        """As the platform shows it: the same configuration is the same text, in whatever order it was typed."""

        def rank(line: str) -> tuple[int, list[tuple[int, str]]]:
            first = next((n for n, word in enumerate(grammar.order) if line.startswith(word)), len(grammar.order))
            return first, _natural(line)

        shown = [f"{line}\n!" for line in sorted(self.lines, key=rank)]
        for header in sorted(self.sections, key=rank):
            lines = self.sections[header]
            inside = lines if _is_list(lines) else sorted(lines, key=rank)
            shown.append("\n".join([header, *(grammar.indent + line for line in inside), "!"]))
        return "\n".join([*shown, "end", ""])


def unified(before: str, after: str, name_before: str, name_after: str) -> str:
    """What a platform with unified diffs prints; empty when nothing differs."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name_before, name_after, lineterm="")
    return "\n".join(lines)


class Editor:
    """Takes command lines into a configuration, one after the other, in the mode that the former ones left it in."""

    def __init__(self, grammar: Grammar, configuration: Configuration) -> None:
        self.grammar, self.configuration = grammar, configuration
        self._section: str | None = None

    def load(self, lines: Iterable[str]) -> None:
        for line in lines:
            if line.strip() and not line.strip().startswith("!"):
                self.take(line)

    def take(self, line: str) -> None:
        """Raises InvalidInput. What a section's mode does not know is tried outside of it, as the platforms do."""
        words = line.split()
        if not words:
            return
        if words == ["end"] or words == ["exit"]:
            self._section = None
            return
        mode = self._mode()
        try:
            if mode is not None and self._section is not None:
                self._in_section(mode, self.configuration.sections[self._section], words)
                return
        except InvalidInput as deeper:
            try:
                self._at_top(words)
            except InvalidInput as outside:
                raise max(deeper, outside, key=lambda error: 99 if error.token is None else error.token) from None
            return
        self._at_top(words)

    def _mode(self) -> Mode | None:
        if self._section is None:
            return None
        words = self._section.split()
        return next((mode for mode in self.grammar.modes if self._reads(mode.header, words)), None)

    def _at_top(self, words: list[str]) -> None:
        negated, rest = (True, words[1:]) if words[0] == "no" else (False, words)
        if words[:2] == ["default", "interface"]:
            header = self._read([mode.header for mode in self.grammar.modes], words[1:], 1)[1]
            self.configuration.sections[header] = []
            return
        furthest: InvalidInput | None = None
        for mode in self.grammar.modes:
            try:
                _, header = self._read([mode.header], rest, int(negated))
            except InvalidInput as error:
                furthest = _further(furthest, error)
                continue
            self._section = None if negated else header
            if negated:
                self.configuration.sections.pop(header, None)
            else:
                self.configuration.sections.setdefault(header, [])
            return
        try:
            self._set(self.grammar.top, self.configuration.lines, words)
        except InvalidInput as error:
            raise _further(furthest, error) from None
        self._section = None

    def _in_section(self, mode: Mode, lines: list[str], words: list[str]) -> None:
        if mode.entries is None:
            self._set(mode.statements, lines, words)
            return
        if words[0] == "no" and words[1:] and (words[1].isdigit() or words[1] in ("permit", "deny", "remark")):
            gone = " ".join(words[1:]) if words[1].isdigit() else mode.entries(words[1:])[1]
            lines[:] = [line for line in lines if gone not in (line.partition(" ")[0], line.partition(" ")[2])]
            return
        try:
            number, text = mode.entries(words)
        except InvalidInput as error:
            if not mode.statements:
                raise
            try:
                self._set(mode.statements, lines, words)
            except InvalidInput as other:
                raise _further(error, other) from None
            return
        _insert(lines, number, text)

    def _set(self, statements: Iterable[Statement], lines: list[str], words: list[str]) -> None:
        if words[0] == "no":
            exact = [one for one in statements if one.words[0] == "no"]
            if not any(self._reads(one, words) for one in exact):
                self._unset(statements, lines, words[1:])
                return
        statement, text = self._read(statements, words, 0)
        if statement.key:
            lines[:] = [line for line in lines if not statement.replaces(text, line)]
        elif text in lines:
            return
        if text != statement.default:
            lines.append(text)

    def _unset(self, statements: Iterable[Statement], lines: list[str], words: list[str]) -> None:
        """`no` and the beginning of a line, at least as much of it as names the setting."""
        furthest: InvalidInput | None = None
        for statement in statements:
            least = statement.key or len(statement.words)
            for length in range(max(1, min(least, len(words))), len(statement.words) + 1):
                try:
                    beginning = self._match(statement.words[:length], words, 1)
                except InvalidInput as error:
                    furthest = _further(furthest, error)
                    continue
                lines[:] = [line for line in lines if not _begins(line, beginning)]
                return
        raise furthest or InvalidInput(1, words[0] if words else "")

    def _reads(self, statement: Statement, words: list[str]) -> bool:
        try:
            self._match(statement.words, words, 0)
        except InvalidInput:
            return False
        return True

    def _read(self, statements: Iterable[Statement], words: list[str], offset: int) -> tuple[Statement, str]:
        furthest: InvalidInput | None = None
        for statement in statements:
            try:
                return statement, self._match(statement.words, words, offset)
            except InvalidInput as error:
                furthest = _further(furthest, error)
        raise furthest or InvalidInput(offset, words[0] if words else "")

    def _match(self, pattern: list[str], words: list[str], offset: int) -> str:
        taken: list[str] = []
        for index, wanted in enumerate(pattern):
            if index >= len(words):
                raise InvalidInput(None)
            if wanted == "{text}":
                return " ".join([*taken, *words[index:]])
            if not wanted.startswith("{"):
                if words[index] != wanted:
                    raise InvalidInput(index + offset, words[index])
                taken.append(wanted)
                continue
            try:
                taken.append(self.grammar.kinds[wanted[1:-1]](words[index]))
            except ValueError:
                raise InvalidInput(index + offset, words[index]) from None
        if len(words) > len(pattern):
            raise InvalidInput(len(pattern) + offset, words[len(pattern)])
        return " ".join(taken)


def _insert(lines: list[str], number: int | None, text: str) -> None:
    """Into an ordered list, in the place of whatever has its number; without one, after all others, ten further on."""
    numbered = {int(line.partition(" ")[0]): line for line in lines if line[0].isdigit()}
    if number is None:
        if any(line.partition(" ")[2] == text for line in numbered.values()) and not text.startswith("remark"):
            return
        number = max(numbered, default=0) + 10
    numbered[number] = f"{number} {text}"
    lines[:] = [line for line in lines if not line[0].isdigit()] + [numbered[n] for n in sorted(numbered)]


def _further(one: InvalidInput | None, other: InvalidInput) -> InvalidInput:
    """The error of the attempt that understood more of the line."""
    if one is None or (one.token is not None and (other.token is None or other.token > one.token)):
        return other
    return one


def _begins(line: str, beginning: str) -> bool:
    return line == beginning or line.startswith(beginning + " ")


def _is_list(lines: list[str]) -> bool:
    return any(line[0].isdigit() for line in lines)


def _natural(line: str) -> list[tuple[int, str]]:
    """Ethernet2 comes before Ethernet10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", line)]
