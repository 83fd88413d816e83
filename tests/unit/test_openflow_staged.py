"""A port is silent before its switch begins to forward, and until what takes its flag's place stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future

import pytest

from drivers.openflow import staged
from drivers.openflow.staged import READ_IN_ONE_TURN, SessionLost

FLAG = {"kind": "port", "no_fwd": True}
DROP = {"kind": "flow", "output": None}
NORMAL = {"kind": "flow", "output": "normal"}
UNFLAG = {"kind": "port", "no_fwd": False}


class Recorded:
    """What was sent, and the answers that the switch still owes. `ends`: the session is lost before the send of this number."""

    def __init__(self, ends: int | None = None) -> None:
        self.sent: list[list[bytes]] = []
        self.owed: list[Future[dict[int, str]]] = []
        self._ends = ends

    def send(self, encoded: Sequence[bytes]) -> Future[dict[int, str]]:
        if len(self.sent) == self._ends:
            raise SessionLost("gone")
        self.sent.append(list(encoded))
        self.owed.append(Future())
        return self.owed[-1]


def pushed(session: Recorded, *plain: Mapping[str, object]) -> Future[dict[int, str]]:
    return staged.push(session, plain, [str(index).encode() for index in range(len(plain))])


def test_forwarding_waits_for_the_flags() -> None:
    session = Recorded()
    done = pushed(session, FLAG, FLAG, DROP, NORMAL)
    flags = [b"0", b"1", *[b"1"] * READ_IN_ONE_TURN]
    assert session.sent == [flags]
    session.owed[0].set_result({})
    assert session.sent == [flags, [b"2", b"3"]]
    assert not done.done()
    session.owed[1].set_result({})
    assert done.result(0) == {}


@pytest.mark.parametrize("plain", [(FLAG, DROP), (DROP, NORMAL), (UNFLAG,)])
def test_what_cannot_leak_goes_at_once(plain: tuple[Mapping[str, object], ...]) -> None:
    session = Recorded()
    done = pushed(session, *plain)
    session.owed[0].set_result({0: "no"})
    assert (len(session.sent), done.result(0)) == (1, {0: "no"})


def test_nothing_to_say_is_acknowledged_too() -> None:
    session = Recorded()
    done = pushed(session)
    session.owed[0].set_result({})
    assert (session.sent, done.result(0)) == ([[]], {})


def test_flags_go_off_last() -> None:
    session = Recorded()
    done = pushed(session, FLAG, UNFLAG, DROP, UNFLAG)
    session.owed[0].set_result({1: "table full"})
    assert session.sent == [[b"0", b"2"], [b"1", b"3"]]
    session.owed[1].set_result({0: "no such port"})
    assert done.result(0) == {2: "table full", 1: "no such port"}


def test_on_then_forwarding_then_off() -> None:
    session = Recorded()
    pushed(session, FLAG, NORMAL, UNFLAG)
    for step in (0, 1):
        assert len(session.sent) == step + 1
        session.owed[step].set_result({})
    assert session.sent == [[b"0"] * (READ_IN_ONE_TURN + 1), [b"1"], [b"2"]]


def test_a_refusal_is_told_of_the_message_that_it_is_about() -> None:
    session = Recorded()
    done = pushed(session, DROP, FLAG, NORMAL, FLAG)
    session.owed[0].set_result(dict.fromkeys(range(1, READ_IN_ONE_TURN + 2), "no such port"))
    session.owed[1].set_result({0: "table full"})
    assert done.result(0) == {3: "no such port", 0: "table full"}


def test_a_session_that_ends_in_between_ends_the_push() -> None:
    session = Recorded(ends=1)
    done = pushed(session, FLAG, NORMAL)
    session.owed[0].set_result({})
    with pytest.raises(SessionLost):
        done.result(0)


@pytest.mark.parametrize("step", [0, 1])
def test_a_lost_answer_is_no_answer(step: int) -> None:
    session = Recorded()
    done = pushed(session, FLAG, NORMAL)
    if step:
        session.owed[0].set_result({})
    session.owed[step].set_exception(SessionLost("gone"))
    assert isinstance(done.exception(0), SessionLost)
