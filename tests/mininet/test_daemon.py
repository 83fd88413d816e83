"""The daemon on a real network: whom it contains, whom it refuses to, and that it claims nothing that was not seen."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.api.listings import AlertResult
from controller.cli.exit_codes import ExitCode
from controller.roles import Role
from labs import ovs_state as state
from labs.frames import Kind
from labs.octets import arp_request
from tests.mininet.estate import Estate, estate, grown
from tests.mininet.served import Words, until
from topologies.plan import Host, NetworkPlan

pytestmark = pytest.mark.mininet
SERVER = ("dhcpd", "s1", 5)
PLAN = grown(SERVER, ("hub", "s2", 4), ("pc4", "s2", 5), ("pc5", "s3", 2), ("pc6", "s2", 6), ("pc7", "s3", 3))


def settings(plan: NetworkPlan) -> Words:
    server = plan.host(SERVER[0])
    devices = [
        {"id": f"of:{one.datapath}", "management": "oob", "dhcp_ports": [server.edge] * (one.name == server.switch)}
        for one in plan.switches
    ]
    budget = {"per_minute": 1000, "total": 1000, "per_role": {"workstation": 2}}
    return {"devices": devices, "locate": {"neighbour_age": "1s"}, "budget": budget}


@pytest.fixture(scope="module")
def standing() -> Iterator[Estate]:
    with estate(PLAN, settings) as up:
        yield up


@pytest.fixture
def site(standing: Estate) -> Iterator[Estate]:
    yield standing
    standing.tidy()


# --- a storm of false alerts --------------------------------------------------------------------------------------------


def test_a_storm_of_false_alerts_trips_the_breaker_and_production_keeps_flowing(site: Estate) -> None:
    """120 alerts against all workstations within seconds (500 in tests/unit/test_breaker.py, without packets): two are contained, the
    others lose no packet, and no alert is lost."""
    names = ["pc3", "pc4", "pc5", "pc6", "pc7", SERVER[0]]
    client, admin = site.netcordon.operator, site.netcordon.clients[Role.ADMIN]
    with ExitStack() as open_streams:
        streams = {name: open_streams.enter_context(site.stream(name, "pc1")) for name in names}
        first = [site.netcordon.alert("SCAN act", src=str(site.host(name).ip)) for name in ("pc3", "pc4")]
        assert [one.disposition for one in first] == ["contained"] * 2
        with ExitStack() as flowing:
            for name in names[2:]:
                flowing.enter_context(streams[name].lossless())
            taken = _storm(site, names, 120)
            for name in names[:2]:
                streams[name].stops()
        assert {one.disposition for one in taken} <= {"joined", "proposed", "refused"}
        assert all(one.containment or one.proposal for one in taken), "no alert is lost"
        state = client.status()
        assert (state.automation.paused, state.automation.by) == (True, "breaker")
        assert "of role workstation" in state.automation.reason
        assert sum(state.held.values()) == 2
        assert "PAUSED" in site.netcordon.cli("status").stdout
        waiting = {one.target for one in client.proposals(1000) if one.state == "open"}
        assert {str(site.host(name).ip) for name in names[2:]} <= waiting
        for case in client.release_all(reason="the sensor is wrong", pause=True):
            site.netcordon.outcome(case.id, "removed")
        for stream in streams.values():
            stream.runs()
        assert client.status().automation.by == "breaker", "the first reason is the one to look at"
        assert site.netcordon.cli("resume", "--reason", "x").returncode == ExitCode.DENIED, "an operator may not"
        assert not admin.resume("the sensor is mended").paused
        again = site.netcordon.alert("SCAN act", src=str(site.host("pc3").ip))
        assert again.disposition == "contained"


def _storm(site: Estate, names: list[str], number: int) -> list[AlertResult]:
    """So many different alerts, in arrays of 50."""
    at = datetime.now(UTC).isoformat()
    ips = [str(site.host(name).ip) for name in names]
    storm = [
        {"id": f"storm-{n}", "signature": "SCAN act", "observed_at": at, "src": {"ip": ips[n % len(ips)]}}
        for n in range(number)
    ]
    intake = site.netcordon.clients[Role.INTAKE]
    bodies = (json.dumps(storm[begin : begin + 50]).encode() for begin in range(0, number, 50))
    return [result for body in bodies for result in intake.send_alerts("generic", body).results]


# --- what is proven, and what is not ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "pulled"), [("camera", "before"), ("pc4", "as it is asked for"), ("pc5", "as it is pushed")]
)
def test_an_unplugged_rogue_is_not_proven(site: Estate, name: str, pulled: str) -> None:
    rogue = site.host(name)
    with site.cable(rogue) as pull:
        with site.stream(name, "pc1"):
            if pulled == "before":
                pull("down")
                until("the switch to see it", lambda: not _link_is_up(site, rogue))
            elif pulled == "as it is asked for":
                pull("down")
            case = site.netcordon.contain(str(rogue.ip))
            pull("down")
            until("a reason", lambda: "link" in site.netcordon.case(case.id).unproven)
        assert site.netcordon.case(case.id).outcome == "installed"
        assert site.netcordon.went(case.id) == ["installed"]
        pull("up")
    with site.attempt(name, "pc1") as stream:
        site.netcordon.outcome(case.id, "proven")
        assert stream.arrived() == 0
        site.tidy()
        stream.runs()


def _link_is_up(site: Estate, host: Host) -> bool:
    ports = {port.name: port.up for device in site.netcordon.operator.devices() for port in device.interfaces}
    return ports[host.edge]


def test_a_silent_rogue_is_not_proven_until_it_speaks(site: Estate) -> None:
    rogue = site.host("pc7")
    site.inside(rogue, "sysctl", "-qw", f"net.ipv6.conf.{rogue.interface}.disable_ipv6=1")
    site.inside(rogue, "ip", "link", "set", rogue.interface, "arp", "off")
    case = site.netcordon.contain(str(rogue.ip), "installed")
    reason = until("a reason", lambda: site.netcordon.case(case.id).unproven)
    assert "no frame of it" in reason
    assert "no sensor" in reason
    assert site.netcordon.went(case.id) == ["installed"]
    with site.attempt("pc7", "pc1") as stream:
        site.netcordon.outcome(case.id, "proven")
        assert stream.arrived() == 0


# --- who is contained -------------------------------------------------------------------------------------------------


def test_who_spoofs_the_gateway_and_the_domain_controller_is_contained_alone(site: Estate) -> None:
    rogue, gateway, controller = (site.host(name) for name in ("pc6", "gw", "dc"))

    def claims(victim: Host) -> Callable[[bytes], bytes]:
        return lambda tag: arp_request(rogue.mac, victim.ip, site.host("pc1").ip, tag)

    def heard(victim: Host) -> bool:
        return any(one.mac == rogue.mac for one in site.netcordon.operator.bindings(ip=str(victim.ip)))

    taken = site.netcordon.alert("SCAN act", src=str(controller.ip), dst=str(gateway.ip))
    assert (taken.disposition, _refusal(site, taken)) == ("refused", "protected"), taken
    with (
        site.stream("gw", "pc1") as from_gateway,
        site.stream("dc", "pc1") as from_controller,
        site.attempt("pc6", "pc1", make=claims(gateway)) as as_gateway,
        site.attempt("pc6", "pc1", make=claims(controller)) as as_controller,
        from_gateway.lossless(),
        from_controller.lossless(),
    ):
        for victim in (gateway, controller):
            until(f"the claim on {victim.ip}", lambda: heard(victim))  # noqa: B023 (called at once)
            taken = site.netcordon.alert("SCAN act", src=str(victim.ip), dst=str(site.host("pc1").ip))
            assert (taken.disposition, taken.containment) == ("refused", None), taken
            assert _refusal(site, taken) in ("protected", "behind-router", "ambiguous")
        assert site.netcordon.operator.containments(want="held") == []
        taken = site.netcordon.alert("SCAN act", src=str(rogue.ip), dst=str(gateway.ip))
        assert taken.disposition == "contained", taken
        assert site.netcordon.case(taken.containment or "").endpoint.macs == [rogue.mac]
        as_gateway.stops()
        as_controller.stops()
    assert len(site.netcordon.operator.containments(want="held")) == 1


def _refusal(site: Estate, taken: AlertResult) -> str | None:
    """The code with which it now waits for a person."""
    (proposal,) = [one for one in site.netcordon.operator.proposals() if one.id == taken.proposal]
    assert proposal.state == "open"
    return proposal.refusal


def test_what_leads_to_no_containment(site: Estate) -> None:
    pc3, files = str(site.host("pc3").ip), str(site.host("files").ip)
    cases: list[tuple[Words, str, str | None]] = [
        ({"signature": "SCAN act", "src": str(site.net.plan.unused_ip())}, "refused", "unknown-place"),
        ({"signature": "SCAN act", "src": "192.0.2.7"}, "refused", "behind-router"),
        ({"signature": "SCAN act", "src": pc3, "at": time.time() + 60}, "refused", "ambiguous"),
        ({"signature": "nobody knows", "src": pc3}, "undecided", "undecided"),
        ({"signature": "SCAN propose this", "src": pc3}, "proposed", None),
    ]
    for alert, disposition, code in cases:
        taken = site.netcordon.alert(**alert, dst=files)
        assert (taken.disposition, taken.containment) == (disposition, None), taken
        assert _refusal(site, taken) == code, taken
    taken = site.netcordon.alert("SCAN observe this", src=pc3, dst=files)
    assert (taken.disposition, taken.containment, taken.proposal) == ("observed", None, None)
    assert site.netcordon.operator.containments(want="held") == []


def test_the_same_alert_twice_contains_once_and_at_the_culprits_own_switch(site: Estate) -> None:
    pc3, files = site.host("pc3"), site.host("files")
    assert pc3.switch != files.switch
    with site.stream("pc3", "files") as stream:
        same: Words = {"id": "the-same", "at": time.time(), "src": str(pc3.ip), "dst": str(files.ip)}
        first, second = (site.netcordon.alert("SCAN act", **same) for _ in range(2))
        assert first.status == "taken", first
        assert (first.disposition, first.duplicate, second.duplicate) == ("contained", False, True)
        assert second.containment == first.containment
        (case,) = site.netcordon.operator.containments(want="held")
        assert (case.id, list(case.rules)) == (first.containment, [site.device(pc3)])
        stream.stops()


def test_a_target_is_an_address_a_mac_or_a_place(site: Estate) -> None:
    pc2 = site.host("pc2")
    names = [str(pc2.ip), pc2.mac.upper(), f"{pc2.switch}:{pc2.port}", f"{site.device(pc2)}:{pc2.edge}"]
    with (
        site.stream("pc2", "pc1") as out,
        site.stream("pc1", "pc2") as back,
        site.stream("files", "pc1") as other,
        other.lossless(),
    ):
        for contained, released in zip(names, [*names[1:], names[0]], strict=True):
            case = site.netcordon.contain(contained, "installed", "proven")
            assert case.endpoint.attachment.port == pc2.edge
            out.stops()
            back.stops()
            (held,) = site.netcordon.operator.release(released, reason="a test")
            assert held.id == case.id
            site.netcordon.outcome(case.id, "removed")
            out.runs()
            back.runs()


def test_a_plan_changes_nothing(site: Estate) -> None:
    before, target = state.switches(site.net.plan), str(site.host("pc2").ip)
    records = len(site.netcordon.operator.audit_records(limit=1000))
    preview = site.netcordon.operator.plan(target)
    assert preview.refusal is None
    assert preview.changes[site.device(site.host("pc2"))]
    shown = site.netcordon.cli("contain", target, "--dry-run")
    assert (shown.returncode, site.host("pc2").edge in shown.stdout) == (0, True)
    assert state.switches(site.net.plan) == before
    assert len(site.netcordon.operator.audit_records(limit=1000)) == records


def test_what_expires_is_released(site: Estate) -> None:
    target = str(site.host("pc2").ip)
    with site.stream("pc2", "pc1") as stream:
        done = site.netcordon.cli("contain", target, "--for", "6s", "--yes", "--wait", "--until", "installed")
        assert done.returncode == 0, done
        stream.stops()
        stream.runs()
    (case,) = [one for one in site.netcordon.operator.containments() if one.target == target][:1]
    site.netcordon.outcome(case.id, "removed")
    assert case.released_by == "expiry"
    assert [one.actor for one in site.netcordon.audit(case.id, "release")] == ["expiry"]


def test_not_one_frame_passes_while_a_containment_is_extended_at_its_end(site: Estate) -> None:
    target, operator = str(site.host("pc2").ip), site.netcordon.operator
    with site.stream("pc2", "pc1") as stream:
        done = site.netcordon.cli("contain", target, "--for", "4s", "--yes", "--wait", "--until", "installed")
        assert done.returncode == 0, done
        came = stream.stops()
        (case,) = operator.containments(want="held")
        for _ in range(3):
            until("its end to be near", lambda: (operator.containment(case.id).remaining or 0) < 1.0)
            assert operator.extend(case.id, duration="3s").want == "held"
        asking = operator.contain(target, duration="3s", on_expiry="ask").containment
        assert asking.id == case.id
        until("its time to be over", lambda: operator.containment(case.id).waiting_since)
        assert operator.containment(case.id).want == "held"
        assert site.netcordon.cli("extend", target, "--for", "1h").returncode == 0
        extended = operator.containment(case.id)
        assert (extended.want, extended.waiting_since, extended.outcome in ("installed", "proven")) == (
            "held",
            None,
            True,
        )
        assert stream.arrived() == came
        site.tidy()
        stream.runs()
    assert len(site.netcordon.audit(case.id, "extend")) == 4
    assert len(site.netcordon.audit(case.id, "ask")) == 1


# --- behind a hub -----------------------------------------------------------------------------------------------------


def test_a_rogue_behind_a_hub_stops_alone(site: Estate) -> None:
    rogue, neighbour = site.host("hub1"), site.host("hub2")
    preview = until("the neighbour to count", lambda: (p := site.netcordon.operator.plan(str(rogue.ip))).weaker and p)
    assert preview
    assert neighbour.mac in (preview.weaker or "")
    assert preview.proof
    assert (neighbour.mac, True) in [(reach.dst, preview.proof.holds) for reach in preview.proof.residual]
    with (
        site.stream("hub2", "pc1") as innocent,
        site.stream("hub1", "pc1") as out,
        site.stream("pc1", "hub1") as back,
        innocent.lossless(),
    ):
        case = site.netcordon.contain(str(rogue.ip), "installed", "proven")
        assert case.weaker
        out.stops()
        back.stops()
        with site.attempt("hub1", "pc1", Kind.CHANGED_MAC) as disguised:
            disguised.sends()
            assert disguised.arrived() == 0
        site.tidy()
        out.runs()


# --- DHCP -------------------------------------------------------------------------------------------------------------


def dhcp(kind: str, client: str, server: Host, ip: str) -> bytes:
    """One message of an exchange, as Scapy builds it."""
    from scapy.layers.dhcp import BOOTP, DHCP
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether

    asks = kind in ("discover", "request")
    options: list[Any] = [("message-type", kind), ("server_id", str(server.ip)), ("requested_addr", ip), "end"]
    frame = Ether(src=client if asks else server.mac, dst="ff:ff:ff:ff:ff:ff")
    frame /= IP(src="0.0.0.0" if asks else str(server.ip), dst="255.255.255.255")
    frame /= UDP(sport=68, dport=67) if asks else UDP(sport=67, dport=68)
    given = "0.0.0.0" if asks else ip
    frame /= BOOTP(op=1 if asks else 2, chaddr=bytes.fromhex(client.replace(":", "")), yiaddr=given, xid=7)
    return bytes(frame / DHCP(options=options))


def exchange(site: Estate, client: Host, server: Host, ip: str) -> None:
    for asks, answers in (("discover", "offer"), ("request", "ack")):
        site.send(client, dhcp(asks, client.mac, server, ip))
        site.send(server, dhcp(answers, client.mac, server, ip))


def test_a_lease_is_believed_from_a_listed_port_alone(site: Estate) -> None:
    client, server, liar = site.host("files"), site.host("dhcpd"), site.host("sensor")
    assert client.switch == server.switch == liar.switch
    leased, forged = "10.20.30.240", "10.20.30.241"
    exchange(site, client, liar, forged)
    exchange(site, client, server, leased)
    (binding,) = until("the lease", lambda: site.netcordon.operator.bindings(ip=leased))
    assert (binding.mac, binding.attachment.port, binding.lease) == (client.mac, client.edge, True)
    assert site.netcordon.operator.bindings(ip=forged) == []
    assert site.netcordon.operator.locate(leased).confidence == 0.95


def test_a_forged_lease_gets_nobody_contained(site: Estate) -> None:
    """The rogue has a server's answer say that its neighbour got an address, and attacks from that address."""
    victim, rogue, framed = site.host("files"), site.host("sensor"), "10.20.30.242"
    site.send(rogue, dhcp("ack", victim.mac, rogue, framed))
    site.send(rogue, arp_request(rogue.mac, rogue.ip, site.host("pc1").ip, b""))
    exchange(site, victim, site.host("dhcpd"), "10.20.30.243")
    until("what came after it", lambda: site.netcordon.operator.bindings(ip="10.20.30.243"))
    taken = site.netcordon.alert("SCAN act", src=framed, dst=str(site.host("pc1").ip))
    assert (taken.disposition, taken.containment) == ("refused", None), taken


# --- the command line -------------------------------------------------------------------------------------------------


def test_commands_end_as_documented(site: Estate) -> None:
    nobody, pc2 = str(site.net.plan.unused_ip()), str(site.host("pc2").ip)
    cases: list[tuple[int, str, dict[str, str]]] = [
        (3, f"contain {nobody} --yes", {}),
        (3, f"contain {site.host('gw').ip} --yes", {}),
        (3, f"plan {site.host('dc').ip}", {}),
        (2, "contain 10.20.30.0/24 --yes", {}),
        (7, f"release {pc2}", {}),
        (7, "show c-000000000000", {}),
        (9, "list", {"NETCORDON_TOKEN": "of-nobody"}),
        (6, "list", {"NETCORDON_URL": "http://127.0.0.1:1"}),
        (0, f"contain {pc2} --yes --json", {}),
        (0, f"release {pc2} --wait", {}),
    ]
    for code, words, environment in cases:
        done = site.netcordon.cli(*words.split(), environment=environment)
        assert done.returncode == code, done
        assert "Traceback" not in done.stdout + done.stderr
        assert code == 0 or done.stderr.strip(), f"{words} ended with {code} and said nothing"
