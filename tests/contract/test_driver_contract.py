"""What every driver must do. `bench` is a device with a rogue, a neighbour and a bystander; `loop` is the least engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_network
from itertools import chain, combinations, permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.base import (
    DeviceUnreachable,
    DriverError,
    DriverEvent,
    ObservedState,
    OutcomeUnknown,
    PortStatus,
    ReceiptStatus,
    Scope,
    UnsupportedAction,
)
from drivers.rules import Action, Direction, Match, PortName, PortRange, Protocol, Provenance, Rule, RuleSet
from drivers.semantics import verdict
from tests.contract.bench import (
    DEADLINE,
    SERVICE,
    Bench,
    Loop,
    Station,
    Traffic,
    closed,
    deny_from,
    deny_to,
    full,
    sample,
)
from tests.contract.memory_bench import MemoryBench
from tests.strategies import MATCHABLE_ACTIONS, crossings, rule_sets

NOTHING = RuleSet()
FIELDS = sorted(set(Match.__slots__) - {"direction"})
IP_TRAFFIC = (Traffic.PING, Traffic.TCP)

Way = tuple[str, str, Traffic]
"""Names of the sending and the receiving station, and what is sent."""


def ways(src: str, dst: str, traffic: Iterable[Traffic] = Traffic) -> frozenset[Way]:
    return frozenset((src, dst, kind) for kind in traffic)


STATIONS = ("rogue", "neighbour", "bystander")
ALL_WAYS = frozenset[Way]().union(*(ways(src, dst) for src, dst in permutations(STATIONS, 2)))
FROM_ROGUE = ways("rogue", "neighbour") | ways("rogue", "bystander")
TO_ROGUE = ways("neighbour", "rogue") | ways("bystander", "rogue")
UNICAST_TO_ROGUE = ways("neighbour", "rogue", IP_TRAFFIC) | ways("bystander", "rogue", IP_TRAFFIC)


async def delivered(bench: Bench) -> frozenset[Way]:
    """Every way on which a frame comes out now."""
    stations = {"rogue": bench.rogue, "neighbour": bench.neighbour, "bystander": bench.bystander}
    found = [way for way in sorted(ALL_WAYS) if await bench.delivers(stations[way[0]], stations[way[1]], way[2])]
    return frozenset(found)


def left_open(bench: Bench) -> frozenset[Way]:
    """What comes through while the rogue is `closed`."""
    return ALL_WAYS - FROM_ROGUE - (TO_ROGUE if len(closed(bench, bench.rogue)) == 2 else frozenset())


@dataclass(frozen=True)
class Case:
    """Rules, and exactly the ways that they stop."""

    name: str
    rules: Callable[[Bench], Iterable[Rule]]
    stops: frozenset[Way] = frozenset()


def _rule(match: Match, action: Action = Action.DENY) -> Rule:
    return Rule(match, action, Provenance("c1"))


def _service(station: Station) -> Match:
    service = PortRange(SERVICE, SERVICE)
    return Match(Direction.FROM, port=station.port, protocol=Protocol.TCP, peer_ports=service)


CASES = [
    Case("deny from port", lambda b: [deny_from(b.rogue)], FROM_ROGUE),
    Case("deny to port", lambda b: [deny_to(b.rogue)], TO_ROGUE),
    Case("full", lambda b: full(b.rogue), FROM_ROGUE | TO_ROGUE),
    Case(
        "deny from port and MAC",
        lambda b: [_rule(Match(Direction.FROM, port=b.rogue.port, mac=b.rogue.mac))],
        FROM_ROGUE,
    ),
    Case("deny from another's MAC", lambda b: [_rule(Match(Direction.FROM, port=b.rogue.port, mac=b.neighbour.mac))]),
    Case("deny to MAC", lambda b: [_rule(Match(Direction.TO, mac=b.rogue.mac))], UNICAST_TO_ROGUE),
    Case("deny from IP", lambda b: [_rule(Match(Direction.FROM, ip=ip_network(b.rogue.ip)))], FROM_ROGUE),
    Case("deny to IP", lambda b: [_rule(Match(Direction.TO, ip=ip_network(b.rogue.ip)))], TO_ROGUE),
    Case(
        "deny a peer",
        lambda b: [_rule(Match(Direction.FROM, port=b.rogue.port, peer=ip_network(b.neighbour.ip)))],
        ways("rogue", "neighbour"),
    ),
    Case(
        "deny a service",
        lambda b: [_rule(_service(b.rogue))],
        ways("rogue", "neighbour", [Traffic.TCP]) | ways("rogue", "bystander", [Traffic.TCP]),
    ),
    Case(
        "deny a protocol",
        lambda b: [_rule(Match(Direction.FROM, mac=b.rogue.mac, protocol=Protocol.ICMP))],
        ways("rogue", "neighbour", [Traffic.PING]) | ways("rogue", "bystander", [Traffic.PING]),
    ),
    Case(
        "permit a peer",
        lambda b: [
            deny_from(b.rogue),
            _rule(Match(Direction.FROM, port=b.rogue.port, peer=ip_network(b.neighbour.ip)), Action.PERMIT),
        ],
        ways("rogue", "bystander"),
    ),
    Case(
        "permit nothing of another containment",
        lambda b: [
            deny_from(b.rogue, "c2"),
            _rule(Match(Direction.FROM, port=b.rogue.port, peer=ip_network(b.neighbour.ip)), Action.PERMIT),
        ],
        FROM_ROGUE,
    ),
    Case(
        "deny a peer's service",
        lambda b: [_rule(replace(_service(b.rogue), peer=ip_network(b.neighbour.ip)))],
        ways("rogue", "neighbour", [Traffic.TCP]),
    ),
    Case(
        "permit a peer's service",
        lambda b: [
            _rule(_service(b.rogue)),
            _rule(replace(_service(b.rogue), peer=ip_network(b.neighbour.ip)), Action.PERMIT),
        ],
        ways("rogue", "bystander", [Traffic.TCP]),
    ),
    Case(
        "deny all but a protocol",
        lambda b: [
            deny_from(b.rogue),
            _rule(Match(Direction.FROM, port=b.rogue.port, protocol=Protocol.ICMP), Action.PERMIT),
        ],
        FROM_ROGUE - ways("rogue", "neighbour", [Traffic.PING]) - ways("rogue", "bystander", [Traffic.PING]),
    ),
    Case(
        "deny a service at a port",
        lambda b: [
            _rule(
                Match(
                    Direction.TO,
                    port=b.rogue.port,
                    protocol=Protocol.TCP,
                    own_ports=PortRange(SERVICE, SERVICE),
                    peer=ip_network(b.neighbour.ip),
                )
            )
        ],
        ways("neighbour", "rogue", [Traffic.TCP]),
    ),
    Case(
        "move to a VLAN",
        lambda b: [Rule(Match(Direction.FROM, port=b.rogue.port), Action.MOVE_VLAN, Provenance("c1"), vlan=999)],
        FROM_ROGUE | TO_ROGUE,
    ),
    Case("count", lambda b: [_rule(Match(Direction.FROM, port=b.rogue.port), Action.COUNT)]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_declared_rules_stop_what_they_say_and_nothing_else(bench: Bench, loop: Loop, case: Case) -> None:
    desired = RuleSet(case.rules(bench))
    if bench.driver.capabilities.unsupported(desired):
        with pytest.raises(UnsupportedAction):
            await loop.render(desired)
        return
    assert await delivered(bench) == ALL_WAYS, "before any rule everything flows, or the rest of this test says nothing"
    untouched = await bench.whole_state()
    assert (await loop.converge(desired)).status is ReceiptStatus.APPLIED
    assert await delivered(bench) == ALL_WAYS - case.stops
    await loop.converge(NOTHING)
    assert await delivered(bench) == ALL_WAYS
    assert await bench.whole_state() == untouched


async def test_the_undeclared_is_refused_before_any_io(bench: Bench, loop: Loop) -> None:
    """Every action on every set of fields: refused exactly where the declaration says so, with no session at hand."""
    observed, untouched = await bench.driver.observe(), await bench.whole_state()
    await bench.lose_session()
    field_sets = chain.from_iterable(combinations(FIELDS, size) for size in range(len(FIELDS) + 1))
    for fields in map(frozenset, field_sets):
        for action in Action:
            for direction in Direction:
                rule = sample(action, direction, fields, bench.rogue)
                if rule is not None:
                    declared = not bench.driver.capabilities.unsupported(RuleSet([rule]))
                    assert _renders(loop, rule, observed) is declared, rule
    await bench.restore_session()
    assert await bench.whole_state() == untouched


def _renders(loop: Loop, rule: Rule, observed: ObservedState) -> bool:
    try:
        loop.rendered(RuleSet([rule]), observed)
    except UnsupportedAction:
        return False
    return True


async def test_nothing_to_change_means_nothing_sent(bench: Bench, loop: Loop) -> None:
    await loop.converge(closed(bench, bench.rogue))
    held = await bench.whole_state()
    change = await loop.render(closed(bench, bench.rogue))
    assert change.empty, change.lines
    assert (change.lines, change.rule_ids, change.removed, change.ports) == ((), frozenset(), frozenset(), frozenset())
    assert (await bench.driver.apply(change, DEADLINE)).status is ReceiptStatus.UNCHANGED
    assert await bench.whole_state() == held


async def test_render_is_pure(bench: Bench, loop: Loop) -> None:
    observed, untouched = await bench.driver.observe(), await bench.whole_state()
    first, second = (loop.rendered(closed(bench, bench.rogue), observed) for _ in range(2))
    assert first == second
    assert await bench.whole_state() == untouched


async def test_a_change_says_what_it_does(bench: Bench, loop: Loop) -> None:
    desired = closed(bench, bench.rogue)
    change = await loop.render(desired)
    assert change.rule_ids == {rule.id for rule in desired}
    assert change.lines
    assert change.ports == ({bench.rogue.port} if bench.flag else set())
    await bench.driver.apply(change, DEADLINE)
    back = await loop.render(NOTHING)
    assert back.removed == {rule.id for rule in desired}
    assert back.rule_ids == frozenset()


async def test_preview_is_offered_where_it_is_declared(bench: Bench, loop: Loop) -> None:
    change = await loop.render(closed(bench, bench.rogue))
    untouched = await bench.whole_state()
    if bench.driver.capabilities.preview:
        assert await bench.driver.preview(change)
    else:
        with pytest.raises(UnsupportedAction):
            await bench.driver.preview(change)
    assert await bench.whole_state() == untouched


async def test_read_back_names_what_is_held(bench: Bench, loop: Loop) -> None:
    desired = closed(bench, bench.rogue)
    await loop.converge(desired)
    named = {rule.rule_id for rule in (await bench.driver.observe()).rules}
    assert {rule.id for rule in desired} <= named
    one = next(iter(desired))
    only = await bench.driver.observe(Scope(rule_ids=frozenset({one.id}), ports=frozenset({bench.rogue.port})))
    assert [rule.rule_id for rule in only.rules] == [one.id]
    assert only.ports.keys() == {bench.rogue.port}


async def test_other_peoples_configuration_is_not_touched(bench: Bench, loop: Loop) -> None:
    await bench.foreign()
    untouched = await bench.whole_state()
    await loop.converge(closed(bench, bench.rogue))
    await loop.converge(closed(bench, bench.neighbour, "c2"))
    await loop.converge(NOTHING)
    assert await bench.whole_state() == untouched


async def test_foreign_configuration_that_came_later_stays(bench: Bench, loop: Loop) -> None:
    await loop.converge(closed(bench, bench.rogue))
    await bench.foreign()
    assert await loop.stands(closed(bench, bench.rogue))
    await loop.converge(NOTHING)
    ours_gone = await bench.whole_state()
    await loop.converge(closed(bench, bench.rogue))
    await loop.converge(NOTHING)
    assert await bench.whole_state() == ours_gone


@pytest.mark.parametrize("kind", [deny_from, deny_to, full])
async def test_one_of_two_containments_on_a_port_is_released(
    bench: Bench, loop: Loop, kind: Callable[[Station, str], Rule | RuleSet]
) -> None:
    def contained(name: str) -> RuleSet:
        asked = kind(bench.rogue, name)
        return asked if isinstance(asked, RuleSet) else RuleSet([asked])

    if bench.driver.capabilities.unsupported(contained("c1")):
        with pytest.raises(UnsupportedAction):
            await loop.converge(contained("c1"))
        return
    untouched = await bench.whole_state()
    await loop.converge(contained("c1") | contained("c2"))
    stopped = await delivered(bench)
    await loop.converge(contained("c2"))
    assert await delivered(bench) == stopped != ALL_WAYS
    assert await loop.stands(contained("c2"))
    await loop.converge(NOTHING)
    assert await bench.whole_state() == untouched


async def test_many_containments_go_in_one_push(bench: Bench, loop: Loop) -> None:
    untouched = await bench.whole_state()
    many = RuleSet(rule for number in range(50) for rule in closed(bench, bench.rogue, f"c{number}"))
    assert (await loop.converge(many)).status is ReceiptStatus.APPLIED
    assert await loop.stands(many)
    few = RuleSet(rule for rule in many if rule.provenance.containment in ("c7", "c8"))
    await loop.converge(few)
    assert await loop.stands(few)
    assert await delivered(bench) == left_open(bench)
    await loop.converge(NOTHING)
    assert await bench.whole_state() == untouched


async def test_adding_one_leaves_the_others_counters(bench: Bench, loop: Loop) -> None:
    await loop.converge(closed(bench, bench.rogue))
    await bench.delivers(bench.rogue, bench.neighbour, Traffic.PING)
    counted = await loop.counted(deny_from(bench.rogue), at_least=bench.driver.capabilities.counters)
    await loop.converge(closed(bench, bench.rogue) | closed(bench, bench.bystander, "c2"))
    assert await loop.packets(deny_from(bench.rogue)) >= counted
    assert (counted > 0) is bench.driver.capabilities.counters


async def test_counters_count(bench: Bench, loop: Loop) -> None:
    await loop.converge(closed(bench, bench.rogue))
    if not bench.driver.capabilities.counters:
        assert all(rule.packets is None for rule in (await bench.driver.observe()).rules)
        return
    before = await loop.packets(deny_from(bench.rogue))
    witness = f"witness:{bench.rogue.port}"
    for _ in range(3):
        await bench.delivers(bench.rogue, bench.neighbour, Traffic.PING)
    await loop.counted(deny_from(bench.rogue), at_least=before + 3)
    assert (await bench.driver.observe()).packets([witness]) == 0, "the witness saw a frame that the rule let through"


async def test_ports_count_frames(bench: Bench, loop: Loop) -> None:
    before = (await bench.driver.observe()).ports
    await bench.delivers(bench.neighbour, bench.bystander, Traffic.PING)
    after = (await bench.driver.observe()).ports
    came, went = after[bench.neighbour.port].rx_packets, after[bench.bystander.port].tx_packets
    assert came is None or came > (before[bench.neighbour.port].rx_packets or 0)
    assert went is None or went > (before[bench.bystander.port].tx_packets or 0)


async def test_what_somebody_removed_is_seen_as_missing_and_comes_back(bench: Bench, loop: Loop) -> None:
    desired = closed(bench, bench.rogue)
    await loop.converge(desired)
    held = await bench.whole_state()
    await bench.wipe()
    assert not {rule.id for rule in desired} & {rule.rule_id for rule in (await bench.driver.observe()).rules}
    assert (await loop.render(desired)).rule_ids == {rule.id for rule in desired}
    await loop.converge(desired)
    assert await bench.whole_state() == held
    assert await delivered(bench) == left_open(bench)


# --- what a port was set to before us -------------------------------------------------------------------------------


async def flag_of(bench: Bench, loop: Loop) -> str | None:
    """The setting that the tests below are about; without one, a driver must leave every port's settings alone."""
    if bench.flag is None:
        assert not (await loop.render(closed(bench, bench.rogue))).ports
    return bench.flag


@pytest.mark.parametrize("kept", [True, False], ids=["pre-state kept at once", "pre-state kept when touched"])
async def test_a_flag_that_was_there_before_us_stays(bench: Bench, loop: Loop, kept: bool) -> None:
    if (flag := await flag_of(bench, loop)) is None:
        return
    await bench.set_flag(bench.rogue.port, True)
    untouched = await bench.whole_state()
    if kept:
        ports = (await bench.driver.observe()).ports
        loop.before = {name: port.settings for name, port in ports.items()}
    await loop.converge(closed(bench, bench.rogue))
    await loop.converge(NOTHING)
    assert await bench.whole_state() == untouched
    assert (await bench.driver.observe()).ports[bench.rogue.port].settings[flag] is True


async def test_a_flag_that_somebody_took_back_is_left_alone(bench: Bench, loop: Loop) -> None:
    if await flag_of(bench, loop) is None:
        return
    untouched = await bench.whole_state()
    await loop.converge(closed(bench, bench.rogue))
    await bench.set_flag(bench.rogue.port, False)
    assert not await loop.stands(closed(bench, bench.rogue)), "the port hears again, and the driver calls the rule held"
    assert deny_to(bench.rogue).id not in {rule.rule_id for rule in (await bench.driver.observe()).rules}
    assert bench.rogue.port not in (await loop.render(NOTHING)).ports
    await loop.converge(NOTHING)
    assert await bench.whole_state() == untouched


async def test_a_flag_that_we_never_set_is_left_alone(bench: Bench, loop: Loop) -> None:
    if (flag := await flag_of(bench, loop)) is None:
        return
    await loop.converge(closed(bench, bench.rogue))
    await bench.set_flag(bench.bystander.port, True)
    await loop.converge(NOTHING)
    settings = {name: port.settings[flag] for name, port in (await bench.driver.observe()).ports.items()}
    assert settings[bench.bystander.port] is True
    assert settings[bench.rogue.port] is False


# --- sessions that are lost -----------------------------------------------------------------------------------------


async def test_without_a_session_nothing_is_claimed(bench: Bench, loop: Loop) -> None:
    change, untouched = await loop.render(closed(bench, bench.rogue)), await bench.whole_state()
    await bench.lose_session()
    with pytest.raises(DeviceUnreachable):
        await bench.driver.observe()
    with pytest.raises(DeviceUnreachable):
        await bench.driver.facts()
    with pytest.raises((DeviceUnreachable, OutcomeUnknown)) as failed:
        await bench.driver.apply(change, DEADLINE)
    if failed.type is DeviceUnreachable:
        assert await bench.whole_state() == untouched, "DeviceUnreachable says that nothing was sent"
    await bench.restore_session()
    await loop.converge(closed(bench, bench.rogue))
    assert await delivered(bench) == left_open(bench)


async def test_a_lost_session_does_not_release(bench: Bench, loop: Loop) -> None:
    await loop.converge(closed(bench, bench.rogue))
    await bench.lose_session()
    assert await delivered(bench) == left_open(bench)
    await bench.restore_session()
    assert await loop.stands(closed(bench, bench.rogue))


async def test_a_session_lost_at_any_step_leaves_the_truth_in_the_device(bench: Bench, loop: Loop) -> None:
    """Contain and release, cut after every message: the next look says what is there, and converging from it ends well. Where nothing was
    sent yet, a driver may begin again by itself; then all of it is done."""
    untouched = await bench.whole_state()
    desired = closed(bench, bench.rogue) | closed(bench, bench.neighbour, "c2")
    await loop.converge(desired)
    whole = await bench.whole_state()
    await loop.converge(NOTHING)
    for goal, start, end in ((desired, NOTHING, whole), (NOTHING, desired, untouched)):
        survived: list[bool] = []
        for cut in bench.cut_points(await loop.render(goal)):
            await bench.cut_after(cut)
            survived.append(await _survives(loop.converge(goal)))
            await bench.restore_session()
            stands = await loop.stands(goal)
            assert stands is (await bench.whole_state() == end)
            assert stands or not survived[-1], f"cut after {cut}: said to be done"
            await loop.converge(goal)
            assert await bench.whole_state() == end, f"cut after {cut}"
            await loop.converge(start)
        assert not all(survived), "no cut was noticed"
        await loop.converge(goal)


async def _survives(push: Awaitable[object]) -> bool:
    """Whether a push ended well; if not, it says that the device was not reached, or that what became of it is not known."""
    try:
        await push
    except (OutcomeUnknown, DeviceUnreachable):
        return False
    return True


async def test_every_error_is_a_driver_error(bench: Bench, loop: Loop) -> None:
    receipt = await loop.converge(closed(bench, bench.rogue))
    assert await bench.driver.confirm(receipt) == receipt or bench.driver.capabilities.dead_man
    await bench.lose_session()
    with pytest.raises(DriverError):
        await bench.driver.observe()


# --- facts and events -----------------------------------------------------------------------------------------------


async def test_facts_know_the_ports(bench: Bench) -> None:
    facts, observed = await bench.driver.facts(), await bench.driver.observe()
    stations = {bench.rogue.port, bench.neighbour.port, bench.bystander.port}
    assert stations <= {interface.name for interface in facts.interfaces if interface.up}
    assert stations <= observed.ports.keys()
    assert facts.boot_id == observed.boot_id


async def test_events_are_delivered_and_end_with_the_driver(bench: Bench) -> None:
    if not bench.driver.capabilities.events:
        with pytest.raises(UnsupportedAction):
            await anext(bench.driver.events())
        return
    async with asyncio.timeout(10):
        events = bench.driver.events()
        for up in (False, True):
            reading = asyncio.create_task(_until_link_is(up, events, bench.rogue.port))
            await bench.set_link(bench.rogue.port, up)
            await reading
        await bench.driver.close()
        async for _ in events:
            pass


async def _until_link_is(up: bool, events: AsyncIterator[DriverEvent], port: PortName) -> None:
    """A device may tell of a port more than once, and of other changes than its link's."""
    async for event in events:
        if isinstance(event, PortStatus) and event.port == port and event.up is up:
            return
    raise AssertionError("the events ended")


# --- random rules, on a device whose every verdict can be asked for ---------------------------------------------------


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_random_rules_mean_what_semantics_says(memory_bench: MemoryBench, data: st.DataObject) -> None:
    """From one random set straight to the next, on the same device: what is left of the old one would show."""
    bench, loop = memory_bench, Loop(memory_bench.driver)
    stations = (bench.rogue, bench.neighbour, bench.bystander)
    ports, macs = [station.port for station in stations], [station.mac for station in stations]
    desired = data.draw(rule_sets(MATCHABLE_ACTIONS, ports, macs))
    await loop.converge(desired)
    assert await loop.stands(desired)
    for crossing in data.draw(st.lists(crossings(ports, macs), min_size=1, max_size=20)):
        assert bench.device.forward(crossing).fate is verdict(desired, crossing).fate


@settings(max_examples=30, deadline=None, derandomize=True)
@given(rule_sets(ports=[PortName(f"p{number}") for number in (1, 2, 3)]))
async def test_random_rules_leave_nothing_behind(desired: RuleSet) -> None:
    bench = MemoryBench()
    untouched, loop = await bench.whole_state(), Loop(bench.driver)
    await loop.converge(desired)
    await loop.converge(NOTHING)
    assert await bench.whole_state() == untouched
