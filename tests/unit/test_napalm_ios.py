"""The NAPALM driver's platform ios against a virtual switch over real SSH and SCP: timers, saving, refusals, and whom it trusts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.base import (
    DeviceRefused,
    DeviceUnreachable,
    OutcomeUnknown,
    PreState,
    Receipt,
    ReceiptStatus,
    UnsupportedAction,
)
from drivers.napalm_config.driver import NapalmDriver
from drivers.napalm_config.options import IosOptions, Save
from drivers.rules import Action, Direction, Match, PortName, Provenance, Rule, RuleSet
from topologies.vendor.faults import Sever
from topologies.vendor.forwarding import NoHardware
from topologies.vendor.ios import IosSwitch
from topologies.vendor.ios_shell import served_over_ssh
from topologies.vendor.ios_show import show
from topologies.vendor.ssh_front import SshFront

SECRET = "s3cret-and-nobody-elses"
PORT = PortName("GigabitEthernet1/0/1")
OTHER = "interface GigabitEthernet1/0/2"
DENY = RuleSet([Rule(Match(Direction.FROM, port=PORT), Action.DENY, Provenance("c1"))])
LINE = "ip access-group NETCORDON-"


@dataclass
class Bench:
    switch: IosSwitch
    users: dict[str, str]
    options: IosOptions
    driver: NapalmDriver

    @property
    def denied(self) -> bool:
        return LINE in self.switch.text()

    @property
    def saved(self) -> bool:
        return LINE in self.switch.contents("startup-config")

    def switch_says(self, command: str) -> str:
        return show(self.switch, command)

    async def push(self, desired: RuleSet = DENY, deadline: float = 20.0) -> Receipt:
        change = self.driver.render(desired, await self.driver.observe(), PreState())
        return await self.driver.apply(change, deadline)

    async def converge(self, desired: RuleSet = DENY) -> Receipt:
        return await self.driver.confirm(await self.push(desired))

    def with_options(self, **changed: object) -> NapalmDriver:
        self.driver = NapalmDriver("sw1", self.options.model_copy(update=changed))
        return self.driver


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[IosSwitch, dict[str, str], IosOptions]]:
    secret = tmp_path / "password"
    secret.touch(0o600)
    secret.write_text(SECRET + "\n")
    switch, users = IosSwitch(NoHardware(), tmp_path / "flash", "access-switch-with-a-long-name"), {"netcordon": SECRET}
    ports = [
        word for number in (1, 2, 3) for word in (f"interface GigabitEthernet1/0/{number}", "switchport mode access")
    ]
    switch.edit(["ip scp server enable", "archive", "path flash:archive", *ports])
    switch.save()
    with served_over_ssh(switch, users) as front:
        yield switch, users, _options(front, secret, tmp_path)
    switch.close()


def _options(front: SshFront, secret: Path, folder: Path) -> IosOptions:
    known = front.write_known_hosts(folder / "known_hosts")
    return IosOptions(
        host="127.0.0.1",
        port=front.port,
        username="netcordon",
        password_file=secret,
        known_hosts=known,
        save=Save.NEVER,
    )


@pytest.fixture
async def bench(served: tuple[IosSwitch, dict[str, str], IosOptions]) -> AsyncIterator[Bench]:
    made = Bench(*served, NapalmDriver("sw1", served[2]))
    yield made
    await made.driver.close()


async def test_a_push_waits_for_its_confirmation_over_a_new_connection(bench: Bench) -> None:
    receipt = await bench.push()
    assert receipt.status is ReceiptStatus.UNCONFIRMED
    assert bench.denied
    bench.switch.faults.unreachable = True
    with pytest.raises(DeviceUnreachable):
        await bench.driver.confirm(receipt)
    bench.switch.faults.unreachable = False
    assert "pending" not in bench.switch_says("show archive config rollback timer"), (
        "it was confirmed by whom nobody reached anew"
    )
    assert (await bench.driver.confirm(receipt)).status is ReceiptStatus.APPLIED
    assert "pending" in bench.switch_says("show archive config rollback timer")
    assert (await bench.push()).status is ReceiptStatus.UNCHANGED


async def test_a_bounce_ends_with_the_confirmation_and_so_does_its_way_back(bench: Bench) -> None:
    port = f"interface {PORT}"
    bench.switch.edit(["vlan 999", port, "spanning-tree portfast"])
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
    bench.switch.edit(["ip access-list extended X", "permit ip any any", OTHER, "ip access-group X in"])
    bench.switch.faults.tcam = 2
    change = bench.driver.render(DENY, await bench.driver.observe(), PreState())
    assert (await bench.driver.apply(change, 20.0)).refused == {
        rule.id: f"{PORT}: its lists need at least 2 entries more, and the hardware has room for 1" for rule in DENY
    }
    assert not bench.denied


async def test_what_nobody_confirmed_in_time_is_gone_and_not_claimed(bench: Bench) -> None:
    receipt = await bench.push()
    bench.switch.revert()
    with pytest.raises(DeviceRefused, match="not confirmed in time"):
        await bench.driver.confirm(receipt)
    assert not bench.denied
    assert not bench.driver.render(DENY, await bench.driver.observe(), PreState()).empty


async def test_a_controller_that_crashed_before_the_confirmation_confirms_what_it_reads_back(bench: Bench) -> None:
    await bench.push()
    await bench.driver.close()
    bench.with_options()
    change = bench.driver.render(DENY, await bench.driver.observe(), PreState())
    assert change.rule_ids == frozenset()
    assert (await bench.driver.apply(change, 20.0)).status is ReceiptStatus.APPLIED
    assert (bench.denied, bench.switch.unconfirmed) == (True, None)


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
    assert ("colleague" in bench.switch.contents("startup-config")) is (dirty and saved)


async def test_a_change_that_could_not_be_saved_stands(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.switch.faults.lose_saves = True
    bench.with_options(save=Save.ALWAYS)
    assert (await bench.converge()).status is ReceiptStatus.APPLIED
    assert (bench.denied, bench.saved) == (True, False)
    assert "could not be saved" in caplog.text


@pytest.mark.parametrize("line", ["^mac access-group", "^deny ipv6", "^mac access-list"])
async def test_a_refused_line_leaves_nothing_and_saves_nothing(bench: Bench, line: str) -> None:
    bench.switch.faults.refuse = re.compile(line)
    bench.switch.edit(["ip domain-name colleague.example"])
    before = bench.switch.text()
    with pytest.raises(DeviceRefused, match="% Invalid input detected"):
        await bench.push()
    assert (bench.switch.text(), bench.switch.unconfirmed) == (before, None)
    assert "colleague" not in bench.switch.contents("startup-config")


async def test_what_a_colleague_configured_in_the_moment_of_a_refused_push_is_told(
    bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IOS takes the configuration back as a whole; nothing undoes that, so it is said."""
    merge = IosSwitch.merge

    def and_a_colleague(switch: IosSwitch, lines: list[str]) -> object:
        switch.edit([OTHER, "description his printer"])
        return merge(switch, lines)

    monkeypatch.setattr(IosSwitch, "merge", and_a_colleague)
    bench.switch.faults.refuse = re.compile("^mac access-group")
    with pytest.raises(DeviceRefused):
        await bench.push()
    assert "what somebody else configured was undone: description his printer" in caplog.text


async def test_a_full_table_refuses_the_whole(bench: Bench) -> None:
    bench.switch.edit(["ip access-list extended X", "permit ip any any", OTHER, "ip access-group X in"])
    bench.switch.faults.tcam, bench.switch.faults.refuse = (
        2,
        re.compile("^show platform"),
    )  # nor does it tell of its room
    with pytest.raises(DeviceRefused, match="TCAM"):
        await bench.push()
    assert not bench.denied


async def test_somebody_elses_unconfirmed_change_is_left_alone(bench: Bench) -> None:
    bench.switch.wait_for_confirmation("colleague", 10)
    with pytest.raises(DeviceRefused, match="a change of 'colleague' waits"):
        await bench.push()
    assert bench.switch.unconfirmed is not None
    assert not bench.denied


@pytest.mark.parametrize(
    ("gone", "said"),
    [(["no archive"], "config archive"), (["no ip scp server enable"], "Configure 'ip scp server enable'")],
)
async def test_what_the_switch_must_have_configured(bench: Bench, gone: list[str], said: str) -> None:
    bench.switch.edit(gone)
    with pytest.raises(DeviceRefused, match=said):
        await bench.push()
    assert not bench.denied
    bench.switch.edit(["archive", "path flash:archive", "ip scp server enable"])
    await bench.converge()
    assert bench.denied


async def test_a_colleagues_unsaved_edit_survives_both_ways(bench: Bench) -> None:
    bench.switch.edit([OTHER, "description his"])
    await bench.converge()
    bench.switch.edit([f"interface {PORT}", "description his too"])
    await bench.converge(RuleSet())
    assert bench.switch.running.section(f"interface {PORT}") == ["switchport mode access", "description his too"]
    assert bench.switch.running.section(OTHER) == ["switchport mode access", "description his"]


async def test_preview_is_the_devices_own_diff(bench: Bench) -> None:
    change = bench.driver.render(DENY, await bench.driver.observe(), PreState())
    before = bench.switch.text()
    told = [line.text for line in await bench.driver.preview(change)]
    assert any(text.startswith("+ remark netcordon rule") for text in told)
    assert (bench.switch.text(), bench.switch.unconfirmed) == (before, None)


async def test_a_switch_without_lists_for_what_leaves_declares_none(bench: Bench) -> None:
    both = RuleSet([*DENY, Rule(Match(Direction.TO, port=PORT), Action.DENY, Provenance("c1"))])
    observed = await bench.driver.observe()
    with pytest.raises(UnsupportedAction):
        bench.driver.render(both, observed, PreState())
    assert bench.with_options(port_lists_out=True).render(both, observed, PreState()).messages
    bench.switch.lists_out = False
    with pytest.raises(DeviceRefused, match="Invalid input"):
        await bench.push(both)
    assert not bench.denied


async def test_a_user_who_may_only_look_is_refused(bench: Bench) -> None:
    bench.switch.faults.read_only = frozenset({"netcordon"})
    with pytest.raises(DeviceRefused, match="'netcordon' is not privileged there"):
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


@pytest.mark.parametrize("cut", [5, 9], ids=["before the file", "with the file"])
async def test_a_connection_lost_before_anything_counted_changed_nothing(bench: Bench, cut: int) -> None:
    change = bench.driver.render(DENY, await bench.driver.observe(), PreState())
    bench.switch.faults.sever = (cut - 5, Sever.AFTER)
    with pytest.raises(DeviceUnreachable):
        await bench.driver.apply(change, 20.0)
    bench.switch.faults.unreachable = False
    assert not bench.denied
    assert (await bench.converge()).status is ReceiptStatus.APPLIED


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
    assert facts.description.startswith("access-switch-with-a-long-name (WS-C2960X-VIRTUAL, IOS ")
    assert [interface.name for interface in facts.interfaces] == [
        f"GigabitEthernet1/0/{number}" for number in (1, 2, 3)
    ]
    assert facts.boot_id == (await bench.driver.observe()).boot_id
    bench.switch.booted += 5
    assert (await bench.driver.facts()).boot_id != facts.boot_id


@pytest.mark.parametrize(
    "wrong", [{"revert_in": 90}, {"revert_in": 30}, {"file_system": "flash:/x y"}, {"ca": "x"}, {"username": "a b\nc"}]
)
def test_options_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        NapalmDriver("sw1", {"platform": "ios", "host": "sw1", "username": "u", **wrong})
