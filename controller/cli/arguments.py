"""What a command was given, read before a daemon is asked: a mistyped word is said to be one also where none runs."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import typer

from controller.cli import output
from controller.cli.exit_codes import ExitCode
from controller.durations import parse_duration
from controller.errors import InvalidInput
from controller.targets import parse_target

CONTAINMENT = "c-"
"""What a containment's id begins with."""


def seconds(text: str, option: str) -> float:
    """Raises InvalidInput that names the option."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidInput(f"{option}: {error}") from error


def check(target: str, duration: str | None = None) -> None:
    """Raises InvalidInput for what is no target, and for a --for that is no span of time."""
    parse_target(target)
    if duration is not None:
        seconds(duration, "--for")


def check_case(which: str) -> None:
    """Raises InvalidInput for what is neither a containment's id nor a target."""
    if which.startswith(CONTAINMENT):
        return
    try:
        parse_target(which)
    except InvalidInput as error:
        raise InvalidInput(f"{error}; or a containment's id ({CONTAINMENT}…, from `netcordon list`)") from error


def moment(text: str, option: str) -> str:
    """ISO 8601 with an offset: as it was written, or so long ago. Raises InvalidInput that names the option."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        when = _ago(text, option)
    if when.tzinfo is None:
        raise InvalidInput(f"{option}: {text!r} has no time zone: write {text}Z, or another offset as +01:00")
    return when.isoformat()


def _ago(text: str, option: str) -> datetime:
    try:
        return datetime.now(UTC) - timedelta(seconds=parse_duration(text))
    except ValueError:
        raise InvalidInput(
            f"{option}: not a time: {text!r}; write it as 2026-01-31T12:00:00Z, or as 10m for ten minutes ago"
        ) from None


def ask(question: str, instead: str) -> None:
    """Only the whole word `yes` counts; anything else ends the command. Without a terminal nobody could give it: InvalidInput, with
    the command that does not ask."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidInput(f"not on a terminal, so nobody was asked and nothing was done: `{instead}` acts at once")
    output.stderr().print(output.said(f"{question} Only 'yes' is taken for an answer: "), end="")
    if sys.stdin.readline().strip() != "yes":
        output.note("Nothing was changed.")
        raise typer.Exit(ExitCode.ERROR)
