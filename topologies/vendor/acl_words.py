"""The words of an access list's entries, as far as vendors agree on them, and what they match in Open vSwitch's words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from topologies.vendor.configuration import InvalidInput


@dataclass(frozen=True)
class Entry:
    """`text` is as the switch shows it, without its number; `flows` are what it matches: any of them. A remark has none."""

    text: str
    flows: tuple[str, ...] = ()
    ethertype: bool = False

    @property
    def permits(self) -> bool:
        return self.text.startswith("permit")


class Words:
    """The words of an entry, read from the left."""

    def __init__(self, words: list[str], offset: int) -> None:
        self._words, self._at, self._offset = words, 0, offset

    @property
    def next(self) -> str | None:
        return self._words[self._at] if self._at < len(self._words) else None

    def take(self) -> str:
        if self.next is None:
            raise InvalidInput(None)
        self._at += 1
        return self._words[self._at - 1]

    def wrong(self) -> InvalidInput:
        """The word that was taken last is not one that can stand there."""
        return InvalidInput(self._offset + self._at - 1, self._words[self._at - 1])

    def finish(self) -> None:
        if self.next is not None:
            self.take()
            raise self.wrong()


def numbered(read: Callable[[list[str], int], Entry]) -> Callable[[list[str]], tuple[int | None, str]]:
    """The reader of a list's lines: the entry's number, where one was typed, and its text."""

    def line(words: list[str]) -> tuple[int | None, str]:
        number = int(words[0]) if words[0].isdigit() else None
        if number is not None and not 1 <= number <= 4294967295:
            raise InvalidInput(0, words[0])
        rest = words if number is None else words[1:]
        return number, read(rest, int(number is not None)).text

    return line


def action(words: Words, remaining: list[str]) -> Entry | str:
    """`permit` or `deny`; a remark is a whole entry."""
    taken = words.take()
    if taken == "remark":
        if not remaining[1:]:
            raise InvalidInput(None)
        return Entry(" ".join(remaining))
    if taken not in ("permit", "deny"):
        raise words.wrong()
    return taken


def ports(words: Words, protocol: int | None, end: str, names: Mapping[str, int]) -> tuple[str, list[str]]:
    """As the switch shows them, which is by name where it knows one, and what they match. None is asked for: one alternative that says
    nothing."""
    if protocol not in (6, 17) or words.next not in ("eq", "range", "gt", "lt"):
        return "", [""]
    operator, typed = words.take(), list[str]()
    for _ in range(2 if operator == "range" else 1):
        typed.append(words.take())
    while operator == "eq" and _may_be_port(words.next, names):
        typed.append(words.take())
    try:
        numbers = [_port(word, names) for word in typed]
        ranges = _ranges(operator, numbers)
    except ValueError:
        raise words.wrong() from None
    shown = {number: name for name, number in names.items()}
    told = " ".join([operator, *(shown.get(number, str(number)) for number in numbers)])
    return told, [f"tp_{end}={part}" for span in ranges for part in masks(*span)]


def _ranges(operator: str, numbers: list[int]) -> list[tuple[int, int]]:
    match operator, numbers:
        case "eq", [_, *_]:
            return [(number, number) for number in numbers]
        case "range", [first, last] if first <= last:
            return [(first, last)]
        case "gt", [number] if number < 65535:
            return [(number + 1, 65535)]
        case "lt", [number] if number > 0:
            return [(0, number - 1)]
    raise ValueError(numbers)


def _may_be_port(word: str | None, names: Mapping[str, int]) -> bool:
    return word is not None and (word in names or word.isdigit())


def _port(word: str, names: Mapping[str, int]) -> int:
    number = names[word] if word in names else int(word) if word.isdigit() else -1
    if not 0 <= number <= 65535:
        raise ValueError(word)
    return number


def masks(first: int, last: int) -> Iterator[str]:
    """The ports from `first` to `last` as values with masks: Open vSwitch knows no ranges."""
    while first <= last:
        size = first & -first or 65536
        while first + size - 1 > last:
            size //= 2
        yield f"{first:#06x}/{0xFFFF ^ (size - 1):#06x}"
        first += size


def mac(text: str) -> str:
    """As aa:bb:cc:dd:ee:ff, from that or from aabb.ccdd.eeff. Raises ValueError."""
    octets = bytes.fromhex(text.replace(":", "").replace(".", ""))
    if len(octets) != 6 or text.count(":") not in (0, 5) or text.count(".") not in (0, 2):
        raise ValueError(text)
    return octets.hex(":")
