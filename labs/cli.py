"""`netcordon lab`: list the scenarios, run one, and clean up what a killed run left behind."""

from __future__ import annotations

import json
import secrets
import shutil
import signal
import subprocess
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from labs.result import Result
    from labs.scenario import Scenario
    from labs.story import Story
    from topologies.plan import NetworkPlan

app = typer.Typer(no_args_is_help=True, help="Rehearse a containment on an emulated network (as root).")

FAILED = 1
INTERRUPTED = 130
MOST_SEED = 1 << 32

Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, progress on standard error.")]


@app.command("list")
def list_labs(as_json: Json = False) -> None:
    """The labs that there are.

    Example: netcordon lab list
    """
    from rich.console import Console

    from labs.scenario import load, names

    scenarios = [load(name) for name in names()]
    if as_json:
        typer.echo(json.dumps({"labs": [{"name": one.name, "title": one.title} for one in scenarios]}))
        return
    console = Console()
    longest = max(len(one.name) for one in scenarios)
    for one in scenarios:
        console.print(f"[bold]{one.name:{longest}}[/]  {one.title}", highlight=False, soft_wrap=not console.is_terminal)


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="A lab from `lab list`, or the path of a scenario's .yaml file.")],
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave network and daemon up afterwards, to look around.")
    ] = False,
    as_json: Json = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Run on a random network grown from this seed, not on the lab's own.")
    ] = None,
    random: Annotated[bool, typer.Option("--random", help="As --seed, with a seed by chance.")] = False,
) -> None:
    """Run a lab. Exit code 0 only if the containment was proven, every verdict holds, and all was restored.

    Example: netcordon lab run rogue-host --keep
    """
    from rich.console import Console

    from labs.story import Story

    story = Story(Console(stderr=as_json))
    _end_by_signal()
    try:
        result = _run(name, secrets.randbelow(MOST_SEED) if random and seed is None else seed, story, keep=keep)
    except KeyboardInterrupt:
        story.error("interrupted; everything was taken down")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        typer.echo(json.dumps(result.to_json()))
    raise typer.Exit(0 if result.passed else FAILED)


@app.command()
def clean(as_json: Json = False) -> None:
    """Remove the bridges and folders that killed lab runs left behind; nothing else is touched.

    Example: netcordon lab clean
    """
    from rich.console import Console

    from labs.installation import abandoned_folders
    from labs.preconditions import check
    from labs.process import LabError
    from labs.story import Story
    from topologies.network import leftovers, sweep

    story = Story(Console(stderr=as_json))
    try:
        check()
    except LabError as error:
        story.error(str(error))
        raise typer.Exit(FAILED) from None
    found, folders = leftovers(), abandoned_folders()
    sweep(found)
    for folder in folders:
        with suppress(FileNotFoundError):  # somebody else cleans at the same time
            shutil.rmtree(folder)
    removed = [*(one.bridge for one in found), *map(str, folders)]
    if as_json:
        typer.echo(json.dumps({"removed": removed}))
        return
    story.say(f"removed {', '.join(removed)}" if removed else "nothing was left behind")


def _run(name: str, seed: int | None, story: Story, *, keep: bool) -> Result:
    """A result in any case but Ctrl-C. What is wrong is shown as well."""
    from labs import suricata
    from labs.installation import called
    from labs.preconditions import check, leftovers_in_words
    from labs.process import LabError
    from labs.result import Result
    from labs.scenario import ScenarioError, load
    from topologies.network import leftovers

    try:
        scenario = load(name)
        check()
        if scenario.detector is not None:
            suricata.check()
        if found := leftovers():
            story.warn(leftovers_in_words(found))
        plan = _plan(seed)
    except (ScenarioError, LabError) as error:
        story.error(str(error))
        return Result(lab=name, topology="", seed=seed, error=str(error))
    story.opening(scenario, plan, seed)
    result = _rehearsed(scenario, plan, seed, story, keep=keep)
    if not keep and result.passed:
        again = "" if seed is None else f" --seed {seed}"
        story.say(f"To keep it up and look around: {called()} lab run {name}{again} --keep")
    return result


def _rehearsed(scenario: Scenario, plan: NetworkPlan, seed: int | None, story: Story, *, keep: bool) -> Result:
    from labs.crew import AgentError
    from labs.installation import keep_logs, places
    from labs.keep import stay
    from labs.process import LabError
    from labs.result import Result
    from labs.runner import rehearse, site
    from topologies.network import NetworkError

    with places() as where:
        try:
            with site(scenario, plan, where, story) as standing:
                result = rehearse(standing, seed)
                story.closing(result)
                if keep:
                    stay(standing)
        except (LabError, AgentError, NetworkError, subprocess.CalledProcessError) as error:
            story.error(str(error))
            result = Result(lab=scenario.name, topology=plan.name, seed=seed, error=str(error))
        if not result.passed:
            result = result.with_logs(keep_logs(where))
            story.say(f"The logs were kept in {result.logs}")
        return result


def _plan(seed: int | None) -> NetworkPlan:
    from topologies.campus import campus
    from topologies.random_campus import random_campus

    return campus() if seed is None else random_campus(seed)


def _end_by_signal() -> None:
    """SIGTERM and a closed terminal take everything down, as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
