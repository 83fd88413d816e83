"""Cisco IOS by Netmiko's plain command line against a virtual switch over SSH, without SCP: timers, refusals, and no archive at all."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
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
from drivers.napalm_config.commands import unknown
from drivers.napalm_config.options import Save
from drivers.netmiko_cli import cisco_told
from drivers.netmiko_cli.cisco_ios import CiscoIosDriver
from drivers.netmiko_cli.commands import COMMANDS
from drivers.netmiko_cli.driver import NetmikoDriver, driver_for
from drivers.netmiko_cli.options import CiscoIosOptions
from drivers.rules import Action, Direction, Match, PortName, PortRange, Protocol, Provenance, Rule, RuleSet
from topologies.vendor.faults import Sever
from topologies.vendor.forwarding import NoHardware
from topologies.vendor.ios import IosSwitch
from topologies.vendor.ios_shell import served_over_ssh
from topologies.vendor.ssh_front import SshFront

SECRET = "s3cret-and-nobody-elses"
PORT = PortName("GigabitEthernet1/0/1")
OTHER = "interface GigabitEthernet1/0/2"
DENY = RuleSet([Rule(Match(Direction.FROM, port=PORT), Action.DENY, Provenance("c1"))])
MOVE = RuleSet([Rule(Match(Direction.FROM, port=PORT), Action.MOVE_VLAN, Provenance("c1"), vlan=999, bounce=True)])
LINE = "ip access-group NETCORDON-"


class Bench:
    """A switch that takes no files; `archive` where its options say so."""

    def __init__(self, switch: IosSwitch, front: SshFront, options: CiscoIosOptions) -> None:
        self.switch, self.front, self.options = switch, front, options
        self.driver = CiscoIosDriver("sw1", options)

    def waits(self) -> bool:
        return self.switch.unconfirmed is not None

    @property
    def denied(self) -> bool:
        return LINE in self.switch.text()

    async def push(self, desired: RuleSet = DENY, deadline: float = 20.0) -> Receipt:
        change = self.driver.render(desired, await self.driver.observe(), PreState())
        return await self.driver.apply(change, deadline)

    async def converge(self, desired: RuleSet = DENY) -> Receipt:
        return await self.driver.confirm(await self.push(desired))

    async def again_with(self, **changed: object) -> CiscoIosDriver:
        await self.driver.close()
        self.driver = CiscoIosDriver("sw1", self.options.model_copy(update=changed))
        return self.driver


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[IosSwitch, SshFront, CiscoIosOptions]]:
    secret = tmp_path / "password"
    secret.touch(0o600)
    secret.write_text(SECRET + "\n")
    switch = IosSwitch(NoHardware(), tmp_path / "flash", "access-switch-with-a-long-name")
    ports = [
        word for number in (1, 2, 3) for word in (f"interface GigabitEthernet1/0/{number}", "switchport mode access")
    ]
    switch.edit(["archive", "path flash:archive", *ports])
    switch.save()
    with served_over_ssh(switch, {"netcordon": SECRET}) as front:
        known = front.write_known_hosts(tmp_path / "known_hosts")
        options = CiscoIosOptions(
            host="127.0.0.1", port=front.port, username="netcordon", password_file=secret, known_hosts=known, save=Save.NEVER, poll=0.1,
            bounce_for=0.1,
        )  # fmt: skip
        yield switch, front, options
    switch.close()


@pytest.fixture
async def bench(served: tuple[IosSwitch, SshFront, CiscoIosOptions]) -> AsyncIterator[Bench]:
    made = Bench(*served)
    yield made
    await made.driver.close()


@pytest.fixture
async def bare(bench: Bench) -> Bench:
    """A switch without an archive."""
    bench.switch.edit(["no archive"])
    await bench.again_with(archive=False)
    return bench


async def test_a_push_waits_for_its_confirmation_over_a_new_connection(bench: Bench) -> None:
    receipt = await bench.push()
    assert (receipt.status, bench.denied) == (ReceiptStatus.UNCONFIRMED, True)
    bench.switch.faults.unreachable = True
    with pytest.raises(DeviceUnreachable):
        await bench.driver.confirm(receipt)
    assert bench.waits()
    bench.switch.faults.unreachable = False
    assert (await bench.driver.confirm(receipt)).status is ReceiptStatus.APPLIED
    assert not bench.waits()
    assert (await bench.push()).status is ReceiptStatus.UNCHANGED


async def test_what_nobody_confirmed_in_time_is_gone_and_not_claimed(bench: Bench) -> None:
    receipt = await bench.push()
    bench.switch.revert()
    with pytest.raises(DeviceRefused, match="not confirmed in time"):
        await bench.driver.confirm(receipt)
    assert not bench.denied


@pytest.mark.parametrize("line", ["^mac access-group", "^deny ipv6", "^mac access-list"])
async def test_a_refused_line_takes_the_whole_back(bench: Bench, line: str) -> None:
    bench.switch.faults.refuse = re.compile(line)
    before = bench.switch.text()
    with pytest.raises(DeviceRefused, match=r"refused, from .*% Invalid input detected"):
        await bench.push()
    assert (bench.switch.text(), bench.waits()) == (before, False)
    bench.switch.faults.refuse = None
    await bench.converge()
    assert bench.denied


async def test_a_quarantine_vlan_that_ios_makes_with_a_word_about_it_is_no_refusal(bench: Bench) -> None:
    bench.switch.edit([f"interface {PORT}", "spanning-tree portfast"])
    before = bench.switch.text()
    await bench.converge(MOVE)
    assert (await bench.driver.observe()).ports[PORT].settings["vlan"] == 999
    assert "shutdown" not in bench.switch.running.section(f"interface {PORT}")
    await bench.converge(RuleSet())
    assert bench.switch.text() == before


async def test_without_an_archive_no_timer_is_declared_and_none_is_asked_for(bare: Bench) -> None:
    capabilities = bare.driver.capabilities
    assert (capabilities.dead_man, capabilities.transactional) == (None, False)
    bare.switch.edit([OTHER, "description a colleague's, not saved"])
    receipt = await bare.push()
    assert (receipt.status, bare.denied) == (ReceiptStatus.APPLIED, True)
    assert not [line for line in bare.front.heard if line.startswith(("configure terminal revert", "reload", "write"))]
    assert (await bare.push()).status is ReceiptStatus.UNCHANGED
    await bare.converge(RuleSet())
    assert not bare.denied
    assert "description a colleague's, not saved" in bare.switch.running.section(OTHER)


async def test_without_an_archive_a_bounce_ends_within_the_push(bare: Bench) -> None:
    bare.switch.edit([f"interface {PORT}", "spanning-tree portfast"])
    for desired, vlan in ((MOVE, 999), (RuleSet(), 1)):
        assert (await bare.push(desired)).status is ReceiptStatus.APPLIED
        assert "shutdown" not in bare.switch.running.section(f"interface {PORT}")
        assert (await bare.driver.observe()).ports[PORT].settings["vlan"] == vlan


async def test_without_an_archive_a_refused_line_is_told_as_unknown_and_mended_by_the_next_push(bare: Bench) -> None:
    bare.switch.faults.refuse = re.compile("^mac access-group")
    with pytest.raises(OutcomeUnknown, match=r"what came before it stands"):
        await bare.push()
    assert {rule.rule_id for rule in (await bare.driver.observe()).rules}.isdisjoint(DENY.ids)
    bare.switch.faults.refuse = None
    await bare.push()
    assert {rule.rule_id for rule in (await bare.driver.observe()).rules} == set(DENY.ids)
    await bare.push(RuleSet())
    assert "NETCORDON" not in bare.switch.text()


async def test_a_switch_that_lost_its_archive_is_refused_and_left_alone(bench: Bench) -> None:
    bench.switch.edit(["no archive"])
    with pytest.raises(DeviceRefused, match="config archive"):
        await bench.push()
    assert not bench.denied


@pytest.mark.parametrize("archive", [True, False])
async def test_saving_is_the_users_choice(bench: Bench, archive: bool) -> None:
    await bench.again_with(archive=archive, save=Save.ALWAYS)
    await bench.converge()
    assert LINE in bench.switch.contents("startup-config")


async def test_a_connection_lost_among_the_lines_leaves_the_state_unknown(bench: Bench) -> None:
    change = bench.driver.render(DENY, await bench.driver.observe(), PreState())
    bench.switch.faults.sever = (8, Sever.AFTER)
    with pytest.raises(OutcomeUnknown):
        await bench.driver.apply(change, 20.0)
    assert bench.waits(), "the switch's timer takes it back"
    bench.switch.faults.unreachable = False
    bench.switch.revert()
    await bench.converge()
    assert bench.denied


async def test_it_has_no_dry_run(bench: Bench) -> None:
    change = bench.driver.render(DENY, await bench.driver.observe(), PreState())
    with pytest.raises(UnsupportedAction):
        await bench.driver.preview(change)


async def test_a_user_who_may_only_look_is_refused(bench: Bench) -> None:
    bench.switch.faults.read_only = frozenset({"netcordon"})
    with pytest.raises(DeviceRefused, match="'netcordon' is not privileged there"):
        await bench.push()


async def test_a_strange_host_key_ends_it(bench: Bench, tmp_path: Path) -> None:
    stranger = tmp_path / "nobody"
    stranger.touch()
    with pytest.raises(DeviceUnreachable, match="not found in known_hosts"):
        await (await bench.again_with(known_hosts=stranger)).observe()


async def test_every_command_has_a_pattern_and_every_pattern_a_command(bench: Bench) -> None:
    """The switch refuses a line at last, since some commands are there for that alone."""
    listed = COMMANDS["cisco_ios"]
    bench.switch.edit([OTHER, "spanning-tree portfast"])
    bench.switch.save()
    await bench.again_with(save=Save.IF_CLEAN_BEFORE, port_lists_out=True)
    await bench.driver.facts()
    async with asyncio.timeout(20):
        await anext(bench.driver.events())
    two = Match(Direction.FROM, port=PortName(OTHER.split()[1]))
    tcp = Match(Direction.FROM, port=PORT, protocol=Protocol.TCP, peer_ports=PortRange(22, 22), established=True)
    arp = Match(Direction.FROM, port=PORT, protocol=Protocol.ARP)
    for matches in ([Match(way, port=PORT) for way in Direction], [tcp, arp], []):
        await bench.converge(RuleSet([Rule(match, Action.DENY, Provenance("c1")) for match in matches]))
    for vlan in (999, 998):
        await bench.converge(RuleSet([Rule(two, Action.MOVE_VLAN, Provenance("c1"), vlan=vlan, bounce=True)]))
    await bench.converge(RuleSet())
    await bench.again_with()
    bench.switch.faults.refuse = re.compile("^mac access-group|^show platform tcam")
    with pytest.raises(DeviceRefused):
        await bench.push()
    heard = [line.strip() for line in sorted(bench.front.heard)]
    assert not unknown(heard, listed)
    assert not [one.pattern for one in listed if not any(one.matches(line) for line in heard)]
    assert unknown(["reload in 5", "copy flash:/netcordon-merge.txt running-config", "dir flash:"], listed)


async def test_facts(bench: Bench) -> None:
    facts = await bench.driver.facts()
    assert facts.description == "access-switch-with-a-long-name (WS-C2960X-VIRTUAL, IOS 15.2(7)E8)"
    assert [one.name for one in facts.interfaces] == [f"GigabitEthernet1/0/{number}" for number in (1, 2, 3)]
    assert all(one.mac is not None for one in facts.interfaces)
    assert facts.boot_id == (await bench.driver.observe()).boot_id


def test_tables_as_catalysts_print_them() -> None:
    """Rows of ntc-templates' samples: a 2960, a 4500, and entries of the switch's own."""
    table = """
 All    0100.0ccc.cccc    STATIC      CPU
  10    0011.2233.4455    DYNAMIC     Gi1/0/1
*   20  0011.2233.4466   dynamic  Yes          5   Te1/1
  30    0011.2233.4477    STATIC      Po3
"""
    assert [(one["vlan"], one["interface"], one["static"]) for one in cisco_told.macs(table)] == [
        (10, "GigabitEthernet1/0/1", False),
        (20, "TenGigabitEthernet1/1", False),
        (30, "Port-channel3", True),
    ]
    arp = "Protocol  Address  Age (min)  Hardware Addr   Type   Interface\nInternet  10.0.0.9  -   0011.2233.4455  ARPA   Vlan10\n"
    assert cisco_told.arp(arp) == [{"ip": "10.0.0.9", "mac": "0011.2233.4455", "interface": "Vlan10"}]


def test_the_platform_chooses_the_driver() -> None:
    told = {"host": "sw1", "username": "u"}
    assert isinstance(driver_for("sw1", {"platform": "cisco_ios", **told}), CiscoIosDriver)
    assert isinstance(driver_for("sw1", {"platform": "linux", **told}), NetmikoDriver)
    for wrong in (
        {"platform": "cisco_xr"},
        {"platform": "cisco_ios", "bridge": "br0"},
        {"platform": "linux", "archive": False},
    ):
        with pytest.raises(ValidationError):
            driver_for("sw1", {**told, **wrong})


def test_neither_a_host_with_a_shell_nor_typing_needs_napalm() -> None:
    script = (
        "import sys; sys.modules['napalm'] = None; from drivers.netmiko_cli.driver import driver_for; "
        "[driver_for('d', {'platform': one, 'host': 'd', 'username': 'u'}) for one in ('linux', 'cisco_ios')]"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


async def test_a_switch_is_contained_where_napalm_is_not_installed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("napalm", "napalm.base", "napalm.base.exceptions", "napalm.ios"):
        monkeypatch.setitem(sys.modules, name, None)
    await bench.driver.facts()
    await bench.converge()
    assert bench.denied
