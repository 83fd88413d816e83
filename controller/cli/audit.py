"""`audit`: who did what, and whether the record of it is whole."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from controller.api.listings import AuditVerdict
from controller.cli import output
from controller.cli.exit_codes import ExitCode
from controller.cli.options import Config, Json, Offline, connect
from controller.cli.tables import Form
from controller.errors import AuditBroken

audit_app = typer.Typer(no_args_is_help=True, help="Who did what, and whether the record of it is whole.")


@audit_app.command()
def verify(
    head: Annotated[str | None, typer.Option(help="A head hash that was noted earlier: it must occur.")] = None,
    offline: Offline = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Check the hash chain. Note its head somewhere else: a chain alone does not show that its end was cut off.

    Example: netcordon audit verify
    """
    if offline:
        verdict = _offline(config, head)
    else:
        with connect() as client:
            verdict = client.audit_verify(head)
    if as_json:
        output.print_json(verdict)
    elif verdict.verified:
        output.stdout().print(output.said(f"verified: {verdict.records} records, head {verdict.head}"))
    else:
        output.show_error(
            "audit-broken",
            verdict.problem or "",
            "keep a copy of the database, and compare it with a backup",
            as_json=False,
        )
    raise typer.Exit(ExitCode.OK if verdict.verified else ExitCode.FAILED)


@audit_app.command("list")
def list_(
    after: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Only records behind this number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 1000,
    as_json: Json = False,
) -> None:
    """List the records, oldest first.

    Example: netcordon audit list --after 100
    """
    with connect() as client:
        found = client.audit_records(after, limit)
    if as_json:
        output.print_json(found)
        return
    output.table(
        Form(("NO", "WHEN", "WHO", "DID", "WHAT", "DETAIL"), folds=("DETAIL", "WHAT")),
        (
            (
                one.seq,
                output.at(one.at),
                one.actor,
                one.action,
                one.subject,
                output.said(json.dumps(one.detail), limit=160),
            )
            for one in found
        ),
        "no records",
    )


def _offline(config: Config, head: str | None) -> AuditVerdict:
    from controller.cli.offline import verify_audit

    try:
        report = verify_audit(config, head)
    except AuditBroken as error:
        return AuditVerdict(verified=False, records=None, head=None, problem=str(error))
    return AuditVerdict(verified=True, records=report.records, head=report.head, problem=None)
