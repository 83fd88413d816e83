"""What `netcordon commands` prints is what is sent: each command that a switch is asked has a pattern, and each pattern a command."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from controller.cli.main import run
from drivers.base import DeviceRefused, PreState, ReceiptStatus
from drivers.napalm_config import ios_commands, junos_commands, nxos_commands
from drivers.napalm_config.commands import WORDS, Command, unknown
from drivers.napalm_config.driver import NapalmDriver
from drivers.napalm_config.eos_commands import COMMANDS
from drivers.napalm_config.options import EosOptions, IosOptions, NxosOptions, Save
from drivers.netmiko_cli import linux, ovs
from drivers.netmiko_cli.commands import COMMANDS as OF_HOSTS
from drivers.rules import Action, Direction, Match, PortName, PortRange, Protocol, Provenance, Rule, RuleSet
from topologies.vendor.eapi import Eapi, self_signed
from topologies.vendor.eos import EosSwitch
from topologies.vendor.forwarding import NoHardware
from topologies.vendor.ios import IosSwitch
from topologies.vendor.ios_shell import served_over_ssh
from topologies.vendor.nxos import NxosSwitch
from topologies.vendor.nxos_shell import served_over_ssh as served_as_nxos

ONE, TWO = PortName("Ethernet1"), PortName("Ethernet2")


def rule(direction: Direction, action: Action = Action.DENY, port: PortName = ONE, **fields: Any) -> Rule:
    return Rule(Match(direction, port=port, **fields), action, Provenance("c1"))


def moved(vlan: int = 999) -> Rule:
    return Rule(Match(Direction.FROM, port=TWO), Action.MOVE_VLAN, Provenance("c1"), vlan=vlan, bounce=True)


SERVICES = [
    rule(Direction.FROM, protocol=Protocol.TCP, peer_ports=PortRange(22, 22), established=True),
    rule(Direction.TO, protocol=Protocol.UDP, own_ports=PortRange(137, 138), peer=ip_network("10.0.0.0/24")),
    rule(Direction.FROM, protocol=Protocol.ND, port=TWO),
    rule(Direction.FROM, protocol=Protocol.ICMP, port=TWO),
    rule(Direction.FROM, protocol=Protocol.ICMPV6, port=TWO, peer=ip_network("2001:db8::1")),
]
EXCEPTIONS = [
    rule(Direction.FROM, port=TWO),
    rule(Direction.FROM, Action.PERMIT, TWO, protocol=Protocol.ARP),
    rule(Direction.FROM, Action.PERMIT, TWO, protocol=Protocol.TCP, peer=ip_network("2001:db8::/32")),
]
CONFIGURED = (
    "ip access-list OFFICE", "permit tcp any any eq 443", "deny ip any any log",
    "interface Ethernet1", "ip access-group OFFICE in", "interface Ethernet2", "spanning-tree portfast",
)  # fmt: skip


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Eapi, NapalmDriver]]:
    secret = tmp_path / "password"
    secret.touch(0o600)
    secret.write_text("admin\n")
    switch = EosSwitch(NoHardware(), tmp_path / "flash", "sw1")
    switch.edit(list(CONFIGURED))
    certificate = self_signed(tmp_path, "127.0.0.1")
    with Eapi(switch, {"admin": "admin"}, certificate) as eapi:
        options = EosOptions(
            host="127.0.0.1", port=eapi.port, username="admin", password_file=secret, ca=certificate[0], poll=0.1,
            save=Save.IF_CLEAN_BEFORE, bounce_for=0.1,
        )  # fmt: skip
        switch.save()
        yield eapi, NapalmDriver("sw1", options)
    switch.close()


async def use(driver: NapalmDriver, *desired: Rule) -> None:
    change = driver.render(RuleSet(desired), await driver.observe(), PreState())
    await driver.preview(change)
    receipt = await driver.apply(change, 20.0)
    if receipt.status is ReceiptStatus.UNCONFIRMED:
        await driver.confirm(receipt)


async def test_every_command_has_a_pattern_and_every_pattern_a_command(served: tuple[Eapi, NapalmDriver]) -> None:
    eapi, driver = served
    await driver.facts()
    events = driver.events()
    async with asyncio.timeout(20):
        await anext(events)
    for desired in ([rule(way) for way in Direction], SERVICES, EXCEPTIONS, [moved()], [moved(998)], []):
        await use(driver, *desired)
    eapi.switch.enter("netcordon-00000000")  # what a crash left over
    await use(driver, rule(Direction.FROM))
    await driver.close()
    heard = sorted(eapi.heard)
    assert not unknown(heard, COMMANDS)
    assert not [one.pattern for one in COMMANDS if not any(one.matches(line) for line in heard)]


def _services(port: PortName) -> list[Rule]:
    return [
        rule(Direction.FROM, port=port, protocol=kind)
        for kind in (Protocol.ARP, Protocol.ND, Protocol.TCP, Protocol.ICMP)
    ] + [
        rule(Direction.FROM, port=port, protocol=Protocol.TCP, peer=ip_network(peer))
        for peer in ("10.0.0.0/24", "10.0.0.1", "2001:db8::/32")
    ]


def _quarantine(port: PortName) -> list[Rule]:
    return [
        Rule(Match(Direction.FROM, port=port), Action.MOVE_VLAN, Provenance("c1"), vlan=vlan, bounce=True)
        for vlan in (999, 998)
    ]


async def test_every_command_of_ios_too(tmp_path: Path) -> None:
    """The switch refuses a line at last, since some commands are there for that alone."""
    secret = tmp_path / "password"
    secret.touch(0o600)
    secret.write_text("admin\n")
    switch = IosSwitch(NoHardware(), tmp_path / "flash", "sw1")
    one, two = (PortName(f"GigabitEthernet1/0/{number}") for number in (1, 2))
    ports = [word for port in (one, two) for word in (f"interface {port}", "switchport mode access")]
    switch.edit(["ip scp server enable", "archive", "path flash:archive", *ports, "spanning-tree portfast"])
    switch.save()
    services, quarantine = _services(one), _quarantine(two)
    with served_over_ssh(switch, {"admin": "admin"}) as front:
        known = front.write_known_hosts(tmp_path / "known_hosts")
        options = IosOptions(
            host="127.0.0.1", port=front.port, username="admin", password_file=secret, known_hosts=known, port_lists_out=True,
            poll=0.1, bounce_for=0.1,
        )  # fmt: skip
        driver = NapalmDriver("sw1", options)
        await driver.facts()
        await anext(driver.events())
        for desired in ([rule(way, port=one) for way in Direction], services, quarantine[:1], quarantine[1:], []):
            await use(driver, *desired)
        await driver.close()
        driver = NapalmDriver("sw1", options)
        switch.faults.refuse = re.compile(
            "^mac access-group|^show platform tcam"
        )  # the other hardware's question is tried then
        with pytest.raises(DeviceRefused):
            await use(driver, rule(Direction.FROM, port=one))
        await driver.close()
        heard = sorted(front.heard)
    switch.close()
    assert not unknown(heard, ios_commands.COMMANDS)
    assert not [one.pattern for one in ios_commands.COMMANDS if not any(one.matches(line) for line in heard)]
    assert unknown(["reload", "show running-config all", "no archive"], ios_commands.COMMANDS)


async def test_every_command_of_nxos_too(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.touch(0o600)
    secret.write_text("admin\n")
    switch = NxosSwitch(NoHardware(), tmp_path / "flash", "sw1")
    one, two = PortName("Ethernet1/1"), PortName("Ethernet1/2")
    switch.edit([f"interface {two}", "spanning-tree port type edge"])
    switch.save()
    quarantine = _quarantine(two)
    with served_as_nxos(switch, {"admin": "admin"}) as front:
        known = front.write_known_hosts(tmp_path / "known_hosts")
        options = NxosOptions(
            host="127.0.0.1", port=front.port, username="admin", password_file=secret, known_hosts=known, poll=0.1, bounce_for=0.1
        )  # fmt: skip
        driver = NapalmDriver("sw1", options)
        await driver.facts()
        await anext(driver.events())
        for desired in ([rule(Direction.FROM, port=one)], _services(one), quarantine[:1], quarantine[1:], []):
            await use(driver, *desired)
        await driver.close()
        heard = sorted(front.heard)
    switch.close()
    assert not unknown(heard, nxos_commands.COMMANDS)
    assert not [one.pattern for one in nxos_commands.COMMANDS if not any(one.matches(line) for line in heard)]
    never = [
        "reload",
        "show running-config all",
        "configure terminal",
        "no feature scp-server",
        "no ip access-list OFFICE",
    ]
    assert unknown(never, nxos_commands.COMMANDS) == never


@pytest.mark.parametrize(
    "line",
    [
        "reload now", "no aaa root", "show running-config all", "interface Management1", "no ip access-list OFFICE",
        "configure session his commit", "write memory\nreload now", "interface Ethernet1 ", "switchport mode trunk",
    ],
)  # fmt: skip
def test_what_is_never_sent_has_no_pattern(line: str) -> None:
    assert unknown([line], COMMANDS) == [line]


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str) -> str:
        assert run(["commands", "eos", *words]) == 0
        return capsys.readouterr().out

    plain = said()
    for one in COMMANDS:
        assert re.search(rf"^{re.escape(one.pattern)} +{re.escape(one.why)}$", plain, re.MULTILINE), one
    assert "INTERFACE" in plain.split("\n\n")[1]
    printed = said("--regex").splitlines()
    assert printed == [one.regex for one in COMMANDS]
    assert any(re.search(one, "interface Ethernet3/1/2") for one in printed)
    assert [one["command"] for one in json.loads(said("--json"))["commands"]] == [one.pattern for one in COMMANDS]
    assert run(["commands", "vms"]) != 0


def test_each_word_in_capitals_is_explained() -> None:
    every = (
        *COMMANDS,
        *ios_commands.COMMANDS,
        *junos_commands.COMMANDS,
        *nxos_commands.COMMANDS,
        *(one for of_host in OF_HOSTS.values() for one in of_host),
    )
    capitals = {word for one in every for word in one.pattern.split() if word.isupper() and "-" not in word} - {
        "NETCORDON",
        "INCOMPLETE",
    }
    assert capitals == set(WORDS)
    assert Command("ACTION PROTOCOL END END MORE", "").matches("permit tcp any eq 1 host fd00::1 range 2 3 established")


@pytest.mark.parametrize("platform", ["linux", "ovs"])
def test_what_is_run_on_a_host_is_listed(platform: str) -> None:
    """Each program that a question, a check or a push starts, with its arguments."""
    module: Any = {"linux": linux, "ovs": ovs}[platform]
    sent = [*module.QUESTIONS.values(), *([linux.CHECK, linux.PUSH] if platform == "linux" else [ovs.BUNDLE, ovs.FLAG])]
    filled = {
        "{sudo}": "",
        "{bridge}": "br0",
        "{number}": "7",
        "{flag}": "no-forward",
        '"${SSH_CONNECTION%% *}"': "192.0.2.7",
    }
    for command in sent:
        for placed, value in filled.items():
            command = command.replace(placed, value)
        if command.startswith('echo "$'):  # the shell's own
            continue
        command = command.removeprefix("{ ").partition(" || ")[0]
        assert not unknown([command], OF_HOSTS[platform]), command
    assert run(["commands", platform]) == 0
