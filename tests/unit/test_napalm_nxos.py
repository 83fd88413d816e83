"""The NAPALM driver's platform nxos against a virtual switch over real SSH: timers, lost sessions, saving, refusals, and whom it trusts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.base import DeviceRefused, DeviceUnreachable, OutcomeUnknown, PreState, Receipt, ReceiptStatus
from drivers.napalm_config import nxos_device
from drivers.napalm_config.driver import NapalmDriver
from drivers.napalm_config.options import NxosOptions, Save
from drivers.rules import Action, Direction, Match, PortName, Provenance, Rule, RuleSet
from topologies.vendor.faults import Sever
from topologies.vendor.forwarding import NoHardware
from topologies.vendor.nxos import NxosSwitch
from topologies.vendor.nxos_shell import NxosShell, served_over_ssh
from topologies.vendor.ssh_front import SshFront

SECRET = "s3cret-and-nobody-elses"
PORT = PortName("Ethernet1/1")
OTHER = "interface Ethernet1/2"
DENY = RuleSet([Rule(Match(Direction.FROM, port=PORT), Action.DENY, Provenance("c1"))])
LINE = "ip port access-group NETCORDON-"


@dataclass
class Bench:
    switch: NxosSwitch
    users: dict[str, str]
    options: NxosOptions
    driver: NapalmDriver

    @property
    def denied(self) -> bool:
        return LINE in self.switch.text()

    @property
    def waits(self) -> bool:
        return self.switch.unconfirmed is not None

    @property
    def saved(self) -> bool:
        return LINE in self.switch.startup

    async def push(self, desired: RuleSet = DENY, deadline: float = 20.0) -> Receipt:
        change = self.driver.render(desired, await self.driver.observe(), PreState())
        return await self.driver.apply(change, deadline)

    async def converge(self, desired: RuleSet = DENY) -> Receipt:
        return await self.driver.confirm(await self.push(desired))

    def with_options(self, **changed: object) -> NapalmDriver:
        self.driver = NapalmDriver("sw1", self.options.model_copy(update=changed))
        return self.driver


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[NxosSwitch, dict[str, str], NxosOptions]]:
    secret = tmp_path / "password"
    secret.touch(0o600)
    secret.write_text(SECRET + "\n")
    switch, users = NxosSwitch(NoHardware(), tmp_path / "flash", "leaf-switch-with-a-long-name"), {"netcordon": SECRET}
    with served_over_ssh(switch, users) as front:
        yield switch, users, _options(front, secret, tmp_path)
    switch.close()


def _options(front: SshFront, secret: Path, folder: Path) -> NxosOptions:
    known = front.write_known_hosts(folder / "known_hosts")
    return NxosOptions(
        host="127.0.0.1",
        port=front.port,
        username="netcordon",
        password_file=secret,
        known_hosts=known,
        save=Save.NEVER,
    )


@pytest.fixture
async def bench(served: tuple[NxosSwitch, dict[str, str], NxosOptions]) -> AsyncIterator[Bench]:
    made = Bench(*served, NapalmDriver("sw1", served[2]))
    yield made
    await made.driver.close()


async def test_a_push_is_confirmed_in_its_own_session_once_the_device_was_reached_anew(bench: Bench) -> None:
    receipt = await bench.push()
    assert receipt.status is ReceiptStatus.UNCONFIRMED
    waiting = bench.switch.unconfirmed
    assert waiting is not None
    assert (bench.denied, waiting.seconds) == (True, 60)
    assert (await bench.driver.confirm(receipt)).status is ReceiptStatus.APPLIED
    assert (bench.denied, bench.waits) == (True, False)
    assert (await bench.push()).status is ReceiptStatus.UNCHANGED


async def test_what_cannot_be_reached_anew_is_not_confirmed(bench: Bench) -> None:
    before = bench.switch.text()
    receipt = await bench.push()
    bench.switch.faults.unreachable = True
    with pytest.raises(DeviceUnreachable):
        await bench.driver.confirm(receipt)
    bench.switch.faults.unreachable = False
    assert bench.waits, "it was confirmed by whom nobody reached anew"
    with pytest.raises(DeviceRefused, match="its session was lost, and the device undoes it"):
        await bench.driver.confirm(receipt)
    bench.switch.expire()
    assert bench.switch.text() == before
    assert (await bench.converge()).status is ReceiptStatus.APPLIED


async def test_while_a_commit_waits_whose_session_was_lost_nothing_is_sent_and_nothing_claimed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nxos_device, "FATE", 0.0)
    change = bench.driver.render(DENY, await bench.driver.observe(), PreState())
    lines = sum(len(getattr(one, "lines", ())) for one in change.messages)
    bench.switch.faults.sever = (2 + lines, Sever.AFTER)  # the commit, after the configuration as it is and the mode
    with pytest.raises(OutcomeUnknown):
        await bench.driver.apply(change, 20.0)
    bench.switch.faults.unreachable = False
    assert (bench.denied, bench.waits) == (True, True)
    again = bench.driver.render(DENY, await bench.driver.observe(), PreState())
    assert not again.empty
    with pytest.raises(DeviceRefused, match="the device undoes it"):
        await bench.driver.apply(again, 20.0)
    bench.switch.expire()
    assert not bench.denied
    assert (await bench.converge()).status is ReceiptStatus.APPLIED
    assert (bench.denied, bench.waits) == (True, False)


async def test_a_confirmation_whose_answer_was_lost_is_what_the_device_says_it_is(bench: Bench) -> None:
    receipt = await bench.push()
    bench.switch.faults.sever = (2, Sever.AFTER)  # after the two commands with which a session begins
    with pytest.raises(OutcomeUnknown):
        await bench.driver.confirm(receipt)
    bench.switch.faults.unreachable = False
    assert (bench.denied, bench.waits) == (True, False)
    assert (await bench.push()).status is ReceiptStatus.UNCHANGED
    assert (await bench.converge(RuleSet())).status is ReceiptStatus.APPLIED
    assert not bench.denied


async def test_what_nobody_confirmed_in_time_is_gone_and_not_claimed(bench: Bench) -> None:
    receipt = await bench.push()
    bench.switch.expire()
    with pytest.raises(DeviceRefused, match="the commit was not confirmed: Confirm commit Timer expired"):
        await bench.driver.confirm(receipt)
    assert not bench.denied
    assert not bench.driver.render(DENY, await bench.driver.observe(), PreState()).empty
    assert (await bench.converge()).status is ReceiptStatus.APPLIED


async def test_at_the_last_moment_nothing_is_confirmed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of the two was first, the answer would not tell."""
    monkeypatch.setattr(nxos_device, "TOO_LATE", 60.0)
    receipt = await bench.push()
    with pytest.raises(DeviceRefused, match="for 60 s more; its session was lost, and the device undoes it"):
        await bench.driver.confirm(receipt)
    assert bench.waits
    bench.switch.expire()
    monkeypatch.undo()
    assert (await bench.converge()).status is ReceiptStatus.APPLIED
    assert (bench.denied, bench.waits) == (True, False)


async def test_a_controller_that_crashed_before_the_confirmation_finds_its_push_undone(bench: Bench) -> None:
    """Another session's confirmation is not known to be one; so the timer runs out, and what is missing is seen and pushed again."""
    await bench.push()
    await bench.driver.close()
    bench.switch.expire()
    bench.with_options()
    assert not bench.denied
    assert (await bench.converge()).status is ReceiptStatus.APPLIED
    assert (bench.denied, bench.waits) == (True, False)


async def test_somebody_elses_commit_that_waits_is_left_alone(bench: Bench) -> None:
    colleague = NxosShell(bench.switch, "colleague")
    for line in ("configure dual-stage", "vlan 20", "commit confirmed 600"):
        colleague.take(line)
    with pytest.raises(DeviceRefused, match="commit verification failed"):
        await bench.push()
    assert bench.waits
    assert (bench.denied, "vlan 20\n" in bench.switch.text()) == (False, True)


async def test_a_bounce_ends_with_the_confirmation_and_so_does_its_way_back(bench: Bench) -> None:
    port = f"interface {PORT}"
    bench.switch.edit(["vlan 999", port, "spanning-tree port type edge"])
    before = bench.switch.text()
    bench.with_options(bounce_for=0.2)
    match = Match(Direction.FROM, port=PORT)
    for desired, vlan in (
        (RuleSet([Rule(match, Action.MOVE_VLAN, Provenance("c1"), vlan=999, bounce=True)]), 999),
        (RuleSet(), 1),
    ):
        receipt = await bench.push(desired)
        assert "shutdown" in bench.switch.running.section(port)
        await bench.driver.confirm(receipt)
        assert "shutdown" not in bench.switch.running.section(port)
        assert (await bench.driver.observe()).ports[PORT].settings["vlan"] == vlan
        assert (await bench.push(desired)).status is ReceiptStatus.UNCHANGED
    assert bench.switch.text() == before


async def test_a_switch_without_room_is_not_pushed_to(bench: Bench) -> None:
    bench.switch.edit(["ip access-list X", "permit ip any any", OTHER, "ip port access-group X in"])
    bench.switch.faults.tcam = 2
    change = bench.driver.render(DENY, await bench.driver.observe(), PreState())
    assert (await bench.driver.apply(change, 20.0)).refused == {
        rule.id: f"{PORT}: its lists need at least 3 entries more, and the hardware has room for 1" for rule in DENY
    }
    assert not bench.denied
    bench.switch.faults.refuse = re.compile("^show hardware")  # nor does it tell of its room
    with pytest.raises(DeviceRefused, match="TCAM"):
        await bench.push()
    assert not bench.denied


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
        bench.switch.edit(["ip domain-name colleague.example"])
    bench.with_options(save=save)
    await bench.converge()
    assert (bench.denied, bench.saved) == (True, saved)
    assert ("colleague" in bench.switch.startup) is (dirty and saved)


async def test_a_change_that_could_not_be_saved_stands(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.switch.faults.lose_saves = True
    bench.with_options(save=Save.ALWAYS)
    assert (await bench.converge()).status is ReceiptStatus.APPLIED
    assert (bench.denied, bench.saved) == (True, False)
    assert "could not be saved" in caplog.text


@pytest.mark.parametrize("line", ["^mac port access-group", "^deny ipv6", "^mac access-list", "^configure dual-stage"])
async def test_a_refused_line_leaves_nothing_and_undoes_nobody(bench: Bench, line: str) -> None:
    bench.switch.faults.refuse = re.compile(line)
    bench.switch.edit(["ip domain-name colleague.example"])
    before = bench.switch.text()
    with pytest.raises(DeviceRefused, match="% Invalid command at"):
        await bench.push()
    assert (bench.switch.text(), bench.waits) == (before, False)
    bench.switch.faults.refuse = None
    assert (await bench.converge()).status is ReceiptStatus.APPLIED


async def test_a_colleagues_unsaved_edit_survives_both_ways(bench: Bench) -> None:
    bench.switch.edit([OTHER, "description his"])
    await bench.converge()
    bench.switch.edit([f"interface {PORT}", "description his too"])
    await bench.converge(RuleSet())
    assert bench.switch.running.section(f"interface {PORT}") == ["description his too"]
    assert bench.switch.running.section(OTHER) == ["description his"]


async def test_preview_is_what_the_device_has_staged(bench: Bench) -> None:
    change = bench.driver.render(DENY, await bench.driver.observe(), PreState())
    before = bench.switch.text()
    told = [line.text for line in await bench.driver.preview(change)]
    assert "+interface Ethernet1/1" in told
    assert any(text.startswith("+ remark netcordon rule") for text in told)
    assert (bench.switch.text(), bench.waits) == (before, False)
    assert (await bench.converge()).status is ReceiptStatus.APPLIED


async def test_a_user_who_may_only_look_is_refused(bench: Bench) -> None:
    bench.switch.faults.read_only = frozenset({"netcordon"})
    with pytest.raises(DeviceRefused, match="no change can wait for its confirmation there: % Permission denied"):
        await bench.push()
    assert not bench.denied


async def test_a_host_key_is_verified_unless_it_is_said_otherwise(
    bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = tmp_path / "nobody"
    stranger.touch()
    with pytest.raises(DeviceUnreachable, match="not found in known_hosts"):
        await bench.with_options(known_hosts=stranger).observe()
    await bench.with_options(known_hosts=None, verify=False).observe()
    assert "not verified" in caplog.text


async def test_the_password_is_shown_nowhere(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    bench.users["netcordon"] = "another"
    with pytest.raises(DeviceUnreachable) as wrong:
        await bench.driver.observe()
    assert SECRET not in f"{wrong.value}{caplog.text}{bench.options}{bench.driver.__dict__}"


async def test_a_push_that_is_late_is_given_up(bench: Bench) -> None:
    change = bench.driver.render(DENY, await bench.driver.observe(), PreState())
    bench.switch.faults.delay = 0.3
    with pytest.raises((OutcomeUnknown, DeviceUnreachable), match=r"no answer within 0.5 s"):
        await bench.driver.apply(change, 0.5)
    bench.switch.faults.delay = 0.0
    await bench.converge()
    assert bench.denied


async def test_facts(bench: Bench) -> None:
    facts = await bench.driver.facts()
    assert facts.description.startswith("leaf-switch-with-a-long-name (Nexus9000 VIRTUAL Chassis, NX-OS 10.3(1)")
    assert [interface.name for interface in facts.interfaces] == [f"Ethernet1/{number}" for number in (1, 2, 3)]
    assert facts.boot_id == (await bench.driver.observe()).boot_id
    bench.switch.booted += 5
    assert (await bench.driver.facts()).boot_id != facts.boot_id


async def test_an_answer_that_napalm_does_not_understand_is_told(bench: Bench) -> None:
    bench.switch.faults.refuse = re.compile("^show ip arp")
    with pytest.raises(DeviceRefused, match="Error processing arp table output"):
        await bench.driver.facts()
    bench.switch.faults.refuse = None
    assert (await bench.driver.facts()).interfaces


@pytest.mark.parametrize(
    "wrong", [{"revert_in": 29}, {"revert_in": 3601}, {"port_lists_out": True}, {"ca": "x"}, {"username": "a b\nc"}]
)
def test_options_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        NapalmDriver("sw1", {"platform": "nxos", "host": "sw1", "username": "u", **wrong})
