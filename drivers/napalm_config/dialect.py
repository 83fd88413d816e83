"""What of access lists and ports a vendor writes in its own way: data, by which one renderer serves all that are written alike. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

FAMILIES = ("ip", "ipv6", "mac")
WAYS = ("in", "out")
NEIGHBOURS = ("router-solicitation", "neighbor-solicitation", "neighbor-advertisement")
ARP, IPV4, IPV6 = "arp", "ipv4", "ipv6"


@dataclass(frozen=True)
class Dialect:
    """`lists` and `binds`: the words before a list's name, where it is made and where it is bound, by family. `protocols`: names of IP
    protocols, by family. `kinds`: how `NEIGHBOURS` and EtherTypes (`ARP`, `IPV4`, `IPV6`) are written. `wildcards`: an IPv4 prefix is
    written with a mask whose bits are set where it does not matter. `indent` and `closing`: how lines of a section are set, and what ends
    one. `mac_lists_see_ip`: a MAC list may filter IP as well, so that it has to let pass what an IP list permits. `composes`: ours is put
    over somebody else's list. `canonical`: an entry as it was sent, of one that was shown; None when a name in it is not known. `families`:
    those of which a port has lists; with MAC alone, that list is the one for every frame. `wayless`: those whose lists are bound without a
    word about the way, since they are for what comes in alone."""

    lists: Mapping[str, str]
    binds: Mapping[str, str]
    protocols: Mapping[str, Mapping[int | None, str]]
    kinds: Mapping[str, str]
    wildcards: bool
    indent: str
    closing: tuple[str, ...]
    mac_lists_see_ip: bool
    composes: bool
    canonical: Callable[[str], str | None]
    families: tuple[str, ...] = FAMILIES
    wayless: frozenset[str] = frozenset()

    def bind(self, place: tuple[str, str], name: str) -> str:
        """The line that binds a list there; with `no` before it, the one that takes it off."""
        family, way = place
        return f"{self.binds[family]} {name}" + ("" if family in self.wayless else f" {way}")

    def section(self, header: str, *lines: str) -> list[str]:
        return [header, *(self.indent + line for line in lines), *self.closing]


def numbered(words: list[str], names: Mapping[str, int]) -> list[str] | None:
    """The entry's words with numbers for names of ports; None when one of the names is not known."""
    told = list(words)
    for index, word in enumerate(words[:-1]):
        ports = {"eq": 1, "range": 2}.get(word, 0)
        for at in range(index + 1, index + 1 + ports):
            if not told[at].isdigit():
                if told[at] not in names:
                    return None
                told[at] = str(names[told[at]])
    return told
