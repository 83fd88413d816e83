"""A contained device that moves, with real packets: plugged in anew on its own switch and on another one, a port that is added again, and
somebody who only sends under its name."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from controller.api.schemas import ContainmentView
from controller.roles import Role
from labs.octets import arp_request
from tests.mininet.estate import Estate, Stream, estate, grown, ofctl
from tests.mininet.served import Words, until
from topologies.network import vsctl
from topologies.plan import Host, NetworkPlan

pytestmark = pytest.mark.mininet
PLAN = grown(("pc4", "s2", 5), ("pc5", "s3", 2), ("pc6", "s2", 6))
TAG = bytes(32)


def settings(plan: NetworkPlan) -> Words:
    devices = [{"id": f"of:{one.datapath}", "management": "oob"} for one in plan.switches]
    return {"devices": devices, "locate": {"neighbour_age": "1s"}}


@pytest.fixture(scope="module")
def standing() -> Iterator[Estate]:
    with estate(PLAN, settings) as up:
        yield up


@pytest.fixture
def site(standing: Estate) -> Iterator[Estate]:
    yield standing
    standing.tidy()


def rename(name: str, to: str) -> None:
    steps = f"link set {name} down\nlink set {name} name {to}\nlink set {to} up"
    subprocess.run(["ip", "-batch", "-"], input=steps, text=True, check=True)


@contextmanager
def replugged(site: Estate, host: Host, switch: str) -> Iterator[str]:
    """The host's cable is pulled and put into a new port of `switch`, whose name is given; and back in the end."""
    name = f"{host.edge}n"
    vsctl("del-port", host.switch, host.edge)
    rename(host.edge, name)
    vsctl("add-port", switch, name)
    try:
        yield name
    finally:
        vsctl("del-port", switch, name)
        rename(name, host.edge)
        vsctl("add-port", host.switch, host.edge)


def stops(stream: Stream) -> int:
    """How many arrived in all once nothing more does for a while. The sender's own counters are of no use: without a carrier its frames
    are dropped before the switch."""

    def silent() -> bool:
        before = stream.arrived()
        time.sleep(0.5)
        return stream.arrived() == before

    until("its frames to stop", silent)
    return stream.arrived()


def speaks(site: Estate, host: Host, mac: str | None = None) -> None:
    site.send(host, arp_request(mac or host.mac, host.ip, site.host("pc1").ip, TAG))


def port_of(case: ContainmentView) -> str:
    return case.endpoint.attachment.port


def actions(site: Estate, case: ContainmentView) -> list[str]:
    return [one.action for one in site.netcordon.operator.audit_records(limit=1000) if one.subject == case.id]


@pytest.mark.parametrize("to", ["its own", "another"])
def test_a_contained_device_that_is_plugged_in_elsewhere_is_contained_there(site: Estate, to: str) -> None:
    rogue, switch = site.host("pc4"), site.host("pc4" if to == "its own" else "pc5").switch
    with site.stream("pc4", "pc1") as stream, site.stream("pc6", "pc1") as neighbour:
        case = site.netcordon.contain(str(rogue.ip), "proven")
        stops(stream)
        with replugged(site, rogue, switch) as port:

            def followed() -> bool:
                speaks(site, rogue)
                return port_of(site.netcordon.case(case.id)) == port

            until("it to be contained at its new port", followed)
            after = stops(stream)
            until("its old port to be freed", lambda: "free" in actions(site, case))
            with neighbour.lossless():
                site.netcordon.outcome(case.id, "proven")
            assert stops(stream) == after
            went = actions(site, case)
            assert went.index("move") < went.index("free")
            site.tidy()
            stream.runs()
    until("it to be found at home again", lambda: _at_home(site, rogue))


def _at_home(site: Estate, host: Host) -> bool:
    speaks(site, host)
    found = site.netcordon.operator.locate(str(host.ip)).endpoint
    return found is not None and found.attachment.port == host.edge


def test_who_sends_under_its_name_moves_nothing_and_harms_itself_alone(site: Estate) -> None:
    rogue, liar = site.host("pc6"), site.host("pc5")
    with site.stream("pc6", "pc1") as stream, site.stream("pc5", "pc1") as innocent:
        case = site.netcordon.contain(str(rogue.ip), "proven")
        stops(stream)
        with innocent.lossless(), stream.silent():

            def heard() -> bool:
                speaks(site, liar, rogue.mac)
                return "hold-both" in actions(site, case)

            until("it to be heard elsewhere", heard)
            site.netcordon.outcome(case.id, "installed")
        after = until("a reason", lambda: "2 ports" in site.netcordon.case(case.id).unproven)
        assert after
        assert port_of(site.netcordon.case(case.id)) == rogue.edge
        assert "free" not in actions(site, case)
        assert "move" not in actions(site, case)


@pytest.mark.parametrize("number", [None, 77])
def test_a_contained_port_that_is_added_anew_is_silent_again(site: Estate, number: int | None) -> None:
    """What gets through until the speaker has heard of the port is counted and told (`-s` shows it)."""
    rogue = site.host("pc4")
    with site.stream("pc4", "pc1") as stream:
        case = site.netcordon.contain(str(rogue.ip), "proven")
        before = stops(stream)
        asked = [] if number is None else ["--", "set", "interface", rogue.edge, f"ofport_request={number}"]
        vsctl("del-port", rogue.switch, rogue.edge, "--", "add-port", rogue.switch, rogue.edge, *asked)
        after = stops(stream)
        print("got through while the port came back:", after - before)  # noqa: T201 - measured
        site.netcordon.outcome(case.id, "installed", "proven")
        assert stops(stream) == after
        until("the port to be silent", lambda: "NO_FWD" in _port(rogue))
        assert number is None or f" {number}({rogue.edge})" in ofctl("show", rogue.switch)


def _port(host: Host) -> str:
    """What the switch says of the host's port."""
    return ofctl("show", host.switch).partition(f"({host.edge})")[2].partition("current:")[0]


def test_an_approval_contains_the_device_of_the_alert_where_it_is_by_then_and_nobody_else(site: Estate) -> None:
    """Between alert and approval the rogue is plugged in at another switch, and somebody else takes its address."""
    rogue, thief, at = site.host("pc3"), site.host("camera"), time.time()
    taken = site.netcordon.alert("SCAN propose", at=at, src=str(rogue.ip), dst=str(site.host("pc1").ip))
    assert taken.disposition == "proposed", taken
    until("the alert's time to be past", lambda: time.time() > at + 3)
    with (
        site.stream("pc3", "pc1") as stream,
        site.stream("camera", "pc1") as innocent,
        replugged(site, rogue, site.host("pc5").switch) as port,
    ):

        def moved() -> bool:
            speaks(site, rogue)
            found = site.netcordon.operator.locate(rogue.mac).endpoint
            return found is not None and found.attachment.port == port

        def heard() -> bool:
            site.send(thief, arp_request(thief.mac, rogue.ip, site.host("pc1").ip, TAG))
            return any(one.mac == thief.mac for one in site.netcordon.operator.bindings(ip=str(rogue.ip)))

        until("it to be found at its new port", moved)
        until("its address to be claimed", heard)
        with innocent.lossless():
            root = {"NETCORDON_TOKEN": site.netcordon.tokens[Role.ADMIN]}
            approved = site.netcordon.cli("approve", taken.proposal or "", environment=root)
            assert approved.returncode == 0, approved
            (case,) = site.netcordon.operator.containments(want="held")
            site.netcordon.outcome(case.id, "installed", "proven")
            stops(stream)
        assert (case.endpoint.macs, port_of(case), case.alerts) == ([rogue.mac], port, [taken.id])
        assert "it moved from" in approved.stderr
        assert thief.mac in approved.stderr
        site.tidy()
        stream.runs()
