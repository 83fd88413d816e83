"""Wazuh's alerts, as the manager writes them to alerts.json and hands them to integrations.

The format: https://documentation.wazuh.com/current/user-manual/ruleset/testing.html shows one whole (rule 5712). The decoded fields
`srcip`, `dstip`, `srcport`, `dstport` are those of .../ruleset/ruleset-xml-syntax/decoders.html, `src_ip` and `dest_ip` those of
Suricata's records behind the JSON decoder (.../ruleset/json-decoder.html), `win.eventdata.ipAddress` that of a Windows logon; levels
are those of .../ruleset/rules/rules-classification.html. `srcip` is who acted. Where no `dstip` was decoded, the other end is the
agent's host, in whose log it stood: of an alert about that host alone (a rootkit, a changed file) it is `dst` too.

Samples after documentation.wazuh.com, Testing decoders and rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AliasChoices, AliasPath, BaseModel, BeforeValidator, Field

from controller.intake.event import (
    AddressField,
    DecodedPort,
    Id,
    NotAnAlert,
    Said,
    Signature,
    Techniques,
    Words,
    of_one_device,
    read_event,
    sentence,
)
from controller.intake.moments import IsoMoment
from controller.model import Address, Alert, End
from controller.neutralize import neutralize

SOURCE = "wazuh"
_NO_ADDRESS = frozenset({"", "-", "any", "LOCAL"})
_LEAST_LEVEL_OF = {5: 15, 4: 12, 3: 7, 2: 4}
"""As the dashboard has them: low to 6, medium from 7, high from 12, critical from 15."""


def _if_any(value: object) -> object:
    """A decoder writes a dash, Windows too, where there is no address; an agent may be registered with `any`."""
    return None if isinstance(value, str) and value.strip() in _NO_ADDRESS else value


Decoded = Annotated[AddressField | None, BeforeValidator(_if_any)]


class _Rule(BaseModel):
    id: Id
    description: Signature
    level: Annotated[int, Field(ge=0, le=16)]
    groups: Words = ()
    techniques: Techniques = Field(default=(), validation_alias=AliasPath("mitre", "id"))


class _Data(BaseModel):
    srcip: Decoded = Field(
        default=None, validation_alias=AliasChoices("srcip", "src_ip", AliasPath("win", "eventdata", "ipAddress"))
    )
    dstip: Decoded = Field(default=None, validation_alias=AliasChoices("dstip", "dest_ip"))
    srcport: DecodedPort = Field(default=None, validation_alias=AliasChoices("srcport", "src_port"))
    dstport: DecodedPort = Field(default=None, validation_alias=AliasChoices("dstport", "dest_port"))


class _Alert(BaseModel):
    timestamp: IsoMoment
    id: Id
    rule: _Rule
    data: _Data = _Data()
    agent_ip: Decoded = Field(default=None, validation_alias=AliasPath("agent", "ip"))
    agent: Said = Field(default="", validation_alias=AliasPath("agent", "name"))
    manager: Said = Field(default="", validation_alias=AliasPath("manager", "name"))
    location: Said = ""
    full_log: Said = ""


def parse(raw: Mapping[str, Any], received_at: float) -> Alert:
    """The alert. Raises NotAnAlert where neither an address was decoded nor the agent has one (the manager's own), InvalidInput for what is
    no alert of Wazuh's."""
    event = read_event(raw, _Alert, SOURCE)
    src = _usable(event.data.srcip)
    dst = _usable(event.data.dstip) or _usable(event.agent_ip)
    if src is None and dst is None:
        raise NotAnAlert(f"wazuh: rule {neutralize(event.rule.id, 40)} fired without an address")
    return Alert(
        source=SOURCE,
        key=f"{event.manager or '-'}/{event.id}",
        observed_at=event.timestamp.at,
        received_at=received_at,
        signature=event.rule.description,
        signature_id=event.rule.id,
        severity=next((ours for ours, least in _LEAST_LEVEL_OF.items() if event.rule.level >= least), 1),
        src=End(src, None, None if src is None else event.data.srcport),
        dst=End(dst, None, None if dst is None else event.data.dstport),
        category=", ".join(event.rule.groups)[:500],
        text=sentence((event.full_log,), {"level": event.rule.level, "agent": event.agent, "in": event.location}),
        techniques=event.rule.techniques,
        time_doubt=event.timestamp.doubt,
    )


def _usable(address: Address | None) -> Address | None:
    """A host that logs in to itself is no end."""
    return address if address is not None and of_one_device(address) else None
