"""What changed on a switch from one look to the next, as events: it reports nothing by itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from drivers.base import DeviceFacts, DriverEvent, PortStatus, Reconnected, Sighting

MOST_SIGHTINGS = 4096
"""New places of MACs in one look. A flood of invented ones must not take the controller down; who is missed is seen at the next look."""
SOURCE = "mac-table"


def differences(device: str, before: DeviceFacts | None, after: DeviceFacts, at: float) -> Iterator[DriverEvent]:
    """A port whose link changed, a MAC that is at a port where it was not; everything when there is no look before. A MAC that stays where
    it is is not told again: that it is still in the table does not say that it was heard since."""
    if before is not None and before.boot_id != after.boot_id:
        yield Reconnected(device, at, after.boot_id)
    were = {} if before is None else {interface.name: interface for interface in before.interfaces}
    are = {interface.name for interface in after.interfaces}
    for interface in after.interfaces:
        if interface.name not in were or were[interface.name].up is not interface.up:
            yield PortStatus(device, at, interface.name, interface.up, mac=interface.mac)
    for name in were.keys() - are:
        yield PortStatus(device, at, name, up=False, present=False)
    known = frozenset() if before is None else frozenset(before.macs)
    new = [entry for entry in after.macs if entry not in known]
    for entry in new[:MOST_SIGHTINGS]:
        yield Sighting(device, at, entry.mac, entry.port, vlan=entry.vlan, source=SOURCE)
