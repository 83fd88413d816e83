"""In company: another controller owns the forwarding, and only drops of ours stand beside its flows. Shown beside a learning switch on Ryu
and beside a two-table application on os-ken."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.base import DriverEvent, PreState, ReceiptStatus, Sighting
from drivers.openflow import beside
from drivers.openflow.driver import BesideOpenFlowDriver, device_id
from drivers.openflow.flows import COOKIE_MARK, COOKIE_MASK
from drivers.openflow.link import SpeakerLink
from drivers.openflow.runtime import VARIABLE
from drivers.rules import Action, Direction, Mac, Match, PortName, Provenance, Rule, RuleSet
from labs.configuration import Places
from labs.installation import places
from tests.mininet.served import Netcordon, Words
from tests.mininet.test_openflow_driver import arp, broadcasts_reach, converge, full, ping, received, send
from tests.openflow_lab import Net, Speaker, free_port, python_with, running_speaker, start_net, until, wait_for

pytestmark = pytest.mark.mininet
NOTHING = RuleSet()
RUN = """
import logging, sys, time
logging.basicConfig(level=logging.INFO, stream=sys.stderr)
from drivers.openflow import runtime
runtime.run(sys.argv[1], "127.0.0.1", int(sys.argv[2]))
while True:
    time.sleep(60)
"""
APPLICATIONS = {"ryu": "ryu.app.simple_switch_13", "os-ken": "tests.mininet.two_tables"}


@dataclass
class Company:
    """Another controller and the network that it forwards on; our speaker in role EQUAL beside it."""

    net: Net
    speaker: Speaker
    log: Path

    def packets_in(self, mac: str) -> int:
        """How many frames of this MAC the other controller was given, by its own log."""
        return sum(mac in line and "packet in" in line for line in self.log.read_text(errors="replace").splitlines())


def strangers_on(net: Net) -> list[str]:
    """Everything on the switch that is not ours, without counters: what must be the same before, during and after."""
    mark = f"cookie={COOKIE_MARK:#x}/{COOKIE_MASK:#x}"
    ours = set(net.ofctl("dump-flows", "--no-stats", mark).splitlines())
    return [line for line in net.whole() if line not in ours and "config:" not in line]


@contextmanager
def other_controller(runtime: str, log: Path) -> Iterator[int]:
    """The port on which it listens. Ended by its process id."""
    port = free_port()
    environment = os.environ | {VARIABLE: runtime, "PYTHONPATH": os.pathsep.join(sys.path)}
    if runtime == "ryu":
        environment["PYTHONPATH"] = os.getcwd()
    with log.open("wb") as out:
        words = [str(python_with(runtime)), "-c", RUN, APPLICATIONS[runtime], str(port)]
        process = subprocess.Popen(words, stdout=out, stderr=out, env=environment)
    try:
        wait_for("their listener", lambda: _listens(port, process, log))
        yield port
    finally:
        process.kill()
        process.wait()


def _listens(port: int, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text(errors="replace")
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(params=["ryu", "os-ken"])
def company(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Company]:
    log = tmp_path / "theirs.log"
    with (
        other_controller(request.param, log) as port,
        running_speaker(tmp_path, "os-ken", role="equal") as speaker,
    ):
        net = start_net(port, hosts=4, switches=1)
        try:
            net.vsctl("set-controller", net.switches[0], f"tcp:127.0.0.1:{port}", f"tcp:127.0.0.1:{speaker.port}")
            yield Company(net, speaker, log)
        finally:
            net.mininet.stop()


async def driver_of(company: Company, link: SpeakerLink) -> BesideOpenFlowDriver:
    driver = BesideOpenFlowDriver(device_id(company.net.dpids[0]), company.net.dpids[0], link)
    await until("switch", driver.facts)
    return driver


async def everyone_talks(company: Company) -> None:
    """Their controller has learnt everybody: from now on its flows do not change by themselves."""
    net = company.net
    wait_for(
        f"their forwarding; they say: {company.log.read_text(errors='replace')[-2000:]}", lambda: ping(net, 1, 2), 30
    )
    for source in range(1, 5):
        for target in range(1, 5):
            assert source == target or ping(net, source, target)


def renewed() -> None:
    """Open vSwitch has forgotten its cached decisions: on a busy machine some go on for a moment behind the barrier."""
    subprocess.run(["ovs-appctl", "revalidator/purge"], check=True, capture_output=True, timeout=10)


async def test_only_drops_of_ours_stand_beside_their_flows(company: Company) -> None:
    net, link = company.net, SpeakerLink(company.speaker.socket)
    await link.start()
    driver = await driver_of(company, link)
    await everyone_talks(company)
    theirs, whole = strangers_on(net), net.whole()
    before = PreState({name: port.settings for name, port in (await driver.observe()).ports.items()})

    assert (await converge(driver, NOTHING, before)).status is ReceiptStatus.UNCHANGED
    assert (await converge(driver, full(net.port(1)), before)).status is ReceiptStatus.APPLIED
    assert driver.render(full(net.port(1)), await driver.observe(), before).empty
    renewed()
    assert not ping(net, 1, 2)
    assert not ping(net, 2, 1)
    assert not broadcasts_reach(net, 2, 1, control=3)
    assert ping(net, 2, 3)
    assert ping(net, 3, 4)
    assert strangers_on(net) == theirs

    punted = company.packets_in("02:00:00:00:00:77")
    strangers = [arp(2, mac="02:00:00:00:00:77").replace(b"\x08\x06", b"\x88\xb5", 1)]
    heard = received(net, 3)
    send(net, 2, strangers, 20)
    wait_for("frames that their controller forwards", lambda: received(net, 3) >= heard + 20)
    wait_for("packet-ins at their controller", lambda: company.packets_in("02:00:00:00:00:77") >= punted + 1)

    await converge(driver, NOTHING, before)
    wait_for("the contained host's way back", lambda: ping(net, 1, 2))
    assert [line for line in net.whole() if "02:00:00:00:00:77" not in line] == whole
    await driver.close()
    await link.close()


async def test_neighbours_on_a_shared_port_are_spared(company: Company) -> None:
    """Two devices behind port 1: what comes in from others than the known neighbour is dropped, and nothing is let past their pipeline."""
    net, link = company.net, SpeakerLink(company.speaker.socket)
    await link.start()
    driver = await driver_of(company, link)
    await everyone_talks(company)
    before = PreState({name: port.settings for name, port in (await driver.observe()).ports.items()})
    port, rogue, neighbour = PortName(net.port(1)), Mac("02:00:00:00:00:91"), Mac("02:00:00:00:00:01")
    provenance = Provenance("c1")
    desired = RuleSet(
        [
            Rule(Match(Direction.FROM, port=port), Action.DENY, provenance),
            Rule(Match(Direction.FROM, port=port, mac=neighbour), Action.PERMIT, provenance),
            Rule(Match(Direction.TO, port=port, mac=rogue), Action.DENY, provenance),
        ]
    )
    assert (await converge(driver, desired, before)).status is ReceiptStatus.APPLIED
    assert ping(net, 1, 2)
    heard, control = received(net, 3), received(net, 4)
    send(net, 1, [arp(1, mac=rogue)], 30)
    send(net, 2, [arp(2)], 30)
    wait_for("the control's broadcasts", lambda: received(net, 4) >= control + 30)
    assert received(net, 3) - heard < 60

    async def counted() -> bool:
        return (await driver.observe()).packets(rule.id for rule in desired) >= 30

    await until("the rogue's frames in the deny rule", counted)
    await converge(driver, NOTHING, before)
    await driver.close()
    await link.close()


async def test_a_flow_of_theirs_above_ours_is_told(company: Company) -> None:
    net, link = company.net, SpeakerLink(company.speaker.socket)
    await link.start()
    driver = await driver_of(company, link)
    await everyone_talks(company)
    before = PreState({name: port.settings for name, port in (await driver.observe()).ports.items()})
    net.ofctl("add-flow", f"cookie=0xbad,priority={beside.FLOOR + 4000},in_port=1,actions=flood")
    receipt = await converge(driver, full(net.port(1)), before)
    assert receipt.status is ReceiptStatus.PARTIAL
    assert all("somebody else's flow outranks it" in reason for reason in receipt.refused.values())
    left = driver.render(full(net.port(1)), await driver.observe(), before)
    assert left.rule_ids == set(receipt.refused)
    net.ofctl("del-flows", "cookie=0xbad/-1")
    assert driver.render(full(net.port(1)), await driver.observe(), before).empty
    assert not ping(net, 1, 2)
    await converge(driver, NOTHING, before)
    await driver.close()
    await link.close()


@pytest.mark.parametrize("company", ["ryu"], indirect=True)
async def test_hosts_are_seen_by_what_their_controller_is_punted(company: Company) -> None:
    """The learning switch is punted what it does not know, and every EQUAL controller hears it too."""
    net, link = company.net, SpeakerLink(company.speaker.socket)
    await link.start()
    driver = await driver_of(company, link)
    events, new = driver.events(), "02:00:00:00:00:a2"
    send(net, 2, [arp(2, mac=new)])
    async with asyncio.timeout(15):
        seen = [event async for event in _sightings_until(events, new)]
    assert (seen[-1].mac, seen[-1].port, str(seen[-1].ip)) == (new, net.port(2), "10.0.0.2")
    await driver.close()
    await link.close()


async def _sightings_until(events: AsyncIterator[DriverEvent], mac: str) -> AsyncIterator[Sighting]:
    async for event in events:
        if isinstance(event, Sighting):
            yield event
            if event.mac == mac:
                return


def test_a_containment_through_the_daemon(tmp_path: Path) -> None:
    """Located by what the learning switch is punted, contained and released by commands; their flows are what they were."""
    with ExitStack() as stack:
        where = stack.enter_context(places())
        port = stack.enter_context(other_controller("ryu", tmp_path / "theirs.log"))
        net = start_net(port, hosts=3, switches=1)
        stack.callback(net.mininet.stop)
        ours = f"tcp:127.0.0.1:{where.openflow_port}"
        net.vsctl("set-controller", net.switches[0], f"tcp:127.0.0.1:{port}", ours)
        served = Netcordon(where, _settings(where))
        stack.callback(served.close)
        served.install()
        served.start()
        device = device_id(net.dpids[0])
        wait_for("the switch", lambda: any(one.id == device and one.up for one in served.operator.devices()), 30)

        def known() -> bool:
            for source, target in ((1, 2), (2, 3), (3, 1)):
                ping(net, source, target)
                send(net, source, [arp(source)])
            return served.operator.locate("10.0.0.1").status == "found"

        wait_for("host 1 to be located", known, 60)
        before, theirs = net.whole(), strangers_on(net)
        case = served.contain("10.0.0.1", "installed", "proven")
        assert not ping(net, 1, 2)
        assert not ping(net, 2, 1)
        assert ping(net, 2, 3)
        assert strangers_on(net) == theirs
        served.operator.release(case.id, reason="the test is over")
        served.outcome(case.id, "removed")
        wait_for("host 1 to be back", lambda: ping(net, 1, 2))
        assert net.whole() == before


def _settings(where: Places) -> Words:
    speaker = {
        "socket": str(where.folder / "speaker.sock"),
        "listen": f"127.0.0.1:{where.openflow_port}",
        "role": "equal",
        "keep": False,
        "log": str(where.log("speaker")),
    }
    return {
        "store": f"sqlite:///{where.folder / 'netcordon.db'}",
        "listen": {"address": "127.0.0.1", "port": where.api_port, "socket": str(where.api_socket)},
        "openflow": {"speaker": speaker},
    }
