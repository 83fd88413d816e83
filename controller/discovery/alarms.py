"""What is wrong on a link, as one listener sees it: a device that nobody onboarded, a DHCP server or router that is none of ours, an
address that two claim, a flood of MACs. No I/O; times are those of the frames.

An alarm names whom to suspect by the MAC that sent the frame, and never by an address that the frame claims: who spoofs the domain
controller's address must not get the domain controller contained. Where the frame's sender and the MAC in its claim differ, or MACs are
invented by the hundred, it names nobody, and a person is asked.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from controller.config import Asset, Router
from controller.discovery.seen import mac_of
from controller.discovery.words import NOTHING, Claim, Clue, Heard
from controller.model import Address, Managed
from drivers.rules import Mac

K = TypeVar("K")
V = TypeVar("V")

FLOOD_MACS, FLOOD_WINDOW = 256, 10.0
"""So many MACs never heard before within so many seconds: `macof` invents ten thousand a second, a morning's office a few."""
FIRST_LOOK = 30.0
"""Seconds from the first frame in which every device of a busy link is new, and no flood."""
DISPUTE = 60.0
"""Both holders of an address spoke within so many seconds: nobody handed it over."""
AGAIN_AFTER = 3600.0
"""The same alarm about the same device is raised again after so many seconds."""
_CLAIMS_MOST = 16384
_RAISED_MOST = 8192
_NEW_PER_MINUTE = 120
_VIRTUAL = (b"\x00\x00\x5e\x00\x01", b"\x00\x00\x5e\x00\x02", b"\x00\x00\x0c\x07\xac", b"\x00\x00\x0c\x9f")
"""VRRP (RFC 5798 §7.3) and HSRP: an address that moves between routers, rightly."""


class AlarmKind(StrEnum):
    NEW_DEVICE = "new-device"
    ROGUE_DHCP = "rogue-dhcp"
    ROGUE_RA = "rogue-ra"
    ARP_SPOOFING = "arp-spoofing"
    MAC_FLOODING = "mac-flooding"


@dataclass(frozen=True, slots=True)
class Alarm:
    """`mac` is the suspect, None where nobody can be named; `victim` whose address or place it takes."""

    kind: AlarmKind
    at: float
    mac: Mac | None
    text: str
    victim_ip: Address | None = None
    victim_mac: Mac | None = None


@dataclass(frozen=True)
class Known:
    """What people say of the link. Without any DHCP server, router or asset listed, the alarm that needs it is not raised."""

    assets: tuple[Asset, ...] = ()
    routers: tuple[Router, ...] = ()
    managed: dict[bytes, Managed] = field(init=False)
    holders: dict[Address, frozenset[bytes]] = field(init=False)
    dhcp: frozenset[bytes] = field(init=False)
    gateways: frozenset[bytes] = field(init=False)

    def __post_init__(self) -> None:
        listed = [asset for asset in self.assets if asset.mac is not None]
        gateways = {_packed(mac) for router in self.routers for mac in router.macs}
        gateways |= {_packed(a.mac) for a in listed if a.mac and a.role in ("router", "gateway")}
        holders = {a.ip: frozenset({_packed(a.mac)}) for a in listed if a.mac and a.ip}
        holders |= {ip: frozenset(map(_packed, r.macs)) for r in self.routers if r.macs for ip in r.ips}
        object.__setattr__(self, "managed", {_packed(a.mac): a.managed for a in listed if a.mac})
        object.__setattr__(self, "holders", holders)
        object.__setattr__(self, "gateways", frozenset(gateways))
        object.__setattr__(
            self, "dhcp", frozenset(_packed(a.mac) for a in listed if a.mac and a.role in ("dhcp", "domain-controller"))
        )

    def state(self, mac: bytes) -> Managed:
        """What is not listed is `undiscovered`; a router's MAC is one of ours."""
        return self.managed.get(mac, Managed.MANAGED if mac in self.gateways else Managed.UNDISCOVERED)


def _packed(mac: Mac) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


class Alarms:
    """Listens to what `Dissector` heard, frame by frame."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._raised: OrderedDict[tuple[str, bytes, object], float] = OrderedDict()
        self._claims: OrderedDict[Address, tuple[bytes, float]] = OrderedDict()
        self._rivals: OrderedDict[Address, tuple[bytes, bytes, float]] = OrderedDict()
        self._new: deque[float] = deque(maxlen=FLOOD_MACS)
        self._told_new: deque[float] = deque(maxlen=_NEW_PER_MINUTE)
        self._began: float | None = None
        self.unsaid = 0
        """New devices of which nothing was said, since too many came at once."""

    def hear(self, mac: bytes, heard: Heard, at: float, *, new: bool) -> Iterable[Alarm]:
        """What is wrong by this frame. `new`: its MAC was never heard before."""
        if heard is NOTHING and not new:
            return ()
        self._began = at if self._began is None else self._began
        found = [
            *(self._flooding(mac, at) if new else ()),
            *self._servers(mac, heard, at),
            *(self._claimed(mac, heard.claim, at) if heard.claim is not None else ()),
            *(self._unlisted(mac, heard, at) if heard.claim is not None or heard.words else ()),
        ]
        return found

    def _flooding(self, mac: bytes, at: float) -> Iterable[Alarm]:
        full = len(self._new) == FLOOD_MACS
        self._new.append(at)
        if not full or at - self._new[0] > FLOOD_WINDOW or at - (self._began or at) < FIRST_LOOK:
            return
        if self._first(AlarmKind.MAC_FLOODING, b"", None, at):
            yield Alarm(
                AlarmKind.MAC_FLOODING,
                at,
                None,
                f"{FLOOD_MACS} MACs never heard before within {at - self._new[0]:.1f} s, one of the last {mac_of(mac)};"
                " see on which port they are: a flood names nobody",
            )

    def _servers(self, mac: bytes, heard: Heard, at: float) -> Iterable[Alarm]:
        known = self._known
        if heard.dhcp_server is not None and known.dhcp and mac not in known.dhcp | known.gateways:
            yield from self._once(
                AlarmKind.ROGUE_DHCP,
                mac,
                at,
                f"{mac_of(mac)} hands out leases as {heard.dhcp_server}, and is no DHCP server of the inventory",
            )
        advertises = next((one.value for one in heard.words if one.clue is Clue.ADVERTISES_ROUTE), None)
        if advertises is not None and known.gateways and mac not in known.gateways:
            yield from self._once(
                AlarmKind.ROGUE_RA,
                mac,
                at,
                f"{mac_of(mac)} sends router advertisements from {advertises}, and is no router of the inventory",
            )

    def _once(self, kind: AlarmKind, mac: bytes, at: float, text: str) -> Iterable[Alarm]:
        if self._first(kind, mac, None, at):
            yield Alarm(kind, at, mac_of(mac), text)

    def _claimed(self, sender: bytes, claim: Claim, at: float) -> Iterable[Alarm]:
        """Against who is listed as the holder at once; between two who are not, when the one before speaks up again."""
        listed = self._known.holders.get(claim.ip)
        if listed is not None:
            if claim.mac not in listed and not claim.mac.startswith(_VIRTUAL):
                yield from self._spoofed(sender, claim, min(listed), at, "is listed as its holder")
            return
        before = self._claims.get(claim.ip)
        rival = self._rivals.get(claim.ip)
        if before is not None and before[0] != claim.mac:
            if rival is not None and rival[0] == claim.mac and at - rival[2] <= DISPUTE:
                # the holder from before speaks up again, while the newcomer still does
                newcomer = Claim(claim.ip, rival[1])
                yield from self._spoofed(rival[1], newcomer, claim.mac, at, "had it before and still does")
            elif at - before[1] <= DISPUTE and not claim.mac.startswith(_VIRTUAL):
                _put(self._rivals, claim.ip, (before[0], claim.mac, at), _CLAIMS_MOST)
        _put(self._claims, claim.ip, (claim.mac, at), _CLAIMS_MOST)

    def _spoofed(self, sender: bytes, claim: Claim, holder: bytes, at: float, why: str) -> Iterable[Alarm]:
        if not self._first(AlarmKind.ARP_SPOOFING, claim.mac, claim.ip, at):
            return
        plain = sender == claim.mac
        text = f"{mac_of(claim.mac)} claims {claim.ip}, and {mac_of(holder)} {why}"
        if not plain:
            text += f"; the frame came from {mac_of(sender)}, so who is behind it is for a person to say"
        yield Alarm(AlarmKind.ARP_SPOOFING, at, mac_of(sender) if plain else None, text, claim.ip, mac_of(holder))

    def _unlisted(self, mac: bytes, heard: Heard, at: float) -> Iterable[Alarm]:
        if not self._known.assets or self._known.state(mac) is not Managed.UNDISCOVERED:
            return
        if not self._first(AlarmKind.NEW_DEVICE, mac, None, at):
            return
        if len(self._told_new) == _NEW_PER_MINUTE and at - self._told_new[0] < 60.0:
            self.unsaid += 1
            return
        self._told_new.append(at)
        what = f"at {heard.claim.ip}" if heard.claim is not None else f"({heard.words[0].clue} {heard.words[0].value})"
        yield Alarm(AlarmKind.NEW_DEVICE, at, mac_of(mac), f"{mac_of(mac)} {what} is not in the inventory")

    def _first(self, kind: AlarmKind, mac: bytes, about: object, at: float) -> bool:
        key = (kind.value, mac, about)
        last = self._raised.get(key)
        if last is not None and abs(at - last) < AGAIN_AFTER:
            return False
        _put(self._raised, key, at, _RAISED_MOST)
        return True


def _put(table: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > most:
        table.popitem(last=False)
