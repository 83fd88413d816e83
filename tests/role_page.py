"""docs/role-profiles.md: what each role keeps and what closes, written from the profiles themselves.

python -m tests.role_page      writes it; a test fails while it is stale
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from controller.model import Entry, Way
from controller.role_match import RoleMatching, opens_nothing
from controller.role_profiles import ROLES, RoleProfile
from controller.role_services import LINKS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "role-profiles.md"
WAYS = {Way.TO: "others open to it", Way.FROM: "it opens", Way.BOTH: "both"}
HEAD = f"""# Role profiles: what stays up

Written by `python -m tests.role_page` from `controller/role_profiles.py`; do not edit. A test holds each row against the rules that
the profile comes to, as a model and as OpenFlow flows.

Microsoft's Contain IP closes only certain ports and directions of a device that has a role; so do these, on the network's side. Under
each of them **everything is closed but what is listed as staying up**, ARP of the device's own addresses, neighbour discovery, and
DHCP as a client. `netcordon profiles role:camera` shows one, `netcordon plan TARGET --profile role:camera` what it would do.

## Whose role it is

A policy rule may name a profile (`profile: role:camera`), or `profile: role`: that of the device's own role.
`netcordon contain TARGET --profile role` does the same by hand.

```yaml
roles:
  confidence: {RoleMatching().confidence:g}   # how sure the role must be; the inventory is by MAC 1, by address alone 0.5
  below: {RoleMatching().below}     # what a fingerprint comes to that is less sure: unknown, or propose
policy:
  rules:
    - {{name: by role, match: {{min_severity: 4}}, profile: role, mode: contain}}
```

1. What the inventory says of the device's MAC is its role.
2. What it says of an address alone, anybody can take who takes the address: that is proposed to a person. So is a role that has no
   profile.
3. Else a sensor's fingerprint ([discovery](discovery.md)), as sure as it says. It is what the device does and says of itself, and so
   **it loosens nothing**: it can choose only a profile under which the device opens nothing ({{opening}}).
   Whoever behaves as a domain controller and is none of the inventory's is contained by `role:unknown`. Nor does a fingerprint
   protect anybody, or count in a budget.
4. Else it is `role:unknown`.

A person who writes `--profile role` where it is in doubt is refused, and names the role.

## What a port number cannot tell

Rules keep no state, so here too ([profiles](profiles.md#what-a-port-number-cannot-tell)): who may answer over UDP from a kept port can
send from that port to ports from 1024 on, and where it may ask over UDP, whoever sends from that port reaches it. The proof lists
both as what is left. TCP answers open no connection.

Peers such as `role:dns` are the addresses of the inventory's assets with that role; where none is listed nothing is open to them, and
the plan says so. Which switches can carry these profiles is in the [capability matrix](capability-matrix.md); a switch whose lists
cannot leave something open of what *goes to* a port (Arista EOS, Cisco IOS) holds what *comes from* it: requests still reach the
device, its answers do not get out. Beside another controller (`openflow.speaker.role: equal`) they are refused: take `lateral` or
`full`.
"""


def page() -> str:
    by_fingerprint = " and ".join(f"`{one.profile.name}`" for one in ROLES if opens_nothing(one.profile))
    parts = [HEAD.replace("{opening}", by_fingerprint)]
    parts += ["\n".join(_section(one)) for one in ROLES]
    parts.append("## Sources\n\n" + "".join(f"- {name}: {link}\n" for name, link in LINKS.items()))
    return "\n".join(parts)


def _section(one: RoleProfile) -> Iterator[str]:
    profile = one.profile
    yield f"## {profile.name}\n"
    yield f"Strictness {profile.strictness}: {profile.description}.\n"
    yield f"**What is lost:** {one.costs}.\n"
    yield "| | service | which way | why |"
    yield "|---|---|---|---|"
    yield from _rows("stays up", profile.entries)
    yield from _rows("closes", profile.closes)
    sources = "; ".join(f"{name}: {source}" for name, source in one.sources)
    yield f"\nPorts by [whom](#sources): {sources}. What lateral movement uses is that of `lateral` ([profiles](profiles.md)).\n"


def _rows(word: str, entries: Sequence[Entry]) -> Iterator[str]:
    """One line for what is alike but for the service."""
    order = list(dict.fromkeys((e.way, e.why, e.peers) for e in entries))
    for way, why, peers in order:
        alike = [e for e in entries if (e.way, e.why, e.peers) == (way, why, peers)]
        whom = f", to {' and '.join(f'`role:{role}`' for role in peers.roles)}" if peers else ""
        yield f"| {word} | {', '.join(entry.label for entry in alike)} | {WAYS[way]}{whom} | {why} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE} is written\n")
