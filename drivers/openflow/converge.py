"""What a switch holds against what it should hold: the read-back as an `ObservedState`, and the messages that close the gap. Pure.

Besides rules, a read-back names two things of the driver's own, whose ids are no rule's: "pipeline", and "witness:PORT" (or
"witness:PORT/MAC"), the flow in the tracking table that counts what got past a deny of all that PORT sends. Both are kept and compared
like rules. A rule that is a port's NO_FWD flag is reported under its id only while the flag is on *and* the flow with its cookie stands.

A rule is installed when its id is not in `Renderer.change(...).rule_ids`: an id in the read-back may be half of a rule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from drivers.base import (
    Capabilities,
    Change,
    DiffLine,
    LinesWhenAsked,
    ObservedRule,
    ObservedState,
    PortState,
    PreState,
)
from drivers.openflow import flows
from drivers.openflow.flows import SLOTS, Counted, Flow
from drivers.openflow.layout import ALONE, Layout
from drivers.openflow.overlaps import intersect
from drivers.openflow.slots import Crowds, apart
from drivers.openflow.standing import Held, Standing, native
from drivers.rules import PortName, Rule, RuleSet

PIPELINE = "pipeline"
EVENNESS = flows.COOKIE_MARK | flows.EVENNESS_ID
"""The speaker's own flows (see `megaflows`), which hold nothing of ours up."""
SPARE = 32
"""Rules whose flows are remembered though they are not wanted: each that was at the same port is looked at as a rival of a new one."""


class Renderer:
    """Renders for one switch. It remembers each rule's flows, and what it was last asked: a set of 10,000 rules in which one is new
    costs some milliseconds. What it returns depends on its arguments alone."""

    def __init__(self, device: str, capabilities: Capabilities, layout: Layout = ALONE) -> None:
        self._device = device
        self._capabilities = capabilities
        self._layout = layout
        self._standing = Standing()
        if layout.pipeline:
            self._standing.want({PIPELINE: Held.own(*layout.pipeline)})
        self._desired = RuleSet()
        self._apart: dict[str, Held | None] = {}  # what stands otherwise than its rule alone says; None: not at all
        self._numbers: dict[PortName, int | None] = {}
        self._known: dict[str, Held] = {}  # by rule id, the ports numbered as in _numbers
        self._permits: set[str] = set()  # of _known
        self._crowds = Crowds()  # the flows of _known
        self._strangers: tuple[Flow, ...] = ()
        self._judged: dict[str, tuple[Held, str]] = {}  # by rule id, what stands in its way among _strangers

    def change(self, desired: RuleSet, observed: ObservedState, baseline: PreState) -> Change:
        """The messages: port flags on, adds (drops, then permits, then the pipeline), removals (permits first), port flags off.
        A rule that this switch cannot hold as it is now (no such port, or a stranger's flow above it) becomes a message that is refused
        without being sent."""
        absent = self._want(desired, observed)
        standing = self._standing
        standing.see(observed.rules)
        wanted, held = standing.wanted, standing.held
        unheld = absent | self._outranked(wanted, observed)
        wrong, gone = sorted(standing.wrong), sorted(standing.gone)
        old = {name: flows.parse_native(held[name]) for name in (*wrong, *gone) if name in held}
        nobodys: list[Flow] = []
        for text in sorted([rule.native for rule in standing.nobodys.values()]):
            for flow in flows.parse_native(text):
                name = flows.rule_id_of(flow.cookie)
                if name in wanted and name is not None:
                    old[name] = (*old.get(name, ()), flow)
                else:
                    nobodys.append(flow)
        port_on, port_off = _port_messages(standing.flags, observed, baseline)
        come = {name: wanted[name].native for name in wrong}
        went = {name: held[name] for name in gone}
        messages = (
            *({"kind": "absent", "rules": [name], "reason": reason} for name, reason in sorted(unheld.items())),
            *port_on,
            *_adds(wanted, wrong, old),
            *_removals(wanted, wrong, gone, old, nobodys),
            *port_off,
        )

        def worded() -> tuple[DiffLine, ...]:
            return (
                *(_line("+", name, desired.get(name), text) for name, text in come.items()),
                *(_line("-", name, None, text) for name, text in went.items()),
                *(DiffLine("-", f"{flow.text} (nobody's)") for flow in nobodys),
                *(
                    DiffLine("~", f"port {m['name']} {'no_fwd' if m['no_fwd'] else 'forwards'}")
                    for m in (*port_on, *port_off)
                ),
                *(DiffLine(" ", f"{name}: {reason}") for name, reason in sorted(unheld.items())),
            )

        return Change(
            self._device,
            messages,
            LinesWhenAsked(worded) if messages else (),
            frozenset(name for name in wrong if name in desired)
            | frozenset(unheld)
            | frozenset(name for m in port_on for name in m["rules"]),
            frozenset(name for name in gone if ":" not in name),
            frozenset(PortName(message["name"]) for message in (*port_on, *port_off)),
            frozenset(name for name in (*wrong, *gone) if name not in desired and (":" in name or name == PIPELINE)),
        )

    def _want(self, desired: RuleSet, observed: ObservedState) -> dict[str, str]:
        """Bring what is wanted up to date; the rules that the switch cannot hold as it is now, each with the reason."""
        new, absent = self._learn(desired, {name: _number(state) for name, state in observed.ports.items()})
        other: dict[str, Held | None] = dict.fromkeys(absent)
        self._set_apart(desired, other, absent)
        if not desired.ids.isdisjoint(self._permits):
            self._put_together(desired, other)
        names = (desired.ids ^ self._desired.ids) | new | other.keys() | self._apart.keys()
        self._standing.want(
            {name: (other[name] if name in other else self._known[name]) if name in desired else None for name in names}
        )
        self._desired, self._apart = desired, other
        return absent

    def _put_together(self, desired: RuleSet, other: dict[str, Held | None]) -> None:
        """What permits stand for, where several containments have a say."""
        alone = {name: other[name] if name in other else self._known[name] for name in desired.ids}
        present = [(rule, what.flows) for rule in desired if (what := alone[rule.id]) is not None]
        for name, every in self._layout.together(present).items():
            if (what := alone[name]) is not None:
                other[name] = what.with_flows(every)

    def _outranked(self, wanted: Mapping[str, Held], observed: ObservedState) -> dict[str, str]:
        """Rules that stand, and that somebody else's flow takes frames away from: they do not hold, and what does not is said."""
        strangers = tuple(map(Flow.parse, observed.outranking))
        known = self._judged if strangers == self._strangers else {}
        self._strangers, self._judged = strangers, {}
        for name, what in wanted.items() if strangers else ():
            if name == PIPELINE or ":" in name:
                continue
            judged = known.get(name)
            self._judged[name] = (what, self._in_the_way(what)) if judged is None or judged[0] is not what else judged
        return {name: why for name, (_, why) in self._judged.items() if why}

    def _in_the_way(self, what: Held) -> str:
        drops = [(own, dict(own.match)) for own in what.flows if own.goto is None and own.output is None]
        for theirs in self._strangers:
            match = dict(theirs.match)
            if any(self._layout.outranks(theirs, own) and intersect(ours, match) is not None for own, ours in drops):
                return f"somebody else's flow outranks it: {theirs.text}"
        return ""

    def _learn(self, desired: RuleSet, numbers: dict[PortName, int | None]) -> tuple[set[str], dict[str, str]]:
        """Know the flows of every desired rule: those that are new, and those that have none, each with the reason."""
        if len(self._known) > 2 * len(desired) + SPARE:
            self._forget(self._known.keys() - desired.ids)
        if numbers != self._numbers:
            other = {p for p in numbers.keys() | self._numbers.keys() if numbers.get(p) != self._numbers.get(p)}
            self._forget([name for name, what in self._known.items() if what.port in other])
            self._numbers = numbers
        new = RuleSet(desired[name] for name in desired.ids - self._known.keys())
        self._capabilities.require(new)
        absent: dict[str, str] = {}
        for rule in new:
            port = rule.match.port
            if port is not None and numbers.get(port) is None:
                absent[rule.id] = f"there is no port {port!r} on this switch"
            elif (what := Held.of(rule, None if port is None else numbers[port], self._layout)).flows:
                self._known[rule.id] = what
                self._crowds.add(what.flows)
                if what.permit:
                    self._permits.add(rule.id)
            else:
                absent[rule.id] = "no frame can match this rule"
        return set(new.ids) - absent.keys(), absent

    def _forget(self, names: Iterable[str]) -> None:
        for name in names:
            self._crowds.drop(self._known.pop(name).flows)
            self._permits.discard(name)

    def _set_apart(self, desired: RuleSet, other: dict[str, Held | None], absent: dict[str, str]) -> None:
        """Give each flow a priority of its own among its equals. What is known and not wanted has no say."""
        rivals = [flow for flow in self._crowds.rivals() if (flows.rule_id_of(flow.cookie) or "") in desired]
        for flow, moved in apart(rivals).items():
            name = flows.rule_id_of(flow.cookie) or ""
            what = other.get(name, self._known[name])
            if moved is None or what is None:
                absent[name], other[name] = f"{SLOTS} rules with the very same match are held already", None
            else:
                other[name] = what.with_flows(moved if own == flow else own for own in what.flows)


def _adds(wanted: Mapping[str, Held], wrong: list[str], old: Mapping[str, tuple[Flow, ...]]) -> list[dict[str, Any]]:
    missing = [flow for name in wrong for flow in wanted[name].flows if flow not in old.get(name, ())]
    return [{"kind": "flow", **flow.wire()} for flow in sorted(missing, key=add_order)]


def add_order(flow: Flow) -> tuple[int, int]:
    """Sort key: what stops frames, then what lets frames on, then the pipeline from its last table to the first table's default."""
    own = not flows.is_rules(flow.cookie)
    return (2, -flow.table) if own else (int(flow.goto is not None), 0)


def _removals(
    wanted: Mapping[str, Held],
    wrong: list[str],
    gone: list[str],
    old: Mapping[str, tuple[Flow, ...]],
    nobodys: list[Flow],
) -> Iterator[dict[str, Any]]:
    """One message takes a rule's flows away by its cookie; single flows go by their whole match. A drop goes after every permit: the
    drop that `overlaps` put above another containment's permit is a single flow of a rule that stays, and the permit's rule goes whole."""
    single = [
        flow for name in wrong for flow in old.get(name, ()) if flow.key not in {f.key for f in wanted[name].flows}
    ]
    whole = {flow.cookie: flow for flow in nobodys}
    for name in gone:
        for flow in old[name]:
            if flows.rule_id_of(flow.cookie) is None:
                single.append(flow)
            elif flow.cookie not in whole or flow.goto is not None:
                whole[flow.cookie] = flow
    for drops in (False, True):
        yield from ({"kind": "unflow", **flow.wire()} for flow in single if (flow.goto is None) is drops)
        yield from ({"kind": "uncookie", "cookie": f.cookie} for f in whole.values() if (f.goto is None) is drops)


def _port_messages(
    flags: Mapping[PortName, set[str]], observed: ObservedState, baseline: PreState
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
            "rules": sorted(flags.get(name, ())),
        }

    on = [message(name, True) for name in sorted(flags) if not observed.ports[name].settings["no_fwd"]]
    ours = [name for name, before in baseline.ports.items() if before.get("no_fwd") is False and name not in flags]
    off = [message(name, False) for name in ours if name in observed.ports and observed.ports[name].settings["no_fwd"]]
    return on, off


def _line(sign: str, name: str, rule: Rule | None, native: str) -> DiffLine:
    """The cookie is left out of the detail: it is the rule's id again."""
    return DiffLine(sign, _in_words(name, rule), tuple(line.partition(",")[2] or line for line in native.splitlines()))


def _in_words(name: str, rule: Rule | None) -> str:
    if rule is not None:
        match = rule.match
        fields = [f"{field} {getattr(match, field)}" for field in match.__slots__[1:] if field in match.fields()]
        return " ".join([rule.action.value, match.direction.value, *fields])
    if name.startswith("witness:"):
        return f"count what gets past, from port {name.removeprefix('witness:')}"
    return "the pipeline" if name == PIPELINE else f"rule {name}"


def _number(state: PortState) -> int | None:
    number = state.settings.get("number")
    return number if isinstance(number, int) else None


def read_back(
    boot_id: str,
    at: float,
    found: Iterable[Counted],
    ports: Mapping[PortName, PortState],
    layout: Layout = ALONE,
) -> ObservedState:
    """The state from a flow-stats and a port reply. A stranger's flow among those found may outrank ours: no others are asked for."""
    names = {state.settings["number"]: name for name, state in ports.items()}
    grouped: dict[str, list[Counted]] = defaultdict(list)
    rules: list[ObservedRule] = []
    strangers: list[Flow] = []
    for counted in found:
        if counted.flow.cookie == EVENNESS:
            continue
        if flows.is_ours(counted.flow.cookie):
            grouped[_name_of(counted.flow, names)].append(counted)
        else:
            strangers.append(counted.flow)
    for name, every in grouped.items():
        held = [one.flow for one in every]
        if layout.is_flag_marker(held[0]):
            rules.append(_flag_rule(name, held, names, ports))
        else:
            packets, octets = sum([one.packets for one in every]), sum([one.octets for one in every])
            rules.append(ObservedRule(name or None, flows.native(held), packets, octets))
    return ObservedState(boot_id, at, tuple(rules), ports, tuple(sorted([flow.text for flow in strangers])))


def _flag_rule(
    name: str, held: list[Flow], names: Mapping[Any, PortName], ports: Mapping[PortName, PortState]
) -> ObservedRule:
    port = names.get(dict(held[0].match).get("in_port"))
    if port is not None and ports[port].settings["no_fwd"]:
        return ObservedRule(name, native(held, port))
    return ObservedRule(None, flows.native(held))


def _name_of(flow: Flow, names: Mapping[Any, PortName]) -> str:
    """The id that a flow's cookie stands for; "" for something with our mark that we never made."""
    number = flow.cookie & ~flows.COOKIE_MASK
    if number == flows.PIPELINE_ID:
        return PIPELINE
    if number in flows.WITNESS_IDS:
        match = dict(flow.match)
        port = names.get(match.get("in_port"), f"#{match.get('in_port')}")
        mac = match.get("eth_src")
        return f"witness:{port}" if mac is None else f"witness:{port}/{mac}"
    return flows.rule_id_of(flow.cookie) or ""
