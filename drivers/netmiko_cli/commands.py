"""What is run on a host or switch of each platform, for those who write its sudoers, a forced command or TACACS+ rules. Pure: made of what
is really sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from drivers.napalm_config import ios_commands
from drivers.napalm_config.commands import Command
from drivers.netmiko_cli import arrival, linux, ovs

_ARRIVAL = (
    Command(arrival.QUESTIONS["neighbours"], "whose addresses the host knows"),
    Command("ip -j route get ADDRESS", "by which way the host answers the controller"),
)


def _plain(commands: Mapping[str, str], why: str) -> Iterator[Command]:
    for name, command in commands.items():
        if name not in arrival.QUESTIONS:
            yield Command(_named(command), why)


def _named(command: str) -> str:
    words = {"{sudo}": "", "{bridge}": "BRIDGE", "{number}": "NUMBER", "{flag}": "FLAG"}
    for placed, word in words.items():
        command = command.replace(placed, word)
    return command


_NAPALMS = (
    "show hosts",
    "show ip interface brief",
    "show vlan all-ports",
    "show vlan id VLAN",
    "show mac-address-table",
    "show archive config incremental-diffs FILE ignorecase",
)
"""What NAPALM asks an IOS switch and Netmiko does not."""
_WITH_FILES = ("dir ", "verify ", "copy ", "show running-config | inc")


def _cisco_ios() -> Iterator[Command]:
    """As through NAPALM, typed instead of in a file."""
    for one in (*ios_commands.LOOKING, *ios_commands.PUSHING):
        if one.pattern not in _NAPALMS and not one.pattern.startswith(_WITH_FILES):
            yield one
    yield Command("configure terminal", "the lines that change something")
    for one in ios_commands.CHANGING:
        yield replace(one, why=one.why.removeprefix("in the file: ").replace("in the file, ", ""))


COMMANDS: Mapping[str, tuple[Command, ...]] = {
    "cisco_ios": tuple(_cisco_ios()),
    "linux": (
        *_plain(linux.QUESTIONS, "a look"),
        *_ARRIVAL,
        Command(_named(linux.CHECK), "a dry run, its script on standard input"),
        Command(_named(linux.PUSH), "a push, its script on standard input"),
    ),
    "ovs": (
        *_plain(ovs.QUESTIONS, "a look"),
        *_ARRIVAL,
        Command(_named(ovs.FLAG), "a port that is not to forward, or may again"),
        Command(_named(ovs.BUNDLE), "a push, its flows on standard input"),
    ),
}
