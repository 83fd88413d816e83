"""Tables as a terminal of any width shows them."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from controller.cli.tables import Form, fitted, words

FORM = Form(("ID", "TARGET", "REASON", "BY"), folds=("REASON",), spare=("BY", "REASON"))
ROWS = [[Text("c-0123456789ab"), Text("10.0.0.1"), Text("it scans the whole of the server room"), Text("ann")]]


def shown(width: int, form: Form = FORM, rows: list[list[Text]] = ROWS) -> tuple[list[str], list[str]]:
    table, left_out = fitted(form, rows, width)
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as capture:
        console.print(table)
    return capture.get().splitlines(), left_out


@pytest.mark.parametrize(
    ("width", "left_out", "lines"),
    [
        (500, [], 2),
        (70, [], 2),
        (60, [], 3),
        (47, [], 4),
        (46, ["BY"], 3),
        (40, ["BY", "REASON"], 2),
        (24, ["BY", "REASON"], 2),
    ],
)
def test_what_can_be_spared_goes_first_and_ids_stay_whole(width: int, left_out: list[str], lines: int) -> None:
    got, gone = shown(width)
    assert gone == left_out
    assert len(got) == lines
    assert "c-0123456789ab" in got[1]
    assert all(cell_len(line) <= width for line in got)


def test_where_nothing_helps_it_is_folded_and_nothing_is_lost() -> None:
    got, gone = shown(12)
    assert gone == ["BY", "REASON"]
    assert all(cell_len(line) <= 12 for line in got)
    assert "".join("".join(line.split()) for line in got).count("0123456789ab"[:3]) == 1


def test_wide_letters_are_measured_by_their_width() -> None:
    rows = [[Text("c-1"), Text("東京" * 10), Text(""), Text("")]]
    assert shown(56, rows=rows)[1] == ["BY"]


def test_it_says_what_is_missing() -> None:
    assert words([]) == ""
    assert words(["BY", "AT"]).startswith("too narrow for BY, AT")
