"""What a passive sensor (`netcordon discover --send`) tells the daemon of the devices that it hears, as JSON:

    POST /api/v1/sensors/{name}/devices  <- DeviceReports

It is a description and no more: no place, no address, nothing that joins two devices. Most of it is the device's own word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from controller.discovery.probes import MacField, Time
from controller.model import DEFAULT_REALM, Looks

if TYPE_CHECKING:
    from controller.discovery.listener import Device

REPORTS_MOST = 500
EVIDENCE_MOST = 16
_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


class DeviceReport(BaseModel):
    """`last_seen` is by the sensor's clock."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    mac: MacField
    last_seen: Time
    vendor: Annotated[str, Field(max_length=200)] = ""
    random_mac: bool = False
    type: _Name = "unknown"
    role: _Name = "unknown"
    confidence: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    evidence: Annotated[list[Annotated[str, Field(max_length=300)]], Field(max_length=EVIDENCE_MOST)] = []

    def looks(self, sensor: str, now: float) -> Looks:
        """A clock that is ahead makes nothing newer than it is."""
        return Looks(
            type=self.type,
            role=self.role,
            vendor=self.vendor,
            confidence=self.confidence,
            evidence=tuple(self.evidence),
            sensor=sensor,
            at=min(self.last_seen, now),
            random_mac=self.random_mac,
        )


class DeviceReports(BaseModel):
    """`realm`: whose link the sensor listens on."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    devices: Annotated[list[DeviceReport], Field(max_length=REPORTS_MOST)]
    realm: Annotated[str, Field(min_length=1, max_length=100)] = DEFAULT_REALM


class Reporting:
    """Which devices to tell of now: those that nothing was told of yet, that look different, or that were heard again a while after."""

    def __init__(self, again: float = 60.0) -> None:
        self._again = again
        self._told: dict[str, DeviceReport] = {}

    def news(self, devices: Iterable[Device]) -> list[DeviceReport]:
        """Of one of which nothing is known, nothing is told."""
        reports = [report(one) for one in devices if one.looks.vendor or one.looks.confidence]
        return [one for one in reports if self._is_news(one)]

    def told(self, reports: Iterable[DeviceReport]) -> None:
        """The daemon has them."""
        self._told.update((one.mac, one) for one in reports)

    def _is_news(self, new: DeviceReport) -> bool:
        known = self._told.get(new.mac)
        if known is None or new.model_copy(update={"last_seen": known.last_seen}) != known:
            return True
        return new.last_seen >= known.last_seen + self._again


def report(device: Device) -> DeviceReport:
    looks = device.looks
    return DeviceReport(
        mac=device.seen.mac,
        last_seen=max(0.0, device.seen.last_seen),
        vendor=looks.vendor[:200],
        random_mac=looks.random_mac,
        type=looks.type,
        role=looks.role,
        confidence=looks.confidence,
        evidence=[one[:300] for one in looks.evidence[:EVIDENCE_MOST]],
    )


def in_batches(reports: list[DeviceReport], realm: str) -> Iterator[DeviceReports]:
    for start in range(0, len(reports), REPORTS_MOST):
        yield DeviceReports(devices=reports[start : start + REPORTS_MOST], realm=realm)
