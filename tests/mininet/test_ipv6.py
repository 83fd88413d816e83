"""IPv6 on a real network: a device that has nothing else, addresses that change, leases, lies, and what a contained device still shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import IPv6Address

import pytest

from controller.roles import Role
from labs.frames import Kind
from labs.frames_ipv6 import advertisement, announcement, privacy_address, router_advertisement, solicitation
from labs.installation import netcordon
from labs.process import process
from tests.mininet.estate import Estate, estate, grown
from tests.mininet.served import Words, until
from topologies.plan import Host, NetworkPlan

pytestmark = pytest.mark.mininet
SERVER = ("dhcpd", "s1", 5)
ONLY6 = ("six", "s2", 5)
PLAN = grown(SERVER, ONLY6, ("pc4", "s2", 6), ("pc5", "s3", 2))


def settings(plan: NetworkPlan) -> Words:
    server = plan.host(SERVER[0])
    devices = [
        {"id": f"of:{one.datapath}", "management": "oob", "dhcp_ports": [server.edge] * (one.name == server.switch)}
        for one in plan.switches
    ]
    return {"devices": devices, "locate": {"neighbour_age": "1s"}, "verify": {"baseline": "0.5s"}}


@pytest.fixture(scope="module")
def standing() -> Iterator[Estate]:
    with ExitStack() as stack:
        up = stack.enter_context(estate(PLAN, settings, quiet=[ONLY6[0]]))
        token = up.netcordon.clients[Role.ADMIN].add_token("sensor", Role.SENSOR).token
        where, host = up.netcordon.places, up.host("sensor")
        words = ["sensor", "run", "--name", "s", "--interface", host.interface, "--url", f"unix:{where.api_socket}"]
        environment = up.netcordon.environment() | {"NETCORDON_TOKEN": token}
        stack.enter_context(process([*up.net.inside(host), netcordon(), *words], where.log("sensor"), environment))
        yield up


@pytest.fixture
def site(standing: Estate) -> Iterator[Estate]:
    yield standing
    standing.tidy()


def says(site: Estate, host: Host, *addresses: IPv6Address) -> None:
    """As a host that looks for another does: by each of its addresses."""
    site.send(host, *(solicitation(host.mac, own, site.host("pc1").ip6, b"") for own in addresses))


def located(site: Estate, address: object) -> str | None:
    found = site.netcordon.operator.locate(str(address)).endpoint
    return None if found is None else found.attachment.port


@pytest.fixture(scope="module")
def only6(standing: Estate) -> Host:
    """A device without any IPv4 address, that was never heard by one."""
    host = standing.host("six")
    standing.inside(host, "ip", "-4", "address", "flush", "dev", host.interface)
    says(standing, host, host.ip6, host.link_local)
    until("it to be located", lambda: located(standing, host.ip6) == host.edge)
    return host


def test_a_device_that_has_only_ipv6_is_contained_and_proven_by_its_frames(site: Estate, only6: Host) -> None:
    with (
        site.stream("six", "pc1", Kind.IPV6_GLOBAL) as out,
        site.stream("pc1", "six", Kind.IPV6_GLOBAL) as back,
        site.stream("pc2", "pc1", Kind.IPV6_GLOBAL) as innocent,
        innocent.lossless(),
    ):
        taken = site.netcordon.alert("SCAN act", src=str(only6.ip6), dst=str(site.host("pc1").ip6))
        assert taken.disposition == "contained", taken
        case = site.netcordon.outcome(taken.containment or "", "proven")
        assert {IPv6Address(ip) for ip in map(str, case.endpoint.ips)} >= {only6.ip6, only6.link_local}
        assert not [ip for ip in map(str, case.endpoint.ips) if ":" not in ip]
        out.stops()
        back.stops()
        (released,) = site.netcordon.operator.release(str(only6.ip6), reason="a test")
        site.netcordon.outcome(released.id, "removed")
        out.runs()
        back.runs()


def test_and_by_a_sensor_that_asks_it_over_ipv6(site: Estate, only6: Host) -> None:
    """It says nothing of its own accord: only the sensor's question before and the silence after are there to go by."""

    def proven_by_a_sensor() -> str:
        case = site.netcordon.outcome(site.netcordon.contain(str(only6.ip6)).id, "installed", "proven")
        until("a word on it", lambda: (now := site.netcordon.case(case.id)).outcome == "proven" or now.unproven)
        said = " ".join(site.netcordon.case(case.id).evidence)
        if "sensor s:" not in said:  # its first answer may not have come yet
            site.tidy()
        return said if "sensor s:" in said else ""

    said = until("the sensor to prove it", proven_by_a_sensor, 60)
    assert any(f"{address} answered" in said for address in (only6.ip6, only6.link_local)), said


def test_an_address_that_it_makes_itself_later_is_covered_and_known(site: Estate, only6: Host) -> None:
    """Also of a device that is contained: it is seen, and gets nothing through."""
    new = privacy_address(only6.ip6, 7)
    with (
        site.stream("six", "pc1", Kind.IPV6_GLOBAL) as out,
        site.attempt("six", "pc1", Kind.PRIVACY_ADDRESS) as changed,
    ):
        case = site.netcordon.contain(str(only6.ip6), "installed", "proven")
        out.stops()
        with changed.silent():
            says(site, only6, new)
            until("the new address to be known", lambda: located(site, new) == only6.edge)
        taken = site.netcordon.alert("SCAN act", src=str(new), dst=str(site.host("pc1").ip6))
        assert (taken.disposition, taken.containment) == ("joined", case.id), taken


def test_who_takes_the_gateways_address_by_discovery_is_contained_alone(site: Estate) -> None:
    rogue, gateway = site.host("pc4"), site.host("gw")
    site.send(rogue, announcement(rogue.mac, gateway.ip6, b""), announcement(rogue.mac, gateway.link_local, b""))
    until(
        "the claim", lambda: any(one.mac == rogue.mac for one in site.netcordon.operator.bindings(ip=str(gateway.ip6)))
    )
    for address in (gateway.ip6, gateway.link_local):
        taken = site.netcordon.alert("SCAN act", src=str(address), dst=str(site.host("pc1").ip6))
        assert (taken.disposition, taken.containment) == ("refused", None), taken
    with site.stream("gw", "pc1", Kind.IPV6_GLOBAL) as innocent, innocent.lossless():
        case = site.netcordon.contain(str(rogue.ip6), "installed", "proven")
        assert case.endpoint.macs == [rogue.mac]
        assert str(gateway.ip6) not in map(str, case.endpoint.ips)


def test_a_lie_in_an_option_puts_the_address_in_doubt(site: Estate) -> None:
    """The rogue speaks under its own MAC, and has everybody write down another."""
    rogue, victim, pc1 = site.host("pc4"), site.host("pc5"), site.host("pc1")
    assert located(site, victim.ip6) == victim.edge
    lie = advertisement((rogue.mac, pc1.mac), (rogue.ip6, pc1.ip6), victim.ip6, b"")
    at = lie.rindex(bytes.fromhex(rogue.mac.replace(":", "")))
    site.send(rogue, lie[:at] + bytes.fromhex("02deadbeef02") + lie[at + 6 :])
    until("the doubt", lambda: site.netcordon.operator.locate(str(victim.ip6)).status == "ambiguous")
    assert located(site, victim.mac) == victim.edge


def test_a_router_advertisement_makes_no_router(site: Estate) -> None:
    rogue = site.host("pc4")
    site.send(rogue, router_advertisement(rogue.mac, rogue.link_local, rogue.ip6, b""))
    until(
        "it to be known",
        lambda: "router advertisements" in " ".join(site.netcordon.operator.locate(str(rogue.ip6)).against),
    )
    assert located(site, rogue.ip6) == rogue.edge


def test_duplicate_address_detection_binds_nothing(site: Estate) -> None:
    host, wanted = site.host("pc5"), privacy_address(site.host("pc5").ip6, 9)
    site.send(host, solicitation(host.mac, IPv6Address("::"), wanted, b""))
    says(site, host, privacy_address(host.ip6, 10))
    until("what came after it", lambda: located(site, privacy_address(host.ip6, 10)) == host.edge)
    assert site.netcordon.operator.bindings(ip=str(wanted)) == []


def reply(server: Host, client: Host, ip: IPv6Address) -> bytes:
    """A server's Reply that gives the client this address, as Scapy builds it."""
    from scapy.layers.dhcp6 import DHCP6_Reply, DHCP6OptIA_NA, DHCP6OptIAAddress
    from scapy.layers.inet import UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import Ether

    given = DHCP6OptIA_NA(iaid=1, ianaopts=[DHCP6OptIAAddress(addr=str(ip), preflft=3600, validlft=7200)])
    header = IPv6(src=str(server.link_local), dst=str(client.link_local)) / UDP(sport=547, dport=546)
    return bytes(Ether(src=server.mac, dst=client.mac) / header / DHCP6_Reply(trid=7) / given)


def test_a_dhcpv6_lease_is_believed_from_a_listed_port_alone(site: Estate) -> None:
    client, server, liar = site.host("files"), site.host("dhcpd"), site.host("dc")
    assert client.switch == server.switch == liar.switch
    forged, leased = (privacy_address(client.ip6, number) for number in (20, 21))
    site.send(liar, reply(liar, client, forged))
    site.send(server, reply(server, client, leased))
    (binding,) = until("the lease", lambda: site.netcordon.operator.bindings(ip=str(leased)))
    assert (binding.mac, binding.attachment.port, binding.lease) == (client.mac, client.edge, True)
    assert site.netcordon.operator.bindings(ip=str(forged)) == []


@pytest.mark.parametrize(("target", "code", "word"), [("fe80::1%eth0", 2, "leave out"), ("2001:db8::/64", 2, "prefix")])
def test_what_is_no_address_of_one_device_is_said_to_be_none(site: Estate, target: str, code: int, word: str) -> None:
    done = site.netcordon.cli("contain", target, "--yes", "--reason", "x")
    assert (done.returncode, word in done.stderr) == (code, True), done


def test_ipv4_written_as_ipv6_is_the_ipv4_address(site: Estate) -> None:
    assert located(site, f"::ffff:{site.host('pc5').ip}") == site.host("pc5").edge
