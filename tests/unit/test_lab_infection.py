"""What spreads in the lab `worm`: a whole copy counts, half of one does not, and nothing spreads outside a lab."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from labs import infection
from labs.infection import GREETING, HAS_IT, PIECE, PIECES, TAKES_IT, Infection, bring, take

OURS = GREETING + b"\1\2\3\4"
NEVER = threading.Event()


@contextmanager
def host(*, has_it: bool = False) -> Iterator[tuple[int, list[bool]]]:
    """Someone who takes one copy: its port, and what came of it."""
    taken: list[bool] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def meet() -> None:
        connection, _ = listener.accept()
        with connection:
            taken.append(take(connection, OURS, has_it=has_it))

    meeting = threading.Thread(target=meet)
    meeting.start()
    try:
        yield listener.getsockname()[1], taken
    finally:
        meeting.join(10)
        listener.close()
    assert not meeting.is_alive()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infection, "PAUSE", 0.0)


def test_a_whole_copy_is_taken() -> None:
    with host() as (port, taken):
        assert bring("127.0.0.1", OURS, NEVER, port)
    assert taken == [True]


def test_who_has_it_takes_no_other() -> None:
    with host(has_it=True) as (port, taken):
        assert not bring("127.0.0.1", OURS, NEVER, port)
    assert taken == [False]


def test_another_runs_copy_and_half_a_copy_are_not_taken() -> None:
    with host() as (port, taken):
        assert not bring("127.0.0.1", GREETING + b"\4\3\2\1", NEVER, port)
    assert taken == [False]
    with host() as (port, taken), socket.create_connection(("127.0.0.1", port)) as one:
        one.sendall(OURS)
        assert one.recv(1) == TAKES_IT
        one.sendall(bytes(PIECE * PIECES - 1))
        one.shutdown(socket.SHUT_WR)
        while one.recv(64):
            pass
    assert taken == [False]


def test_who_answers_otherwise_has_taken_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(64)
                connection.sendall(HAS_IT)

        answering = threading.Thread(target=answer)
        answering.start()
        assert not bring("127.0.0.1", OURS, NEVER, port)
        answering.join(10)
    assert not bring("127.0.0.1", OURS, NEVER, port), "nobody listens there any more"


def test_nothing_spreads_where_the_machine_s_own_network_is() -> None:
    """Here the tests run in the network of process 1, or nobody may look at that."""
    one = Infection(b"\1\2\3\4")
    with pytest.raises(ValueError, match="lab's"):
        one.vulnerable(["127.0.0.1"])
    with pytest.raises(ValueError, match="lab's"):
        one.fall_ill()
    assert one.health() == {"at": None, "by": "", "tried": 0, "spread": []}
