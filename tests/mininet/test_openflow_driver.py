"""The OpenFlow driver on a real Open vSwitch: what it pushes stops frames, and nothing else does."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from drivers.base import (
    Change,
    DeviceUnreachable,
    Disconnected,
    DriverEvent,
    LinkSeen,
    Management,
    OutcomeUnknown,
    PreState,
    Receipt,
    ReceiptStatus,
    Reconnected,
    RuleRemoved,
    Scope,
    Sighting,
)
from drivers.openflow.driver import OpenFlowDriver, device_id
from drivers.openflow.link import ANOTHER_SPEAKER, PROTOCOL, SpeakerLink
from drivers.openflow.megaflows import ASKED
from drivers.openflow.starting import ensure_speaker
from drivers.rules import Action, Direction, Mac, Match, PortName, PortRange, Protocol, Provenance, Rule, RuleSet
from tests.openflow_lab import Net, Speaker, until, wait_for

pytestmark = pytest.mark.mininet
NOTHING = RuleSet()
MakeNet = Callable[..., Net]
DriversOf = Callable[[Net], Any]
SEND = """
    import socket, sys
    frames = [bytes.fromhex(text) for text in sys.argv[2].split(",")]
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind((sys.argv[1], 0))
    for _ in range(int(sys.argv[3])):
        for frame in frames:
            out.send(frame)
"""


def rule(direction: Direction, action: Action = Action.DENY, containment: str = "c1", **fields: Any) -> Rule:
    return Rule(Match(direction, **fields), action, Provenance(containment))


def full(port: str, containment: str = "c1") -> RuleSet:
    name = PortName(port)
    return RuleSet(rule(direction, containment=containment, port=name) for direction in Direction)


async def converge(driver: OpenFlowDriver, desired: RuleSet, before: PreState) -> Receipt:
    return await driver.apply(driver.render(desired, await driver.observe(), before), 5)


async def ready(driver: OpenFlowDriver) -> PreState:
    """The pipeline stands; what the ports were before us."""
    before = PreState({name: port.settings for name, port in (await driver.observe()).ports.items()})
    await converge(driver, NOTHING, before)
    return before


def send(net: Net, host: int, frames: list[bytes], times: int = 1) -> None:
    script = textwrap.dedent(SEND)
    texts = ",".join(frame.hex() for frame in frames)
    sender = net.host(host).popen([sys.executable, "-c", script, str(net.host(host).defaultIntf()), texts, str(times)])
    out, errors = sender.communicate(timeout=60)
    assert sender.returncode == 0, (out, errors)


def arp(sender: int, target: int = 254, mac: str | None = None, to: str = "ff:ff:ff:ff:ff:ff") -> bytes:
    """An ARP request of host `sender`."""
    source = bytes.fromhex((mac or f"02:00:00:00:00:{sender:02x}").replace(":", ""))
    asked = bytes([10, 0, 0, sender]) + bytes(6) + bytes([10, 0, 0, target])
    ethernet = bytes.fromhex(to.replace(":", "")) + source + b"\x08\x06"
    return (ethernet + b"\x00\x01\x08\x00\x06\x04\x00\x01" + source + asked).ljust(60, b"\0")


def received(net: Net, host: int) -> int:
    """Frames that came out at the host."""
    name = net.host(host).defaultIntf()
    return int(net.host(host).cmd(f"cat /sys/class/net/{name}/statistics/rx_packets"))


def ping(net: Net, source: int, target: int) -> bool:
    return " 0% packet loss" in net.host(source).cmd(f"ping -c 1 -W 1 10.0.0.{target}")


def broadcasts_reach(net: Net, source: int, target: int, control: int) -> bool:
    """Whether host `source`'s broadcasts come out at `target`; host `control` must get them all (None: the source is contained)."""
    before, control_before = received(net, target), received(net, control)
    send(net, source, [arp(source)], 20)
    wait_for("broadcasts at the control host", lambda: received(net, control) >= control_before + 20)
    return received(net, target) >= before + 20


async def test_a_contained_port_is_silent_both_ways(make_net: MakeNet, drivers_of: DriversOf) -> None:
    net = make_net(hosts=3)
    (driver,) = await drivers_of(net)
    before = await ready(driver)
    untouched = net.whole()
    assert ping(net, 1, 2)
    assert broadcasts_reach(net, 2, 1, control=3)

    desired = full(net.port(1))
    receipt = await converge(driver, desired, before)
    assert receipt.status is ReceiptStatus.APPLIED
    held = await driver.observe()
    assert {r.id for r in desired} <= {r.rule_id for r in held.rules}
    assert driver.render(desired, held, before).empty
    assert held.ports[PortName(net.port(1))].settings["no_fwd"] is True

    others, at_two = received(net, 1), received(net, 2)
    send(net, 1, [arp(1), arp(1, mac="02:00:00:00:00:99"), arp(1, to="02:00:00:00:00:02")], 20)
    frame = bytes.fromhex("020000000002020000000001") + b"\x88\xb5" + bytes(46)
    send(net, 1, [frame], 20)
    assert not broadcasts_reach(net, 2, 1, control=3)
    assert not ping(net, 2, 1)
    assert ping(net, 2, 3)
    assert received(net, 1) == others
    assert received(net, 2) < at_two + 20  # what host 3 answered, and nothing of host 1's

    deny = next(iter(r for r in desired if r.match.direction is Direction.FROM))
    await until("count", lambda: _counted(driver, deny, 60))
    assert (await driver.observe()).packets([f"witness:{net.port(1)}"]) == 0

    assert (await converge(driver, NOTHING, before)).status is ReceiptStatus.APPLIED
    assert net.whole() == untouched
    assert ping(net, 1, 2)
    assert broadcasts_reach(net, 2, 1, control=3)


async def test_no_cached_decision_is_wider_than_another(make_net: MakeNet, drivers_of: DriversOf) -> None:
    """Or Open vSwitch 3.1.0 may go by an old one for good (see drivers.openflow.megaflows)."""
    net = make_net(hosts=3)
    (driver,) = await drivers_of(net)
    before = await ready(driver)
    frames = [arp(1), arp(1, target=2), arp(7), arp(1, mac="02:00:00:00:00:99"), arp(1, to="02:00:00:00:00:02")]
    for desired in (NOTHING, full(net.port(1)), NOTHING):
        await converge(driver, desired, before)
        send(net, 1, frames, 3)
        cached = await until("decisions", lambda: _cached_arp(net, len(frames)))
        for decision in cached:
            assert not re.search(r"(sip|tip)=[^,]*/|op=[0-9]+/|eth\(src=[^,]*/|dst=[^,)]*/", decision), decision
    net.ofctl("del-flows")
    await converge(driver, NOTHING, before)
    assert sum("priority=65000" in line for line in net.whole()) == len(ASKED)


async def _cached_arp(net: Net, number: int) -> list[str]:
    """What is cached of ARP from host 1; nothing before there is that many."""
    found = [line for line in net.decisions() if f"in_port({net.port(1)})" in line and "0x0806" in line]
    return [re.sub("sha=.*", "", line) for line in found] if len(found) >= number else []


async def _counted(driver: OpenFlowDriver, what: Rule, at_least: int) -> bool:
    return (await driver.observe(Scope(frozenset({what.id}), frozenset()))).packets([what.id]) >= at_least


async def test_protocols_and_neighbours_on_a_shared_port(make_net: MakeNet, drivers_of: DriversOf) -> None:
    net = make_net(hosts=3)
    (driver,) = await drivers_of(net)
    before = await ready(driver)
    port, mac = PortName(net.port(1)), "02:00:00:00:00:01"
    smb = rule(Direction.FROM, port=port, mac=mac, protocol=Protocol.TCP, peer_ports=PortRange(445, 446))
    pings = rule(Direction.TO, mac=mac, protocol=Protocol.ICMP, peer=ip_network("10.0.0.2/32"))
    counted = rule(Direction.FROM, Action.COUNT, "c2", mac="02:00:00:00:00:02")
    await converge(driver, RuleSet([smb, pings, counted]), before)
    assert not ping(net, 2, 1)
    assert ping(net, 3, 1)
    assert not _connects(net, 1, 2, 445)
    assert _connects(net, 1, 2, 447)
    await until("count of host 2's frames", lambda: _counted(driver, counted, 1))


def _connects(net: Net, source: int, target: int, port: int) -> bool:
    serve = f"import socket; s = socket.create_server(('', {port})); print('up', flush=True); s.accept()"
    server = net.host(target).popen([sys.executable, "-c", serve])
    assert server.stdout.readline().strip() in (b"up", "up")
    connect = f"import socket; socket.create_connection(('10.0.0.{target}', {port}), 1)"
    client = net.host(source).popen([sys.executable, "-c", connect])
    try:
        return bool(client.wait(10) == 0)
    finally:
        server.kill()
        server.wait()


async def test_a_full_table_refuses_a_rule_by_name(make_net: MakeNet, drivers_of: DriversOf) -> None:
    net = make_net(hosts=2)
    (driver,) = await drivers_of(net)
    before = await ready(driver)
    limit = ["--", "--id=@t", "create", "Flow_Table", f"flow_limit={len(ASKED) + 3}", "overflow_policy=refuse"]
    net.vsctl(*limit, "--", "set", "bridge", net.switches[0], "flow_tables:0=@t")
    desired = RuleSet(rule(Direction.FROM, Action.PERMIT, port=PortName(net.port(n))) for n in (1, 2))
    receipt = await converge(driver, desired, before)
    assert receipt.status is ReceiptStatus.PARTIAL
    ((refused, reason),) = receipt.refused.items()
    assert refused in desired
    assert "TABLE_FULL" in reason
    left = driver.render(desired, await driver.observe(), before)
    assert left.rule_ids == {refused}
    net.vsctl("clear", "bridge", net.switches[0], "flow_tables")
    assert (await converge(driver, desired, before)).status is ReceiptStatus.APPLIED


async def test_a_switch_that_forgot_gets_its_rules_back_before_it_is_up(
    make_net: MakeNet, drivers_of: DriversOf, speaker: Speaker
) -> None:
    net = make_net(hosts=2)
    (driver,) = await drivers_of(net)
    before = await ready(driver)
    await converge(driver, full(net.port(1)), before)
    held, boot = net.whole(), (await driver.facts()).boot_id
    events = driver.events()
    net.vsctl("del-controller", net.switches[0])
    assert isinstance(await _next(events, Disconnected), Disconnected)
    with pytest.raises(DeviceUnreachable):
        await driver.observe()
    net.ofctl("del-flows")
    net.ofctl("mod-port", net.port(1), "forward")
    net.vsctl("set-controller", net.switches[0], f"tcp:127.0.0.1:{speaker.port}")
    up = await _next(events, Reconnected)
    assert isinstance(up, Reconnected)
    assert net.whole() == held
    assert up.boot_id != boot
    assert (await driver.facts()).boot_id == up.boot_id
    assert driver.render(full(net.port(1)), await driver.observe(), before).empty
    assert not ping(net, 2, 1)


async def test_what_others_take_away_is_reported_and_comes_back(make_net: MakeNet, drivers_of: DriversOf) -> None:
    net = make_net(hosts=2)
    (driver,) = await drivers_of(net)
    before = await ready(driver)
    await converge(driver, full(net.port(1)), before)
    net.ofctl("add-flow", "table=0,priority=7,cookie=0x77,udp,actions=drop")
    held, events = net.whole(), driver.events()
    await converge(driver, full(net.port(1)) | full(net.port(2), "c2"), before)
    await converge(driver, full(net.port(1)), before)
    net.ofctl("del-flows", "table=0,in_port=1")
    removed = await _next(events, RuleRemoved)
    assert isinstance(removed, RuleRemoved)
    assert "in_port=1" in removed.native, "what was taken away at our own word is no news"
    await converge(driver, full(net.port(1)), before)
    assert net.whole() == held
    await converge(driver, NOTHING, before)
    assert any("cookie=0x77" in line for line in net.whole())


@pytest.mark.parametrize(
    ("flow", "unheld"),
    [("table=0,priority=30000,in_port=1", {Direction.FROM}), ("table=0,priority=5,tcp", {Direction.TO})],
)
async def test_a_rule_that_somebody_elses_flow_gets_around_is_not_installed(
    make_net: MakeNet, drivers_of: DriversOf, flow: str, unheld: set[Direction]
) -> None:
    net = make_net(hosts=2)
    (driver,) = await drivers_of(net)
    before, rogue = await ready(driver), Mac("02:00:00:00:00:01")
    desired = RuleSet(
        Rule(match, Action.DENY, Provenance("c1"))
        for match in (Match(Direction.FROM, port=PortName(net.port(1))), Match(Direction.TO, mac=rogue))
    )
    net.ofctl("add-flow", f"{flow},cookie=0x77,actions=normal")
    receipt = await converge(driver, desired, before)
    assert receipt.status is ReceiptStatus.PARTIAL
    assert {desired[name].match.direction for name in receipt.refused} >= unheld
    assert all("somebody else's flow outranks it" in why for why in receipt.refused.values())
    left = driver.render(desired, await driver.observe(), before)
    assert left.rule_ids == receipt.refused.keys()
    net.ofctl("del-flows", "cookie=0x77/-1")
    assert driver.render(desired, await driver.observe(), before).empty
    await converge(driver, NOTHING, before)


async def _next(events: AsyncIterator[DriverEvent], kind: type[DriverEvent]) -> DriverEvent:
    async with asyncio.timeout(30):
        async for event in events:
            if isinstance(event, kind):
                return event
    raise AssertionError("the events ended")


async def test_sessions_outlive_controllers_and_links_come_back(
    make_net: MakeNet, drivers_of: DriversOf, speaker: Speaker, link: SpeakerLink
) -> None:
    net = make_net(hosts=2)
    (driver,) = await drivers_of(net)
    boot = (await driver.facts()).boot_id
    other = SpeakerLink(speaker.socket)
    await other.start()
    assert (await OpenFlowDriver(driver._device, net.dpids[0], other).facts()).boot_id == boot
    await other.close()
    assert (await driver.facts()).boot_id == boot
    assert await ensure_speaker(speaker.socket, speaker.kind) == (speaker.process and speaker.process.pid, False)

    events = driver.events()
    assert speaker.stop() == 0
    assert not speaker.socket.exists()
    assert isinstance(await _next(events, Disconnected), Disconnected)
    with pytest.raises(DeviceUnreachable):
        await driver.facts()
    speaker.start()
    up = await _next(events, Reconnected)
    assert isinstance(up, Reconnected)
    assert up.boot_id != boot
    assert link.connected


async def test_a_second_speaker_and_another_protocol_are_refused(speaker: Speaker, link: SpeakerLink) -> None:
    twin = Speaker(speaker.socket, speaker.port, speaker.log.with_name("twin.log"), speaker.kind)
    twin.start()  # the socket answers: it is the first one's
    assert twin.process is not None
    assert twin.process.wait(10) == ANOTHER_SPEAKER
    assert "another speaker serves" in twin.log.read_text()
    assert await link.request("ping", 1) == {}
    with socket.socket(socket.AF_UNIX) as old:
        old.connect(str(speaker.socket))
        old.sendall(b'{"hello": {"protocol": 0}}\n')
        answer = json.loads(old.makefile().readline())
    assert answer["error"] == "protocol"
    assert str(PROTOCOL) in answer["text"]


async def test_requests_that_make_no_sense_get_an_error(
    make_net: MakeNet, drivers_of: DriversOf, link: SpeakerLink
) -> None:
    net = make_net(hosts=1)
    (driver,) = await drivers_of(net)
    untouched = net.whole()
    flow = {"kind": "flow", "table": 0, "priority": 9, "cookie": 1, "match": {}, "goto": None, "output": "normal"}
    for bad in ([flow], [flow | {"cookie": 0x4E43 << 48, "match": {"no_such": 1}}], [{"kind": "?"}], "text", [7], None):
        with pytest.raises(Exception, match="Error"):
            await link.request("push", 2, dpid=net.dpids[0], messages=bad)
    with pytest.raises(DeviceUnreachable):
        await link.request("push", 2, dpid=4, messages=[])
    with pytest.raises(Exception, match="KeyError"):
        await link.request("no-such-op", 2)
    assert net.whole() == untouched
    with pytest.raises(OutcomeUnknown):
        await driver.apply(Change("x", ({"kind": "uncookie", "cookie": 0x4E43 << 48 | 0x99999},), ()), 0.0)


async def test_links_are_found_and_forged_ones_are_not(make_net: MakeNet, drivers_of: DriversOf) -> None:
    net = make_net(hosts=2, switches=2)
    one, two = await drivers_of(net)
    await ready(one)
    await ready(two)
    found = await until("link", lambda: _neighbours(one))
    assert found == {(net.port(3), device_id(net.dpids[1]), net.port(4, switch=1))}
    assert await until("link", lambda: _neighbours(two)) == {(net.port(4, 1), device_id(net.dpids[0]), net.port(3))}
    facts = await one.facts()
    assert facts.management is Management.OUT_OF_BAND
    assert facts.description == net.switches[0]
    assert {interface.number for interface in facts.interfaces} == {1, 2, 3}

    events = one.events()
    heard = _lldp_heard_by(net, host=3)
    altered = heard[:-30] + bytes([heard[-30] ^ 1]) + heard[-29:]
    plain = heard[:14] + bytes.fromhex("0207040200000000aa0403073939" + "060200780000")
    send(net, 1, [altered, plain, heard[:40], b"\xff" * 14 + b"\x88\xcc", heard[:14]], 3)
    send(net, 1, [arp(1)])
    seen = await _next_but_sightings(events, until_port=net.port(1))
    assert not [event for event in seen if isinstance(event, LinkSeen)]
    assert await _neighbours(one) == found


async def _neighbours(driver: OpenFlowDriver) -> set[tuple[str, str, str]]:
    return {(n.port, n.device, n.device_port) for n in (await driver.facts()).neighbours}


def _lldp_heard_by(net: Net, host: int) -> bytes:
    """A genuine frame of ours, as a host on an edge port gets it."""
    listen = "import socket; s = socket.socket(17, 3, socket.htons(0x88cc)); print(s.recv(2000).hex(), flush=True)"
    listener = net.host(host).popen([sys.executable, "-c", listen])
    out, _ = listener.communicate(timeout=30)
    return bytes.fromhex(out.decode() if isinstance(out, bytes) else out)


async def _next_but_sightings(events: AsyncIterator[DriverEvent], until_port: str) -> list[DriverEvent]:
    seen: list[DriverEvent] = []
    async with asyncio.timeout(30):
        async for event in events:
            seen.append(event)
            if isinstance(event, Sighting) and event.port == until_port:
                return seen
    raise AssertionError(seen)


async def test_hosts_are_sighted_also_while_contained(make_net: MakeNet, drivers_of: DriversOf) -> None:
    net = make_net(hosts=2)
    (driver,) = await drivers_of(net)
    before = await ready(driver)
    await converge(driver, full(net.port(1)), before)
    events = driver.events()
    send(net, 1, [arp(1)])
    seen = await _next(events, Sighting)
    assert isinstance(seen, Sighting)
    assert (seen.mac, str(seen.ip), seen.port, seen.lease) == ("02:00:00:00:00:01", "10.0.0.1", net.port(1), False)
    assert abs(seen.at - time.time()) < 5


async def test_a_lease_counts_only_from_where_the_server_is(
    make_net: MakeNet, drivers_of: DriversOf, link: SpeakerLink
) -> None:
    net = make_net(hosts=2)
    (driver,) = await drivers_of(net)
    await ready(driver)
    trusting = OpenFlowDriver("of:x", net.dpids[0], link, dhcp_ports=frozenset({PortName(net.port(2))}))
    plain, trusted = driver.events(), trusting.events()
    send(net, 1, [arp(1)])
    send(net, 2, [dhcp_ack("02:00:00:00:00:01", "10.0.0.77"), arp(2)])
    for events, sources in ((plain, ["arp", "arp"]), (trusted, ["arp", "dhcp", "arp"])):
        seen = [event for _ in sources if isinstance(event := await _next(events, Sighting), Sighting)]
        assert [event.source for event in seen] == sources
    leased = seen[1]
    assert (leased.mac, str(leased.ip), leased.port, leased.lease) == (
        "02:00:00:00:00:01",
        "10.0.0.77",
        net.port(1),
        True,
    )
    await trusting.close()


def dhcp_ack(client: str, address: str) -> bytes:
    chaddr = bytes.fromhex(client.replace(":", ""))
    bootp = (
        b"\x02\x01\x06\x00" + bytes(12) + socket.inet_aton(address) + bytes(8) + chaddr.ljust(16, b"\0") + bytes(192)
    )
    udp = bootp + b"\x63\x82\x53\x63" + b"\x35\x01\x05\xff"
    datagram = b"\x00\x43\x00\x44" + (8 + len(udp)).to_bytes(2, "big") + b"\0\0" + udp
    ip = (
        b"\x45\0"
        + (20 + len(datagram)).to_bytes(2, "big")
        + bytes(4)
        + b"\x40\x11\0\0"
        + bytes([10, 0, 0, 2])
        + b"\xff" * 4
    )
    return chaddr + bytes.fromhex("020000000002") + b"\x08\x00" + ip + datagram


async def test_a_flood_of_new_addresses_is_survived(
    make_net: MakeNet, drivers_of: DriversOf, speaker: Speaker, tmp_path: Path
) -> None:
    net = make_net(hosts=3)
    (driver,) = await drivers_of(net)
    before = await ready(driver)
    assert speaker.process is not None
    memory = _resident(speaker.process.pid)
    frames = [arp(n % 250, mac=f"02:11:{n >> 16:02x}:{n >> 8 & 255:02x}:{n & 255:02x}:01") for n in range(1000)]
    events = driver.events()
    flood = asyncio.get_running_loop().run_in_executor(None, send, net, 1, frames, 30)
    counted = asyncio.create_task(_count_sightings(events, net.port(1), 3.0))
    pushes = []
    while not flood.done():
        for desired in (full(net.port(2)), NOTHING):
            started = time.monotonic()
            await converge(driver, desired, before)
            pushes.append(time.monotonic() - started)
    await flood
    assert await counted <= 100 + 100 * 4, "a port's rate is 100 a second"
    assert max(pushes) < 5
    assert _resident(speaker.process.pid) < memory + 50_000
    assert ping(net, 2, 3)


async def _count_sightings(events: AsyncIterator[DriverEvent], port: str, seconds: float) -> int:
    count = 0
    try:
        async with asyncio.timeout(seconds):
            async for event in events:
                count += isinstance(event, Sighting) and event.port == port
    except TimeoutError:
        return count
    return count


def _resident(pid: int) -> int:
    """Kilobytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


async def test_a_silent_switch_is_found_dead_within_seconds(speaker: Speaker, link: SpeakerLink) -> None:
    """A switch that connects, says what it must, and then nothing more, with its connection open."""
    dpid = 0xABCDEF
    with socket.create_connection(("127.0.0.1", speaker.port)) as switch:
        answering = asyncio.create_task(asyncio.to_thread(_introduce, switch, dpid))
        events = OpenFlowDriver(device_id(dpid), dpid, link).events()
        assert isinstance(await _next(events, Reconnected), Reconnected)
        await answering
        started = time.monotonic()
        assert isinstance(await _next(events, Disconnected), Disconnected)
        assert time.monotonic() - started < 8


def _introduce(switch: socket.socket, dpid: int) -> None:
    """Hello, features, no ports, and the answer to the first barrier."""
    hello, features_reply, multipart_reply, barrier_reply = 0, 6, 19, 21
    answers = {
        0: (hello, b""),
        5: (features_reply, dpid.to_bytes(8, "big") + bytes([0, 0, 0, 1, 254, 0, 0, 0]) + bytes(8)),
        18: (multipart_reply, b"\x00\x0d\x00\x00" + bytes(4)),
        20: (barrier_reply, b""),
    }
    stream = switch.makefile("rb")
    asked = None
    while asked != 20:
        _, asked, length, xid = struct.unpack("!BBHI", stream.read(8))
        stream.read(length - 8)
        if asked in answers:
            kind, body = answers[asked]
            switch.sendall(struct.pack("!BBHI", 4, kind, 8 + len(body), xid) + body)
