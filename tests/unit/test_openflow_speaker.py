"""What the speaker does with bytes: its own encoding against os-ken's, and an attacker's frames."""

from __future__ import annotations

import logging
import socket
from concurrent.futures import Future
from dataclasses import replace
from ipaddress import ip_address, ip_network
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.openflow import flows, lldp, packets, server, told, wire
from drivers.openflow.app import Application
from drivers.openflow.app_beside import ApplicationBeside
from drivers.openflow.converge import EVENNESS, read_back
from drivers.openflow.flows import Band, Counted, Flow
from drivers.openflow.heard import Heard
from drivers.openflow.layout import BESIDE
from drivers.openflow.links import GONE, Links
from drivers.openflow.lldp import STALE, Origin
from drivers.openflow.megaflows import ASKED, NOBODY, never_overlapping
from drivers.openflow.memory import Memory, flows_of
from drivers.openflow.tracker import MOST_MACS, MOST_RECENT, Tracker
from drivers.rules import Action, Direction, Mac, Match, PortName, PortRange, Protocol, Provenance, Rule
from tests.strategies import rules

SECRET = b"s" * 32
MAC = "02:00:00:00:00:01"
some_flows = (
    rules((Action.DENY, Action.PERMIT, Action.COUNT))
    .flatmap(lambda rule: st.sampled_from((*flows.rule_flows(rule, 3), *flows.pipeline())))
    .filter(lambda flow: "nw_frag" not in dict(flow.match))
)
"""Without fragments: os-ken writes that field before the Ethernet type that it presupposes (see below)."""


# --- the wire -------------------------------------------------------------------------------------------------------


class _Datapath:
    """As much of os-ken's as its encoder looks at."""

    from os_ken.ofproto import ofproto_v1_3 as ofproto
    from os_ken.ofproto import ofproto_v1_3_parser as ofproto_parser


def _by_os_ken(message: Any) -> bytes:
    message.xid = 0
    message.serialize()
    return bytes(message.buf)


def test_what_keeps_cached_decisions_apart_is_never_taken_for_a_rule() -> None:
    sent = [_by_os_ken(message) for message in never_overlapping(_Datapath)]
    assert len(set(sent)) == len(ASKED)
    assert {int.from_bytes(message[8:16], "big") for message in sent} == {EVENNESS}
    ours = [Counted(Flow.make(0, Band.EVENNESS, EVENNESS, {"eth_src": NOBODY}), 0, 0)]
    assert read_back("boot", 0.0, ours, {}).rules == ()


def _os_ken_match(flow: Flow) -> Any:
    def value(name: str, plain: Any) -> Any:
        if isinstance(plain, int) or "/" not in plain:
            return plain
        if name.startswith(("tcp_", "udp_", "nw_")):
            bits, mask = plain.split("/")
            return int(bits, 16), int(mask, 16)
        network = ip_network(plain)
        return str(network.network_address), str(network.netmask)

    theirs = {"nw_frag": "ip_frag"}
    fields = {theirs.get(name, name): value(name, plain) for name, plain in flow.match}
    return _Datapath.ofproto_parser.OFPMatch(**fields)


@settings(deadline=None)
@given(some_flows)
def test_adding_a_flow_is_written_as_os_ken_writes_it(flow: Flow) -> None:
    made, o = _Datapath.ofproto_parser, _Datapath.ofproto
    port = {"controller": o.OFPP_CONTROLLER, "normal": o.OFPP_NORMAL}.get(flow.output or "")
    instructions = []
    if port is not None:
        out = made.OFPActionOutput(port, o.OFPCML_NO_BUFFER)
        instructions.append(made.OFPInstructionActions(o.OFPIT_APPLY_ACTIONS, [out]))
    if flow.goto is not None:
        instructions.append(made.OFPInstructionGotoTable(flow.goto))
    theirs = made.OFPFlowMod(
        _Datapath,
        cookie=flow.cookie,
        table_id=flow.table,
        priority=flow.priority,
        match=_os_ken_match(flow),
        instructions=instructions,
        flags=o.OFPFF_SEND_FLOW_REM,
        out_port=o.OFPP_ANY,
        out_group=o.OFPG_ANY,
    )
    assert wire.encode({"kind": "flow", **flow.wire()}) == _by_os_ken(theirs)


def test_fragments_are_written_as_os_ken_writes_them() -> None:
    """By itself: beside others os-ken puts it first, by its class, and a switch wants what it presupposes before it (§7.2.3.8)."""
    flow = Flow.make(0, 1, 0x12345, {"nw_frag": "0x01/0x01"})
    ours = wire.encode({"kind": "flow", **flow.wire()})
    match = bytearray()
    length = _os_ken_match(flow).serialize(match, 0)
    assert ours[48 : 48 + length] == bytes(match)


@settings(deadline=None)
@given(some_flows)
def test_removals_and_port_flags_are_written_as_os_ken_writes_them(flow: Flow) -> None:
    made, o = _Datapath.ofproto_parser, _Datapath.ofproto
    anywhere = {"out_port": o.OFPP_ANY, "out_group": o.OFPG_ANY, "cookie": flow.cookie, "cookie_mask": (1 << 64) - 1}
    strict = made.OFPFlowMod(
        _Datapath,
        command=o.OFPFC_DELETE_STRICT,
        table_id=flow.table,
        priority=flow.priority,
        match=_os_ken_match(flow),
        **anywhere,
    )
    assert wire.encode({"kind": "unflow", **flow.wire()}) == _by_os_ken(strict)
    whole = made.OFPFlowMod(
        _Datapath, command=o.OFPFC_DELETE, table_id=o.OFPTT_ALL, priority=0, match=made.OFPMatch(), **anywhere
    )
    assert wire.encode({"kind": "uncookie", "cookie": flow.cookie}) == _by_os_ken(whole)
    port = made.OFPPortMod(_Datapath, 7, MAC, o.OFPPC_NO_FWD, o.OFPPC_NO_FWD, 0)
    assert wire.encode({"kind": "port", "number": 7, "hw_addr": MAC, "no_fwd": True}) == _by_os_ken(port)


def _entry(flow: Flow, packets_: int, octets: int) -> bytes:
    """As a flow-stats reply tells of it."""
    body = wire.encode({"kind": "flow", **flow.wire()})[48:]
    return told._NUMBERS.pack(48 + len(body), flow.table, flow.priority, flow.cookie, packets_, octets) + body


@given(st.lists(st.tuples(some_flows, st.integers(0, 1 << 40), st.integers(0, 1 << 40)), max_size=5))
def test_flows_are_read_back_as_they_were_written(every: list[tuple[Flow, int, int]]) -> None:
    text, reader = told.to_text(_entry(*one) for one in every), told.Reader()
    for whole in (True, False, True):
        assert [tuple(one) for one in reader.read(text, whole=whole)] == every


def test_a_flow_that_was_read_before_is_the_same_one_until_it_has_changed() -> None:
    one, other = flows.pipeline()[:2]
    reader = told.Reader()
    (first,) = reader.read(told.to_text([_entry(one, 1, 2)]), whole=True)
    again, new = reader.read(told.to_text([_entry(one, 3, 4), _entry(other, 0, 0)]), whole=False)
    assert (again, new.flow) == ((one, 3, 4), other)
    assert again.flow is first.flow
    changed = replace(one, output="normal")
    (now,) = reader.read(told.to_text([_entry(changed, 3, 4)]), whole=True)
    assert now.flow == changed
    cut = _entry(one, 1, 2)[:-1]
    for broken in (cut, cut[:20]):
        with pytest.raises(ValueError, match="octets"):
            reader.read(told.to_text([broken]), whole=True)


def test_a_long_answer_is_read_in_pieces() -> None:
    rule = Rule(Match(Direction.FROM, port=PortName("p1")), Action.DENY, Provenance("c1", "", "me"))
    flow = flows.rule_flows(rule, 3)[0]
    text = told.to_text(_entry(flow, n, 0) for n in range(2 * told.PIECE + 1))
    pieces = list(told.Reader().pieces(text, whole=True))
    assert [len(piece) for piece in pieces] == [told.PIECE, told.PIECE, 1]
    assert [one.packets for piece in pieces for one in piece] == list(range(2 * told.PIECE + 1))
    assert told.Reader().read(text, whole=True) == [one for piece in pieces for one in piece]


def test_some_flows_of_many_are_asked_for_by_themselves() -> None:
    cookies = list(range(100))
    assert server._asked_for(cookies, {}, 99) == [(flows.COOKIE_MARK, flows.COOKIE_MASK, None)]
    assert server._asked_for(cookies, {}, 100) == [(cookie, wire.ALL, None) for cookie in cookies]
    assert server._asked_for(None, {}, 100) == [(flows.COOKIE_MARK, flows.COOKIE_MASK, None)]


def test_who_outranks_us_is_told_by_cookie_and_priority() -> None:
    ours = replace(flows.pipeline()[0], priority=7)
    assert told.is_ours(_entry(ours, 0, 0))
    assert not told.outranks(_entry(ours, 0, 0), {"0": 7})
    theirs = bytearray(_entry(ours, 0, 0))
    theirs[24:32] = (5).to_bytes(8, "big")
    assert not told.is_ours(bytes(theirs))
    assert [told.outranks(bytes(theirs), {"0": above}) for above in (6, 7, 8)] == [True, True, False]
    assert not told.outranks(bytes(theirs), {"1": 6})


@pytest.mark.parametrize(
    "change",
    [
        {"cookie": 7},
        {"cookie": None},
        {"match": {"no_such": 1}},
        {"match": {"ipv4_src": "x"}},
        {"output": "flood"},
        {"kind": "x"},
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is_sent(change: dict[str, Any]) -> None:
    with pytest.raises(wire.BadMessage):
        wire.encode({"kind": "flow", **flows.pipeline()[0].wire(), **change})


# --- frames from hosts ----------------------------------------------------------------------------------------------


def arp(sha: str = MAC, spa: str = "10.0.0.1", source: str = MAC) -> bytes:
    ethernet = b"\xff" * 6 + bytes.fromhex(source.replace(":", "")) + b"\x08\x06"
    asked = bytes.fromhex(sha.replace(":", "")) + socket.inet_aton(spa) + bytes(6) + socket.inet_aton("10.0.0.9")
    return ethernet + b"\x00\x01\x08\x00\x06\x04\x00\x01" + asked


def test_arp_tells_who_holds_an_address() -> None:
    assert packets.read(arp()) == (Heard(Mac(MAC), ip_address("10.0.0.1"), None, "arp"),)
    tagged = arp()[:12] + b"\x81\x00\x00\x2a" + arp()[12:]
    assert packets.read(tagged) == (Heard(Mac(MAC), ip_address("10.0.0.1"), 42, "arp"),)


@pytest.mark.parametrize("frame", [arp(sha="02:00:00:00:00:02"), arp(spa="0.0.0.0"), arp(spa="224.0.0.1")])
def test_an_arp_that_belies_itself_claims_no_address(frame: bytes) -> None:
    assert packets.read(frame) == (Heard(Mac(MAC), None, None, "arp"),)


@pytest.mark.parametrize("source", ["01:00:00:00:00:01", "00:00:00:00:00:00"])
def test_a_group_address_sends_nothing(source: str) -> None:
    assert packets.read(arp(source=source)) == ()


def dhcp(kind: int, ports: bytes = b"\x00\x43\x00\x44", op: int = 2) -> bytes:
    bootp = bytes([op, 1, 6, 0]) + bytes(12) + socket.inet_aton("10.0.0.7") + bytes(8)
    bootp += bytes.fromhex("020000000005").ljust(16, b"\0") + bytes(192) + b"\x63\x82\x53\x63"
    udp = ports + (8 + len(bootp) + 5).to_bytes(2, "big") + b"\0\0" + bootp + bytes([0, 53, 1, kind, 255])
    ip = b"\x45\0" + (20 + len(udp)).to_bytes(2, "big") + bytes(4) + b"\x40\x11\0\0" + bytes(8)
    return bytes.fromhex("020000000005" + MAC.replace(":", "")) + b"\x08\x00" + ip + udp


def test_only_a_server_gives_leases() -> None:
    given = Heard(Mac("02:00:00:00:00:05"), ip_address("10.0.0.7"), None, "dhcp", lease=True)
    assert packets.read(dhcp(5)) == (given,)
    assert packets.read(dhcp(2)) == ()
    (client,) = packets.read(dhcp(3, b"\x00\x44\x00\x43", op=1))
    assert client == Heard(Mac(MAC), None, None, "dhcp")


@given(st.binary(max_size=400), st.integers(0, 400), st.sampled_from([arp(), dhcp(5), dhcp(3, b"\x00\x44\x00\x43", 1)]))
def test_no_frame_raises(noise: bytes, at: int, frame: bytes) -> None:
    for data in (noise, frame[:at], frame[:at] + noise, frame[:14] + noise, b"\0" * 12 + b"\x86\xdd" + noise):
        packets.read(data)
        lldp.read(data, SECRET, 0.0)


# --- links ----------------------------------------------------------------------------------------------------------


def test_our_own_fresh_frame_is_a_link() -> None:
    frame = lldp.build(Origin(7, 3), MAC, SECRET, 1000.0)
    assert lldp.read(frame, SECRET, 1000.0 + STALE) == Origin(7, 3)
    assert lldp.read(frame, SECRET, 1001.0 + STALE) is None
    assert lldp.read(frame, b"t" * 32, 1000.0) is None


@given(st.integers(0, 2000), st.integers(1, 255))
def test_an_altered_frame_names_no_other_port(at: int, flip: int) -> None:
    frame = bytearray(lldp.build(Origin(7, 3), MAC, SECRET, 1000.0))
    frame[at % len(frame)] ^= flip
    assert lldp.read(bytes(frame), SECRET, 1000.0) in (None, Origin(7, 3))


def test_links_end_with_their_ports() -> None:
    links, here, there = Links(), Origin(1, 1), Origin(2, 2)
    assert not links.seen(here, here, 0.0)
    assert links.seen(here, there, 0.0)
    assert not links.seen(here, there, 1.0)
    assert links.of(1, 2.0) == {1: there}
    assert links.of(1, 2.0 + GONE) == {}
    links.port_down(there)
    assert links.of(1, 2.0) == {}
    assert links.seen(here, there, 3.0)
    links.switch_gone(2)
    assert links.of(1, 3.0) == {}


# --- tracking and memory --------------------------------------------------------------------------------------------


def test_a_flood_is_limited_and_forgotten() -> None:
    tracker = Tracker()
    assert sum(tracker.admits(1, 10.0) for _ in range(1000)) == 100
    assert tracker.admits(2, 10.0)
    for number in range(3 * MOST_MACS):
        tracker.locate(Heard(Mac(f"02:{number:010x}"), None, None, "arp"), 1, 10.0)
    assert len(tracker._places) == MOST_MACS
    assert len(tracker._recent) == MOST_RECENT


def test_a_repetition_within_a_second_is_not_told_again() -> None:
    tracker, heard = Tracker(), Heard(Mac(MAC), ip_address("10.0.0.1"), None, "arp")
    assert tracker.locate(heard, 1, 10.0) is not None
    assert tracker.locate(heard, 1, 10.9) is None
    assert tracker.locate(heard, 2, 10.9) is not None
    assert tracker.locate(heard, 1, 12.0) is not None


def test_a_lease_is_placed_where_the_client_was_heard() -> None:
    tracker, lease = Tracker(), Heard(Mac(MAC), ip_address("10.0.0.1"), None, "dhcp", lease=True)
    assert tracker.locate(lease, 9, 10.0) is None
    tracker.locate(Heard(Mac(MAC), None, None, "arp"), 4, 10.0)
    found = tracker.locate(lease, 9, 11.0)
    assert found is not None
    assert (found.port, found.from_port) == (4, 9)


def _desc(number: int, name: str, hw_addr: str = MAC) -> dict[str, Any]:
    return {"number": number, "name": name, "hw_addr": hw_addr}


def _held(*rules: Rule, number: int) -> list[dict[str, Any]]:
    """The messages that the daemon would push for these rules, with their port's flag where one asks for it."""
    sent = [{"kind": "flow", **flow.wire()} for rule in rules for flow in flows.rule_flows(rule, number)]
    flagged = [rule for rule in rules if flows.is_port_flag(rule)]
    return [{"kind": "port", "name": rule.match.port, "number": number, "no_fwd": True} for rule in flagged] + sent


def _whole(port: str, containment: str = "c1") -> list[Rule]:
    return [Rule(Match(way, port=PortName(port)), Action.DENY, Provenance(containment)) for way in Direction]


def _ports_named(messages: list[Any]) -> set[tuple[str, int]]:
    """(kind, port number) of all that names a port."""
    found = {(m["kind"], m["number"]) for m in messages if m["kind"] == "port"}
    return found | {("flow", m["match"]["in_port"]) for m in messages if "in_port" in m.get("match", {})}


def test_what_was_acknowledged_is_replayed_containment_first() -> None:
    rule = Rule(Match(Direction.FROM, mac=Mac(MAC)), Action.DENY, Provenance("c1"))
    held = [{"kind": "flow", **flow.wire()} for flow in (*flows.pipeline(), *flows.rule_flows(rule, None))]
    memory, ports = Memory(), {1: _desc(1, "p1")}
    memory.remember(flows_of(held, ports), {0: "OFPFMFC_TABLE_FULL"})
    replayed = memory.replay(ports)
    ours, pipeline = len(flows.rule_flows(rule, None)), len(flows.pipeline()) - 1  # one was refused
    of_rule = [m["cookie"] & 0xFFFFFFFFFFFF == int(rule.id, 16) for m in replayed]
    assert of_rule == [True] * ours + [False] * pipeline
    assert (replayed[-1]["table"], replayed[-1]["goto"]) == (0, 1)
    flow = flows.rule_flows(rule, None)[0]
    assert memory.holds(flow.cookie, flow.table, flow.priority, dict(flow.match), ports)
    memory.forget([{"kind": "uncookie", "cookie": flow.cookie}], ports)
    assert not memory.holds(flow.cookie, flow.table, flow.priority, dict(flow.match), ports)
    assert len(memory.replay(ports)) == pipeline


def test_a_port_is_silenced_before_its_rules_go_out_again() -> None:
    memory, ports = Memory(), {1: _desc(1, "p1")}
    memory.remember(flows_of(_held(*_whole("p1"), number=1), ports), {})
    flag, *rest = memory.replay(ports)
    assert flag == {"kind": "port", "name": "p1", "number": 1, "hw_addr": MAC, "no_fwd": True}
    assert {m["kind"] for m in rest} == {"flow"}
    assert wire.encode(flag)


def test_beside_another_controller_too_a_port_gets_its_flag_back() -> None:
    memory, ports = Memory(BESIDE), {1: _desc(1, "p1")}
    held = [flow for rule in _whole("p1") for flow in BESIDE.rule_flows(rule, 1)]
    memory.remember(flows_of([{"kind": "flow", **flow.wire()} for flow in held], ports), {})
    flag, *rest = memory.replay({7: _desc(7, "p1")})
    assert flag == {"kind": "port", "name": "p1", "number": 7, "hw_addr": MAC, "no_fwd": True}
    assert {m["kind"] for m in rest} == {"flow"}
    assert ApplicationBeside.layout is BESIDE


def test_what_was_meant_for_a_port_never_meets_another_of_its_number() -> None:
    """Renumbered while nobody looked: the rules follow the name. What has no port any more waits for it."""
    memory = Memory()
    memory.remember(flows_of(_held(*_whole("p1"), number=1), {1: _desc(1, "p1"), 2: _desc(2, "p2")}), {})
    swapped = {1: _desc(1, "p2"), 2: _desc(2, "p1", "02:00:00:00:00:22")}
    assert _ports_named(memory.replay(swapped)) == {("port", 2), ("flow", 2)}
    assert memory.replay(swapped)[0]["hw_addr"] == "02:00:00:00:00:22"
    assert memory.replay({1: _desc(1, "p2")}) == []
    assert _ports_named(memory.replay({1: _desc(1, "p2"), 7: _desc(7, "p1")})) == {("port", 7), ("flow", 7)}


def test_a_flag_lasts_as_long_as_one_rule_asks_for_it() -> None:
    """Two containments of one port; the flag was sent for the first alone. And released while the port was gone, nothing is left."""
    memory, ports = Memory(), {1: _desc(1, "p1")}
    first, second = _whole("p1", "c1"), _whole("p1", "c2")
    memory.remember(flows_of(_held(*first, number=1), ports), {})
    memory.remember(flows_of([m for m in _held(*second, number=1) if m["kind"] == "flow"], ports), {})
    memory.forget([{"kind": "uncookie", "cookie": flows.cookie_of(rule.id)} for rule in first], ports)
    assert ("port", 1) in _ports_named(memory.replay(ports))
    memory.forget([{"kind": "uncookie", "cookie": flows.cookie_of(rule.id)} for rule in second], {})
    assert memory.replay(ports) == []


class _Switch:
    """A session as the application has it, and what was pushed on it."""

    def __init__(self, *ports: dict[str, Any]) -> None:
        self.dpid, self.heard_at, self.datapath = 1, 0.0, SimpleNamespace(id=1)
        self.ports = {port["number"]: port for port in ports}
        self.pushed: list[Any] = []
        self.told: list[dict[str, Any]] = []
        self.app = app = Application.__new__(Application)
        app.sessions, app._starting, app.memories = {1: cast(Any, self)}, {}, {1: Memory()}
        app.links, app.publish, app.logger = Links(), self.told.append, logging.getLogger("test")

    def push(self, plain: list[Any]) -> Future[dict[int, str]]:
        self.pushed += plain
        done: Future[dict[int, str]] = Future()
        done.set_result({0: "OFPPMFC_BAD_HW_ADDR"})
        return done

    def tell(self, encoded: list[bytes]) -> None:
        assert not encoded, "the ports of this test are down: no LLDP goes out of them"

    def port(self, reason: int, number: int, name: bytes) -> None:
        desc = SimpleNamespace(
            port_no=number, name=name, hw_addr=MAC, config=0, state=_Datapath.ofproto.OFPPS_LINK_DOWN
        )
        self.app.on_port(SimpleNamespace(msg=SimpleNamespace(datapath=self.datapath, reason=reason, desc=desc)))


def test_a_port_that_comes_back_gets_its_rules_at_its_new_number_at_once() -> None:
    o, switch = _Datapath.ofproto, _Switch(_desc(1, "p1"), _desc(2, "p2"))
    switch.app.memories[1].remember(flows_of(_held(*_whole("p1"), number=1), switch.ports), {})
    switch.port(o.OFPPR_MODIFY, 1, b"p1")
    switch.port(o.OFPPR_DELETE, 1, b"p1")
    switch.port(o.OFPPR_ADD, 1, b"p3")
    assert switch.pushed == []
    assert set(switch.ports) == {1, 2}
    switch.port(o.OFPPR_ADD, 9, b"p1")
    assert _ports_named(switch.pushed) == {("port", 9), ("flow", 9)}
    assert switch.pushed[0]["kind"] == "port"
    assert [(e["port"], e["present"], e["number"]) for e in switch.told][-1] == ("p1", True, 9)


def test_a_port_that_comes_back_under_its_number_gets_its_lost_flag() -> None:
    o, switch = _Datapath.ofproto, _Switch(_desc(1, "p1"))
    switch.app.memories[1].remember(flows_of(_held(*_whole("p1"), number=1), switch.ports), {})
    switch.port(o.OFPPR_DELETE, 1, b"p1")
    switch.port(o.OFPPR_ADD, 1, b"p1")
    assert ("port", 1) in _ports_named(switch.pushed)


def test_tcp_ports_by_mask() -> None:
    match = Match(
        Direction.FROM,
        mac=Mac(MAC),
        protocol=Protocol.TCP,
        own_ports=PortRange(0, 65535),
        peer_ports=PortRange(445, 446),
    )
    rule = Rule(match, Action.DENY, Provenance("c1"))
    assert {dict(flow.match).get("tcp_dst") for flow in flows.rule_flows(rule, None)} == {445, 446}
