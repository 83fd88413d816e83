"""Suricata's EVE JSON, event type `alert`.

The format is documented at https://docs.suricata.io/en/latest/output/eve/eve-json-format.html. Ends are the packet's,
as Suricata writes them: with `direction: to_client` the packet came from the server. `ether` is there only with
`ethernet: yes`, and names the MACs on the sensor's own wire, where they may be a router's.

Samples after OISF/suricata, doc/userguide/output/eve/eve-json-format.rst.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AliasPath, BaseModel, Field

from controller.conversations import Conversation, protocol_number
from controller.errors import InvalidInput
from controller.intake.event import (
    UNSAID_SEVERITY,
    AddressField,
    L4Port,
    MacField,
    Moment,
    NotAnAlert,
    Signature,
    Text,
    aware_time,
    digest,
    one_address,
    read_event,
)
from controller.model import Alert, End
from controller.neutralize import neutralize

SOURCE = "suricata"
Count = Annotated[int, Field(ge=0, lt=2**64)]


class _Signature(BaseModel):
    """`severity` is a classification's priority: 1 is the worst, 4 the least in common use."""

    signature: Signature
    signature_id: Count
    gid: Count = 1
    rev: Count = 0
    severity: Annotated[int, Field(ge=1, le=255)] | None = None
    category: Text | None = None
    action: Text = ""


class _EveAlert(BaseModel):
    timestamp: Moment
    written_time: Text = Field(validation_alias="timestamp")
    alert: _Signature
    src_ip: AddressField | None = None
    src_port: L4Port | None = None
    dest_ip: AddressField | None = None
    dest_port: L4Port | None = None
    src_mac: MacField | None = Field(default=None, validation_alias=AliasPath("ether", "src_mac"))
    dest_mac: MacField | None = Field(default=None, validation_alias=AliasPath("ether", "dest_mac"))
    proto: Text = ""
    app_proto: Text = ""
    direction: Text = ""
    in_iface: Text = ""
    host: Text = ""
    community_id: Text = ""
    flow_id: Count | None = None
    tx_id: Count | None = None
    flow_src: AddressField | None = Field(default=None, validation_alias=AliasPath("flow", "src_ip"))


def parse(raw: Mapping[str, Any], received_at: float) -> Alert:
    """The alert that an EVE record tells of. Raises NotAnAlert for EVE's other event types, InvalidInput for what is
    not EVE."""
    kind = raw.get("event_type")
    if not isinstance(kind, str):
        raise InvalidInput("suricata: no event_type: not an EVE record")
    if kind != "alert":
        told = flow(raw) if kind == "flow" else None
        raise NotAnAlert(f"suricata: event type {neutralize(kind, 40)!r} is not an alert", told)
    event = read_event(raw, _EveAlert, SOURCE)
    if not (event.src_ip or event.dest_ip or event.src_mac or event.dest_mac):
        raise InvalidInput("suricata: neither src_ip nor dest_ip nor an ether address: there is nobody to look for")
    return Alert(
        source=SOURCE,
        key=_key(event) or digest(raw),
        observed_at=event.timestamp,
        received_at=received_at,
        signature=event.alert.signature,
        signature_id=str(event.alert.signature_id),
        severity=_severity(event.alert.severity),
        src=End(event.src_ip, event.src_mac, event.src_port),
        dst=End(event.dest_ip, event.dest_mac, event.dest_port),
        category=event.alert.category or "",
        text=_text(event),
    )


def flow(raw: Mapping[str, Any]) -> Conversation | None:
    """What an event of type flow tells; its source opened it. None where it says too little: it is no alert that could be lost."""
    try:
        client, server = one_address(raw["src_ip"]), one_address(raw["dest_ip"])
        protocol, at = protocol_number(str(raw["proto"])), aware_time(raw["timestamp"])
        port = raw.get("dest_port")
    except (KeyError, ValueError):
        return None
    if protocol is None or not (port is None or (isinstance(port, int) and 0 <= port <= 65535)):
        return None
    return Conversation(client, server, protocol, port, at, SOURCE)


def _key(event: _EveAlert) -> str | None:
    """One flow may set off one signature many times; a packet does so once. Flow ids are one Suricata process's own."""
    if event.flow_id is None:
        return None
    parts = (event.host, event.flow_id, event.alert.gid, event.alert.signature_id, event.tx_id, event.written_time)
    return "/".join("-" if part in (None, "") else str(part) for part in parts)


def _severity(priority: int | None) -> int:
    """1 (the worst) is our 5, 4 is our 2, and all beyond our 1."""
    return UNSAID_SEVERITY if priority is None else max(1, 6 - priority)


def _text(event: _EveAlert) -> str:
    said = {
        "": f"{event.alert.gid}:{event.alert.signature_id}:{event.alert.rev}",
        "proto": event.proto,
        "app": event.app_proto,
        "direction": event.direction,
        "flow from": "" if event.flow_src is None else str(event.flow_src),
        "action": event.alert.action,
        "interface": event.in_iface,
        "sensor": event.host,
        "community id": event.community_id,
    }
    return ", ".join(f"{name} {value}".strip() for name, value in said.items() if value)
