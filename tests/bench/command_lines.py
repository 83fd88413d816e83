"""`make bench`: a hundred containments at once on one switch that is configured, against one; and a cold session against a warm one.

python -m tests.bench.command_lines [--smoke] [--only KIND ...] [--json FILE]

The switches are the virtual ones, with ports and no frames behind them: what is timed is the way from the request to what was read back
from the switch, through a daemon as users have it. It needs no root. The virtual switch runs on the same cores: its time counts as ours.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from controller.roles import Role
from drivers.napalm_config.driver import NapalmDriver
from labs.installation import places
from tests.bench.ground import BenchError
from tests.bench.http import Http
from tests.mininet.served import Netcordon, Words, until
from topologies.vendor.eapi import Eapi, self_signed
from topologies.vendor.eos import EosSwitch
from topologies.vendor.forwarding import NoHardware
from topologies.vendor.ios import IosSwitch
from topologies.vendor.ios_shell import served_over_ssh
from topologies.vendor.junos import ACTIVE, JunosSwitch, factory
from topologies.vendor.junos_rpc import served_over_netconf
from topologies.vendor.nxos import NxosSwitch
from topologies.vendor.nxos_shell import served_over_ssh as served_as_nxos

DEVICE, USER = "access-1", "admin"
SENDERS = 8
HELD = 1.5
"""What a hundred may cost at most, of what one costs."""


class Crowd(NoHardware):
    """A device on each port, heard as soon as anybody looks."""

    def learnt(self) -> list[tuple[int, str, int]]:
        return [(1, mac(number), number) for number in self.numbers]


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds: of a look at the whole configuration by a session that has to be made (`cold`) and by one that stands (`warm`), and
    from the request to the last containment that was read back, of one and of many."""

    kind: str
    containments: int
    cold: float
    warm: float
    one: float
    many: float

    @property
    def ratio(self) -> float:
        return self.many / self.one


def mac(number: int) -> str:
    return f"02:00:00:00:{number >> 8:02x}:{number & 0xFF:02x}"


@contextmanager
def eos(folder: Path, ports: tuple[int, ...]) -> Iterator[Words]:
    switch = EosSwitch(Crowd(ports), folder)
    front = Eapi(switch, {USER: USER}, self_signed(folder, "127.0.0.1"), ("127.0.0.1", 0))
    front.start()
    try:
        yield {"platform": "eos", "port": front.port, "ca": str(folder / "eapi.crt")}
    finally:
        front.stop()
        switch.close()


@contextmanager
def ios(folder: Path, ports: tuple[int, ...]) -> Iterator[Words]:
    switch = IosSwitch(Crowd(ports), folder)
    access = [word for n in ports for word in (f"interface GigabitEthernet1/0/{n}", "switchport mode access")]
    switch.edit(["ip scp server enable", "archive", "path flash:archive", *access])
    with served_over_ssh(switch, {USER: USER}) as front:
        known = str(front.write_known_hosts(folder / "known_hosts"))
        yield {"platform": "ios", "port": front.port, "known_hosts": known, "port_lists_out": True}
    switch.close()


@contextmanager
def junos(folder: Path, ports: tuple[int, ...]) -> Iterator[Words]:
    (folder / ACTIVE).write_text(factory("access-1", ports))
    switch = JunosSwitch(Crowd(ports), folder)
    with served_over_netconf(switch, {USER: USER}) as front:
        known = str(front.write_known_hosts(folder / "known_hosts"))
        yield {"platform": "junos", "port": front.port, "known_hosts": known}
    switch.close()


@contextmanager
def nxos(folder: Path, ports: tuple[int, ...]) -> Iterator[Words]:
    switch = NxosSwitch(Crowd(ports), folder)
    with served_as_nxos(switch, {USER: USER}) as front:
        known = str(front.write_known_hosts(folder / "known_hosts"))
        yield {"platform": "nxos", "port": front.port, "known_hosts": known}
    switch.close()


KINDS: dict[str, Callable[[Path, tuple[int, ...]], Any]] = {"eos": eos, "ios": ios, "junos": junos, "nxos": nxos}


def measured(kind: str, containments: int) -> Figures:
    """Three devices are contained one by one, and then so many at once."""
    ports = tuple(range(1, containments + 4))
    with ExitStack() as stack:
        where = stack.enter_context(places())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="netcordon-bench-")))
        options = stack.enter_context(KINDS[kind](folder, ports))
        settings = _settings(where.folder, where.api_port, where.openflow_port, options)
        cold, warm = asyncio.run(_looks(settings["devices"][0]["options"]))
        served = Netcordon(where, settings)
        stack.callback(served.close)
        served.install()
        served.start()
        for number in ports:
            until("everybody to be located", partial(_located, served, mac(number)))
        senders = [Http(where.api_port, served.tokens[Role.OPERATOR]) for _ in range(SENDERS)]
        ones = [_contained(served, senders, [mac(number)]) for number in ports[:3]]
        many = _contained(served, senders, [mac(number) for number in ports[3:]])
        for sender in senders:
            sender.close()
    return Figures(kind, containments, cold, warm, median(ones), many)


async def _looks(options: Words) -> list[float]:
    """Two, one after the other, by a session of its own."""
    driver, took = NapalmDriver(DEVICE, options), list[float]()
    for _ in range(2):
        began = time.monotonic()
        await driver.observe()
        took.append((time.monotonic() - began) * 1000)
    await driver.close()
    return took


def _settings(folder: Path, api_port: int, openflow_port: int, options: Words) -> Words:
    secret = folder / "switch.password"
    secret.touch(0o600)
    secret.write_text(f"{USER}\n")
    login = {"host": "127.0.0.1", "username": USER, "password_file": str(secret), "save": "never", "poll": 5}
    return {
        "store": f"sqlite:///{folder / 'netcordon.db'}",
        "listen": {"address": "127.0.0.1", "port": api_port, "socket": str(folder / "api.sock")},
        "openflow": {
            "speaker": {
                "socket": str(folder / "speaker.sock"),
                "listen": f"127.0.0.1:{openflow_port}",
                "keep": False,
                "log": str(folder / "speaker.log"),
            }
        },
        "devices": [{"id": DEVICE, "driver": "napalm", "management": "oob", "options": options | login}],
        "reconcile": {"deadline": 60, "lease": 90},
    }


def _located(served: Netcordon, target: str) -> bool:
    return served.operator.locate(target).endpoint is not None


def _contained(served: Netcordon, senders: list[Http], targets: list[str]) -> float:
    """All are asked for at once, over a few connections; milliseconds until the last was read back. Raises BenchError."""
    began = time.time()
    with ThreadPoolExecutor(len(senders)) as pool:
        parts = [targets[number :: len(senders)] for number in range(len(senders))]
        answered = [one for some in pool.map(_ask, senders, parts) for one in some]
    if len(set(answered)) != len(targets):
        raise BenchError(f"{len(targets)} containments were asked for, and {len(set(answered))} made")
    last = 0.0
    for id in answered:
        case = served.outcome(id, "installed", "proven", patience=120)
        last = max(last, *(one.at.timestamp() for one in case.devices if one.at is not None))
    return (last - began) * 1000


def _ask(sender: Http, targets: list[str]) -> list[str]:
    wish = {"profile": "full", "reason": "a benchmark"}
    return [
        sender.request("POST", "/api/v1/containments", {"target": one} | wish).json()["containment"]["id"]
        for one in targets
    ]


def table(found: list[Figures]) -> str:
    rows = ["| switch | cold look, ms | warm, ms | one, ms | at once | ms | of one | to hold | |", "|---" * 9 + "|"]
    for one in found:
        verdict = "yes" if one.ratio <= HELD else "**no**"
        told = (
            f"{one.cold:.0f} | {one.warm:.0f} | {one.one:.0f} | {one.containments} | {one.many:.0f} | {one.ratio:.1f} ×"
        )
        rows.append(f"| {one.kind} | {told} | ≤ {HELD} × | {verdict} |")
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--smoke", action="store_true", help="so little that it is done in seconds")
    parser.add_argument("--only", nargs="+", choices=sorted(KINDS), default=sorted(KINDS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = [measured(kind, 5 if options.smoke else 100) for kind in options.only]
    sys.stdout.write(table(found) + "\n")
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(one) | {"ratio": one.ratio} for one in found], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
