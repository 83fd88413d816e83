"""Pushes that are laid ready: nothing goes out before the word, once after it, and never for a session that is another by then."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from drivers.base import Change, DeviceUnreachable, OutcomeUnknown, ReceiptStatus
from drivers.openflow import laid as laid_ready
from drivers.openflow.driver import OpenFlowDriver
from drivers.openflow.flows import Flow, cookie_of
from drivers.openflow.laid import LaidPush, Shelf
from drivers.openflow.link import SpeakerLink
from drivers.openflow.memory import Memory
from drivers.openflow.server import Client, Server
from drivers.openflow.staged import SessionLost

FLOW = {"kind": "flow", **Flow.make(0, 21000, cookie_of("0" * 15 + "7"), {"in_port": 3}).wire()}


# --- the speaker's end ------------------------------------------------------------------------------------------------


class _Session:
    """Takes what is sent, and answers at once, unless it is `silent`."""

    def __init__(self) -> None:
        self.dpid, self.boot_id = 1, "boot"
        self.ports: dict[int, Any] = {3: {"name": "p3", "number": 3, "hw_addr": "02:00:00:00:00:03"}}
        self.sent: list[bytes] = []
        self.lost = self.silent = False

    def send(self, encoded: list[bytes]) -> Future[dict[int, str]]:
        if self.lost:
            raise SessionLost("the session has ended")
        self.sent += encoded
        done: Future[dict[int, str]] = Future()
        if not self.silent:
            done.set_result({})
        return done


class _Client:
    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def send(self, message: dict[str, Any]) -> None:
        self.told.append(message)


class _Speaker:
    def __init__(self) -> None:
        self.session, self.daemon, self.word = _Session(), _Client(), _Client()
        self.app = SimpleNamespace(sessions={1: self.session}, memories={1: Memory()}, publish=None)
        self.server = Server(self.app, "nowhere")

    def lay(self, key: str = "k", **more: Any) -> None:
        self._handle(self.daemon, {"id": 7, "op": "lay", "key": key, "dpid": 1, "messages": [FLOW]} | more)

    def say(self, op: str, key: str = "k") -> None:
        self._handle(self.word, {"id": 0, "op": op, "key": key})

    def _handle(self, client: _Client, request: dict[str, Any]) -> None:
        self.server.handle(cast(Client, client), json.dumps(request).encode())


@pytest.fixture
def speaker() -> _Speaker:
    return _Speaker()


def test_what_lies_ready_goes_out_at_the_word_and_is_answered_to_who_laid_it(speaker: _Speaker) -> None:
    speaker.lay()
    assert (speaker.session.sent, speaker.daemon.told) == ([], [])
    speaker.say("go")
    assert len(speaker.session.sent) == 1
    assert speaker.daemon.told == [{"id": 7, "result": {"refused": {}, "boot_id": "boot"}}]
    speaker.say("go")
    assert len(speaker.session.sent) == 1, "once"
    assert speaker.word.told == []


def test_a_word_that_comes_first_is_kept(speaker: _Speaker) -> None:
    speaker.say("go")
    speaker.lay()
    assert len(speaker.session.sent) == 1
    assert speaker.daemon.told[0]["id"] == 7


def test_what_was_dropped_does_not_go_out(speaker: _Speaker) -> None:
    speaker.lay()
    speaker.say("drop")
    speaker.say("go")
    assert speaker.session.sent == []


def test_what_a_client_laid_goes_with_it(speaker: _Speaker) -> None:
    speaker.lay()
    speaker.server.gone(cast(Client, speaker.daemon))
    speaker.say("go")
    assert speaker.session.sent == []


def test_what_was_laid_for_a_session_does_not_go_to_the_next(speaker: _Speaker) -> None:
    speaker.lay()
    speaker.app.sessions[1] = after = _Session()
    speaker.say("go")
    assert (speaker.session.sent, after.sent) == ([], [])
    assert speaker.daemon.told[0]["error"] == "unreachable"
    assert "another session" in speaker.daemon.told[0]["text"]


def test_a_session_that_ended_meanwhile_is_told_to_who_laid_it(speaker: _Speaker) -> None:
    speaker.lay()
    speaker.session.lost = True
    speaker.say("go")
    assert speaker.daemon.told == [{"id": 7, "error": "lost", "text": "the session has ended"}]


@pytest.mark.parametrize("wrong", [{"dpid": 2}, {"messages": [{"kind": "what"}]}])
def test_what_cannot_be_sent_is_told_before_the_word(speaker: _Speaker, wrong: dict[str, Any]) -> None:
    speaker.lay(**wrong)
    assert speaker.daemon.told[0]["error"] in ("unreachable", "bad-request")
    speaker.say("go")
    assert speaker.session.sent == []


def test_neither_what_is_laid_nor_early_words_are_kept_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laid_ready, "MOST_LAID", 2)
    monkeypatch.setattr(laid_ready, "MOST_EARLY", 2)
    shelf, pushed = Shelf(), []
    for n in range(3):
        shelf.lay("me", f"laid {n}", lambda n=n: pushed.append(n))  # type: ignore[misc]
    for n in range(3):
        shelf.go(f"laid {n}")
    assert pushed == [1, 2]
    for n in range(3):
        shelf.go(f"early {n}")
    for n in range(3):
        shelf.lay("me", f"early {n}", lambda n=n: pushed.append(10 + n))  # type: ignore[misc]
    assert pushed == [1, 2, 11, 12]


# --- the controller's end ---------------------------------------------------------------------------------------------


@pytest.fixture
def wires() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        ours.setblocking(False)
        yield ours, theirs


async def test_the_word_is_said_once_and_cannot_be_taken_back(wires: tuple[socket.socket, socket.socket]) -> None:
    dropped: list[str] = []
    push = LaidPush("k", asyncio.get_running_loop().create_future(), wires[0], lambda: dropped.append("k"))
    assert await asyncio.to_thread(push.send)
    assert push.send()
    assert not push.drop()
    assert json.loads(wires[1].recv(4096)) == {"id": 0, "op": "go", "key": "k"}
    assert dropped == []


async def test_what_is_dropped_stays_unsaid(wires: tuple[socket.socket, socket.socket]) -> None:
    dropped: list[str] = []
    push = LaidPush("k", asyncio.get_running_loop().create_future(), wires[0], lambda: dropped.append("k"))
    assert push.drop()
    assert push.drop()
    assert not push.send()
    assert dropped == ["k"]


async def test_a_word_that_nobody_takes_is_not_said(wires: tuple[socket.socket, socket.socket]) -> None:
    wires[1].close()
    push = LaidPush("k", asyncio.get_running_loop().create_future(), wires[0], lambda: None)
    assert not push.send()


# --- both, over their socket ------------------------------------------------------------------------------------------


def _change(*messages: dict[str, Any]) -> Change:
    return Change("of:1", messages, (), frozenset({"r"}))


@pytest.fixture
async def served(tmp_path: Path, speaker: _Speaker) -> Any:
    """A speaker's server with one switch, and a link to it."""
    speaker.app.links = SimpleNamespace(of=lambda dpid, now: {})
    speaker.session.connected_at, speaker.session.peer = 0.0, "127.0.0.1"  # type: ignore[attr-defined]
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "speaker.sock"))
    listener.listen(4)
    threading.Thread(target=speaker.server.serve_for_ever, args=(listener,), daemon=True).start()
    link = SpeakerLink(tmp_path / "speaker.sock")
    await link.start()
    yield link
    await link.close()


async def test_a_change_that_was_laid_ready_is_sent_once_by_word_or_by_apply(served: Any, speaker: _Speaker) -> None:
    driver = OpenFlowDriver("of:1", 1, served)
    for said in (True, False):
        change = _change(FLOW)
        laid = driver.lay_ready(change)
        assert laid is not None
        await served.request("ping", 10.0)  # behind it: the speaker has read it
        assert len(speaker.session.sent) == (0 if said else 1)
        if said:
            assert await asyncio.to_thread(laid.send)
        assert (await driver.apply(change, 10.0)).status is ReceiptStatus.APPLIED
        assert len(speaker.session.sent) == (1 if said else 2)


async def test_another_change_than_the_one_that_was_laid_ready_takes_its_place(served: Any, speaker: _Speaker) -> None:
    driver = OpenFlowDriver("of:1", 1, served)
    other = {**FLOW, "priority": 21001}
    laid = driver.lay_ready(_change(FLOW))
    assert laid is not None
    await driver.apply(_change(other), 10.0)
    assert not laid.send()
    await served.request("ping", 10.0)
    assert len(speaker.session.sent) == 1


async def test_a_speaker_that_is_lost_leaves_open_what_became_of_it(served: Any, speaker: _Speaker) -> None:
    driver = OpenFlowDriver("of:1", 1, served)
    change = _change(FLOW)
    laid = driver.lay_ready(change)
    assert laid is not None
    speaker.session.silent = True
    laid.send()
    for client in list(speaker.server._clients):
        client.close()
    with pytest.raises(OutcomeUnknown):
        await driver.apply(change, 10.0)


async def test_without_a_speaker_nothing_is_laid_ready(tmp_path: Path) -> None:
    driver = OpenFlowDriver("of:1", 1, SpeakerLink(tmp_path / "nobody.sock"))
    assert driver.lay_ready(_change(FLOW)) is None
    with pytest.raises(DeviceUnreachable):
        await driver.apply(_change(FLOW), 10.0)
