"""docs/capability-matrix.md: what each driver declares, asked as a plan asks it, and what that means for the profiles.

    python -m tests.contract.matrix      writes it; a test fails while it is stale

The suite beside this holds every driver to its declaration: what is declared works, with packets, and what is not is refused before any
I/O (`test_driver_contract.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

from controller.errors import Refused
from controller.model import FULL, Endpoint, Profile
from controller.plan import make_plan
from controller.profiles import LATERAL, MONITOR, quarantine, remediation
from controller.role_match import PROFILES
from drivers.base import Capabilities
from drivers.memory import MemoryDriver
from drivers.napalm_config.eos_device import CAPABILITIES as EOS
from drivers.napalm_config.ios_device import IosPlatform
from drivers.napalm_config.junos_device import CAPABILITIES as JUNOS
from drivers.napalm_config.nxos_device import CAPABILITIES as NXOS
from drivers.napalm_config.options import IosOptions
from drivers.netmiko_cli.cisco_ios import CiscoIosPlatform
from drivers.netmiko_cli.linux import LinuxPlatform
from drivers.netmiko_cli.options import CiscoIosOptions
from drivers.netmiko_cli.ovs import OvsPlatform
from drivers.openflow.driver import BesideOpenFlowDriver, OpenFlowDriver
from drivers.rules import Action, Direction, Mac, Match, PortName, PortRange, Protocol, Provenance, Rule, RuleSet
from tests.campus import DECISION, NOW, campus, mac, place

PAGE = Path(__file__).resolve().parents[2] / "docs" / "capability-matrix.md"


def _ios(*, port_lists_out: bool) -> Capabilities:
    return IosPlatform("ios", IosOptions(host="ios", username="ios", port_lists_out=port_lists_out)).capabilities


def _cisco(*, archive: bool) -> Capabilities:
    return CiscoIosPlatform("ios", CiscoIosOptions(host="ios", username="ios", archive=archive)).capabilities


DRIVERS: Mapping[str, tuple[str, Capabilities]] = {
    "openflow": ("OpenFlow", OpenFlowDriver.capabilities),
    "openflow-beside": ("OpenFlow beside another controller", BesideOpenFlowDriver.capabilities),
    "eos": ("Arista EOS (NAPALM)", EOS),
    "ios": ("Cisco IOS (NAPALM)", _ios(port_lists_out=False)),
    "ios-out": ("Cisco IOS with `port_lists_out`", _ios(port_lists_out=True)),
    "junos": ("Juniper Junos (NAPALM)", JUNOS),
    "nxos": ("Cisco NX-OS (NAPALM)", NXOS),
    "cisco_ios": ("Cisco IOS (Netmiko)", _cisco(archive=True)),
    "cisco_ios-bare": ("Cisco IOS (Netmiko), `archive: false`", _cisco(archive=False)),
    "linux": ("Linux bridge (Netmiko)", LinuxPlatform.capabilities),
    "ovs": ("Open vSwitch host (Netmiko)", OvsPlatform.capabilities),
    "memory": ("memory (tests)", MemoryDriver.capabilities),
}
"""By the contract suite's names, the runtime left out."""
YES, NO = "yes", "–"
PORT, MAC, SERVICE = PortName("p1"), Mac("02:00:00:00:00:01"), PortRange(445, 445)
FROM, TO = Direction.FROM, Direction.TO


def _rule(match: Match, action: Action = Action.DENY) -> Rule:
    return Rule(match, action, Provenance("c1"), vlan=999 if action is Action.MOVE_VLAN else None)


def _by(direction: Direction, **fields: object) -> Match:
    return Match(direction, port=PORT, **fields)  # type: ignore[arg-type]  # each by its name


def _service(direction: Direction, **fields: object) -> Match:
    ports = {"peer_ports": SERVICE} if direction is FROM else {"own_ports": SERVICE}
    return _by(direction, protocol=Protocol.TCP, **ports, **fields)


def asked() -> Iterator[tuple[str, list[Rule]]]:
    """What is asked, in words, and the rules that ask it."""
    both = (FROM, "what comes from it"), (TO, "what goes to it")
    for way, said in both:
        yield f"deny {said}: the whole port", [_rule(_by(way))]
        yield f"deny {said}: by MAC", [_rule(Match(way, port=PORT if way is FROM else None, mac=MAC))]
        yield f"deny {said}: ARP alone", [_rule(_by(way, protocol=Protocol.ARP))]
        yield f"deny {said}: a TCP or UDP service, at the port", [_rule(_service(way))]
        yield f"deny {said}: a service, by MAC", [_rule(replace(_service(way), port=None, mac=MAC))]
        yield (
            f"deny {said}: a service of an address or prefix, IPv4 or IPv6",
            [
                _rule(_service(way, peer=ip_network("10.0.0.0/24"))),
                _rule(_service(way, peer=ip_network("2001:db8::/64"))),
            ],
        )
        yield f"deny {said}: answers alone (established)", [_rule(_service(way, established=True))]
        yield f"deny {said}: fragments", [_rule(Match(way, mac=MAC, fragment=True, port=PORT if way is FROM else None))]
        exception = _rule(_service(way, peer=ip_network("10.0.0.0/24")), Action.PERMIT)
        yield f"a service excepted from a closed one, {said}", [_rule(_service(way)), exception]
        yield f"a service excepted from a closed port, {said}", [_rule(_by(way)), exception]
    yield "an address denied on every port", [_rule(Match(FROM, ip=ip_network("10.0.0.1")))]
    yield "count what comes from it", [_rule(_by(FROM), Action.COUNT)]
    yield "move the port into a VLAN", [_rule(_by(FROM), Action.MOVE_VLAN)]
    yield "shut the port", [_rule(_by(FROM), Action.SHUT)]
    yield "mirror what comes from it", [_rule(_by(FROM), Action.MIRROR)]


def ways(capabilities: Capabilities) -> dict[str, str]:
    timer = capabilities.dead_man
    return {
        "all or nothing in one push": YES if capabilities.transactional else NO,
        "undone by the device unless confirmed": NO if timer is None else f"{timer.shortest} to {timer.longest} s",
        "counters, so that a block can be proven by them": YES if capabilities.counters else NO,
        "the device's own diff before a push": YES if capabilities.preview else NO,
        "tells of ports and MACs": YES if capabilities.events else NO,
    }


def profiles() -> Iterator[tuple[str, Profile]]:
    yield "`full`", FULL
    yield "`quarantine-vlan` with hosts", quarantine(999, [ip_network("10.99.0.4")], bounce=False)
    yield "`quarantine-vlan` without hosts", quarantine(999, [], bounce=False)
    yield "`remediation`", remediation([ip_network("10.0.0.5")], [ip_network("10.0.0.53")])
    yield "`lateral`", LATERAL
    yield "`monitor`", MONITOR
    yield "`role:camera`, and so each other `role:…`", PROFILES["camera"]


def carried(profile: Profile, capabilities: Capabilities, *, shared: bool) -> str:
    """Whether a plan can be made, and whether it is weaker than the profile."""
    alone = Endpoint(frozenset({mac(6)}), frozenset({ip_address("10.0.0.66")}), place(3))
    endpoint = replace(alone, neighbours=frozenset({mac(70)})) if shared else alone
    net = campus()
    try:
        plan = make_plan("c-1", endpoint, replace(DECISION, profile=profile), NOW + 60, net.network.graph, capabilities)
    except Refused:
        return NO
    return "weaker" if plan.weaker and profile is not MONITOR else YES


def page() -> str:
    names = [name for name, _ in DRIVERS.values()]
    lines = [
        "# What each driver can do",
        "",
        "Written by `python -m tests.contract.matrix` from what the drivers declare; do not edit. The contract suite (`tests/contract`)",
        "holds each driver to its declaration: what is declared stops exactly the packets that it says, and what is not is refused before",
        "anything is sent.",
        "",
        "## Rules",
        "",
        *_table("asked", names, ((said, [_answer(c, rules) for _, c in DRIVERS.values()]) for said, rules in asked())),
        "",
        "## A push",
        "",
        *_table("", names, ((said, [ways(c)[said] for _, c in DRIVERS.values()]) for said in ways(EOS))),
        "",
        "## Profiles",
        "",
        "`weaker`: the plan says in which way it is less than the profile. A shared port has other devices on it.",
        "",
    ]
    rows = [
        (
            f"{name}, {'on a shared port' if shared else 'alone on its port'}",
            [carried(profile, c, shared=shared) for _, c in DRIVERS.values()],
        )
        for name, profile in profiles()
        for shared in (False, True)
    ]
    return "\n".join([*lines, *_table("profile", names, iter(rows)), ""])


def _answer(capabilities: Capabilities, rules: list[Rule]) -> str:
    return NO if capabilities.unsupported(RuleSet(rules)) else YES


def _table(head: str, names: list[str], rows: Iterator[tuple[str, list[str]]]) -> Iterator[str]:
    yield f"| {head} | {' | '.join(names)} |"
    yield f"|---{'|---' * len(names)}|"
    for said, answers in rows:
        yield f"| {said} | {' | '.join(answers)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE} is written\n")
