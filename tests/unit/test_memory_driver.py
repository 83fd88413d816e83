"""The double's ways of failing: each as it is declared, and the truth always in the device."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from pydantic import ValidationError

from drivers.base import (
    Change,
    DeviceRefused,
    DeviceUnreachable,
    Driver,
    DriverEvent,
    ObservedState,
    OutcomeUnknown,
    PortStatus,
    PreState,
    Receipt,
    ReceiptStatus,
    Reconnected,
    RuleRemoved,
    Scope,
)
from drivers.memory import Behaviour, MemoryDevice, MemoryDriver, MemoryOptions
from drivers.rules import Action, Direction, Mac, Match, PortName, Provenance, Rule, RuleSet
from drivers.semantics import ETH_IPV4, Crossing, Fate, Frame

P1, P2 = PortName("p1"), PortName("p2")
DENY_FROM = Rule(Match(Direction.FROM, port=P1), Action.DENY, Provenance("c1"))
DENY_TO = Rule(Match(Direction.TO, port=P1), Action.DENY, Provenance("c1"))
FULL = RuleSet([DENY_FROM, DENY_TO])
PEERS = [ip_network(f"10.0.0.0/{length}") for length in range(8, 25)]
BEFORE = PreState({P1: {"no_fwd": False}})


def crossing(src: PortName, dst: PortName) -> Crossing:
    one, two = Mac("02:00:00:00:00:01"), Mac("02:00:00:00:00:02")
    frame = Frame(one, two, ETH_IPV4, ip_address("10.0.0.1"), ip_address("10.0.0.2"), 1)
    return Crossing(frame, src, dst)


@pytest.fixture
def device() -> MemoryDevice:
    return MemoryDevice("m1", MemoryOptions(ports=(P1, P2)), clock=lambda: 1000.0)


@pytest.fixture
def driver(device: MemoryDevice) -> MemoryDriver:
    return MemoryDriver(device)


async def change_to(driver: MemoryDriver, desired: RuleSet) -> Change:
    return driver.render(desired, await driver.observe(), BEFORE)


async def push(driver: MemoryDriver, desired: RuleSet = FULL, deadline: float = 1.0) -> Receipt:
    return await driver.apply(await change_to(driver, desired), deadline)


def test_it_is_a_driver(driver: MemoryDriver) -> None:
    contract: Driver = driver
    assert contract.capabilities.counters


async def test_refusing_all_holds_nothing(device: MemoryDevice, driver: MemoryDriver) -> None:
    untouched = device.state()
    device.behave(Behaviour.REFUSES)
    with pytest.raises(DeviceRefused):
        await push(driver)
    assert device.state() == untouched


async def test_a_full_table_is_partial_with_the_reason(device: MemoryDevice, driver: MemoryDriver) -> None:
    device.options = MemoryOptions(capacity=1)
    more = RuleSet([DENY_FROM, Rule(Match(Direction.FROM, port=P2), Action.DENY, Provenance("c2"))])
    receipt = await push(driver, more)
    assert receipt.status is ReceiptStatus.PARTIAL
    assert len(receipt.refused) == 1
    assert receipt.refused.keys() < {rule.id for rule in more}
    assert set(receipt.refused.values()) == {"table full: 1 rules"}
    assert (await change_to(driver, more)).rule_ids == receipt.refused.keys()


async def test_a_named_rule_is_refused(device: MemoryDevice, driver: MemoryDriver) -> None:
    device.options = MemoryOptions(refused={DENY_FROM.id: "bad match"})
    receipt = await push(driver)
    assert (receipt.status, receipt.refused) == (ReceiptStatus.PARTIAL, {DENY_FROM.id: "bad match"})
    alone = await push(driver, RuleSet([DENY_FROM, DENY_TO]))
    assert alone.status is ReceiptStatus.REFUSED, "what is left to do was refused as a whole"


async def test_a_rule_on_a_port_that_is_not_there_is_refused(driver: MemoryDriver) -> None:
    elsewhere = Rule(Match(Direction.TO, port=PortName("p9")), Action.DENY, Provenance("c1"))
    receipt = await push(driver, RuleSet([elsewhere]))
    assert (receipt.status, receipt.refused) == (ReceiptStatus.REFUSED, {elsewhere.id: "no such port: p9"})


@pytest.mark.parametrize("messages", range(5))
async def test_dying_keeps_what_was_done(device: MemoryDevice, driver: MemoryDriver, messages: int) -> None:
    change = await change_to(driver, FULL)
    assert len(change.messages) == 4, "the flag, its marker, the deny, its witness"
    device.behave(Behaviour.DIES, dies_after=messages)
    with pytest.raises(OutcomeUnknown):
        await driver.apply(change, 1.0)
    device.behave(Behaviour.ACCEPTS)
    rest = await change_to(driver, FULL)
    assert rest.messages == change.messages[messages:]
    assert rest.empty is (messages == 4)


async def test_lying_in_the_receipt_shows_in_the_read_back(device: MemoryDevice, driver: MemoryDriver) -> None:
    device.behave(Behaviour.LIES)
    assert (await push(driver)).status is ReceiptStatus.APPLIED
    assert device.forward(crossing(P1, P2)).fate is Fate.PASS
    assert (await change_to(driver, FULL)).rule_ids == {DENY_FROM.id, DENY_TO.id}


@pytest.mark.parametrize("lie", [Behaviour.SHOWS_OTHER, Behaviour.SHOWS_ALTERED, Behaviour.SHOWS_FEWER])
async def test_lying_in_the_read_back_is_never_converged(
    device: MemoryDevice, driver: MemoryDriver, lie: Behaviour
) -> None:
    await push(driver)
    truth = {(rule.rule_id, rule.native) for rule in (await driver.observe()).rules}
    device.behave(lie)
    shown = {(rule.rule_id, rule.native) for rule in (await driver.observe()).rules}
    assert shown != truth
    assert not (await change_to(driver, FULL)).empty
    assert device.forward(crossing(P1, P2)).fate is Fate.DROP


async def test_an_unreachable_device_says_so(device: MemoryDevice, driver: MemoryDriver) -> None:
    change = await change_to(driver, FULL)
    untouched = device.state()
    device.behave(Behaviour.UNREACHABLE)
    for call in (driver.facts(), driver.observe(), driver.preview(change), driver.apply(change, 1.0)):
        with pytest.raises(DeviceUnreachable):
            await call
    with pytest.raises(DeviceUnreachable):
        await driver.confirm(Receipt("m1", ReceiptStatus.UNCONFIRMED))
    assert device.state() == untouched


async def test_a_slow_device_is_given_up_at_the_deadline(device: MemoryDevice, driver: MemoryDriver) -> None:
    device.options = device.options.model_copy(update={"delay": 3600.0})
    async with asyncio.timeout(10):
        with pytest.raises(OutcomeUnknown, match=r"no answer within 0\.01 s"):
            await push(driver, deadline=0.01)
    assert (await change_to(driver, FULL)).empty, "it did hold the rules: only its word was late"


async def test_a_slow_device_answers_in_time(device: MemoryDevice, driver: MemoryDriver) -> None:
    device.options = device.options.model_copy(update={"delay": 0.001})
    assert (await push(driver, deadline=60.0)).status is ReceiptStatus.APPLIED


async def test_a_reboot_loses_ours_and_changes_the_boot_id(device: MemoryDevice, driver: MemoryDriver) -> None:
    await push(driver)
    before = await driver.observe()
    device.reboot()
    after = await MemoryDriver(device).observe()
    assert before.boot_id != after.boot_id
    assert (after.rules, after.ports[P1].settings) == ((), {"no_fwd": False})
    assert (await change_to(driver, FULL)).rule_ids == {DENY_FROM.id, DENY_TO.id}


async def test_the_device_outlives_its_driver(device: MemoryDevice, driver: MemoryDriver) -> None:
    await push(driver)
    await driver.close()
    with pytest.raises(DeviceUnreachable):
        await driver.observe()
    assert (await change_to(MemoryDriver(device), FULL)).empty


async def test_a_port_that_comes_back_has_lost_its_flag(device: MemoryDevice, driver: MemoryDriver) -> None:
    await push(driver)
    device.replug(P1)
    assert device.forward(crossing(P2, P1)).fate is Fate.PASS
    assert (await change_to(driver, FULL)).rule_ids == {DENY_TO.id}
    await push(driver)
    assert device.forward(crossing(P2, P1)).fate is Fate.DROP


async def test_a_permit_turns_the_flag_into_a_rule(device: MemoryDevice, driver: MemoryDriver) -> None:
    """The flag knows no exception, so that a containment that keeps a service has to do without it."""
    await push(driver)
    permit = Rule(Match(Direction.TO, port=P1, peer=ip_network("10.0.0.1")), Action.PERMIT, Provenance("c1"))
    await push(driver, FULL | RuleSet([permit]))
    assert device.ports[P1].no_fwd is False
    assert device.forward(crossing(P2, P1)).fate is Fate.PASS
    await push(driver, FULL)
    assert device.forward(crossing(P2, P1)).fate is Fate.DROP


async def test_what_is_permitted_is_never_cut_off_in_between(device: MemoryDevice, driver: MemoryDriver) -> None:
    kept = Match(Direction.FROM, port=P1, peer=ip_network("10.0.0.2"))
    denies = [Rule(Match(Direction.FROM, port=P1, peer=peer), Action.DENY, Provenance("c1")) for peer in PEERS]
    desired = RuleSet([*denies, Rule(kept, Action.PERMIT, Provenance("c1"))])
    for messages in range(len(denies) + 1):
        device.reboot()
        device.behave(Behaviour.DIES, dies_after=messages)
        with pytest.raises(OutcomeUnknown):
            await push(driver, desired)
        assert device.forward(crossing(P1, P2)).fate is Fate.PASS, f"cut off after {messages} messages"


async def test_the_witness_counts_what_passes(device: MemoryDevice, driver: MemoryDriver) -> None:
    witness = ["witness:p1"]
    await push(driver)
    device.forward(crossing(P1, P2))
    state = await driver.observe()
    assert (state.packets([DENY_FROM.id]), state.packets(witness)) == (1, 0)
    del device.entries[DENY_FROM.id]
    device.forward(crossing(P1, P2))
    assert (await driver.observe()).packets(witness) == 1


async def test_ports_count_and_a_dead_link_carries_nothing(device: MemoryDevice, driver: MemoryDriver) -> None:
    device.forward(crossing(P1, P2))
    device.set_link(P2, False)
    assert device.forward(crossing(P1, P2)).fate is Fate.DROP
    assert device.forward(crossing(P2, P1)).fate is Fate.DROP
    ports = (await driver.observe()).ports
    assert (ports[P1].rx_packets, ports[P2].tx_packets, ports[P2].rx_packets) == (2, 1, 0)
    assert ports[P2].up is False


async def test_foreign_rules_judge_frames_too(device: MemoryDevice, driver: MemoryDriver) -> None:
    device.foreign["theirs"] = Rule(Match(Direction.FROM, port=P2), Action.DENY, Provenance("somebody"))
    await push(driver, RuleSet())
    assert device.forward(crossing(P2, P1)).fate is Fate.DROP
    assert (await driver.observe()).rules == ()


async def test_one_push_is_one_commit(device: MemoryDevice, driver: MemoryDriver) -> None:
    rules = [Rule(Match(Direction.FROM, port=P1), Action.DENY, Provenance(f"c{number}")) for number in range(100)]
    await push(driver, RuleSet(rules))
    await push(driver, RuleSet(rules))
    assert device.commits == 1


async def test_scope_narrows_the_read_back(driver: MemoryDriver) -> None:
    await push(driver)
    state = await driver.observe(Scope(rule_ids=frozenset({DENY_FROM.id}), ports=frozenset({P2})))
    assert isinstance(state, ObservedState)
    assert ([rule.rule_id for rule in state.rules], list(state.ports)) == ([DENY_FROM.id], [P2])


async def test_events_wait_for_their_reader(device: MemoryDevice, driver: MemoryDriver) -> None:
    await push(driver, RuleSet([DENY_FROM]))
    device.set_link(P1, False)
    device.wipe()
    device.reboot()
    await driver.close()
    device.set_link(P1, True)
    seen: list[DriverEvent] = [event async for event in driver.events()]
    kinds = [type(event) for event in seen]
    assert kinds == [PortStatus, RuleRemoved, RuleRemoved, Reconnected]
    assert [event async for event in driver.events()] == [], "closed is closed, for a second reader too"


def test_lines_say_what_is_replaced(driver: MemoryDriver) -> None:
    async def run() -> list[str]:
        await push(driver)
        entry = driver.device.entries[DENY_FROM.id]
        entry.rule = Rule(Match(Direction.FROM, port=P2), Action.DENY, Provenance("c1"))
        return [f"{line.sign} {line.text}" for line in (await change_to(driver, FULL)).lines]

    lines = asyncio.run(run())
    assert lines == ['- deny direction=from port=p2 for "c1"', '+ deny direction=from port=p1 for "c1"']


@pytest.mark.parametrize(
    "wrong", [{"capcity": 3}, {"capacity": -1}, {"behaviour": "naps"}, {"delay": -1}, {"dies_after": "x"}]
)
def test_options_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MemoryDriver.configured("m1", wrong)


def test_options_come_from_configuration() -> None:
    driver = MemoryDriver.configured("m1", {"ports": ["p1"], "behaviour": "refuses", "capacity": 5})
    assert (driver.device.name, list(driver.device.ports)) == ("m1", ["p1"])
    assert driver.device.options.behaviour is Behaviour.REFUSES
