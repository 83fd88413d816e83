"""What is sent to a Linux host so that its table holds exactly what is desired: one `nft` transaction. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from drivers.base import Change, DiffLine, ObservedRule
from drivers.netmiko_cli.arrival import cuts_off
from drivers.netmiko_cli.asking import PLAIN_NAME
from drivers.netmiko_cli.linux_layout import BASE, TABLE, chains, entries, is_containments
from drivers.netmiko_cli.linux_seen import Seen, SeenTable
from drivers.netmiko_cli.messages import Refusal, Script
from drivers.netmiko_cli.nft import Entry, Listed
from drivers.rules import Rule, RuleSet

_WHERE = f"bridge {TABLE}"
_OWN = "netcordon"


@dataclass
class _Draft:
    """`lines` in an order in which each refers to what is there: chains, entries, and then what goes."""

    lines: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    diff: list[DiffLine] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)

    def entry(self, sign: str, chain: str, said: str, name: str) -> None:
        self.diff.append(DiffLine(sign, f"nft {_WHERE} {chain}: {said}"))
        self.touched.add(name)


def change(device: str, desired: RuleSet, seen: Seen) -> Change:
    """The rules were checked against the platform's declaration."""
    refusals = dict(_refused(desired, seen))
    wanted = chains(rule for rule in desired if rule.id not in refusals or _may_return(rule, seen))
    draft = _Draft()
    table = seen.table
    if table is not None and (not wanted or not table.sound):
        draft.lines.append(f"delete table {_WHERE}")
        draft.diff.append(DiffLine("-", f"nft table {_WHERE}", tuple(sorted(_said(table)))))
        draft.touched |= {one.comment for every in table.chains.values() for one in every}
        table = None
    if wanted:
        if table is None:
            _make(draft)
        _fill(draft, wanted, {} if table is None else table.chains)
    messages: list[Script | Refusal] = [Refusal(rule, reason) for rule, reason in sorted(refusals.items())]
    if lines := (*draft.lines, *draft.gone):
        messages.insert(0, Script(lines))
    held = {one.comment for every in seen.table.chains.values() for one in every} if seen.table is not None else set()
    cannot = [DiffLine(" ", f"rule {rule} cannot be held: {reason}") for rule, reason in sorted(refusals.items())]
    touched = {name for name in draft.touched if ":" not in name and name != _OWN}
    return Change(
        device,
        tuple(messages),
        (*draft.diff, *cannot),
        rule_ids=frozenset(touched & desired.ids) | frozenset(refusals),
        removed=frozenset((held & touched) - desired.ids - {""}),
        own=frozenset(name for name in draft.touched if ":" in name),
    )


def held(table: SeenTable | None) -> Iterator[ObservedRule]:
    """What of ours the table holds, by the name in its comment. Nothing of a table that is not hooked as ours is counts as held."""
    if table is None:
        return
    jumps = {(way, one.entry.verdict) for way in BASE for one in table.chains.get(way, ()) if one.entry is not None}
    named: dict[str, list[tuple[str, Listed]]] = defaultdict(list)
    for chain, every in table.chains.items():
        asked = chain in BASE or (chain.partition("_")[0], f"jump {chain}") in jumps
        for one in every:
            if one.comment != _OWN:
                named[one.comment if table.sound and asked and one.entry is not None else ""].append((chain, one))
    for name, every_one in sorted(named.items()):
        native = "; ".join(sorted(f"{chain}: {_text(one)}" for chain, one in every_one))
        packets, octets = (_sum(getattr(one, what) for _, one in every_one) for what in ("packets", "octets"))
        yield ObservedRule(name or None, native, packets, octets)


def _sum(counted: Iterable[int | None]) -> int | None:
    every = list(counted)
    return None if None in every else sum(one for one in every if one is not None)


def _text(one: Listed) -> str:
    return one.entry.text if one.entry is not None else f"an entry that is not ours as it is ({one.comment!r})"


def _said(table: SeenTable) -> Iterator[str]:
    return (f"{chain}: {_text(one)}" for chain, every in table.chains.items() for one in every)


def _make(draft: _Draft) -> None:
    draft.lines.append(f"add table {_WHERE}")
    draft.diff.append(DiffLine("+", f"nft table {_WHERE}"))
    for chain, (hook, priority) in BASE.items():
        draft.lines.append(
            f"add chain {_WHERE} {chain} {{ type filter hook {hook} priority {priority}; policy accept; }}"
        )


def _fill(draft: _Draft, wanted: Mapping[str, list[Entry]], there: Mapping[str, tuple[Listed, ...]]) -> None:
    """Chains of containments come before the jumps to them, and go after these."""
    for chain in sorted(wanted.keys() - there.keys() - BASE.keys()):
        draft.lines.append(f"add chain {_WHERE} {chain}")
    for chain in sorted(wanted, key=lambda name: (name in BASE, name)):
        _converge(draft, chain, wanted, there.get(chain, ()))
    for chain in sorted(there.keys() - wanted.keys()):
        for one in there[chain]:
            draft.entry("-", chain, _text(one), one.comment)
        draft.gone += [f"flush chain {_WHERE} {chain}", f"delete chain {_WHERE} {chain}"]


def _converge(draft: _Draft, chain: str, every: Mapping[str, list[Entry]], there: tuple[Listed, ...]) -> None:
    """What is there as it should be stays, with its counters. A permit goes in front, so that no deny is asked before it."""
    wanted = every[chain]
    keep, missing = _kept(wanted, there)
    if is_containments(chain) and not _in_order([one for one in there if one.handle in keep]):
        keep, missing = frozenset(), list(wanted)
    for one in there:
        if one.handle not in keep:
            draft.gone.insert(0, f"delete rule {_WHERE} {chain} handle {one.handle}")
            draft.entry("-", chain, _text(one), one.comment)
    for entry in missing:
        verb = "insert" if entry.verdict == "return" else "add"
        draft.lines.append(f"{verb} rule {_WHERE} {chain} {entry.text}")
        draft.entry("+", chain, entry.text, entry.comment)
        if (target := entry.verdict.removeprefix("jump ")) in every:
            draft.touched |= {one.comment for one in every[target]}  # nobody asked it before


def _kept(wanted: list[Entry], there: tuple[Listed, ...]) -> tuple[frozenset[int], list[Entry]]:
    """The handles of what stays, and what is not there."""
    open_ = Counter((entry.comment, entry.form) for entry in wanted)
    keep: set[int] = set()
    for one in there:
        key = None if one.entry is None or one.packets is None else (one.comment, one.entry.form)
        if key is not None and open_[key] > 0:
            open_[key] -= 1
            keep.add(one.handle)
    missing = []
    for entry in wanted:
        if open_[entry.comment, entry.form] > 0:
            open_[entry.comment, entry.form] -= 1
            missing.append(entry)
    return frozenset(keep), missing


def _in_order(kept: list[Listed]) -> bool:
    verdicts = [one.entry.verdict for one in kept if one.entry is not None]
    denied = verdicts.index("drop") if "drop" in verdicts else len(verdicts)
    return "return" not in verdicts[denied:]


def _refused(desired: RuleSet, seen: Seen) -> Iterator[tuple[str, str]]:
    for rule in desired:
        port = rule.match.port
        state = None if port is None else seen.ports.get(port)
        if port is not None and not PLAIN_NAME.fullmatch(port):
            yield rule.id, f"{port!r}: its name has characters that are not put into a command"
        elif port is not None and state is None:
            yield rule.id, f"there is no port {port!r} on this host"
        elif state is not None and state.unfit is not None:
            yield rule.id, f"{port}: {state.unfit}"
        elif why := cuts_off(rule, seen.arrival):
            yield rule.id, why
        elif next(entries(rule), None) is None:
            yield rule.id, "no frame can match this rule"


def _may_return(rule: Rule, seen: Seen) -> bool:
    """Whether the rule's port is away, and its entries hold again, by its name, as soon as it is back."""
    port = rule.match.port
    return port is not None and port not in seen.ports and PLAIN_NAME.fullmatch(port) is not None
