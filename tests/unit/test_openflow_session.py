"""What a session sends for a push, and what it makes of the switch's answers: bundles that hold, fail, or are not known at all."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.openflow import bundle
from drivers.openflow.bundle import BARRIER, EXPERIMENTER, FLOW_MOD
from drivers.openflow.flows import COOKIE_MARK
from drivers.openflow.session import Session
from drivers.openflow.staged import SessionLost

PORT_MOD, BARRIER_REQUEST = 16, 20
BAD_REQUEST, FLOW_MOD_FAILED, BAD_EXPERIMENTER, TABLE_FULL = 1, 5, 3, 1
BUNDLE_ERROR = 0xFFFF
OPEN, COMMIT = 0, 4


def message(kind: int, text: bytes = b"") -> bytes:
    return struct.pack("!BBHI", 4, kind, 8 + len(text), 0) + text


def flow(text: bytes) -> bytes:
    return message(FLOW_MOD, text)


class Wire:
    """As much of a datapath as a session uses; `sent` are the messages that it was given, one by one."""

    def __init__(self) -> None:
        self.id, self.address = 7, ("127.0.0.1", 1)
        self.ports: dict[int, Any] = {}
        self.octets = b""

    def send(self, octets: bytes) -> None:
        self.octets += octets

    def sent(self) -> list[bytes]:
        messages = list(split(self.octets))
        self.octets = b""
        return messages


def split(octets: bytes) -> Iterator[bytes]:
    while octets:
        length = int.from_bytes(octets[2:4], "big")
        yield octets[:length]
        octets = octets[length:]


def xid(message: bytes) -> int:
    return int.from_bytes(message[4:8], "big")


def words(sent: list[bytes]) -> list[Any]:
    """The kinds of messages; of a bundle's own what they do, and of an added one its text."""
    return [word(one) for one in sent]


def word(one: bytes) -> Any:
    if one[1] != EXPERIMENTER:
        return one[8:] if one[1] == FLOW_MOD else one[1]
    experimenter, kind = struct.unpack_from("!II", one, 8)
    assert experimenter == 0x4F4E4600
    assert struct.unpack_from("!H", one, 22)[0] == 3  # atomic and ordered
    if kind == 2301:
        assert xid(one) == xid(one[24:])
        return ("add", one[32:])
    return ("open", "commit")[struct.unpack_from("!H", one, 20)[0] == COMMIT]


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def session(wire: Wire) -> Session:
    return Session(wire, "boot")


MESSAGES = [message(PORT_MOD), flow(b"one"), flow(b"two")]
WHOLE = [PORT_MOD, BARRIER_REQUEST, "open", ("add", b"one"), ("add", b"two"), "commit"]


def test_flows_are_one_bundle_behind_the_port_messages(session: Session, wire: Wire) -> None:
    done = session.send(MESSAGES)
    sent = wire.sent()
    assert words(sent) == [*WHOLE, BARRIER_REQUEST]
    for one in sent[:-1]:
        if one[1] == BARRIER_REQUEST:
            session.on_barrier(xid(one))
    assert not done.done()
    session.on_barrier(xid(sent[-1]))
    assert done.result(0) == {}
    assert wire.sent() == []


@pytest.mark.parametrize(
    "some",
    [
        [],
        [flow(b"one")],
        [message(PORT_MOD)],
        [flow(b"a"), message(PORT_MOD), flow(b"b")],
        [flow(b"a"), flow(b"b"), message(PORT_MOD)],
    ],
)
def test_what_is_atomic_by_itself_or_cannot_be_is_sent_as_it_is(
    session: Session, wire: Wire, some: list[bytes]
) -> None:
    session.send(some)
    assert words(wire.sent()) == [*words(some), BARRIER_REQUEST]


def test_a_bundle_that_fails_is_sent_one_by_one_and_the_refused_is_named(session: Session, wire: Wire) -> None:
    done = session.send(MESSAGES)
    sent = wire.sent()
    session.on_error(xid(sent[0]), FLOW_MOD_FAILED, 0)  # of the port message, which stays as it was answered
    session.on_error(xid(sent[4]), FLOW_MOD_FAILED, TABLE_FULL)
    session.on_error(xid(sent[5]), BUNDLE_ERROR, 0)
    session.on_barrier(xid(sent[-1]))
    assert not done.done()
    again = wire.sent()
    assert words(again) == [b"one", b"two", BARRIER_REQUEST]
    session.on_error(xid(again[0]), FLOW_MOD_FAILED, TABLE_FULL)
    session.on_barrier(xid(again[-1]))
    assert done.result(0).keys() == {0, 1}
    assert "TABLE_FULL" in done.result(0)[1]
    assert session.bundles
    session.send(MESSAGES)
    assert words(wire.sent()) == [*WHOLE, BARRIER_REQUEST]


def test_a_switch_without_bundles_is_asked_once(session: Session, wire: Wire) -> None:
    done = session.send(MESSAGES)
    sent = wire.sent()
    for one in sent:
        if one[1] == EXPERIMENTER:
            assert session.on_error(xid(one), BAD_REQUEST, BAD_EXPERIMENTER) is None
    session.on_barrier(xid(sent[-1]))
    again = wire.sent()
    assert words(again) == [b"one", b"two", BARRIER_REQUEST]
    session.on_barrier(xid(again[-1]))
    assert done.result(0) == {}
    session.send(MESSAGES)
    assert words(wire.sent()) == [PORT_MOD, b"one", b"two", BARRIER_REQUEST]


def test_a_message_that_only_it_refuses_leaves_the_others(session: Session, wire: Wire) -> None:
    done = session.send(MESSAGES)
    sent = wire.sent()
    session.on_error(xid(sent[3]), FLOW_MOD_FAILED, 0)
    session.on_barrier(xid(sent[-1]))
    assert done.result(0).keys() == {1}
    assert wire.sent() == []


def test_a_session_that_ends_before_the_second_try_says_so(session: Session, wire: Wire) -> None:
    done = session.send(MESSAGES)
    sent = wire.sent()
    session.on_error(xid(sent[2]), BUNDLE_ERROR, 0)
    barrier = session._barriers
    session._alive = False
    session.on_barrier(next(iter(barrier)))
    with pytest.raises(SessionLost):
        done.result(0)


def plain_flow(cookie: int) -> dict[str, Any]:
    return {"kind": "flow", "table": 1, "priority": 5, "cookie": cookie, "match": {}, "goto": None, "output": None}


def plain_port(number: int, *, no_fwd: bool) -> dict[str, Any]:
    return {"kind": "port", "name": f"p{number}", "number": number, "hw_addr": "02:00:00:00:00:01", "no_fwd": no_fwd}


RELEASING = [
    plain_port(1, no_fwd=True),
    plain_flow(COOKIE_MARK | 5),
    plain_flow(COOKIE_MARK | 6),
    plain_port(2, no_fwd=False),
]


def kinds(sent: list[bytes]) -> list[Any]:
    return [one if isinstance(one := word(each), int) else "flow" for each in sent if each[1] != EXPERIMENTER]


def port_of(sent: list[bytes]) -> list[int]:
    return [int.from_bytes(one[8:12], "big") for one in sent if one[1] == PORT_MOD]


def test_a_port_goes_on_hearing_nothing_until_the_flows_stand(session: Session, wire: Wire) -> None:
    done = session.push(RELEASING)
    sent = wire.sent()
    assert port_of(sent) == [1]
    session.on_barrier(xid(sent[-1]))
    last = wire.sent()
    assert (words(last), port_of(last)) == ([PORT_MOD, BARRIER_REQUEST], [2])
    assert not done.done()
    session.on_error(xid(last[0]), FLOW_MOD_FAILED, 0)
    session.on_barrier(xid(last[-1]))
    assert done.result(0).keys() == {3}


@pytest.mark.parametrize("refused", [0, 1])
def test_when_the_bundle_fails_the_port_waits_for_the_flows_that_are_sent_one_by_one(
    session: Session, wire: Wire, refused: int
) -> None:
    done = session.push(RELEASING)
    sent = wire.sent()
    (commit,) = (one for one in sent if word(one) == "commit")
    session.on_error(xid(commit), BUNDLE_ERROR, 0)
    session.on_barrier(xid(sent[-1]))
    again = wire.sent()
    assert kinds(again) == ["flow", "flow", BARRIER_REQUEST]
    for one in again[:refused]:
        session.on_error(xid(one), FLOW_MOD_FAILED, TABLE_FULL)
    session.on_barrier(xid(again[-1]))
    last = wire.sent()
    assert (words(last), port_of(last)) == ([PORT_MOD, BARRIER_REQUEST], [2])
    session.on_barrier(xid(last[-1]))
    assert list(done.result(0)) == [1][:refused]


def test_a_switch_without_bundles_takes_the_flows_before_it_lets_go_of_a_port(session: Session, wire: Wire) -> None:
    session.bundles = False
    session.push(RELEASING)
    sent = wire.sent()
    assert (kinds(sent), port_of(sent)) == ([PORT_MOD, "flow", "flow", BARRIER_REQUEST], [1])
    session.on_barrier(xid(sent[-1]))
    assert port_of(wire.sent()) == [2]


@given(st.lists(st.sampled_from([PORT_MOD, FLOW_MOD]), max_size=8))
def test_every_message_is_sent_once_and_in_order(kinds: list[int]) -> None:
    messages = [message(kind, bytes([index])) for index, kind in enumerate(kinds)]
    sent, stand_for = bundle.sequence(messages, 1)
    assert len(sent) == len(stand_for)
    assert [index for index in stand_for if index is not None] == list(range(len(messages)))
    for one, index in zip(sent, stand_for, strict=True):
        numbered = bundle.numbered(one, 0x01020304)
        assert (len(numbered), int.from_bytes(numbered[2:4], "big"), xid(numbered)) == (len(one), len(one), 0x01020304)
        if index is not None:
            assert one.endswith(messages[index])
            assert numbered[-1] == one[-1]
        else:
            assert one == BARRIER or one[1] == EXPERIMENTER


def test_bundles_are_written_as_os_ken_writes_them() -> None:
    from os_ken.ofproto import ofproto_v1_3 as ofproto
    from os_ken.ofproto import ofproto_v1_3_parser as parser

    datapath = SimpleNamespace(ofproto=ofproto, ofproto_parser=parser)
    flags = ofproto.ONF_BF_ATOMIC | ofproto.ONF_BF_ORDERED
    mods = [parser.OFPFlowMod(datapath, priority=priority) for priority in (1, 2)]
    for mod in mods:
        mod.xid = 0
        mod.serialize()
    sent, _ = bundle.sequence([bytes(mod.buf) for mod in mods], 9)
    theirs = [
        parser.ONFBundleCtrlMsg(datapath, 9, ofproto.ONF_BCT_OPEN_REQUEST, flags, []),
        *(parser.ONFBundleAddMsg(datapath, 9, flags, mod, []) for mod in mods),
        parser.ONFBundleCtrlMsg(datapath, 9, ofproto.ONF_BCT_COMMIT_REQUEST, flags, []),
    ]
    for number, (ours, other) in enumerate(zip(sent, theirs, strict=True), 5):
        other.xid = number
        if isinstance(other, parser.ONFBundleAddMsg):
            other.message.xid = None
            other.message.buf = None
        other.serialize()
        assert bundle.numbered(ours, number) == bytes(other.buf)
