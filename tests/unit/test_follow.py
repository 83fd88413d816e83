"""A contained device that moves, on two memory switches with the real store and loops: held there first, freed here after; and
nobody who only sends under its name moves anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from controller.alerts import Alerts
from controller.breaker import Breaker
from controller.config import Config, Reconciling
from controller.containment import Containments
from controller.errors import RefusalCode, Refused
from controller.fleet import Fleet
from controller.follow import CROWD, MOST_NOTED, MOST_PLACES, Follower
from controller.model import Attachment, Containment, DeviceOutcome, Outcome, Target
from controller.network.view import NetworkView
from controller.requests import ContainRequest
from controller.store import Extension, Move, Store
from drivers.base import Management, PortStatus, Sighting
from drivers.memory import Behaviour, MemoryDevice, MemoryDriver, MemoryOptions
from drivers.memory_device import MemoryPort
from drivers.rules import Action, Direction, Mac, Match, PortName, Provenance, Rule
from drivers.semantics import Crossing, Fate, Frame
from tests.campus import alert, mac

ROGUE, NEIGHBOUR, SERVER = mac(6), mac(7), mac(1)
ROGUE_IP, SERVER_IP = "10.0.0.66", "10.0.0.10"
Place = tuple[str, PortName]
HOME, OTHER, FAR, GUARDED, LAST = (
    ("s1", PortName("e1")),
    ("s1", PortName("e2")),
    ("s2", PortName("e1")),
    ("s1", PortName("e3")),
    ("s2", PortName("e2")),
)
PORTS = tuple(PortName(f"e{n}") for n in range(1, 9))
CONFIG: dict[str, Any] = {"protected": [{"ip": SERVER_IP, "why": "domain controller"}]}


@dataclass
class Site:
    """The clock goes on by itself, from whatever moment it is set to."""

    store: Store
    network: NetworkView
    switches: dict[str, MemoryDevice]
    containments: Containments
    follower: Follower
    fleet: Fleet
    offset: float = 0.0
    case_id: str = ""
    seen: list[Containment] = field(default_factory=list)

    def now(self) -> float:
        return time.time() + self.offset

    def says(self, where: Place, who: Mac = ROGUE, ip: str | None = ROGUE_IP) -> None:
        address = None if ip is None else ip_address(ip)
        self.switches[where[0]].emit(Sighting(where[0], self.now(), who, where[1], address))

    def link(self, where: Place, up: bool) -> None:
        self.switches[where[0]].set_link(where[1], up)

    def remove(self, where: Place) -> None:
        del self.switches[where[0]].ports[where[1]]
        self.switches[where[0]].emit(PortStatus(where[0], self.now(), where[1], up=False, present=False))

    def add(self, where: Place) -> None:
        self.switches[where[0]].ports[where[1]] = MemoryPort()
        self.switches[where[0]].emit(PortStatus(where[0], self.now(), where[1], up=True))

    def passes(self, where: Place, who: Mac = ROGUE) -> bool:
        """Whether a frame of `who` gets in at this port."""
        crossing = Crossing(Frame(who, mac(99), 0x88B5), where[1], PORTS[-1])
        return self.switches[where[0]].forward(crossing).fate is Fate.PASS

    async def contain(
        self, target: Target | None = None, *, override: bool = False, profile: str = "full"
    ) -> Containment:
        wanted = ContainRequest(target or Target(mac=ROGUE), profile, 3600, "it scans", "ann", override=override)
        accepted = await self.containments.contain(wanted)
        self.case_id = accepted.containment.id
        self.follower.changed([accepted.containment])
        return await self.until(lambda case: case.outcome is Outcome.INSTALLED, "installed")

    async def case(self) -> Containment:
        return await self.store.containment(self.case_id)

    async def until(self, holds: Callable[[Containment], object], what: str) -> Containment:
        for _ in range(800):
            if holds(case := await self.case()):
                return case
            await asyncio.sleep(0.01)
        raise AssertionError(f"waited in vain until {what}: {await self.case()}")

    async def actions(self) -> list[str]:
        return [one.action for one in await self.store.audit_records() if one.subject == self.case_id]

    async def quiet(self) -> None:
        """The follower has looked at all that was said."""
        await asyncio.sleep(0.05)
        for _ in range(200):
            if not self.follower._looking:
                return
            await asyncio.sleep(0.02)


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr("controller.moves.SETTLED", 0.1)
    monkeypatch.setattr("controller.network.graph.SETTLING", 0.0)
    made: list[Site] = []

    def now() -> float:
        return made[0].now() if made else time.time()

    def changed(cases: Iterable[Containment]) -> None:
        cases = list(cases)
        made[0].seen += cases
        made[0].follower.changed(cases)

    store = await Store.open(f"sqlite:///{tmp_path}/netcordon.db", now=now)
    config = Config.model_validate(CONFIG)
    network = NetworkView.from_config(config)
    network.neighbour_age = 0.0
    settings = Reconciling(resync=30, backoff=0.05)
    fleet = Fleet(
        store,
        network,
        settings,
        "me",
        now,
        changed,
        lambda s: made[0].follower.saw(s),
        lambda p: made[0].follower.port_changed(p),
    )
    containments = Containments(config, store, network, fleet.capabilities, fleet.wake, lambda *_: None, now)
    follower = Follower(store, network, containments, fleet.wake, changed, fleet.stands, now)
    options = MemoryOptions(ports=PORTS)
    switches = {n: MemoryDevice(n, options, clock=now, management=Management.OUT_OF_BAND) for n in ("s1", "s2")}
    made.append(Site(store, network, switches, containments, follower, fleet))
    for name, device in switches.items():
        await fleet.add(name, "memory", MemoryDriver(device), {})
    made[0].offset = -100.0
    for where, who, ip in ((HOME, ROGUE, ROGUE_IP), (OTHER, NEIGHBOUR, "10.0.0.77"), (GUARDED, SERVER, SERVER_IP)):
        made[0].says(where, who, ip)
    await asyncio.sleep(0.02)
    made[0].offset = 0.0
    for where, who, ip in ((HOME, ROGUE, ROGUE_IP), (OTHER, NEIGHBOUR, "10.0.0.77"), (GUARDED, SERVER, SERVER_IP)):
        made[0].says(where, who, ip)
    await asyncio.sleep(0.02)
    yield made[0]
    await follower.close()
    await fleet.close()
    await store.close()


# --- it moves -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", [FAR, ("s1", PortName("e5"))])
async def test_a_device_that_was_plugged_in_elsewhere_is_held_there_and_its_port_is_freed(
    site: Site, to: Place
) -> None:
    await site.contain()
    assert not site.passes(HOME)
    site.link(to, False)
    await asyncio.sleep(0.02)
    site.link(HOME, False)
    site.link(to, True)
    site.says(to)
    case = await site.until(lambda case: case.places == {to}, "freed")
    assert (case.endpoint.attachment.device, case.endpoint.attachment.port) == to
    case = await site.until(lambda case: case.outcome is Outcome.INSTALLED, "installed there")
    site.link(HOME, True)
    assert not site.passes(to)
    assert not site.passes(to, mac(50)), "the port as a whole"
    assert site.passes(HOME, mac(51)), "who is plugged in at the old port now"
    assert case.proof is not None
    assert set(case.proof.management) == {to[0]}
    assert [a for a in await site.actions() if a in ("move", "free")] == ["move", "free"]
    assert any(words.startswith("moved from ") for words in case.evidence)
    assert (await site.store.audit_verify()).records


async def test_the_old_port_stays_held_until_the_new_one_is_read_back(site: Site) -> None:
    await site.contain()
    site.link(FAR, False)
    site.switches["s2"].behave(Behaviour.REFUSES)
    await asyncio.sleep(0.02)
    site.link(HOME, False)
    site.link(FAR, True)
    site.says(FAR)
    case = await site.until(lambda case: any(one.outcome is Outcome.FAILED for one in case.devices), "refused there")
    await asyncio.sleep(0.3)  # longer than it takes to settle
    case = await site.case()
    assert case.places == {HOME, FAR}
    site.link(HOME, True)
    assert not site.passes(HOME), "it is held where it can be"
    assert case.outcome in (Outcome.PARTIAL, Outcome.FAILED)
    site.switches["s2"].behave(Behaviour.ACCEPTS)
    await site.until(lambda case: case.places == {FAR}, "freed at last")


async def test_what_speaks_at_the_old_port_again_keeps_both(site: Site) -> None:
    """It restarted its link, and an accomplice plugged in elsewhere under its name: the real port is not freed."""
    await site.contain()
    site.link(FAR, False)
    await asyncio.sleep(0.02)
    site.link(HOME, False)
    site.link(FAR, True)
    site.says(FAR)
    site.link(HOME, True)
    site.says(HOME)
    await site.until(lambda case: len(case.places) == 2, "held at both")
    await asyncio.sleep(0.3)
    assert (await site.case()).places == {HOME, FAR}
    assert not site.passes(HOME)
    assert not site.passes(FAR)


@pytest.mark.parametrize("to", [FAR, ("s1", PortName("e5"))])
async def test_a_port_that_is_gone_is_no_place(site: Site, to: Place) -> None:
    """On the same switch too, which lacks the rules of the port that is gone and says so."""
    await site.contain()
    site.remove(HOME)
    site.remove(to)
    await asyncio.sleep(0.02)
    site.add(to)
    site.says(to)
    await site.until(lambda case: case.places == {to}, "followed")
    await site.until(lambda case: case.outcome is Outcome.INSTALLED, "installed")
    assert not site.passes(to)


async def test_it_moves_and_comes_back(site: Site) -> None:
    await site.contain()
    for where, before in ((FAR, HOME), (HOME, FAR)):
        site.link(where, False)
        await asyncio.sleep(0.02)
        site.link(before, False)
        site.link(where, True)
        site.says(where)
        await site.until(lambda case, where=where: case.places == {where}, f"followed to {where}")  # type: ignore[misc]
    await site.until(lambda case: case.outcome is Outcome.INSTALLED, "installed")
    assert not site.passes(HOME)


async def test_no_new_containment_is_counted(site: Site) -> None:
    await site.contain()
    site.says(FAR)
    await site.until(lambda case: case.places == {HOME, FAR}, "both")
    assert len(await site.store.containments()) == 1
    assert (await site.actions()).count("contain") == 1


# --- somebody sends under its name ------------------------------------------------------------------------------------


async def test_one_frame_under_its_name_harms_nobody_and_frees_nothing(site: Site) -> None:
    await site.contain()
    site.says(OTHER)
    case = await site.until(lambda case: case.places == {HOME, OTHER}, "held at both")
    case = await site.until(lambda case: case.outcome is Outcome.INSTALLED, "installed at both")
    assert case.endpoint.attachment.port == HOME[1], "it is where it was"
    assert not site.passes(HOME)
    assert not site.passes(OTHER), "who uses its name there gets no further"
    assert site.passes(OTHER, NEIGHBOUR)
    assert site.passes(OTHER, mac(52)), "nor is anybody else there hit"
    assert case.proof is not None
    assert not case.proof.collateral
    assert any("has had its link throughout" in words for words in case.evidence)
    await asyncio.sleep(0.3)
    assert (await site.case()).places == {HOME, OTHER}


async def test_a_protected_port_is_not_touched_and_it_is_said(site: Site) -> None:
    site.network.inventory = NetworkView.from_config(
        Config.model_validate({"protected": [{"port": "s1:e3", "why": "the server's port"}]})
    ).inventory
    await site.contain()
    site.says(GUARDED)
    site.says(GUARDED)
    case = await site.until(lambda case: case.outcome is Outcome.DRIFTED, "said")
    assert case.places == {HOME}
    assert site.passes(GUARDED, SERVER)
    assert "not contained there: protected by" in case.devices[0].reason
    assert any("not contained there" in words for words in case.evidence)
    await site.quiet()
    assert (await site.actions()).count("move-refused") == 1


async def test_inventing_addresses_fills_no_audit_log(site: Site) -> None:
    """The sentence names other addresses each time; the refusal is one."""
    case = await site.contain()
    for number in range(1, 5):
        reason = f"it holds 10.0.0.66, 10.0.9.{number}: it may be a router"
        await site.follower._refused(case, OTHER, RefusalCode.BEHIND_ROUTER, reason)
    assert (await site.actions()).count("move-refused") == 1
    await site.follower._refused(case, OTHER, RefusalCode.PROTECTED, "protected by port s1:e2")
    await site.follower._refused(case, FAR, RefusalCode.PROTECTED, "protected by port s2:e1")
    assert (await site.actions()).count("move-refused") == 3


async def test_a_protected_device_that_somebody_insisted_on_is_followed_but_not_to_a_protected_port(site: Site) -> None:
    listed = [{"mac": ROGUE, "why": "the domain controller"}, {"port": "s1:e3", "why": "the server's port"}]
    site.network.inventory = NetworkView.from_config(Config.model_validate({"protected": listed})).inventory
    with pytest.raises(Refused, match="domain controller"):
        await site.contain()
    assert (await site.contain(override=True)).override
    site.link(OTHER, False)
    await asyncio.sleep(0.02)
    site.link(HOME, False)
    site.link(OTHER, True)
    site.says(OTHER)
    await site.until(lambda case: case.places == {OTHER}, "it moved")
    assert not site.passes(OTHER)
    site.says(GUARDED)
    case = await site.until(lambda case: case.outcome is Outcome.DRIFTED, "said")
    assert "protected by port s1:e3" in case.devices[0].reason
    assert site.passes(GUARDED)


async def test_a_move_beside_a_router_holds_its_name_alone(site: Site) -> None:
    await site.contain()
    site.network.inventory = NetworkView.from_config(
        Config.model_validate({"network": {"routers": [{"name": "gw", "macs": [NEIGHBOUR]}]}})
    ).inventory
    site.link(OTHER, False)
    await asyncio.sleep(0.02)
    site.link(HOME, False)
    site.link(OTHER, True)
    site.says(OTHER)
    case = await site.until(lambda case: case.places == {HOME, OTHER}, "held at both")
    assert site.passes(OTHER, NEIGHBOUR)
    assert any("router 'gw'" in words for words in case.evidence)


async def test_there_is_an_end_to_the_ports_that_are_held(site: Site) -> None:
    await site.contain()
    for port in PORTS[3:]:
        site.says(("s2", port))
        await asyncio.sleep(0.15)
    await site.quiet()
    case = await site.case()
    assert len(case.places) == MOST_PLACES
    assert any("look who uses its MAC" in words for words in case.evidence)


# --- at its own port --------------------------------------------------------------------------------------------------


async def test_another_address_is_shown_in_the_case(site: Site) -> None:
    await site.contain()
    site.says(HOME, ip="10.0.0.99")
    case = await site.until(lambda case: ip_address("10.0.0.99") in case.endpoint.ips, "the new address")
    assert ip_address(ROGUE_IP) in case.endpoint.ips
    assert (case.outcome, case.revision) == (Outcome.INSTALLED, 1)
    assert not site.passes(HOME)
    assert "seen" in await site.actions()


async def test_another_mac_is_shown_in_the_case_and_widens_nothing(site: Site) -> None:
    await site.contain()
    site.says(HOME, mac(60), "10.0.0.60")
    case = await site.until(lambda case: any(mac(60) in words for words in case.evidence), "the new MAC")
    assert case.endpoint.macs == {ROGUE}
    assert not site.passes(HOME, mac(60))
    site.says(FAR, mac(60), "10.0.0.60")
    await site.quiet()
    assert site.passes(FAR, mac(60)), "a name that the device made up contains nobody elsewhere"


async def test_what_a_device_invents_fills_no_case(site: Site) -> None:
    await site.contain()
    for number in range(100, 160):
        site.says(HOME, mac(number), None)
    await site.until(lambda case: len([w for w in case.evidence if "turned up" in w]) == MOST_NOTED, "named")
    await site.quiet()
    assert len([w for w in (await site.case()).evidence if "turned up" in w]) == MOST_NOTED


async def test_who_turns_up_in_a_crowd_costs_the_crowd_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look and a transaction for each of thousands who are held there would keep the next containment from its switch."""
    case = await site.contain()
    at_home = [replace(case.endpoint, macs=frozenset({mac(200 + n)})) for n in range(CROWD)]
    others = [replace(case, id=f"c-{n:04}", endpoint=one) for n, one in enumerate(at_home)]
    site.follower.changed(others)
    looked: list[str] = []
    monkeypatch.setattr(site.follower, "_look_at", looked.append)
    site.says(HOME, mac(60), "10.0.0.60")
    site.says(FAR)
    for _ in range(100):
        if looked:
            break
        await asyncio.sleep(0.01)
    assert set(looked) == {case.id}, "one of them that is heard elsewhere is looked at as ever, and nobody else"


async def test_what_it_invents_under_a_loose_profile_gets_no_permit_under_a_stricter_one(site: Site) -> None:
    """However long ago it began, and whether the MAC that it took is a listed one: what turned up while the port was held is nobody."""
    site.network.inventory = NetworkView.from_config(
        Config.model_validate({"assets": [{"name": "printer", "mac": mac(61), "role": "printer"}]})
    ).inventory
    site.network.neighbour_age = 60.0
    await site.contain(profile="monitor")
    for offset in (1.0, 200.0):
        site.offset = offset
        site.says(HOME, ROGUE)
        site.says(HOME, mac(60), "10.0.0.60")
        site.says(HOME, mac(61), "10.0.0.61")
        await site.quiet()
    await site.contain()
    case = await site.until(lambda case: case.profile == "full" and case.outcome is Outcome.INSTALLED, "held")
    assert not case.endpoint.neighbours
    for invented in (60, 61):
        assert not site.passes(HOME, mac(invented))


async def test_who_was_beside_it_before_stays_beside_it(site: Site) -> None:
    site.offset = -90.0
    site.says(HOME, mac(60), "10.0.0.60")
    await asyncio.sleep(0.02)
    site.network.neighbour_age = 60.0
    site.offset = 0.0
    site.says(HOME, mac(60), "10.0.0.60")
    await asyncio.sleep(0.02)
    await site.contain(profile="monitor")
    site.offset = 300.0
    await site.contain()
    case = await site.until(lambda case: case.profile == "full" and case.outcome is Outcome.INSTALLED, "held")
    assert case.endpoint.neighbours == {mac(60)}
    assert site.passes(HOME, mac(60))
    assert not site.passes(HOME)


@pytest.mark.parametrize(("profile", "silent"), [("full", True), ("lateral", False)])
async def test_the_network_view_knows_whether_others_hear_a_held_port(site: Site, profile: str, silent: bool) -> None:
    case = await site.contain(profile=profile)
    assert site.network.held[HOME].silent_since == (case.created_at if silent else None)
    assert not case.silences(OTHER)
    moved = Rule(Match(Direction.FROM, port=HOME[1]), Action.MOVE_VLAN, Provenance(case.id), vlan=999)
    assert replace(case, rules=((HOME[0], moved),)).silences(HOME), "in a VLAN of its own"


async def test_a_released_device_is_not_followed(site: Site) -> None:
    case = await site.contain()
    released = await site.store.release(case.id, by="ann", reason="clean")
    site.fleet.wake({"s1"})
    site.follower.changed([released])
    site.says(FAR)
    await site.quiet()
    assert site.passes(FAR)
    assert not site.follower._cases
    assert not site.follower._of_mac
    assert not site.follower._at
    assert not site.network.held


# --- the store's word ---------------------------------------------------------------------------------------------------


async def _refuses(work: Awaitable[object]) -> bool:
    with suppress(Refused):
        await work
        return False
    return True


async def test_a_case_that_changed_meanwhile_is_not_moved_by_what_was_decided_before(site: Site) -> None:
    case = await site.contain()
    stale = Move(case.revision, {}, "s1:e1", "s2:e1", "it moved")
    extended = await site.store.extend(case.id, Extension(until=site.now() + 9000), by="ann")
    assert await _refuses(site.store.move(case.id, stale, lambda: None))
    assert await _refuses(site.store.free(case.id, stale))
    await site.store.release(case.id, by="ann", reason="clean")
    now = Move(extended.revision + 1, {}, "s1:e1", "s2:e1", "it moved")
    assert await _refuses(site.store.move(case.id, now, lambda: None))


async def test_what_was_seen_of_an_older_revision_or_of_a_released_case_is_not_recorded(site: Site) -> None:
    case = await site.contain()
    late = DeviceOutcome("s1", Outcome.DRIFTED, "late")
    extended = await site.store.extend(case.id, Extension(until=site.now() + 9000), by="ann")
    assert (await site.store.set_outcome(case.id, "s1", late, case.revision)).outcome is Outcome.INSTALLED
    assert (await site.store.set_proven(case.id, site.now(), "late", case.revision)).outcome is Outcome.INSTALLED
    assert (await site.store.set_outcome(case.id, "s1", late, extended.revision)).outcome is Outcome.DRIFTED
    released = await site.store.release(case.id, by="ann", reason="clean")
    for revision in (None, released.revision):
        assert (await site.store.set_outcome(case.id, "s1", late, revision)).outcome is Outcome.REQUESTED
    site.fleet.wake({"s1"})
    await site.until(lambda case: case.outcome is Outcome.REMOVED, "removed")
    assert (await site.store.set_outcome(case.id, "s1", late)).outcome is Outcome.REMOVED


async def test_another_devices_link_local_address_is_no_trace_of_it(site: Site) -> None:
    """Every link may have a device with this very address. Its other addresses, under whatever MAC, are a trace."""
    site.says(HOME, ip="fe80::1")
    await site.quiet()
    case = await site.contain()
    site.says(OTHER, NEIGHBOUR, "fe80::1")
    await site.quiet()
    assert ip_address("fe80::1") in case.endpoint.ips
    assert site.network.bindings.on_place("default", Attachment(*OTHER), 0.0)
    assert site.follower._view(case, OTHER).heard is None
    site.says(OTHER, NEIGHBOUR, ROGUE_IP)
    await site.until(lambda _: site.follower._view(case, OTHER).heard is not None, "it left a trace")


@pytest.mark.parametrize("said", ["10.0.0.200", SERVER_IP, "2001:db8::9"])
async def test_nothing_that_it_says_of_itself_lets_it_out_by_moving(site: Site, said: str) -> None:
    """A second address would make it look like a router, and a protected one like an asset: it is held under its MAC all the same."""
    rule = {"name": "scanners", "match": {"signature": "ET SCAN *"}, "mode": "contain", "for": "1h"}
    policy = {
        "incriminate": [{"name": "s", "match": {"signature": "ET SCAN *"}, "culprit": "source"}],
        "rules": [rule],
    }
    config = Config.model_validate(CONFIG | {"policy": policy})
    alerts = Alerts(config, site.store, site.network, site.containments, Breaker(site.store), site.now)
    site.remove(GUARDED)  # nobody holds the protected address
    now = site.now()
    answer = await alerts.take(alert(observed_at=now, received_at=now), "{}")
    assert answer.containment is not None, answer.reason
    site.case_id = answer.containment.id
    site.follower.changed([answer.containment])
    await site.until(lambda case: case.outcome is Outcome.INSTALLED, "installed")
    site.says(HOME, ROGUE, said)
    await site.quiet()
    site.link(HOME, False)
    site.link(FAR, False)
    site.link(FAR, True)
    await asyncio.sleep(0.05)
    site.says(FAR)
    await site.until(lambda _: not site.passes(FAR), "held at its new port")
