"""What commands print. Everything from outside becomes `Text` by `said`, neutralized, and is never read as markup."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from controller.cli.tables import Form, fitted, words
from controller.neutralize import neutralize

if TYPE_CHECKING:
    from pydantic import BaseModel

_WIDE = 500
"""Columns when nobody looks: a table that goes into a file or a pipe is not cut to a screen's width."""

OUTCOME_STYLES = {
    "proven": "bold green",
    "installed": "green",
    "requested": "yellow",
    "drifted": "bold yellow",
    "partial": "bold yellow",
    "failed": "bold red",
    "unknown": "bold red",
    "removed": "dim",
}


def stdout() -> Console:
    return _console(stderr=False)


def stderr() -> Console:
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=None if terminal else _WIDE)


def said(text: object, style: str = "", limit: int = 300) -> Text:
    """Somebody's words, as one line that does nothing."""
    return Text(neutralize(str(text), limit), style=style)


def outcome(word: str) -> Text:
    return said(word, OUTCOME_STYLES.get(word, ""))


def at(moment: datetime | None) -> str:
    """To the second, in the reader's own time."""
    return "-" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def print_json(value: BaseModel | Sequence[BaseModel] | dict[str, Any]) -> None:
    """One JSON value on standard output, in ASCII: nothing in it acts on a terminal."""
    plain: Any
    if isinstance(value, dict):
        plain = value
    elif isinstance(value, Sequence):
        plain = [item.model_dump(mode="json") for item in value]
    else:
        plain = value.model_dump(mode="json")
    sys.stdout.write(json.dumps(plain, indent=2) + "\n")


def cells(row: Sequence[object]) -> list[Text]:
    return [cell if isinstance(cell, Text) else said("-" if cell in (None, "") else cell) for cell in row]


def table(form: Form | Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """`rows` in this form, or under these columns; when there are none, the sentence `empty`."""
    shown = [cells(row) for row in rows]
    if not shown:
        note(empty)
        return
    console = stdout()
    form = form if isinstance(form, Form) else Form(tuple(form))
    fitting, left_out = fitted(form, shown, console.width)
    console.print(fitting)
    if left_out:
        note(words(left_out))


def note(sentence: str) -> None:
    """For the person, not for the pipe."""
    stderr().print(said(sentence, limit=1000))


def show_error(code: str, message: str, hint: str, *, as_json: bool) -> None:
    """What went wrong and what to do next: for people on standard error, for programs on standard output."""
    if as_json:
        print_json({"error": code, "message": message, "hint": hint})
        return
    console = stderr()
    for number, line in enumerate(message.splitlines() or [""]):
        console.print(Text.assemble(("Error: " if number == 0 else "       ", "bold red"), said(line, limit=1000)))
    show_hint(hint)


def show_hint(hint: str) -> None:
    if hint:
        stderr().print(Text.assemble(("  try: ", "bold"), said(hint, limit=500)))
