"""docs/capability-matrix.md says what the drivers declare now, for every driver that the contract suite holds."""

from __future__ import annotations

from tests.contract.conftest import ON_REAL_SWITCHES
from tests.contract.matrix import DRIVERS, NO, PAGE, YES, page


def test_the_matrix_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.contract.matrix writes it anew"


def test_every_driver_of_the_suite_has_a_column() -> None:
    assert {name.partition("-")[0] for name in ON_REAL_SWITCHES} | {"memory"} <= DRIVERS.keys()


def test_the_matrix_says_yes_and_no() -> None:
    """A line that is read: a table of one word would be stale as seldom as this one."""
    rows = {
        line.split(" | ")[0].strip("| "): [one.strip(" |") for one in line.split(" | ")[1:]]
        for line in page().splitlines()
    }
    assert rows["move the port into a VLAN"][:3] == [NO, NO, YES]
    assert rows["`quarantine-vlan` with hosts, alone on its port"][:3] == [NO, NO, "weaker"]
    assert rows["`quarantine-vlan` with hosts, on a shared port"][:3] == [NO, NO, NO]
    assert rows["`full`, alone on its port"][:3] == [YES, YES, YES]
