"""What one switch should hold and what it was seen to hold, by id, and where the two differ.

Both are kept up by what changed: a device with ten thousand rules in which one is new costs what that one costs, and a few passes over
names at the speed of the interpreter's own containers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from drivers.base import ObservedRule
from drivers.openflow import flows
from drivers.openflow.flows import Flow
from drivers.openflow.layout import Layout
from drivers.rules import Action, PortName, Rule


@dataclass(frozen=True, slots=True)
class Held:
    """What one id stands for on this switch. `port` is the one that its match names, `flag` the one whose NO_FWD it is."""

    flows: tuple[Flow, ...]
    native: str
    port: PortName | None = None
    flag: PortName | None = None
    permit: bool = False
    witness: tuple[str, Held] | None = None

    @classmethod
    def own(cls, *flows: Flow) -> Held:
        return cls(flows, native(flows))

    @classmethod
    def of(cls, rule: Rule, number: int | None, layout: Layout) -> Held:
        """`number` is the port's; no flows: no frame can match the rule."""
        own, port = layout.rule_flows(rule, number), rule.match.port
        flag = port if flows.is_port_flag(rule) else None
        seen = layout.witness(rule, number)
        witness = None if seen is None else (seen[0], cls.own(seen[1]))
        return cls(own, native(own, flag), port, flag, rule.action is Action.PERMIT, witness)

    def with_flows(self, every: Iterable[Flow]) -> Held:
        held = tuple(every)
        return replace(self, flows=held, native=native(held, self.flag))


def native(held: Iterable[Flow], flagged: PortName | None = None) -> str:
    """The text of what stands for one id: its flows, and the port's flag where it is one."""
    return flows.native(held) if flagged is None else f"port {flagged} no_fwd\n{flows.native(held)}"


class Standing:
    """`wanted` has what should be held, witnesses among it, `held` the native text of what is, `nobodys` what has no name. `wrong` are the
    names that are wanted and not held like that, `gone` those that are held and not wanted. `flags`: by port, the rules that are its
    flag."""

    def __init__(self) -> None:
        self.wanted: dict[str, Held] = {}
        self.held: dict[str, str] = {}
        self.nobodys: dict[int, ObservedRule] = {}
        self.wrong: set[str] = set()
        self.gone: set[str] = set()
        self.flags: defaultdict[PortName, set[str]] = defaultdict(set)
        self._witnessed: defaultdict[str, set[str]] = defaultdict(set)  # by a witness's name, the rules that want it
        self._rules: tuple[ObservedRule, ...] = ()  # all that was seen last
        self._seen: dict[int, ObservedRule] = {}  # the same by identity

    def want(self, changes: Mapping[str, Held | None]) -> None:
        """What stands for these names from now on; None: nothing does."""
        for name, what in changes.items():
            before = self.wanted.get(name)
            if before is what:
                continue
            if before is not None:
                self._leave(name, before)
            self._put(name, what)
            if what is not None:
                self._join(name, what)

    def see(self, rules: tuple[ObservedRule, ...]) -> None:
        """These are all that the switch holds. Those that were seen before are told by their being the same objects."""
        if rules is self._rules:
            return
        found = dict(zip(map(id, rules), rules, strict=True))
        for key in self._seen.keys() - found.keys():
            name = self._seen[key].rule_id
            if name is None:
                del self.nobodys[key]
            else:
                self._hold(name, None)
        for key in found.keys() - self._seen.keys():
            name = found[key].rule_id
            if name is None:
                self.nobodys[key] = found[key]
            else:
                self._hold(name, found[key].native)
        self._rules, self._seen = rules, found
        if len(self.held) + len(self.nobodys) != len(found):  # two of one name: the last counts
            for rule in rules:
                if rule.rule_id is not None:
                    self._hold(rule.rule_id, rule.native)

    def _join(self, name: str, what: Held) -> None:
        if what.flag is not None:
            self.flags[what.flag].add(name)
        if what.witness is not None:
            self._witnessed[what.witness[0]].add(name)
            self._put(*what.witness)

    def _leave(self, name: str, what: Held) -> None:
        if what.flag is not None:
            self.flags[what.flag].discard(name)
            if not self.flags[what.flag]:
                del self.flags[what.flag]
        if what.witness is not None:
            witness = what.witness[0]
            self._witnessed[witness].discard(name)
            if not self._witnessed[witness]:
                del self._witnessed[witness]
                self._put(witness, None)

    def _put(self, name: str, what: Held | None) -> None:
        if what is None:
            self.wanted.pop(name, None)
        else:
            self.wanted[name] = what
        self._compare(name)

    def _hold(self, name: str, text: str | None) -> None:
        if text is None:
            self.held.pop(name, None)
        else:
            self.held[name] = text
        self._compare(name)

    def _compare(self, name: str) -> None:
        what, text = self.wanted.get(name), self.held.get(name)
        _among(self.wrong, name, what is not None and what.native != text)
        _among(self.gone, name, what is None and text is not None)


def _among(names: set[str], name: str, there: bool) -> None:
    if there:
        names.add(name)
    else:
        names.discard(name)
