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

from labs.fabric import FabricName

if TYPE_CHECKING:
    from labs.closet.acts import Act
    from labs.closet.rehearsal import Played
    from labs.drill.acts import Drill
    from labs.drill.rehearsal import Drilled
    from labs.fabric import Fabric
    from labs.result import Result
    from labs.scenario import Scenario
    from labs.story import Story
    from topologies.plan import NetworkPlan

app = typer.Typer(
    no_args_is_help=True, help="Rehearse a containment on an emulated network (as root), or on the model."
)

FAILED, CANNOT = 1, 3
INTERRUPTED = 130
MOST_SEED = 1 << 32

Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, progress on standard error.")]


@app.command("list")
def list_labs(as_json: Json = False) -> None:
    """The labs that there are.

    Example: netcordon lab list
    """
    from rich.console import Console

    from labs.closet.acts import ACTS
    from labs.drill.acts import DRILLS
    from labs.scenario import load, names

    scenarios: list[Scenario | Act | Drill] = [*(load(name) for name in names()), *ACTS.values(), *DRILLS.values()]
    scenarios.sort(key=lambda one: one.name)
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
    fabric: Annotated[
        FabricName,
        typer.Option(
            "--fabric",
            help="mininet: Open vSwitch and network namespaces, as root. model: in this process, needs neither.",
        ),
    ] = FabricName.MININET,
) -> None:
    """Run a lab. Exit code 0 only if the containment was proven, every verdict holds, and all was restored; 3 if it cannot be run on this
    fabric.

    Example: netcordon lab run rogue-host --fabric model
    """
    from rich.console import Console

    from labs.fabric import CannotRun
    from labs.fabric import fabric as fabric_of
    from labs.story import Story

    story = Story(Console(stderr=as_json, emoji=False))
    _end_by_signal()
    grown = secrets.randbelow(MOST_SEED) if random and seed is None else seed
    try:
        on = fabric_of(fabric)
        result = (
            _in_closet(name, grown, story, on, keep=keep)
            or _drill(name, grown, story, on, keep=keep)
            or _run(name, grown, story, on, keep=keep)
        )
    except CannotRun as error:
        story.error(str(error))
        if as_json:
            typer.echo(json.dumps(_no_result(name, grown, fabric, str(error)).to_json()))
        raise typer.Exit(CANNOT) from None
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

    story = Story(Console(stderr=as_json, emoji=False))
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


def _in_closet(name: str, seed: int | None, story: Story, on: Fabric, *, keep: bool) -> Played | None:
    """A lab on switches with command lines; None where there is none of that name. It has one network, and is not kept."""
    from labs.closet.acts import ACTS
    from labs.closet.rehearsal import Played, rehearse
    from labs.fabric import CannotRun

    act = ACTS.get(name)
    if act is None:
        return None
    if on.name is not FabricName.MININET:
        raise CannotRun(
            f"{name} cannot be run on the model: its switches are configured by their vendors' command lines, and forward by programs of"
            " this machine. Run it on Mininet, as root: --fabric mininet"
        )
    if error := _cannot(name, seed, story, on.name, keep=keep):
        return Played(name, error=error)
    return rehearse(act, story)


def _drill(name: str, seed: int | None, story: Story, on: Fabric, *, keep: bool) -> Drilled | None:
    """A lab with a course of its own; None where there is none of that name. It has one network, and is not kept."""
    from labs.drill.acts import DRILLS
    from labs.drill.rehearsal import Drilled, rehearse
    from labs.fabric import CannotRun

    drill = DRILLS.get(name)
    if drill is None:
        return None
    if on.name is not FabricName.MININET and not drill.modelled:
        raise CannotRun(
            f"{name} cannot be run on the model: its hosts hold real conversations, which take time there. Run it on Mininet, as root:"
            " --fabric mininet"
        )
    if error := _cannot(name, seed, story, on.name, keep=keep):
        return Drilled(name, error=error)
    return rehearse(drill, story, on)


def _cannot(name: str, seed: int | None, story: Story, on: FabricName, *, keep: bool) -> str | None:
    """Why this lab, which has one network, cannot be run here; it was said."""
    from labs.preconditions import check
    from labs.process import LabError

    try:
        if seed is not None or keep:
            raise LabError(
                f"{name} runs on a network of its own, and is taken down when it ends: leave out --seed, --random and --keep"
            )
        if on is FabricName.MININET:
            check()
    except LabError as error:
        story.error(str(error))
        return str(error)
    return None


def _run(name: str, seed: int | None, story: Story, on: Fabric, *, keep: bool) -> Result:
    """A result in any case but Ctrl-C and CannotRun. What is wrong is shown as well."""
    from labs.installation import called
    from labs.process import LabError
    from labs.scenario import ScenarioError, load

    try:
        scenario = load(name)
        on.check(scenario)
        if on.name is FabricName.MININET:
            _warn_of_leftovers(story)
        plan = _plan(seed)
    except (ScenarioError, LabError) as error:
        story.error(str(error))
        return _no_result(name, seed, on.name, str(error))
    story.opening(scenario, plan, seed)
    result = _rehearsed(scenario, plan, seed, story, on, keep=keep)
    if not keep and result.passed:
        again = "" if seed is None else f" --seed {seed}"
        where = "" if on.name is FabricName.MININET else f" --fabric {on.name.value}"
        story.say(f"To keep it up and look around: {called()} lab run {name}{again}{where} --keep")
    return result


def _no_result(name: str, seed: int | None, on: FabricName, error: str) -> Result:
    from labs.result import Result

    return Result(lab=name, topology="", seed=seed, fabric=on.value, error=error)


def _warn_of_leftovers(story: Story) -> None:
    from labs.preconditions import leftovers_in_words
    from topologies.network import leftovers

    if found := leftovers():
        story.warn(leftovers_in_words(found))


def _rehearsed(
    scenario: Scenario, plan: NetworkPlan, seed: int | None, story: Story, on: Fabric, *, keep: bool
) -> Result:
    from labs.crew import AgentError
    from labs.installation import keep_logs, places
    from labs.keep import stay
    from labs.process import LabError
    from labs.result import Result
    from labs.runner import rehearse, site
    from topologies.network import NetworkError

    with places() as where:
        try:
            with site(scenario, plan, where, story, on) as standing:
                result = rehearse(standing, seed)
                story.closing(result)
                if keep:
                    stay(standing)
        except (LabError, AgentError, NetworkError, subprocess.CalledProcessError) as error:
            story.error(str(error))
            result = Result(lab=scenario.name, topology=plan.name, seed=seed, fabric=on.name, error=str(error))
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
