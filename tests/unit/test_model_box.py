"""The model's switch that nobody manages."""

from __future__ import annotations

import pytest

from topologies.openflow.box import Box
from topologies.openflow.switch import Port

A, B, C = (bytes([2, 0, 0, 0, 0, last]) for last in (1, 2, 3))
EVERYBODY = b"\xff" * 6


@pytest.fixture
def came_out() -> list[int]:
    return []


@pytest.fixture
def box(came_out: list[int]) -> Box:
    made = Box("b1", 1, deliver=lambda port, frame: came_out.append(port))
    for number in (1, 2, 3):
        made.add_port(Port(number, f"b1-eth{number}", "02:00:00:00:00:00"))
    return made


def test_a_frame_goes_to_everybody_until_its_destination_was_heard(box: Box, came_out: list[int]) -> None:
    box.receive(1, B + A + b"\x08\x00")
    assert came_out == [2, 3]
    box.receive(2, A + B + b"\x08\x00")
    assert came_out == [2, 3, 1]
    box.receive(3, B + C + b"\x08\x00")
    assert came_out == [2, 3, 1, 2]


def test_a_broadcast_goes_to_everybody_else(box: Box, came_out: list[int]) -> None:
    box.receive(2, A + B + b"\x08\x00")
    came_out.clear()
    box.receive(3, EVERYBODY + C + b"\x08\x06")
    assert came_out == [1, 2]


def test_who_was_plugged_in_elsewhere_is_learnt_anew_and_nothing_goes_back_where_it_came_from(
    box: Box, came_out: list[int]
) -> None:
    box.receive(1, B + A + b"\x08\x00")
    box.receive(2, B + A + b"\x08\x00")
    came_out.clear()
    box.receive(3, A + C + b"\x08\x00")
    assert came_out == [2]
    box.receive(2, A + B + b"\x08\x00")
    assert came_out == [2]


def test_what_is_for_a_bridges_own_neighbours_stays_there(box: Box, came_out: list[int]) -> None:
    box.receive(1, bytes.fromhex("0180c200000e") + A + b"\x88\xcc")
    assert came_out == []
    box.receive(2, A + B + b"\x08\x00")
    assert came_out == [1]
