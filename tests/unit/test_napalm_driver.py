"""The NAPALM driver against a virtual EOS switch over real HTTPS: sessions, deadlines, timers, saving, and whom it trusts."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.base import (
    DeviceFacts,
    DeviceRefused,
    DeviceUnreachable,
    Disconnected,
    Interface,
    MacEntry,
    OutcomeUnknown,
    PortStatus,
    PreState,
    Receipt,
    ReceiptStatus,
    Reconnected,
    Sighting,
)
from drivers.credentials import NoCredentials, password, variable_of
from drivers.napalm_config.driver import NapalmDriver
from drivers.napalm_config.options import EosOptions, Save
from drivers.rules import Action, Direction, Mac, Match, PortName, Provenance, Rule, RuleSet
from drivers.watching import MOST_SIGHTINGS, differences
from topologies.vendor.eapi import Eapi, self_signed
from topologies.vendor.eos import PENDING, TIMED, EosSwitch
from topologies.vendor.eos_grammar import GRAMMAR
from topologies.vendor.faults import Sever
from topologies.vendor.forwarding import NoHardware

SECRET = "s3cret-and-nobody-elses"
PORT = PortName("Ethernet1")
DENY = RuleSet([Rule(Match(Direction.FROM, port=PORT), Action.DENY, Provenance("c1"))])
LINE = "ip access-group NETCORDON-"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_signed(tmp_path_factory.mktemp("tls"), "127.0.0.1")


@dataclass
class Bench:
    switch: EosSwitch
    eapi: Eapi
    options: EosOptions
    driver: NapalmDriver

    @property
    def denied(self) -> bool:
        return LINE in self.switch.running.text(GRAMMAR)

    @property
    def saved(self) -> bool:
        return LINE in self.switch.read("startup-config").text(GRAMMAR)

    async def push(self, desired: RuleSet = DENY, deadline: float = 20.0) -> Receipt:
        change = self.driver.render(desired, await self.driver.observe(), PreState())
        return await self.driver.apply(change, deadline)

    async def converge(self, desired: RuleSet = DENY) -> Receipt:
        return await self.driver.confirm(await self.push(desired))

    def with_options(self, **changed: object) -> NapalmDriver:
        self.driver = NapalmDriver("sw1", self.options.model_copy(update=changed))
        return self.driver


@pytest.fixture
def served(tmp_path: Path, certificate: tuple[Path, Path]) -> Iterator[tuple[EosSwitch, Eapi, EosOptions]]:
    secret = tmp_path / "password"
    secret.touch(0o600)
    secret.write_text(SECRET + "\n")
    switch = EosSwitch(NoHardware(), tmp_path / "flash", "sw1")
    switch.save()
    with Eapi(switch, {"netcordon": SECRET}, certificate) as eapi:
        reached = {"host": "127.0.0.1", "port": eapi.port, "ca": certificate[0], "password_file": secret}
        yield switch, eapi, EosOptions(platform="eos", username="netcordon", **reached)  # type: ignore[arg-type]
    switch.close()


@pytest.fixture
async def bench(served: tuple[EosSwitch, Eapi, EosOptions]) -> AsyncIterator[Bench]:
    made = Bench(*served, NapalmDriver("sw1", served[2]))
    yield made
    await made.driver.close()


async def test_a_push_waits_for_its_confirmation_under_the_devices_timer(bench: Bench) -> None:
    receipt = await bench.push()
    assert receipt.status is ReceiptStatus.UNCONFIRMED
    assert receipt.token is not None
    assert bench.switch.sessions[receipt.token].state == TIMED
    assert bench.denied
    assert (await bench.driver.confirm(receipt)).status is ReceiptStatus.APPLIED
    assert (await bench.push()).status is ReceiptStatus.UNCHANGED


async def test_what_nobody_confirmed_in_time_is_gone_and_not_claimed(bench: Bench) -> None:
    receipt = await bench.push()
    assert receipt.token is not None
    bench.switch._expire(receipt.token, bench.switch.sessions[receipt.token])
    with pytest.raises(DeviceRefused, match="not confirmed in time"):
        await bench.driver.confirm(receipt)
    assert not bench.denied
    assert not bench.driver.render(DENY, await bench.driver.observe(), PreState()).empty
    assert (await bench.converge()).status is ReceiptStatus.APPLIED


async def test_a_controller_that_crashed_before_the_confirmation_confirms_what_it_reads_back(bench: Bench) -> None:
    receipt = await bench.push()
    await bench.driver.close()
    bench.with_options()
    change = bench.driver.render(DENY, await bench.driver.observe(), PreState())
    assert change.rule_ids == frozenset()
    assert (await bench.driver.apply(change, 20.0)).status is ReceiptStatus.APPLIED
    assert bench.denied
    assert receipt.token is not None
    assert bench.switch.sessions[receipt.token].state != TIMED


@pytest.mark.parametrize(
    ("save", "dirty", "saved"),
    [
        (Save.IF_CLEAN_BEFORE, False, True),
        (Save.IF_CLEAN_BEFORE, True, False),
        (Save.NEVER, False, False),
        (Save.ALWAYS, True, True),
    ],
)
async def test_saving_is_the_users_choice(bench: Bench, save: Save, dirty: bool, saved: bool) -> None:
    if dirty:
        bench.switch.edit(["dns domain colleague.example"])
    bench.with_options(save=save)
    await bench.converge()
    assert (bench.denied, bench.saved) == (True, saved)
    assert ("colleague" in bench.switch.read("startup-config").text(GRAMMAR)) is (dirty and saved)


async def test_a_change_that_could_not_be_saved_stands(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.switch.faults.lose_saves = True
    assert (await bench.converge()).status is ReceiptStatus.APPLIED
    assert (bench.denied, bench.saved) == (True, False)
    assert "could not be saved" in caplog.text


async def test_a_push_that_is_late_is_unknown_and_goes_no_further(bench: Bench) -> None:
    change = bench.driver.render(DENY, await bench.driver.observe(), PreState())
    bench.switch.faults.delay = 0.2
    with pytest.raises((OutcomeUnknown, DeviceUnreachable), match=r"no answer within 1 s"):
        await bench.driver.apply(change, 1.0)
    bench.switch.faults.delay = 0.0
    asked = -1
    while asked != bench.switch.faults.requests:  # until what was on its way has arrived
        asked = bench.switch.faults.requests
        await asyncio.sleep(0.5)
    assert not bench.denied, "the thread went on after its push was given up"
    await bench.converge()
    assert bench.denied


async def test_a_refused_line_leaves_nothing(bench: Bench) -> None:
    bench.switch.faults.refuse = re.compile("^mac access-group")
    before = bench.switch.running.text(GRAMMAR)
    with pytest.raises(DeviceRefused, match=r"1002.*invalid command"):
        await bench.push()
    assert (bench.switch.running.text(GRAMMAR), bench.switch.sessions) == (before, {})


async def test_a_full_table_is_seen_before_the_push(bench: Bench) -> None:
    bench.switch.faults.tcam = 2
    receipt = await bench.push()
    assert receipt.status is ReceiptStatus.REFUSED
    assert all(
        "need at least 3 entries more, and the hardware has room for 2" in why for why in receipt.refused.values()
    )
    assert not bench.denied
    assert bench.switch.sessions == {}
    bench.switch.faults.tcam = 3
    await bench.push()
    assert bench.denied


async def test_a_full_table_that_the_switch_does_not_tell_of_refuses_the_whole(bench: Bench) -> None:
    bench.switch.faults.tcam = 2
    bench.switch.faults.refuse = re.compile("^show hardware capacity")
    with pytest.raises(DeviceRefused, match="TCAM"):
        await bench.push()
    assert not bench.denied
    assert not [one for one in bench.switch.sessions.values() if one.state == PENDING]


async def test_somebody_elses_timed_commit_is_left_alone(bench: Bench) -> None:
    bench.switch.enter("maintenance")
    bench.switch.commit("maintenance", 600)
    with pytest.raises(DeviceRefused, match="Pending commit"):
        await bench.push()
    assert bench.switch.sessions["maintenance"].state == TIMED
    assert not [name for name in bench.switch.sessions if name.startswith("netcordon-")]


async def test_a_colleagues_open_session_holds_nobody_up_and_stays(bench: Bench) -> None:
    bench.switch.enter("colleague")
    await bench.converge()
    assert bench.denied
    assert bench.switch.sessions["colleague"].state == PENDING


async def test_sessions_of_ours_that_a_lost_connection_left_are_thrown_away(bench: Bench) -> None:
    bench.switch.enter("netcordon-0badcafe")
    await bench.converge()
    assert "netcordon-0badcafe" not in bench.switch.sessions


async def test_a_colleagues_unsaved_edit_survives_both_ways(bench: Bench) -> None:
    bench.switch.edit(["interface Ethernet2", "description his"])
    await bench.converge()
    bench.switch.edit(["interface Ethernet1", "description his too"])
    await bench.converge(RuleSet())
    assert bench.switch.running.section("interface Ethernet1") == ["description his too"]
    assert bench.switch.running.section("interface Ethernet2") == ["description his"]


async def test_preview_is_the_devices_own_diff(bench: Bench) -> None:
    change = bench.driver.render(DENY, await bench.driver.observe(), PreState())
    told = [line.text for line in await bench.driver.preview(change)]
    assert any(text.startswith("+   10 remark netcordon rule") for text in told)
    assert (bench.denied, bench.switch.sessions) == (False, {})


async def test_a_user_who_may_only_look_is_refused(bench: Bench) -> None:
    bench.switch.faults.read_only = frozenset({"netcordon"})
    with pytest.raises(DeviceRefused, match="1005"):
        await bench.push()


async def test_a_certificate_is_verified_unless_it_is_said_otherwise(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = bench.with_options(ca=None)
    with pytest.raises(DeviceUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
        await stranger.observe()
    await stranger.close()
    with pytest.raises(DeviceUnreachable, match="localhost"):
        await bench.with_options(host="localhost").observe()
    await bench.with_options(ca=None, verify=False).observe()
    assert "not verified" in caplog.text


async def test_the_password_is_shown_nowhere(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    bench.eapi.users["netcordon"] = "another"
    with pytest.raises(DeviceUnreachable) as wrong:
        await bench.driver.observe()
    assert SECRET not in f"{wrong.value}{caplog.text}{bench.options}{bench.driver.__dict__}"


async def test_a_lost_answer_of_the_commit_is_unknown(bench: Bench) -> None:
    change = bench.driver.render(DENY, await bench.driver.observe(), PreState())
    bench.switch.faults.sever = (5, Sever.AFTER)
    with pytest.raises(OutcomeUnknown):
        await bench.driver.apply(change, 20.0)
    assert bench.denied
    bench.switch.faults.unreachable = False
    assert (await bench.converge()).status is ReceiptStatus.APPLIED


async def test_facts(bench: Bench) -> None:
    facts = await bench.driver.facts()
    assert facts.description == "sw1 (Netcordon virtual EOS switch, EOS 4.32.2F-virtual)"
    assert [interface.name for interface in facts.interfaces] == ["Ethernet1", "Ethernet2", "Ethernet3"]
    assert facts.vlans == (1,)
    bench.switch.reload()
    bench.switch.booted += 5
    assert (await bench.driver.facts()).boot_id != facts.boot_id


async def test_events_tell_of_what_changes_and_of_a_device_that_is_away(bench: Bench) -> None:
    events = bench.with_options(poll=0.1).events()
    first = [await anext(events) for _ in range(3)]
    assert [(type(event), getattr(event, "port", None)) for event in first] == [
        (PortStatus, f"Ethernet{number}") for number in (1, 2, 3)
    ]
    bench.switch.faults.unreachable = True
    assert isinstance(await anext(events), Disconnected)
    bench.switch.faults.unreachable = False
    assert isinstance(await anext(events), Reconnected)
    bench.switch.edit(["interface Ethernet2", "shutdown"])
    changed = await anext(events)
    assert isinstance(changed, PortStatus)
    assert (changed.port, changed.up) == ("Ethernet2", False)
    await bench.driver.close()
    assert [event async for event in events] == []


def test_a_link_that_changed_is_told_with_the_look_before() -> None:
    before, after = (DeviceFacts("sw1", "boot", interfaces=(Interface(PORT, up=up),)) for up in (True, False))
    assert list(differences("sw1", before, after, 7.0, 2.0)) == [PortStatus("sw1", 7.0, PORT, up=False, since=2.0)]


def test_a_mac_is_told_when_it_is_new_at_a_port() -> None:
    one, other = MacEntry(Mac("02:00:00:00:00:01"), PORT, 1), MacEntry(Mac("02:00:00:00:00:02"), PORT, 1)
    before = DeviceFacts("sw1", "boot", macs=(one,))
    told = list(differences("sw1", before, DeviceFacts("sw1", "boot", macs=(one, other)), 7.0))
    assert told == [Sighting("sw1", 7.0, other.mac, PORT, vlan=1, source="mac-table")]
    flood = DeviceFacts(
        "sw1",
        "boot",
        macs=tuple(MacEntry(Mac(f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}"), PORT, 1) for n in range(9000)),
    )
    assert len(list(differences("sw1", before, flood, 7.0))) == MOST_SIGHTINGS


def test_where_a_password_comes_from(tmp_path: Path) -> None:
    assert variable_of("access-1.example") == "NETCORDON_PASSWORD_ACCESS_1_EXAMPLE"
    assert password("access-1", None, {"NETCORDON_PASSWORD_ACCESS_1": "from there"}) == "from there"
    with pytest.raises(NoCredentials, match=r"set \$NETCORDON_PASSWORD_SW1"):
        password("sw1", None, {})
    file = tmp_path / "password"
    file.write_text("open to all")
    file.chmod(0o644)
    with pytest.raises(NoCredentials, match="chmod 600") as refused:
        password("sw1", file, {})
    assert "open to all" not in str(refused.value)


@pytest.mark.parametrize(
    "wrong", [{"host": "sw1; reboot"}, {"username": "a:b"}, {"platform": "vms"}, {"revert_in": 5}, {"passwd": "x"}]
)
def test_options_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        NapalmDriver("sw1", {"platform": "eos", "host": "sw1", "username": "u", **wrong})


def test_the_context_that_is_not_verified_is_made_on_purpose() -> None:
    from drivers.napalm_config.eos_line import trust

    options = EosOptions(platform="eos", host="sw1", username="u")
    assert trust("sw1", options).verify_mode is ssl.CERT_REQUIRED
    assert trust("sw1", options.model_copy(update={"verify": False})).verify_mode is ssl.CERT_NONE


# --- a bounce ---------------------------------------------------------------------------------------------------------

MOVE = RuleSet(
    [Rule(Match(Direction.FROM, port=PORT), Action.MOVE_VLAN, Provenance("c1"), vlan=999, bounce=True)]
)  # fmt: skip


def shut(bench: Bench) -> bool:
    return "shutdown" in bench.switch.running.section(f"interface {PORT}")


async def test_a_bounced_port_is_open_again_once_the_move_is_confirmed(bench: Bench) -> None:
    bench.switch.edit([f"interface {PORT}", "spanning-tree portfast"])
    before = bench.switch.running.text(GRAMMAR)
    bench.with_options(bounce_for=0.1)
    for wanted in (MOVE, RuleSet()):
        receipt = await bench.push(wanted)
        assert shut(bench)
        await bench.driver.confirm(receipt)
        assert not shut(bench)
        assert (await bench.push(wanted)).status is ReceiptStatus.UNCHANGED
    assert bench.switch.running.text(GRAMMAR) == before


async def test_a_controller_that_crashed_in_a_bounce_opens_the_port(bench: Bench) -> None:
    bench.switch.edit([f"interface {PORT}", "spanning-tree portfast"])
    await bench.push(MOVE)
    await bench.driver.close()
    bench.with_options()
    assert (await bench.converge(MOVE)).status is ReceiptStatus.APPLIED
    assert not shut(bench)
    assert (await bench.push(MOVE)).status is ReceiptStatus.UNCHANGED


async def test_a_bounce_that_nobody_confirms_is_undone_with_its_move(bench: Bench) -> None:
    bench.switch.edit([f"interface {PORT}", "spanning-tree portfast"])
    before = bench.switch.running.text(GRAMMAR)
    receipt = await bench.push(MOVE)
    assert receipt.token is not None
    bench.switch._expire(receipt.token, bench.switch.sessions[receipt.token])
    assert bench.switch.running.text(GRAMMAR) == before


async def test_a_port_that_is_err_disabled_is_moved_and_not_bounced(bench: Bench) -> None:
    bench.switch.edit([f"interface {PORT}", "spanning-tree portfast"])
    bench.switch.faults.errdisabled = frozenset({1})
    change = bench.driver.render(MOVE, await bench.driver.observe(), PreState())
    assert any("it is err-disabled" in line.text for line in change.lines)
    await bench.driver.confirm(await bench.driver.apply(change, 20.0))
    assert not shut(bench)
    assert "switchport access vlan 999" in bench.switch.running.section(f"interface {PORT}")
