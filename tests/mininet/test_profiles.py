"""Profiles on a real Open vSwitch: a closed service stays closed to whatever hides its port from the switch."""

from __future__ import annotations

import struct
import sys
import textwrap
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from controller.config import Config
from controller.model import Attachment, Endpoint, Entry, Profile, Way
from controller.profiles import LATERAL, MONITOR, compile_rules, remediation
from controller.role_match import PROFILES
from controller.yaml_source import parse_model
from drivers.base import ReceiptStatus
from drivers.rules import Action, PortName, PortRange, Protocol, Provenance, RuleSet, parse_mac
from tests.mininet.test_openflow_driver import NOTHING, converge, ready, received, send
from tests.openflow_lab import Net, until, wait_for

pytestmark = pytest.mark.mininet
TCP, UDP = 6, 17
TIMES = 10


def compiled(net: Net, profile: Profile) -> RuleSet:
    """For host 1, alone on its port."""
    device = Endpoint(
        frozenset({parse_mac("02:00:00:00:00:01")}),
        frozenset({ip_address("10.0.0.1")}),
        Attachment("of:1", PortName(net.port(1))),
    )
    made = compile_rules(profile, device, Provenance("c1"), lambda peers: peers.prefixes, lambda rule: True)
    return RuleSet(made.rules)


def ethernet(source: int, to: int, eth_type: int, payload: bytes) -> bytes:
    macs: bytes = b"\x02\0\0\0\0" + bytes([to]) + b"\x02\0\0\0\0" + bytes([source])
    return (macs + eth_type.to_bytes(2, "big") + payload).ljust(60, b"\0")


def segment(source: int, to: int, flags: int = 2) -> bytes:
    return struct.pack("!HHIIBBHHH", source, to, 1, 0, 0x50, flags, 1024, 0, 0)


def ip4(source: int, to: int, protocol: int, payload: bytes, *, frag: int = 0, options: bytes = b"") -> bytes:
    ends = bytes([10, 0, 0, source, 10, 0, 0, to])
    length = 20 + len(options) + len(payload)
    head = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, length, 7, frag, 64, protocol, 0) + ends + options
    words = sum(struct.unpack(f"!{len(head) // 2}H", head))
    words = (words & 0xFFFF) + (words >> 16)
    checksum = ~(words + (words >> 16)) & 0xFFFF
    return bytes(head[:10] + checksum.to_bytes(2, "big") + head[12:] + payload)


def ip6(source: int, to: int, protocol: int, payload: bytes) -> bytes:
    ends = ip_address(f"fd00::{source}").packed + ip_address(f"fd00::{to}").packed
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + ends + payload


def extension(following: int) -> bytes:
    """Eight octets of padding options."""
    return bytes([following, 0, 1, 4, 0, 0, 0, 0])


def fragment_header(following: int, offset: int, more: int) -> bytes:
    return struct.pack("!BxHI", following, offset << 3 | more, 7)


def ways_around(source: int, to: int) -> dict[str, bytes]:
    """SMB from one host to another, as somebody would send it who knows that TCP 445 is closed."""
    smb = segment(40000, 445)
    plain = ip4(source, to, TCP, smb)
    tag = b"\0\0\x08\0"
    four = {
        "plain": plain,
        "from the port of Kerberos": ip4(source, to, TCP, segment(88, 445)),
        "with IPv4 options": ip4(source, to, TCP, smb, options=b"\x01" * 12),
        "first fragment": ip4(source, to, TCP, smb + bytes(4), frag=0x2000),
        "tiny first fragment": ip4(source, to, TCP, smb[:8], frag=0x2000),
        "later fragment": ip4(source, to, TCP, smb[8:], frag=1),
        "long padding": plain + bytes(300),
        "an answer of its own": ip4(source, to, TCP, segment(445, 40000, flags=0x18)),
    }
    six = {
        "plain IPv6": ip6(source, to, TCP, smb),
        "hop-by-hop": ip6(source, to, 0, extension(TCP) + smb),
        "destination options": ip6(source, to, 60, extension(60) + extension(60) + extension(TCP) + smb),
        "IPv6 first fragment": ip6(source, to, 44, fragment_header(TCP, 0, 1) + smb + bytes(4)),
        "IPv6 later fragment": ip6(source, to, 44, fragment_header(TCP, 1, 0) + smb[8:]),
        "atomic fragment": ip6(source, to, 44, fragment_header(TCP, 0, 0) + smb),
        "header hidden in a fragment": ip6(source, to, 44, fragment_header(60, 0, 1) + extension(TCP)),
        "mobility": ip6(source, to, 135, extension(TCP) + smb),
        "broken chain": ip6(source, to, 0, b"\x06\xff" + bytes(6)),
    }
    tagged = {
        "priority tag": ethernet(source, to, 0x8100, tag + plain),
        "two priority tags": ethernet(source, to, 0x8100, b"\0\0\x81\0" + tag + plain),
        "provider tag": ethernet(source, to, 0x88A8, b"\0\0\x81\0" + tag + plain),
        "MPLS": ethernet(source, to, 0x8847, b"\0\x01\x01\x40" + plain),
    }
    frames = {name: ethernet(source, to, 0x0800, packet) for name, packet in four.items()}
    return frames | {name: ethernet(source, to, 0x86DD, packet) for name, packet in six.items()} | tagged


def arrived(net: Net, source: int, to: int, frame: bytes, control: bytes) -> bool:
    """Whether frames from one host came out at the other, where later ones of the control kind did."""
    before = received(net, to)
    send(net, source, [frame], TIMES)
    send(net, source, [control], TIMES)
    wait_for("the control frames", lambda: received(net, to) >= before + TIMES)
    came = received(net, to) - before
    assert came < TIMES + 5 or came >= 2 * TIMES, f"{came} frames: neither all nor none"
    return came >= 2 * TIMES


def web(source: int, to: int) -> bytes:
    return ethernet(source, to, 0x0800, ip4(source, to, TCP, segment(40000, 80)))


MakeNet = Callable[..., Net]
DriversOf = Callable[[Net], Any]


async def test_no_way_around_a_closed_service(make_net: MakeNet, drivers_of: DriversOf) -> None:
    net = make_net(hosts=2)
    (driver,) = await drivers_of(net)
    before = await ready(driver)
    untouched = net.whole()
    tried = [(a, b, name, frame) for a, b in ((1, 2), (2, 1)) for name, frame in ways_around(a, b).items()]
    lost = [name for a, b, name, frame in tried if not arrived(net, a, b, frame, web(a, b))]
    assert not lost, "each of them arrives where nothing is contained"

    desired = compiled(net, LATERAL)
    assert (await converge(driver, desired, before)).status is ReceiptStatus.APPLIED
    assert driver.render(desired, await driver.observe(), before).empty, "what the switch shows is what was asked"
    through = [f"{a} > {b}: {name}" for a, b, name, frame in tried if arrived(net, a, b, frame, web(a, b))]
    assert not through

    await converge(driver, NOTHING, before)
    assert net.whole() == untouched
    assert all(
        arrived(net, 1, 2, frame, web(1, 2))
        for frame in (ways_around(1, 2)["plain"], ways_around(1, 2)["later fragment"])
    )


KEEPS = Profile(
    "keeps-kerberos",
    60,
    entries=tuple(
        Entry(Action.PERMIT, Way.TO, "Kerberos", protocol, (PortRange(88, 88),))
        for protocol in (Protocol.TCP, Protocol.UDP)
    ),
)


async def test_a_kept_service_answers_and_opens_nothing(make_net: MakeNet, drivers_of: DriversOf) -> None:
    net = make_net(hosts=2)
    (driver,) = await drivers_of(net)
    before = await ready(driver)
    desired = compiled(net, KEEPS)
    assert (await converge(driver, desired, before)).status is ReceiptStatus.APPLIED
    assert driver.render(desired, await driver.observe(), before).empty
    ack, rst, syn = 0x10, 0x04, 0x02
    asking = ethernet(2, 1, 0x0800, ip4(2, 1, TCP, segment(40000, 88)))
    answer = ethernet(1, 2, 0x0800, ip4(1, 2, TCP, segment(88, 40000, syn | ack)))
    reset = ethernet(1, 2, 0x0800, ip4(1, 2, TCP, segment(88, 40000, rst)))
    datagram = struct.pack("!HHHH", 88, 40000, 8, 0)
    assert arrived(net, 2, 1, asking, asking)
    assert arrived(net, 1, 2, reset, answer)
    assert arrived(net, 1, 2, ethernet(1, 2, 0x0800, ip4(1, 2, UDP, datagram)), answer)
    for name, frame in {
        "a connection from the kept port": ethernet(1, 2, 0x0800, ip4(1, 2, TCP, segment(88, 445, syn))),
        "and to a client's port": ethernet(1, 2, 0x0800, ip4(1, 2, TCP, segment(88, 40000, syn))),
        "UDP from the kept port to a service": ethernet(
            1, 2, 0x0800, ip4(1, 2, UDP, struct.pack("!HHHH", 88, 445, 8, 0))
        ),
        **ways_around(1, 2),
    }.items():
        assert not arrived(net, 1, 2, frame, answer), name
    for name, frame in ways_around(2, 1).items():
        assert not arrived(net, 2, 1, frame, asking), name


DIRECTORY = """
profiles:
  - name: keep-directory
    default: permit
    entries:
      - {name: SMB, action: deny, protocol: tcp, ports: [445], direction: both}
      - {name: RDP, action: deny, protocol: tcp, ports: [3389], direction: both}
"""
SERVE = """
    import socket, sys, threading
    def tcp(port):
        listener = socket.create_server(("", port))
        def run():
            while True:
                peer, _ = listener.accept()
                peer.sendall(b"tcp " + peer.recv(64))
                peer.close()
        threading.Thread(target=run, daemon=True).start()
    def udp(port):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("", port))
        def run():
            while True:
                said, peer = sock.recvfrom(64)
                sock.sendto(b"udp " + said, peer)
        threading.Thread(target=run, daemon=True).start()
    for port in (88, 389, 53, 445, 3389, 554, 80):
        tcp(port)
    for port in (88, 53):
        udp(port)
    print("up", flush=True)
    threading.Event().wait()
"""
ASK = """
    import socket, sys
    kind, port, source = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.settimeout(float(sys.argv[5]))
    sock.bind(("", source))
    sock.connect((sys.argv[1], port))
    sock.sendall(b"hello")
    sys.exit(0 if sock.recv(64) == kind.encode() + b" hello" else 1)
"""
KEPT = [("tcp", 88), ("udp", 88), ("tcp", 389), ("tcp", 53), ("udp", 53)]
CLOSED = [("tcp", 445), ("tcp", 3389)]


def answers(net: Net, source: int, to: int, service: tuple[str, int], *, port: int = 0, patience: float = 5) -> bool:
    """A request from one host, by a real socket, and the service's answer to it."""
    words = [
        sys.executable,
        "-c",
        textwrap.dedent(ASK),
        f"10.0.0.{to}",
        service[0],
        str(service[1]),
        str(port),
        str(patience),
    ]
    return bool(net.host(source).popen(words).wait(30) == 0)


@pytest.fixture
def serving() -> Iterator[Callable[[Net, int], None]]:
    """Real services on a host, until the test ends."""
    started: list[Any] = []

    def serve(net: Net, host: int) -> None:
        process = net.host(host).popen([sys.executable, "-c", textwrap.dedent(SERVE)])
        started.append(process)
        assert process.stdout.readline().strip() in (b"up", "up")

    yield serve
    for process in started:
        process.kill()
        process.wait()


async def test_a_domain_controller_keeps_signing_in_while_smb_and_rdp_are_closed_both_ways(
    make_net: MakeNet, drivers_of: DriversOf, serving: Callable[[Net, int], None]
) -> None:
    net = make_net(hosts=3)
    (driver,) = await drivers_of(net)
    before = await ready(driver)
    untouched = net.whole()
    serving(net, 1)
    serving(net, 2)
    both_ways = [(a, b, service) for a, b in ((1, 2), (2, 1)) for service in (*KEPT, *CLOSED)]
    assert all(answers(net, *one) for one in both_ways), "everything works before"

    profile = parse_model(DIRECTORY, Config, "lab").catalogue["keep-directory"]
    assert (await converge(driver, compiled(net, profile), before)).status is ReceiptStatus.APPLIED
    for source, to in ((1, 2), (2, 1), (3, 1)):
        assert all(answers(net, source, to, service) for service in KEPT), f"{source} > {to}"
    for source, to in ((1, 2), (2, 1), (3, 1)):
        for service in CLOSED:
            assert not answers(net, source, to, service, patience=0.6), f"{source} > {to}: {service}"
            assert not answers(net, source, to, service, port=5389, patience=0.6), "from another port"
    assert all(answers(net, 3, 2, service) for service in CLOSED), "nobody else's"

    await converge(driver, NOTHING, before)
    assert net.whole() == untouched
    assert all(answers(net, *one) for one in both_ways), "everything works after"


WHAT_A_ROLE_KEEPS = {
    "domain-controller": (KEPT, [*CLOSED, ("tcp", 80), ("tcp", 554)], [("tcp", 53), ("udp", 53)]),
    "camera": ([("tcp", 554)], [("tcp", 80), ("tcp", 445), ("tcp", 88), ("udp", 53)], []),
}
"""Of services that run on both hosts: what others get of it, what they do not, and what it gets of others."""


async def test_a_role_keeps_its_services_and_opens_nothing_else(
    make_net: MakeNet, drivers_of: DriversOf, serving: Callable[[Net, int], None]
) -> None:
    net = make_net(hosts=2)
    (driver,) = await drivers_of(net)
    before = await ready(driver)
    untouched = net.whole()
    serving(net, 1)
    serving(net, 2)
    everything = [*KEPT, *CLOSED, ("tcp", 554), ("tcp", 80)]
    assert all(answers(net, a, b, service) for a, b in ((1, 2), (2, 1)) for service in everything), "before"
    for role, (kept, closed, opened) in WHAT_A_ROLE_KEEPS.items():
        assert (await converge(driver, compiled(net, PROFILES[role]), before)).status is ReceiptStatus.APPLIED
        assert [one for one in kept if not answers(net, 2, 1, one)] == [], f"{role} goes on serving"
        assert [one for one in closed if answers(net, 2, 1, one, patience=0.4)] == [], f"closed to {role}"
        got = [one for one in everything if answers(net, 1, 2, one, patience=5 if one in opened else 0.4)]
        assert sorted(got) == sorted(opened), f"{role} opens"
    await converge(driver, NOTHING, before)
    assert net.whole() == untouched
    assert all(answers(net, a, b, service) for a, b in ((1, 2), (2, 1)) for service in everything), "after"


async def test_remediation_and_monitor_on_the_wire(make_net: MakeNet, drivers_of: DriversOf) -> None:
    net = make_net(hosts=3)
    (driver,) = await drivers_of(net)
    before = await ready(driver)
    await converge(driver, compiled(net, remediation([ip_network("10.0.0.2/32")], [])), before)
    host = net.host(1)
    assert " 0% packet loss" in host.cmd("ping -c 2 -W 2 10.0.0.2")
    assert " 0% packet loss" not in host.cmd("ping -c 1 -W 1 10.0.0.3")
    assert " 0% packet loss" not in net.host(3).cmd("ping -c 1 -W 1 10.0.0.1")

    desired = compiled(net, MONITOR)
    await converge(driver, desired, before)
    assert " 0% packet loss" in host.cmd("ping -c 3 -W 2 10.0.0.3")

    async def counted() -> bool:
        return bool((await driver.observe()).packets(rule.id for rule in desired) >= 6)

    await until("count of what passed both ways", counted)
