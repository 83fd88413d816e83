"""A table that fits where it is shown: what people copy (ids, addresses, places) stays in one piece, sentences are folded, and what can be
spared is left out, and said to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

_GAP = 2
_FOLDED = 16
"""Columns that a folded cell gets at least, and as many more as its longest word needs."""
_WORD = 40


@dataclass(frozen=True, slots=True)
class Form:
    """`folds`: columns whose cells may take several lines. `spare`: those that are left out where there is no room, the first one first."""

    columns: tuple[str, ...]
    folds: tuple[str, ...] = ()
    spare: tuple[str, ...] = ()


def fitted(form: Form, rows: Sequence[Sequence[Text]], width: int) -> tuple[Table, list[str]]:
    """The table in `width` columns, and the names of what was left out of it."""
    least = {name: _least(form, name, [row[n] for row in rows]) for n, name in enumerate(form.columns)}
    left_out: list[str] = []
    for name in form.spare:
        if sum(least.values()) + _GAP * (len(least) - 1) <= width:
            break
        del least[name]
        left_out.append(name)
    fits = sum(least.values()) + _GAP * (len(least) - 1) <= width
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for name in least:
        folds = name in form.folds or not fits
        table.add_column(name, overflow="fold", no_wrap=not folds, min_width=None if not fits else least[name])
    for row in rows:
        table.add_row(*(cell for name, cell in zip(form.columns, row, strict=True) if name in least))
    return table, left_out


def words(left_out: Sequence[str]) -> str:
    return f"too narrow for {', '.join(left_out)}: a wider terminal, a pipe or --json shows all" if left_out else ""


def _least(form: Form, name: str, cells: Sequence[Text]) -> int:
    whole = max(
        (cell_len(line) for cell in (name, *(one.plain for one in cells)) for line in cell.split("\n")), default=0
    )
    if name not in form.folds:
        return whole
    longest = max((cell_len(word) for cell in cells for word in cell.plain.split()), default=0)
    return min(whole, max(_FOLDED, min(longest, _WORD), len(name)))
