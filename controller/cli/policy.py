"""`policy`: what decides about alerts, what it would make of one, and what another policy would have made of those that came."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from controller.api.listings import ReplayRow, TrialView
from controller.cli import alert_file, arguments, completion, output
from controller.cli.exit_codes import ExitCode
from controller.cli.options import Json, connect
from controller.cli.policy_view import show_explanation
from controller.cli.tables import Form

policy_app = typer.Typer(no_args_is_help=True, help="Show, try, reload and replay what decides about alerts.")


@policy_app.command()
def show(
    version: Annotated[
        str, typer.Argument(help="A version, as `netcordon show` names it; else the one in force.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Print the policy in force, or one that was, as a policy file.

    Example: netcordon policy show
    """
    with connect() as client:
        found = client.policy(version)
    if as_json:
        output.print_json(found)
        return
    import yaml

    when = "in force" if found.in_force else "not in force any more"
    output.note(f"policy {found.version}, {when}, first in force {output.at(found.first_at)}")
    output.stdout().print(yaml.safe_dump(found.policy, sort_keys=False), soft_wrap=True, end="")


@policy_app.command("test")
def try_(
    file: Annotated[Path, typer.Argument(help="What a sensor would send; - is standard input.")],
    source: Annotated[
        str, typer.Option(help="How it is written: suricata, generic, …", autocompletion=completion.alert_sources)
    ],
    as_json: Json = False,
) -> None:
    """Say what the policy in force would make of alerts: which rule matched, and why each other did not. Nothing is stored or held.

    Example: netcordon policy test eve.json --source suricata
    """
    body = alert_file.read(file)
    with connect() as client:
        found = client.test_policy(source, body)
    if as_json:
        output.print_json(found)
    else:
        for one in found:
            _show(one)
    raise typer.Exit(ExitCode.FAILED if found and all(one.problem for one in found) else ExitCode.OK)


@policy_app.command()
def reload(as_json: Json = False) -> None:
    """Have the daemon read its policy again, from its configuration or policy_file: it decides from the next alert on. A broken one is
    refused with its lines, and the one in force stays. For the roles approver and admin. SIGHUP does the same.

    Example: netcordon policy reload
    """
    with connect() as client:
        done = client.reload_policy()
    if as_json:
        output.print_json(done)
    elif done.before == done.now:
        output.note(f"policy {done.now} stays in force: the file says nothing new")
    else:
        output.note(f"policy {done.now} is in force, {done.before} no longer")


@policy_app.command()
def replay(
    policy: Annotated[Path, typer.Option(help="The policy to try, as a policy file has it; - is standard input.")],
    since: Annotated[str, typer.Option(help="For how long back: 24h, 30d.")] = "30d",
    every: Annotated[bool, typer.Option("--all", help="Also alerts of which it makes the same.")] = False,
    as_json: Json = False,
) -> None:
    """Say what another policy would have made of the alerts that came, beside what was made of them. Nothing is stored, and nobody held.

    Example: netcordon policy replay --policy new.yaml --since 30d
    """
    text = alert_file.read(policy).decode()
    with connect() as client:
        found = client.replay_policy(text, arguments.seconds(since, "--since"))
    if as_json:
        output.print_json(found)
        return
    shown = [one for one in found if every or one.differs]
    output.table(
        Form(
            ("SEEN", "SIGNATURE", "TARGET", "THEN", "WITH THIS POLICY", "WHY"),
            folds=("SIGNATURE", "THEN", "WITH THIS POLICY", "WHY"),
            spare=("WHY",),
        ),
        ((output.at(one.observed_at), one.signature, one.target, one.then, one.now, one.why) for one in shown),
        "it makes the same of all of them",
    )
    output.note(_summed_up(found))


def _summed_up(found: list[ReplayRow]) -> str:
    contained = sum(one.now.startswith("contain") for one in found)
    before = sum(one.then.startswith("contain") for one in found)
    said = f"{len(found)} alerts: {contained} would contain ({before} did), {sum(one.differs for one in found)} differ"
    if forgotten := sum(one.forgotten for one in found):
        said += (
            f"; {forgotten} are older than what is kept of who was where (locate.too_old), and were looked up as of now"
        )
    return said


def _show(one: TrialView) -> None:
    if one.explanation is None:
        output.note(f"event {one.index}: not an alert that can be read: {one.problem}")
        return
    what = f"{one.signature}: would {one.would}" + f" {one.target}" * bool(one.target)
    output.note(what + f": {one.refused}" * bool(one.refused))
    show_explanation(one.explanation)
