"""What a switch holds against what it should hold: the read-back as an `ObservedState`, and the messages that close the gap. Pure.

Besides rules, a read-back names two things of the driver's own, whose ids are no rule's: "pipeline", and "witness:PORT" (or
"witness:PORT/MAC"), the flow in the tracking table that counts what got past a deny of all that PORT sends. Both are kept and compared
like rules. A rule that is a port's NO_FWD flag is reported under its id only while the flag is on *and* the flow with its cookie stands.

A rule is installed when its id is not in `Renderer.change(...).rule_ids`: an id in the read-back may be half of a rule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from drivers.base import Capabilities, Change, DiffLine, ObservedRule, ObservedState, PortState, PreState
from drivers.openflow import flows, overlaps
from drivers.openflow.flows import TABLE_TO, Band, Flow
from drivers.rules import Action, PortName, Rule, RuleSet

PIPELINE = "pipeline"


@dataclass(frozen=True, slots=True)
class Held:
    """What one id stands for on this switch."""

    native: str
    flows: tuple[Flow, ...]
    text: str = ""
    port_flag: PortName | None = None
    witness: tuple[str, Flow] | None = None

    def with_more(self, more: Iterable[Flow]) -> Held:
        every = (*self.flows, *more)
        return Held(flows.native(every), every, self.text, self.port_flag, self.witness)


class Renderer:
    """Renders for one switch. It remembers each rule's flows, so that a set of 10,000 rules in which one is new costs a few
    milliseconds; what it returns depends on its arguments alone."""

    def __init__(self, device: str, capabilities: Capabilities) -> None:
        self._device = device
        self._capabilities = capabilities
        self._pipeline = Held(flows.native(flows.pipeline()), flows.pipeline(), "pipeline")
        self._known: dict[str, dict[int | None, Held]] = {}

    def change(self, desired: RuleSet, observed: ObservedState, baseline: PreState) -> Change:
        """The messages: port flags on, adds (drops, then permits, then the pipeline), removals (permits first), port flags off.
        A rule that this switch cannot hold as it is now (no such port) becomes a message that is refused without being sent."""
        wanted, absent = self._wanted(desired, observed)
        held = {rule.rule_id: rule for rule in observed.rules if rule.rule_id is not None}
        wrong = [name for name, what in wanted.items() if name not in held or held[name].native != what.native]
        gone = [name for name in held if name not in wanted]
        orphans = [flow for rule in observed.rules if rule.rule_id is None for flow in flows.parse_native(rule.native)]
        old = {name: flows.parse_native(held[name].native) for name in (*wrong, *gone) if name in held}
        flags: dict[PortName, list[str]] = defaultdict(list)
        for name, what in wanted.items():
            if what.port_flag is not None:
                flags[what.port_flag].append(name)
        port_on, port_off = _port_messages(flags, observed, baseline)
        messages = (
            *({"kind": "absent", "rules": [name], "reason": reason} for name, reason in absent.items()),
            *port_on,
            *_adds(wanted, wrong, old),
            *_removals(wanted, wrong, gone, old, orphans),
            *port_off,
        )
        return Change(
            self._device,
            messages,
            (
                *(DiffLine("+", wanted[name].text) for name in wrong),
                *(DiffLine("-", _describe(name, old[name])) for name in gone),
                *(
                    DiffLine("-", f"{flow.text} (nobody's)")
                    for flow in orphans
                    if flows.rule_id_of(flow.cookie) not in wanted
                ),
                *(
                    DiffLine("~", f"port {m['name']} {'no_fwd' if m['no_fwd'] else 'forwards'}")
                    for m in (*port_on, *port_off)
                ),
                *(DiffLine(" ", f"{name}: {reason}") for name, reason in absent.items()),
            ),
            frozenset(name for name in wrong if name in desired)
            | frozenset(absent)
            | frozenset(name for m in port_on for name in m["rules"]),
            frozenset(name for name in gone if ":" not in name),
            frozenset(PortName(message["name"]) for message in (*port_on, *port_off)),
            frozenset(name for name in (*wrong, *gone) if name not in desired and (":" in name or name == PIPELINE)),
        )

    def _wanted(self, desired: RuleSet, observed: ObservedState) -> tuple[dict[str, Held], dict[str, str]]:
        self._capabilities.require(RuleSet(rule for rule in desired if rule.id not in self._known))
        numbers = {name: _number(state) for name, state in observed.ports.items()}
        wanted: dict[str, Held] = {PIPELINE: self._pipeline}
        absent: dict[str, str] = {}
        permits = False
        for rule in desired:
            port = rule.match.port
            number = None if port is None else numbers.get(port)
            if port is not None and number is None:
                absent[rule.id] = f"there is no port {port!r} on this switch"
                continue
            permits = permits or rule.action is Action.PERMIT
            wanted[rule.id] = what = self._held(rule, number)
            if not what.flows:
                absent[rule.id] = "no frame can match this rule"
            if what.witness is not None:
                name, flow = what.witness
                wanted[name] = Held(flows.native([flow]), (flow,), flow.text)
        if permits:
            present = [(rule, wanted[rule.id].flows) for rule in desired if rule.id in wanted]
            for name, more in overlaps.derived(present).items():
                wanted[name] = wanted[name].with_more(more)
        self._forget_beyond(2 * len(desired) + 1000)
        return wanted, absent

    def _held(self, rule: Rule, number: int | None) -> Held:
        by_number = self._known.setdefault(rule.id, {})
        if (found := by_number.get(number)) is None:
            own = flows.rule_flows(rule, number)
            flag = rule.match.port if flows.is_port_flag(rule) else None
            native = _flag_native(flag) if flag is not None else flows.native(own)
            text = f"{rule.id}: {native if flag else '; '.join([f.text for f in own])}"
            found = by_number[number] = Held(native, own, text, flag, flows.witness(rule, number))
        return found

    def _forget_beyond(self, most: int) -> None:
        while len(self._known) > most:
            del self._known[next(iter(self._known))]


def _adds(wanted: Mapping[str, Held], wrong: list[str], old: Mapping[str, tuple[Flow, ...]]) -> list[dict[str, Any]]:
    missing = [flow for name in wrong for flow in wanted[name].flows if flow not in old.get(name, ())]
    return [{"kind": "flow", **flow.wire()} for flow in sorted(missing, key=add_order)]


def add_order(flow: Flow) -> tuple[int, int]:
    """Sort key: what stops frames, then what lets frames on, then the pipeline from its last table to the first table's default."""
    own = flows.rule_id_of(flow.cookie) is None
    return (2, -flow.table) if own else (int(flow.goto is not None), 0)


def _removals(
    wanted: Mapping[str, Held],
    wrong: list[str],
    gone: list[str],
    old: Mapping[str, tuple[Flow, ...]],
    orphans: list[Flow],
) -> Iterator[dict[str, Any]]:
    """One message takes a rule's flows away by its cookie; single flows go by their whole match."""
    single = [
        flow for name in wrong for flow in old.get(name, ()) if flow.key not in {f.key for f in wanted[name].flows}
    ]
    whole = {flow.cookie: flow for flow in orphans if flows.rule_id_of(flow.cookie) not in wanted}
    for name in gone:
        for flow in old[name] or (_cookie_only(name),):
            if flows.rule_id_of(flow.cookie) is None:
                single.append(flow)
            elif flow.cookie not in whole or flow.goto is not None:
                whole[flow.cookie] = flow
    yield from ({"kind": "unflow", **flow.wire()} for flow in sorted(single, key=lambda flow: flow.goto is None))
    yield from (
        {"kind": "uncookie", "cookie": f.cookie} for f in sorted(whole.values(), key=lambda flow: flow.goto is None)
    )


def _cookie_only(name: str) -> Flow:
    """Stands for the flow behind a port flag, of which the read-back shows the flag alone."""
    return Flow(TABLE_TO, Band.MARKER, flows.cookie_of(name), ())


def _port_messages(
    flags: Mapping[PortName, list[str]], observed: ObservedState, baseline: PreState
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A flag that is wanted goes on; one that is on, that nobody wants and that was off before us goes off. A port with no baseline
    is not ours."""

    def message(name: PortName, no_fwd: bool) -> dict[str, Any]:
        settings = observed.ports[name].settings
        number, hw_addr = settings["number"], settings["hw_addr"]
        return {
            "kind": "port",
            "name": name,
            "number": number,
            "hw_addr": hw_addr,
            "no_fwd": no_fwd,
            "rules": flags.get(name, []),
        }

    on = [message(name, True) for name in flags if not observed.ports[name].settings["no_fwd"]]
    ours = [name for name, before in baseline.ports.items() if before.get("no_fwd") is False and name not in flags]
    off = [message(name, False) for name in ours if name in observed.ports and observed.ports[name].settings["no_fwd"]]
    return on, off


def _describe(name: str, old: tuple[Flow, ...]) -> str:
    return f"{name}: {'; '.join([f.text for f in old]) or 'port flag'}"


def _number(state: PortState) -> int | None:
    number = state.settings.get("number")
    return number if isinstance(number, int) else None


def _flag_native(port: str) -> str:
    return f"port {port} no_fwd"


def read_back(
    boot_id: str, at: float, found: Iterable[Mapping[str, Any]], ports: Mapping[PortName, PortState], whole: bool
) -> ObservedState:
    """The state from a flow-stats and a port reply. `whole`: all that is ours was asked for; else `infrastructure` is taken as standing."""
    names = {state.settings["number"]: name for name, state in ports.items()}
    grouped: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    rules: list[ObservedRule] = []
    for wire in found:
        grouped[_name_of(wire, names)].append(wire)
    for name, wires in grouped.items():
        held = [Flow.from_wire(wire) for wire in wires]
        packets, octets = sum(wire["packets"] for wire in wires), sum(wire["bytes"] for wire in wires)
        if held[0].table == TABLE_TO and Band.MARKER <= held[0].priority < Band.COUNT:
            rules.append(_flag_rule(name, held, names, ports))
        else:
            rules.append(ObservedRule(name or None, flows.native(held), packets, octets))
    expected = flows.native(flows.pipeline())
    stands = any(rule.rule_id == PIPELINE and rule.native == expected for rule in rules)
    return ObservedState(boot_id, at, tuple(rules), ports, stands or not whole)


def _flag_rule(
    name: str, held: list[Flow], names: Mapping[Any, PortName], ports: Mapping[PortName, PortState]
) -> ObservedRule:
    port = names.get(dict(held[0].match).get("in_port"))
    on = port is not None and len(held) == 1 and bool(ports[port].settings["no_fwd"])
    return ObservedRule(name, _flag_native(port)) if on and port is not None else ObservedRule(None, flows.native(held))


def _name_of(wire: Mapping[str, Any], names: Mapping[Any, PortName]) -> str:
    """The id that a flow's cookie stands for; "" for something with our mark that we never made."""
    number = wire["cookie"] & ~flows.COOKIE_MASK
    if number == flows.PIPELINE_ID:
        return PIPELINE
    if number == flows.WITNESS_ID:
        port = names.get(wire["match"].get("in_port"), f"#{wire['match'].get('in_port')}")
        mac = wire["match"].get("eth_src")
        return f"witness:{port}" if mac is None else f"witness:{port}/{mac}"
    return flows.rule_id_of(wire["cookie"]) or ""
