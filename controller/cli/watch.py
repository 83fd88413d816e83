"""`watch`: what is contained, as it changes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from controller.api.listings import AutomationView
from controller.api.live_views import EventView
from controller.api.schemas import ContainmentView
from controller.cli import arguments, completion, output
from controller.cli.automation import in_words
from controller.cli.case_view import WAITING
from controller.cli.exit_codes import ExitCode
from controller.cli.look import find_case
from controller.cli.options import connect
from controller.cli.output import said
from controller.cli.places import Names, place, switch_names
from controller.cli.tables import Form, fitted, words
from controller.durations import show_duration

if TYPE_CHECKING:
    from controller.client import Client
    from controller.connection import Unreachable

INTERRUPTED = 130
_MOST = 1000
_REMOVED_SHOWN = 10
_FORM = Form(
    ("ID", "TARGET", "AT", "PROFILE", "WANT", "OUTCOME", "REMAINING", "ALERT TO PROVEN"),
    spare=("AT", "ALERT TO PROVEN", "PROFILE", "WANT"),
)


def watch(
    id: Annotated[
        str | None,
        typer.Argument(
            help="Only this containment (its id, or its target), until it is proven or removed.",
            autocompletion=completion.held,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line and change.")] = False,
) -> None:
    """Show what is contained as it changes: a live table on a terminal, else a line for each change. It outlives a restart of
    the daemon. Ctrl-C ends it with exit code 0; with an ID, before that was proven or removed, with 130.

    Example: netcordon watch
    """
    if id is not None:
        arguments.check_case(id)
    try:
        with connect() as client:
            _Watching(client, None if id is None else find_case(client, id).id, as_json).run()
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.OK if id is None else INTERRUPTED) from None


class _Watching:
    def __init__(self, client: Client, only: str | None, as_json: bool) -> None:
        self._client = client
        self._only = only
        self._as_json = as_json
        self._names: Names = {}
        self._cases: dict[str, ContainmentView] = {}
        self._trouble = self._automation = ""
        self._console = output.stdout()

    def run(self) -> None:
        """Until the one that is followed came to its end."""
        if self._as_json or not sys.stdout.isatty():
            for event in self._events():
                if self._take(event):
                    return
            return
        from rich.live import Live

        with Live(get_renderable=self._table, console=self._console, refresh_per_second=2, vertical_overflow="crop"):
            for event in self._events():
                if self._take(event):
                    return

    def _events(self) -> Iterator[EventView]:
        return iter(self._client.events(on_lost=self._lost, on_found=self._found))

    def _take(self, event: EventView) -> bool:
        """Whether there is nothing more to wait for."""
        if event.kind == "reset":
            return self._load()
        case = event.containment
        if event.automation is not None and not self._as_json:
            self._tell(event.automation)
        if self._as_json and (self._only is None or (case is not None and case.id == self._only)):
            _line(event.model_dump(mode="json", exclude_unset=True))
        return case is not None and self._show(case, tell=not self._as_json)

    def _tell(self, state: AutomationView) -> None:
        """Below the table, or as a line of its own."""
        self._automation = f"automatic action {in_words(state)}" if state.paused else ""
        if not sys.stdout.isatty():
            output.note(f"automatic action {in_words(state)}")

    def _load(self) -> bool:
        """Everything anew, after the stream began or something may have been missed: told is what differs from what was known."""
        found = (
            self._client.containments(want="held", limit=_MOST)
            if self._only is None
            else [self._client.containment(self._only)]
        )
        self._names = switch_names(self._client)
        here = {case.id for case in found}
        gone = [self._client.containment(id) for id, case in self._cases.items() if id not in here and not _over(case)]
        ended = False
        for case in [*reversed(found), *gone]:
            if _key(self._cases.get(case.id)) != _key(case):
                if self._as_json:
                    _line({"kind": "containment", "containment": case.model_dump(mode="json")})
                ended = self._show(case, tell=not self._as_json) or ended
        return ended

    def _show(self, case: ContainmentView, *, tell: bool) -> bool:
        if self._only is not None and case.id != self._only:
            return False
        new = _key(self._cases.get(case.id)) != _key(case)
        self._cases = {**self._cases, case.id: case}
        self._drop_oldest_removed()
        if tell and new and not sys.stdout.isatty():
            cells = [*self._row(case), said(case.unproven)]
            sys.stdout.write("  ".join([output.at(datetime.now(UTC)), *(cell.plain for cell in cells)]).rstrip() + "\n")
            sys.stdout.flush()
        return self._only is not None and case.outcome == ("proven" if case.want == "held" else "removed")

    def _drop_oldest_removed(self) -> None:
        over = [id for id, case in self._cases.items() if _over(case)]
        for id in over[:-_REMOVED_SHOWN]:
            del self._cases[id]

    def _row(self, case: ContainmentView) -> list[Text]:
        proven = case.stages_ms.get("alert_to_proven")
        return [
            said(case.id),
            said(case.target),
            said(place(case.endpoint.attachment, self._names)),
            said(case.profile),
            said(case.want),
            output.outcome(case.outcome),
            said(_left(case)),
            said("-" if proven is None else f"{proven:.1f} ms"),
        ]

    def _table(self) -> Table:
        """As the terminal is now: it may have been made wider since."""
        cases = sorted(self._cases.values(), key=lambda case: case.created_at, reverse=True)
        table, left_out = fitted(_FORM, [self._row(case) for case in cases], self._console.width)
        table.title = None if cases else "nothing is contained"
        trouble = self._trouble or self._automation
        table.caption = said(trouble, "bold red") if trouble else said(words(left_out), "dim")
        table.caption_justify = "left"
        return table

    def _lost(self, error: Unreachable) -> None:
        self._trouble = error.message
        if not sys.stdout.isatty() or self._as_json:
            output.note(error.message)

    def _found(self) -> None:
        self._trouble = ""
        if not sys.stdout.isatty() or self._as_json:
            output.note("the daemon answers again")


def _over(case: ContainmentView) -> bool:
    return case.outcome == "removed"


def _key(case: ContainmentView | None) -> object:
    """What makes a line of its own."""
    return None if case is None else (case.want, case.outcome, case.revision, case.unproven, case.expires_at)


def _left(case: ContainmentView) -> str:
    """As of now, not as of the event."""
    if case.want != "held":
        return "-"
    if case.waiting_since is not None:
        return WAITING
    if case.expires_at is None:
        return "no end"
    return show_duration(max(0.0, (case.expires_at - datetime.now(UTC)).total_seconds()))


def _line(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
