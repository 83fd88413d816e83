"""A preview as people know it from Terraform: where the device is, what would be added and removed, and what that
does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from controller.api.schemas import (
    AttachmentView,
    DiffLineView,
    ImpactView,
    LocationView,
    PreviewView,
    ProofView,
    ReachView,
)
from controller.cli.endpoint_view import in_a_sentence
from controller.cli.output import at, said
from controller.cli.places import Names, place, switch
from controller.durations import show_duration

_SIGN_STYLES = {"+": "green", "-": "red", "~": "yellow"}
_MOST_PAIRS = 12
_GUISE = re.compile(r"([^,]*?)( as another MAC| as another IP| as a neighbour's MAC| broadcast)?")
"""A kind of traffic as the proof calls it: the protocol, and under whose name."""


def show_preview(console: Console, preview: PreviewView, names: Names, *, native: bool = True) -> None:
    """`native`: also what each rule is in the device's own words."""
    show_location(console, preview.location, names)
    if preview.refusal is not None:
        console.print()
        console.print(
            Text.assemble(("Refused ", "bold red"), said(f"({preview.refusal.code}): {preview.refusal.reason}"))
        )
        return
    if preview.decision is not None:
        console.print()
        span = show_duration(preview.decision.duration)
        console.print(said(f"Profile {preview.decision.profile}, for {span}. What would change:"))
    changes = device_changes(preview)
    for device, lines in changes.items():
        _show_device(console, switch(device, names), lines, native=native)
    if preview.weaker:
        console.print(Text.assemble(("Weaker than asked for: ", "bold yellow"), said(preview.weaker)))
    for note in preview.notes:
        console.print(Text.assemble(("Note: ", "bold yellow"), said(note)))
    for why in preview.why:
        console.print(said(f"  {why}", "dim"))
    console.print()
    console.print(Text(summary(changes), style="bold"))
    if preview.proof is not None:
        show_proof(console, preview.proof, names)
    if preview.impact is not None:
        show_impact(console, preview.impact)


def show_location(console: Console, location: LocationView, names: Names) -> None:
    """Which device it is, with the evidence for it (+) and against it (-)."""
    title = Text.assemble(said(location.target, "bold"), " is ", _who(location, names))
    if location.confidence:
        title.append(f"  (confidence {location.confidence:.2f})")
    console.print(title)
    for line in location.evidence:
        console.print(Text.assemble("    + ", said(line)))
    for line in location.against:
        console.print(Text.assemble("    - ", said(line, "yellow")))
    for candidate in location.candidates if location.endpoint is None else ():
        console.print(Text.assemble("    ? ", said(f"perhaps at {_place(candidate, names)}")))
    if location.endpoint is not None and (looks := in_a_sentence(location.endpoint)):
        console.print(said(f"    looks like: {looks}", "dim", limit=1000))
    if location.endpoint is not None and location.endpoint.neighbours:
        console.print(said(f"    behind the same port: {', '.join(location.endpoint.neighbours)}", "yellow"))


def _who(location: LocationView, names: Names) -> Text:
    endpoint = location.endpoint
    if endpoint is None:
        return said(location.status, "bold yellow")
    addresses = ", ".join([*endpoint.macs, *endpoint.ips])
    known = [word for word in (endpoint.managed, endpoint.type, endpoint.role) if word != "unknown"]
    where = _place(endpoint.attachment, names)
    return said(f"{addresses} at {where}" + (f"  [{', '.join(known)}]" if known else ""))


def _place(attachment: AttachmentView, names: Names) -> str:
    return place(attachment, names) + ("" if attachment.vlan is None else f" VLAN {attachment.vlan}")


def device_changes(preview: PreviewView) -> dict[str, list[DiffLineView]]:
    """The device's own difference; where it could not be asked, the rules that it would be given."""
    changes = dict(preview.changes)
    for device, rules in preview.rules.items():
        if device not in changes:
            changes[device] = [DiffLineView(sign="+", text=rule_in_words(rule)) for rule in rules]
    return changes


def summary(changes: dict[str, list[DiffLineView]]) -> str:
    counts = {sign: sum(line.sign == sign for lines in changes.values() for line in lines) for sign in "+~-"}
    return f"Plan: {counts['+']} to add, {counts['~']} to change, {counts['-']} to remove."


def rule_in_words(rule: dict[str, Any]) -> str:
    """A rule as it comes over the wire, in one line: deny from s1-eth3."""
    match = rule["match"]
    parts = [rule["action"], match["direction"]]
    parts += [f"{name} {match[name]}" for name in ("port", "mac", "ip", "peer", "protocol") if match.get(name)]
    parts += [f"{name} {match[name][0]}-{match[name][1]}" for name in ("own_ports", "peer_ports") if match.get(name)]
    if rule.get("vlan") is not None:
        parts.append(f"to VLAN {rule['vlan']}")
    return " ".join(map(str, parts))


def _show_device(console: Console, device: str, lines: Sequence[DiffLineView], *, native: bool) -> None:
    console.print()
    console.print(said(f"  # {device}", "bold"))
    if not lines:
        console.print(Text("    (no changes)", style="dim"))
    for line in lines:
        console.print(Text.assemble(f"    {line.sign} ", said(line.text)), style=_SIGN_STYLES.get(line.sign, ""))
        for part in line.detail if native else ():
            console.print(said(f"        {part}", "dim"))


def show_proof(console: Console, proof: ProofView, names: Names) -> None:
    """What the plan does on the model of the network."""
    console.print()
    verdict = ("holds", "bold green") if proof.holds else ("does not hold", "bold red")
    console.print(Text.assemble(("Proof ", "bold"), verdict, " on the model of the network:"))
    _show_reaches(console, "blocked", proof.blocked, "green", names)
    _show_reaches(console, "residual", proof.residual, "yellow", names)
    _show_reaches(console, "collateral", proof.collateral, "red", names)
    if proof.still_reaches:
        named = ", ".join(proof.still_reaches[:_MOST_PAIRS])
        more = len(proof.still_reaches) - _MOST_PAIRS
        console.print(
            said(f"  still reaches: {named}{f' and {more} more' if more > 0 else ''}, without meeting a rule", "yellow")
        )
    for device, survival in proof.management.items():
        style = "red" if "cut" in survival else "yellow" if survival == "unknown" else "green"
        console.print(Text.assemble("  management of ", said(device), ": ", said(survival, style)))


def show_impact(console: Console, impact: ImpactView) -> None:
    """Who talked to it lately, and would lose that."""
    console.print()
    if not impact.sources:
        console.print(
            said(
                "Impact not known: no sensor tells who talks to whom (Suricata's flow events, Zeek's conn.log). That is not nobody.",
                "yellow",
            )
        )
        return
    seen = f"since {at(impact.since)} by {', '.join(impact.sources)}; what no sensor saw is not in it"
    console.print(Text.assemble(("Impact ", "bold"), said(f"on what was seen {seen}:")))
    for name, talks, style in (("loses", impact.lost, "red"), ("keeps", impact.kept, "green")):
        console.print(Text(f"  {name}: {len(talks) or 'nothing that was seen'}", style=style if talks else "dim"))
        for one in talks[:_MOST_PAIRS]:
            what = f"{one.service} of {one.peer}" if one.way == "from" else f"its {one.service}, used by {one.peer}"
            often = f"once, {at(one.last)}" if one.times == 1 else f"{one.times} times, last {at(one.last)}"
            console.print(said(f"    {what}: {often}"))
        if len(talks) > _MOST_PAIRS:
            console.print(Text(f"    … and {len(talks) - _MOST_PAIRS} more (--json shows all)", style="dim"))


def _kinds_in_words(kinds: Sequence[str]) -> str:
    """ARP, TCP, also as another MAC, as another IP: what goes for the same protocols is said once."""
    protocols: dict[str, list[str]] = {}
    for kind in kinds:
        found = _GUISE.fullmatch(kind)
        name, guise = (found[1], (found[2] or "").strip()) if found else (kind, "")
        protocols.setdefault(guise, []).append(name)
    guises: dict[tuple[str, ...], list[str]] = {}
    for guise, names in protocols.items():
        guises.setdefault(tuple(names), []).append(guise)
    return "; ".join(_under(names, several) for names, several in guises.items())


def _under(names: Sequence[str], guises: Sequence[str]) -> str:
    others = ", ".join(filter(None, guises))
    if not others:
        return ", ".join(names)
    return ", ".join([*names, f"also {others}"]) if "" in guises else f"{', '.join(names)} ({others})"


def _way(example: ReachView, names: Names) -> str:
    """s1-eth3 s1 s1-eth11 > s1-eth11 s2 (any other port), stopped by rule 0a1b2c3d4e5f."""
    hops = " > ".join(f"{hop.in_port} {switch(hop.device, names)} {hop.out_port}" for hop in example.path)
    return f"{hops}, stopped by rule {example.stopped_by}" if example.stopped_by else hops


def _show_reaches(console: Console, name: str, reaches: Sequence[ReachView], style: str, names: Names) -> None:
    """One line for each pair of parties, with all the kinds of traffic between them."""
    console.print(Text(f"  {name}: {len(reaches) or 'none'}", style=style if reaches else "dim"))
    kinds: dict[tuple[str, str], list[str]] = {}
    for reach in reaches:
        kinds.setdefault((reach.src, reach.dst), []).append(reach.kind)
    for (src, dst), several in list(kinds.items())[:_MOST_PAIRS]:
        console.print(Text.assemble("    ", said(f"{src} to {dst}: {_kinds_in_words(several)}")))
        if example := next((one for one in reaches if (one.src, one.dst) == (src, dst) and one.path), None):
            console.print(said(f"      for example {example.witness}", "dim", limit=1000))
            console.print(said(f"      by {_way(example, names)}", "dim", limit=1000))
    if len(kinds) > _MOST_PAIRS:
        console.print(Text(f"    … and {len(kinds) - _MOST_PAIRS} pairs more (--json shows all)", style="dim"))
