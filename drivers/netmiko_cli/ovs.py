"""Platform `ovs`: a bridge of an Open vSwitch host, by `ovs-ofctl` and `ovs-vsctl` over its shell.

Who forwards there (NORMAL, another controller) goes on doing so: our flows only drop, in a band of priorities of table 0 (see
`drivers.openflow.beside`, whose rendering this is), and go there as one bundle. A port that is closed as a whole is told not to forward.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from drivers.base import (
    EVERYTHING,
    Capabilities,
    Change,
    DeviceFacts,
    DiffLine,
    Interface,
    ObservedState,
    PortState,
    PreState,
    Scope,
)
from drivers.netmiko_cli import arrival, ovs_seen
from drivers.netmiko_cli.asking import NotUnderstood, as_root, ask, fed
from drivers.netmiko_cli.messages import Refusal
from drivers.netmiko_cli.ovs_seen import OvsState, Seen
from drivers.netmiko_cli.ovs_text import match_text
from drivers.openflow import beside
from drivers.openflow.converge import Renderer, read_back
from drivers.openflow.driver import BesideOpenFlowDriver
from drivers.openflow.flows import Flow, is_ours
from drivers.openflow.layout import BESIDE
from drivers.rules import PortName, RuleSet
from drivers.warm_session import Refused

if TYPE_CHECKING:
    from drivers.netmiko_cli.shell import Shell

_OFCTL = "{sudo}ovs-ofctl -O OpenFlow13 --no-names --timeout=10"
_VSCTL = "{sudo}ovs-vsctl --timeout=10 --format=json"
QUESTIONS: Mapping[str, str] = {
    "boot": "cat /proc/sys/kernel/random/boot_id",
    # Flows are lost when the daemon starts again: that is when it wrote this file.
    "daemon": "stat -c %Y-%i /run/openvswitch/ovs-vswitchd.pid",
    "bridges": f"{_VSCTL} --columns=_uuid,name,ports list Bridge",
    "ports": f"{_VSCTL} --columns=_uuid,name,interfaces,tag,trunks,vlan_mode list Port",
    "interfaces": f"{_VSCTL} --columns=_uuid,name,ofport,type list Interface",
    "described": f"{_OFCTL} dump-ports-desc {{bridge}}",
    "counted": f"{_OFCTL} dump-ports {{bridge}}",
    "flows": f"{_OFCTL} dump-flows {{bridge}} table={beside.TABLE}",
    "fdb": "{sudo}ovs-appctl --timeout=10 fdb/show {bridge}",
    **arrival.QUESTIONS,
}
"""All that is ever asked."""
BUNDLE = f"{_OFCTL} --bundle add-flows {{bridge}} -"
FLAG = f"{_OFCTL} mod-port {{bridge}} {{number}} {{flag}}"


class OvsPlatform:
    capabilities = Capabilities(
        matchable=BesideOpenFlowDriver.capabilities.matchable,
        counters=True,
        events=True,
        advice=(
            "on an Open vSwitch host rules can only drop, with exceptions for MACs on the device's own port: use a profile that needs no"
            " more (full, lateral, or one of your own that denies single services), or give the bridge to Netcordon's OpenFlow controller"
        ),
    )

    def __init__(self, device: str, bridge: str, sudo: bool) -> None:
        self._device, self._bridge, self._sudo = device, bridge, sudo
        self._renderer = Renderer(device, self.capabilities, BESIDE)

    def look(self, shell: Shell) -> Seen:
        """Raises Lost or Refused."""
        questions = {name: one.replace("{bridge}", self._bridge) for name, one in QUESTIONS.items()}
        try:
            return ovs_seen.read(self._bridge, ask(shell, questions, self._sudo))
        except NotUnderstood as wrong:
            raise Refused(str(wrong)) from None

    def facts(self, seen: Seen) -> DeviceFacts:
        ports = tuple(Interface(p.name, p.number, p.mac, p.up) for _, p in sorted(seen.ports.items()))
        management = seen.arrival.management
        return DeviceFacts(
            self._device,
            seen.boot_id,
            f"Open vSwitch bridge {self._bridge}",
            management,
            ports,
            seen.vlans,
            macs=seen.macs,
        )

    def observed(self, seen: Seen, scope: Scope = EVERYTHING) -> ObservedState:
        ports = {
            name: PortState(p.up, {"no_fwd": p.no_fwd, "number": p.number, "hw_addr": p.mac}, p.rx, p.tx)
            for name, p in seen.ports.items()
        }
        above = [one for one in seen.flows if is_ours(one.flow.cookie) or one.flow.priority >= beside.FLOOR]
        state = read_back(seen.boot_id, time.time(), above, ports, BESIDE)
        rules = tuple(one for one in state.rules if scope.rule_ids is None or one.rule_id in scope.rule_ids)
        kept = {name: port for name, port in ports.items() if scope.ports is None or name in scope.ports}
        return OvsState(state.boot_id, state.at, rules, kept, state.outranking, seen=seen)

    def render(self, desired: RuleSet, observed: ObservedState, baseline: PreState) -> Change:
        """The messages are those of `drivers.openflow.converge`, and refusals. Raises UnsupportedAction for an exception that cannot be
        carved out."""
        seen = observed.seen if isinstance(observed, OvsState) else Seen()
        refusals = {rule.id: why for rule in desired if (why := _refused(rule, seen)) is not None}
        made = self._renderer.change(RuleSet(r for r in desired if r.id not in refusals), observed, baseline)
        absent = {name: one["reason"] for one in made.messages if one["kind"] == "absent" for name in one["rules"]}
        sent = tuple(one for one in made.messages if one["kind"] != "absent")
        said = tuple(DiffLine(" ", f"rule {rule} cannot be held: {why}") for rule, why in sorted(refusals.items()))
        return replace(
            made,
            messages=(*sent, *(Refusal(rule, why) for rule, why in sorted((refusals | absent).items()))),
            lines=(*made.lines, *said) if said else made.lines,
            rule_ids=made.rule_ids | frozenset(refusals),
        )

    def check(self, shell: Shell, change: Change) -> None:
        raise AssertionError("it declares no preview")

    def push(self, shell: Shell, change: Change) -> None:
        """Ports that are not to forward, all flows at once, ports that may again. Raises Lost or Refused; a port's flag is not taken back
        when the flows are refused after it."""
        if commands := self.commands(change):
            shell.run(" && ".join(commands))

    def commands(self, change: Change) -> list[str]:
        """What the change comes to. Pure. Raises Refused for what belongs into no command."""
        messages = [one for one in change.messages if not isinstance(one, Refusal)]
        flags = {
            off: [self._flag(one) for one in messages if one["kind"] == "port" and one["no_fwd"] is not off]
            for off in (False, True)
        }
        lines = tuple(_line(one) for one in messages if one["kind"] != "port")
        flows = [fed(lines, self._named(BUNDLE))] if lines else []
        return [*flags[False], *flows, *flags[True]]

    def _flag(self, message: Mapping[str, Any]) -> str:
        flag = "no-forward" if message["no_fwd"] else "forward"
        return self._named(FLAG).replace("{number}", str(int(message["number"]))).replace("{flag}", flag)

    def _named(self, command: str) -> str:
        return as_root(command.replace("{bridge}", self._bridge), self._sudo)


def _line(message: Mapping[str, Any]) -> str:
    """One of a bundle, as `add-flows` reads it."""
    if message["kind"] == "uncookie":
        return f"delete cookie={message['cookie']:#x}/-1"
    flow = Flow.from_wire(message)
    if message["kind"] == "unflow":
        return f"delete_strict cookie={flow.cookie:#x}/-1,{match_text(flow)}"
    return f"add cookie={flow.cookie:#x},{match_text(flow)},actions=drop"


def _refused(rule: Any, seen: Seen) -> str | None:
    port: PortName | None = rule.match.port
    state = None if port is None else seen.ports.get(port)
    if state is not None and state.unfit is not None:
        return f"{port}: {state.unfit}"
    return arrival.cuts_off(rule, seen.arrival)
