"""The alarms of our own passive sensor (`netcordon discover`): new device, rogue DHCP server, rogue router advertisement, ARP spoofing, MAC
flooding. They go through the same policy and guards as any other source's alerts.

`src` is the suspect, by its MAC alone: the address that it claims is somebody else's more often than not. Where the sensor could name
nobody, `src` is empty, and a person is asked. The sensor's own time is kept; a repetition within the hour is a duplicate.

Samples after docs/discovery.md of this project.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from controller.discovery.alarms import AGAIN_AFTER, Alarm, AlarmKind
from controller.intake.event import AddressField, Id, MacField, Moment, Text, read_event
from controller.model import Alert, End

SOURCE = "discovery"


class _Meaning(NamedTuple):
    """Techniques are of ATT&CK: T1557 adversary in the middle (.002 ARP, .003 DHCP), T1200 hardware additions, T1499 denial of service."""

    signature: str
    severity: int
    techniques: tuple[str, ...]


_MEANINGS = {
    AlarmKind.NEW_DEVICE: _Meaning("New undiscovered device", 2, ("T1200",)),
    AlarmKind.ROGUE_DHCP: _Meaning("Rogue DHCP server", 4, ("T1557.003",)),
    AlarmKind.ROGUE_RA: _Meaning("Rogue router advertisement", 4, ("T1557",)),
    AlarmKind.ARP_SPOOFING: _Meaning("ARP or neighbour spoofing", 4, ("T1557.002",)),
    AlarmKind.MAC_FLOODING: _Meaning("MAC flooding", 3, ("T1499",)),
}


class _Event(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: AlarmKind
    observed_at: Moment
    sensor: Id
    mac: MacField | None = None
    victim_ip: AddressField | None = None
    victim_mac: MacField | None = None
    text: Text = ""


def event_of(alarm: Alarm, sensor: str) -> dict[str, str]:
    """The alarm as JSON: what `parse` reads."""
    told = {
        "kind": alarm.kind.value,
        "observed_at": datetime.fromtimestamp(alarm.at, UTC).isoformat(),
        "sensor": sensor,
        "mac": alarm.mac,
        "victim_ip": None if alarm.victim_ip is None else str(alarm.victim_ip),
        "victim_mac": alarm.victim_mac,
        "text": alarm.text,
    }
    return {key: str(value) for key, value in told.items() if value is not None}


def parse(raw: Mapping[str, Any], received_at: float) -> Alert:
    """The alert that `raw` is. Raises InvalidInput naming the field that does not fit."""
    event = read_event(raw, _Event, SOURCE)
    meaning = _MEANINGS[event.kind]
    hour = int(event.observed_at // AGAIN_AFTER)
    return Alert(
        source=SOURCE,
        key=f"{event.sensor}/{event.kind}/{event.mac or ''}/{event.victim_ip or ''}/{hour}",
        observed_at=event.observed_at,
        received_at=received_at,
        signature=meaning.signature,
        signature_id=event.kind.value,
        severity=meaning.severity,
        src=End(mac=event.mac),
        dst=End(ip=event.victim_ip, mac=event.victim_mac),
        category="discovery",
        text=event.text,
        techniques=meaning.techniques,
    )
