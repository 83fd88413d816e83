"""`alert`: send what a sensor wrote, and look at what came in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from controller.api.listings import AlertResult, AlertsTaken, DeadLetterView, ReplayView
from controller.cli import alert_file, completion, output
from controller.cli.exit_codes import ExitCode
from controller.cli.options import Config, Json, Limit, connect
from controller.cli.tables import Form
from controller.errors import InvalidInput

alert_app = typer.Typer(no_args_is_help=True, help="Send alerts, and look at what came in.")

_READ = ("taken", "ignored")
"""What becomes of a dead letter that can be read."""


@alert_app.command()
def send(
    file: Annotated[Path, typer.Argument(help="What the sensor wrote, as Suricata's eve.json; - is standard input.")],
    source: Annotated[
        str,
        typer.Option(
            help="How it is written: suricata, zeek, generic, … (`alert sources` lists all).",
            autocompletion=completion.alert_sources,
        ),
    ],
    as_json: Json = False,
) -> None:
    """Send alerts to the daemon, as a sensor would.

    Example: netcordon alert send eve.json --source suricata
    """
    body = alert_file.read(file)
    parts: list[AlertsTaken] = []
    with connect() as client:
        for part in alert_file.parts(body):
            if parts and parts[0].malformed == len(parts[0].results):
                output.note(
                    "the first part of it is all malformed, so the rest was not sent; see what is read of it:"
                    f" netcordon alert test {file} --source {source}"
                )
                break
            parts.append(client.send_alerts(source, part))
    taken = _together(parts)
    if as_json:
        output.print_json(taken)
    else:
        _show(taken)
    raise typer.Exit(_code(taken))


@alert_app.command()
def sources(as_json: Json = False) -> None:
    """List how alerts may be written: what --source takes, and what stands after /api/v1/alerts/.

    Example: netcordon alert sources
    """
    with connect() as client:
        found = client.alert_sources()
    if as_json:
        output.print_json(found)
        return
    output.table(
        Form(("SOURCE", "WHAT IT IS"), folds=("WHAT IT IS",)), ((one.name, one.says) for one in found), "no source"
    )


@alert_app.command("test")
def try_(
    file: Annotated[Path, typer.Argument(help="What a sensor would send; - is standard input.")],
    source: Annotated[str, typer.Option(help="How it is written: a source, or a mapping of the configuration.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Say what would be read of a file, and what is missing, without any effect: no daemon is asked.

    Example: netcordon alert test sample.json --source our-ndr --config netcordon.yaml
    """
    from controller.cli.alert_trial import show, tried_file, worst

    trials = tried_file(alert_file.read(file), source, config)
    show(trials, as_json=as_json)
    raise typer.Exit(worst(trials))


@alert_app.command("list")
def list_(limit: Limit = 20, as_json: Json = False) -> None:
    """List the alerts that came in, newest first, and what became of them.

    Example: netcordon alert list --limit 50
    """
    with connect() as client:
        found = client.alerts(limit)
    if as_json:
        output.print_json(found)
        return
    output.table(
        Form(
            ("SEEN", "SOURCE", "SEV", "SIGNATURE", "FROM", "TO", "SEE", "WHAT BECAME OF IT"),
            folds=("SIGNATURE", "WHAT BECAME OF IT"),
            spare=("SEV", "SOURCE", "TO"),
        ),
        (
            (
                output.at(one.observed_at),
                one.source,
                one.severity,
                one.signature,
                one.src.ip or one.src.mac,
                one.dst.ip or one.dst.mac,
                one.containment or one.proposal,
                one.disposition,
            )
            for one in found
        ),
        "no alert came in yet",
    )


@alert_app.command()
def show(
    alert: Annotated[str, typer.Argument(help="The alert's id: `netcordon alert list --json`, or a case's alerts.")],
    as_json: Json = False,
) -> None:
    """Show one alert, what became of it, and how policy decided that: which rule matched, and why each other did not.

    Example: netcordon alert show 0123456789abcdef
    """
    from controller.cli.policy_view import show_alert

    with connect() as client:
        found = client.alert(alert)
    if as_json:
        output.print_json(found)
    else:
        show_alert(found)


@alert_app.command("dead-letters")
def dead_letters(
    limit: Limit = 20,
    replayed: Annotated[bool, typer.Option("--replayed", help="Those that were replayed since instead.")] = False,
    as_json: Json = False,
) -> None:
    """List what could not be read as an alert, newest first, and why.

    Example: netcordon alert dead-letters
    """
    with connect() as client:
        found = client.dead_letters(limit, replayed)
    if as_json:
        output.print_json(found)
        return
    rows = (
        (one.id, output.at(one.received_at), one.source, _fate(one), output.said(one.raw, limit=120)) for one in found
    )
    output.table(
        Form(
            ("ID", "CAME", "SOURCE", "REPLAYED" if replayed else "REASON", "TEXT"),
            folds=("REPLAYED", "REASON", "TEXT"),
            spare=("TEXT", "SOURCE"),
        ),
        rows,
        "nothing was replayed" if replayed else "nothing was unreadable",
    )


@alert_app.command()
def replay(
    letter: Annotated[
        str | None, typer.Argument(help="A dead letter's id: `netcordon alert dead-letters` lists them.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every one that waits, oldest first.")] = False,
    as_json: Json = False,
) -> None:
    """Take dead letters through the intake again, as after an upgrade that reads them. What can be read now is an alert like any other,
    acted upon as of its own time, and leaves the dead letters; what cannot stays, with the reason.

    Example: netcordon alert replay --all
    """
    if (letter is not None) == all_:
        raise InvalidInput("name one dead letter by its id, or say --all")
    with connect() as client:
        replays = list(client.replay_all()) if letter is None else [client.replay(letter)]
    if as_json:
        output.print_json(replays)
    else:
        _show_replays(replays)
    good = sum(one.status in _READ for one in replays)
    if good < len(replays):
        raise typer.Exit(ExitCode.PARTIAL if good else ExitCode.FAILED)


def _fate(letter: DeadLetterView) -> str:
    if letter.replayed_at is None:
        return letter.reason
    what = f"alert {', '.join(letter.alerts)}" if letter.alerts else "no alert"
    return f"{output.at(letter.replayed_at)} by {letter.replayed_by}: {what}"


def _show_replays(replays: list[ReplayView]) -> None:
    rows = []
    for one in replays:
        for result in one.results:
            if result.status == "taken":
                rows.append((one.id, result.disposition, _about(result), result.reason))
        if one.status != "taken":
            rows.append((one.id, one.status, "", one.reason))
    output.table(Form(("DEAD LETTER", "CAME TO", "SEE", "REASON"), folds=("REASON",)), rows, "no dead letter waits")
    if replays:
        good = sum(one.status in _READ for one in replays)
        output.note(f"{good} of {len(replays)} read; what was not is kept as it was")


def _together(parts: list[AlertsTaken]) -> AlertsTaken:
    results, first = [], 0
    for part in parts:
        results += [one.model_copy(update={"index": first + one.index}) for one in part.results]
        first = results[-1].index + 1
    return AlertsTaken(
        taken=sum(part.taken for part in parts),
        ignored=sum(part.ignored for part in parts),
        malformed=sum(part.malformed for part in parts),
        failed=sum(part.failed for part in parts),
        results=results,
    )


def _show(taken: AlertsTaken) -> None:
    shown = [result for result in taken.results if result.status != "ignored"]
    rows = ((one.index, one.disposition or one.status, _about(one), one.reason) for one in shown)
    output.table(Form(("EVENT", "CAME TO", "SEE", "REASON"), folds=("REASON", "SEE")), rows, "no event was an alert")
    output.note(
        f"{taken.taken} taken, {taken.ignored} ignored (not alerts), {taken.malformed} malformed, {taken.failed} failed"
    )


def _about(result: AlertResult) -> str:
    duplicate = " (seen before)" if result.duplicate else ""
    return (result.containment or result.proposal or "") + duplicate


def _code(taken: AlertsTaken) -> ExitCode:
    if not taken.malformed and not taken.failed:
        return ExitCode.OK
    return ExitCode.PARTIAL if taken.taken or taken.ignored else ExitCode.FAILED
