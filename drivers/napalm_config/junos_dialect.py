"""How what is rendered for a switch of Juniper's is said as its statements. Pure.

`render.py` and `quarantine.py` speak of lists, ports and notes; here each of their lines becomes `set` and `delete` statements of Enhanced
Layer 2 Software ("Getting Started with Enhanced Layer 2 Software", Juniper). A port has one filter for each way, of the family
`ethernet-switching`, which sees every frame that enters or leaves it ("Firewall Filters for EX Series Switches Overview", Juniper); it is
what elsewhere is the MAC list. What a remark says elsewhere is an `apply-macro`, which Junos keeps at any statement and makes nothing of
("apply-macro", Automation Scripting User Guide).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from drivers.napalm_config.dialect import ARP, Dialect
from drivers.napalm_config.ours import PREFIX, QUARANTINE
from drivers.napalm_config.seen import Seen
from drivers.rules import PortName

FILTER = "firewall family ethernet-switching filter"
RULES, NOTE = "NETCORDON", "NETCORDON-VLAN"
"""The macros of a filter of ours, and of a port that we moved."""
NONE = "none"
"""In the place of a VLAN's name: the port named none."""
WAYS = {"in": "input", "out": "output"}
JUNOS = Dialect(
    lists={"ip": "note", "ipv6": "", "mac": "filter"},
    binds={"ip": "", "ipv6": "", "mac": "filter"},
    protocols={},
    kinds={ARP: "arp"},
    wildcards=False,
    indent="",
    closing=("exit",),
    mac_lists_see_ip=True,
    composes=False,
    canonical=lambda entry: entry,
    families=("mac",),
)


@dataclass(frozen=True, slots=True)
class JunosSeen(Seen):
    """`members`: by what name each port is in its VLAN. `former`: by what name one that we moved was. `names` of VLANs by number."""

    members: Mapping[PortName, str] = field(default_factory=dict)
    former: Mapping[PortName, str] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)

    def name(self, vlan: int) -> str:
        return self.names.get(vlan, f"{QUARANTINE}-{vlan}")

    def said(self, port: PortName, vlan: int) -> str:
        """How the port itself said, or says, that it is in this VLAN."""
        state = self.ports.get(port)
        if state is not None and state.vlan == vlan:
            return self.members.get(port, NONE)
        return self.former.get(port, self.name(vlan))


def unit(port: str) -> str:
    return f"interfaces {port} unit 0"


def switched(port: str) -> str:
    return f"{unit(port)} family ethernet-switching"


def statements(lines: Iterable[str], seen: JunosSeen) -> Iterator[str]:
    header, term = list[str](), 0
    for line in lines:
        words = line.split()
        if words == ["exit"]:
            header, term = [], 0
        elif header[:1] == ["interface"]:
            yield from _on_port(PortName(header[1]), words, seen)
        elif header[:1] == ["filter"]:
            term += words[0] != "remark"
            yield from _in_filter(header[1], words, term)
        elif header[:1] == ["note"]:
            yield from _in_note(_noted(header[1]), words, seen)
        elif header[:1] == ["vlan"]:
            yield f"set vlans {seen.name(int(header[1]))} vlan-id {header[1]}"
        elif words[0] == "no":
            yield f"delete {_named(words[1:], seen)}"
        else:
            header = words


def _named(words: list[str], seen: JunosSeen) -> str:
    match words:
        case ["filter", name]:
            return f"{FILTER} {name}"
        case ["note", name]:
            return f"{unit(_noted(name))} apply-macro {NOTE}"
        case ["vlan", number]:
            return f"vlans {seen.name(int(number))}"
    raise ValueError(" ".join(words))


def _noted(name: str) -> PortName:
    return PortName(name.removeprefix(f"{PREFIX}VLAN-"))


def _on_port(port: PortName, words: list[str], seen: JunosSeen) -> Iterator[str]:
    match words:
        case ["filter", name, way]:
            yield f"set {switched(port)} filter {WAYS[way]} {name}"
        case ["no", "filter", _, way]:
            yield f"delete {switched(port)} filter {WAYS[way]}"
        case ["shutdown"]:
            yield f"set interfaces {port} disable"
        case ["no", "shutdown"]:
            yield f"delete interfaces {port} disable"
        case ["switchport", "access", "vlan", number]:
            if port in seen.members:
                yield f"delete {switched(port)} vlan members"
            note = seen.notes.get(port)
            goes_back = note is not None and note.was == int(number)
            name = seen.said(port, int(number)) if goes_back else seen.name(int(number))
            if name != NONE:
                yield f"set {switched(port)} vlan members {name}"
        case _:
            raise ValueError(" ".join(words))


def _in_filter(name: str, words: list[str], term: int) -> Iterator[str]:
    match words:
        case ["remark", "netcordon", "rule", rule, *_]:
            yield f"set {FILTER} {name} apply-macro {RULES} rule-{rule}"
        case [verdict, "any", "any", *kind]:
            if kind:
                yield f"set {FILTER} {name} term {term} from ether-type {kind[0]}"
            yield f"set {FILTER} {name} term {term} then {'accept' if verdict == 'permit' else 'discard'}"
        case _:
            raise ValueError(" ".join(words))


def _in_note(port: PortName, words: list[str], seen: JunosSeen) -> Iterator[str]:
    said: tuple[str, ...]
    match words:
        case ["remark", "netcordon", "vlan", vlan, "was", was]:
            said = (f"vlan-{vlan}", f"was-{was}", f"former-{seen.said(port, int(was))}")
        case ["remark", "netcordon", "rule" | "bounce" as kind, text]:
            said = (f"{kind}-{text}",)
        case _:
            raise ValueError(" ".join(words))
    yield from (f"set {unit(port)} apply-macro {NOTE} {one}" for one in said)
