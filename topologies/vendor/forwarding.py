"""A switch's forwarding, as a platform describes it (`Forwarding`), and as an Open vSwitch pipeline that does it (`flows`).

The pipeline is Netcordon's own and not NORMAL: OpenFlow has no egress tables, and a list that filters what leaves by a port needs one.
A frame gets its VLAN in register 0, passes the lists of the port that it came in by, teaches the switch its source, is sent to the port
that was learnt for its destination or to each port of the VLAN, and passes for each of them the lists of the port that it leaves by.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

ADMIT, MAC_IN, IP_IN, FORWARD, LEARNED, SPREAD, MAC_OUT, IP_OUT, OUT = range(9)
FIRST_ENTRY = 60000
IMPLICIT_DENY = 1
VLAN, LEAVING = "NXM_NX_REG0[0..11]", "NXM_NX_REG1[0..15]"
PATIENCE = 30


@dataclass(frozen=True)
class List:
    """An access list: (permits, what it matches in Open vSwitch's words) in order. Every family has its own; `kinds` are the frames that
    the family filters ("" is all of them), so those that no entry matches are dropped."""

    kinds: tuple[str, ...]
    entries: tuple[tuple[bool, str], ...]


@dataclass(frozen=True)
class Port:
    """`vlan` is that of untagged frames; `tagged` those that it carries as a trunk. A port that is not `up` passes nothing; one that is
    `shut` has no link either, and who is plugged in sees that."""

    number: int
    vlan: int | None
    tagged: frozenset[int] = frozenset()
    up: bool = True
    lists_in: tuple[List, ...] = ()
    lists_out: tuple[List, ...] = ()
    shut: bool = False


@dataclass(frozen=True)
class Forwarding:
    """`drops` are (VLAN, MAC) whose frames are dropped; `fixed` maps such a pair to the number of its port."""

    ports: tuple[Port, ...] = ()
    drops: frozenset[tuple[int, str]] = frozenset()
    fixed: Mapping[tuple[int, str], int] = field(default_factory=dict)


@dataclass(frozen=True)
class PortFacts:
    """A port as the hardware has it: link, address, frames in and out."""

    up: bool
    mac: str
    received: int
    sent: int


class Hardware(Protocol):
    """What a switch's management plane needs of its forwarding plane."""

    def ports(self) -> Mapping[int, PortFacts]:
        """The ports that are there, by number."""

    def program(self, wanted: Forwarding) -> None:
        """Forward so from now on. What was learnt is forgotten, as by a port that goes down."""

    def learnt(self) -> list[tuple[int, str, int]]:
        """VLAN, MAC and port number of each source that was heard lately."""


@dataclass
class NoHardware:
    """Ports that are there, and forward nothing: for tests of the management plane alone."""

    numbers: tuple[int, ...] = (1, 2, 3)
    wanted: Forwarding = Forwarding()

    def ports(self) -> Mapping[int, PortFacts]:
        return {number: PortFacts(True, f"02:00:00:00:01:{number:02x}", 0, 0) for number in self.numbers}

    def program(self, wanted: Forwarding) -> None:
        self.wanted = wanted

    def learnt(self) -> list[tuple[int, str, int]]:
        return []


@dataclass
class OpenVSwitch:
    """An Open vSwitch bridge in user space. `interfaces` names the network interface of each port."""

    bridge: str
    interfaces: Mapping[int, str]
    programmed: str | None = None
    shut: set[int] = field(default_factory=set)

    def ports(self) -> Mapping[int, PortFacts]:
        return {number: _facts(Path("/sys/class/net") / name) for number, name in self.interfaces.items()}

    def program(self, wanted: Forwarding) -> None:
        """All or nothing, in one bundle. Returns when frames go by it: an acknowledged bundle is not in the caches yet."""
        self._shut({port.number for port in wanted.ports if port.shut})
        text = "\n".join(flows(wanted)) + "\n"
        if text == self.programmed:
            return
        _run(["ovs-ofctl", "-O", "OpenFlow14", "--bundle", "replace-flows", self.bridge, "-"], text)
        _run(["ovs-appctl", "revalidator/purge"])
        self.programmed = text

    def _shut(self, wanted: set[int]) -> None:
        for number in wanted ^ self.shut:
            state = "down" if number in wanted else "up"
            _run(["ip", "link", "set", "dev", self.interfaces[number], state])
        self.shut = wanted

    def learnt(self) -> list[tuple[int, str, int]]:
        dump = _run(["ovs-ofctl", "-O", "OpenFlow14", "--no-stats", "dump-flows", self.bridge, f"table={LEARNED}"])
        found = []
        for line in dump.splitlines():
            words = dict(part.partition("=")[::2] for part in line.replace(" ", ",").split(",") if "=" in part)
            if "dl_dst" in words:
                loaded = words["actions"].removeprefix("load:").partition("->")[0]
                vlan = int(words["reg0"].partition("/")[0], 0)
                found.append((vlan, words["dl_dst"], int(loaded, 0)))
        return sorted(found)


def flows(wanted: Forwarding) -> Iterator[str]:
    """The pipeline, one flow a line, as `ovs-ofctl` reads them."""
    for table, following in ((MAC_IN, IP_IN), (IP_IN, FORWARD), (MAC_OUT, IP_OUT), (IP_OUT, OUT)):
        yield f"table={table},priority=0,actions=resubmit(,{following})"
    learn = f"learn(table={LEARNED},idle_timeout=300,{VLAN},NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:NXM_OF_IN_PORT[]->{LEAVING})"
    yield f"table={FORWARD},priority=1,actions={learn},resubmit(,{LEARNED}),resubmit(,{SPREAD})"
    yield f"table={SPREAD},priority=0,actions=resubmit(,{MAC_OUT})"
    for vlan, mac in sorted(wanted.drops):
        for end in ("src", "dst"):
            yield f"table={FORWARD},priority=20,reg0={vlan},dl_{end}={mac},actions=drop"
    for (vlan, mac), number in sorted(wanted.fixed.items()):
        yield f"table={LEARNED},priority=40000,reg0={vlan},dl_dst={mac},actions=load:{number}->{LEAVING}"
    up = [port for port in wanted.ports if port.up]
    for port in up:
        yield from _admit(port)
        yield from _filter(port.lists_in, f"in_port={port.number}", MAC_IN)
        yield from _filter(port.lists_out, f"reg1={port.number}", MAC_OUT)
        yield from _leave(port)
    for vlan in sorted({vlan for port in up for vlan in _carried(port)}):
        each = [f"clone(load:{p.number}->{LEAVING},resubmit(,{MAC_OUT}))" for p in up if vlan in _carried(p)]
        yield f"table={SPREAD},priority=1,reg0={vlan},reg1=0,actions={','.join(each)}"


def _carried(port: Port) -> frozenset[int]:
    return port.tagged | ({port.vlan} if port.vlan is not None else set())


def _admit(port: Port) -> Iterator[str]:
    start = f"table={ADMIT},priority=10,in_port={port.number}"
    if port.vlan is not None:
        yield f"{start},vlan_tci=0x0000/0x1fff,actions=load:{port.vlan}->{VLAN},resubmit(,{MAC_IN})"
    for vlan in sorted(port.tagged - {port.vlan}):
        yield f"{start},dl_vlan={vlan},actions=load:{vlan}->{VLAN},pop_vlan,resubmit(,{MAC_IN})"


def _leave(port: Port) -> Iterator[str]:
    start = f"table={OUT},priority=1,reg1={port.number}"
    if port.vlan is not None:
        yield f"{start},reg0={port.vlan},actions=output:{port.number}"
    for vlan in sorted(port.tagged - {port.vlan}):
        tagged = f"push_vlan:0x8100,set_field:{0x1000 + vlan}->vlan_vid"
        yield f"{start},reg0={vlan},actions={tagged},output:{port.number}"


def _filter(lists: tuple[List, ...], where: str, mac_table: int) -> Iterator[str]:
    for one in lists:
        table = mac_table if one.kinds == ("",) else mac_table + 1
        for index, (permits, matched) in enumerate(one.entries):
            action = f"resubmit(,{table + 1 if table != IP_OUT else OUT})" if permits else "drop"
            match = ",".join(filter(None, (where, matched)))
            yield f"table={table},priority={FIRST_ENTRY - index},{match},actions={action}"
        for kind in one.kinds:
            match = ",".join(filter(None, (where, kind)))
            yield f"table={table},priority={IMPLICIT_DENY},{match},actions=drop"


def _facts(interface: Path) -> PortFacts:
    def read(name: str) -> str:
        try:
            return (interface / name).read_text().strip()
        except OSError:  # away, or down: then even `carrier` cannot be read
            return ""

    counted = [int(read(f"statistics/{name}") or 0) for name in ("rx_packets", "tx_packets")]
    return PortFacts(read("carrier") == "1", read("address"), *counted)


def _run(command: list[str], given: str | None = None) -> str:
    done = subprocess.run(command, input=given, check=True, capture_output=True, text=True, timeout=PATIENCE)
    return done.stdout
