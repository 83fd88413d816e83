"""What is run on a host of each platform, for those who write its sudoers or a forced command. Pure: made of what is really sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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


COMMANDS: Mapping[str, tuple[Command, ...]] = {
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
