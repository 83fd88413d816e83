"""`netcordon`: a table of commands, each imported only when it runs. `--help` imports none of them."""

from __future__ import annotations

import errno
import itertools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from controller.cli.exit_codes import ExitCode
from controller.errors import ConfigError, Conflict, InvalidInput, NetcordonError, NotFound, Refused, StoreUnavailable

ENTRY_POINTS = "netcordon.cli"
DEBUG_VARIABLE = "NETCORDON_DEBUG"
INTERRUPTED = 130
"""Ctrl-C, as shells have it."""


class Entry(NamedTuple):
    """Where a command is, and its line in the help. The object is a function or a Typer application."""

    module: str
    object: str
    help: str


COMMANDS: Mapping[str, Entry] = {
    "contain": Entry("controller.cli.contain", "contain", "Contain a device: shows the plan, asks, and acts."),
    "plan": Entry("controller.cli.contain", "plan", "Show what contain would do, and do nothing."),
    "extend": Entry("controller.cli.extend", "extend", "Hold a contained device for longer, without a gap."),
    "confirm": Entry("controller.cli.confirm", "confirm", "Confirm a containment that is released otherwise."),
    "release": Entry("controller.cli.release", "release", "Release a device, a containment, or all."),
    "status": Entry("controller.cli.automation", "status", "Say whether automatic action runs, and what waits."),
    "pause": Entry("controller.cli.automation", "pause", "Stop all automatic action: the panic button."),
    "resume": Entry("controller.cli.automation", "resume", "Let automatic action run again."),
    "list": Entry("controller.cli.look", "list_", "List what is contained."),
    "watch": Entry("controller.cli.watch", "watch", "Show what is contained, as it changes."),
    "show": Entry("controller.cli.look", "show", "Show all that is known of one containment."),
    "locate": Entry("controller.cli.look", "locate", "Say which device a target is, or was then."),
    "bindings": Entry("controller.cli.bindings", "bindings", "Say who had an address, where, and from when to when."),
    "endpoints": Entry(
        "controller.cli.endpoints", "endpoints_app", "List the devices that were seen; say which MACs are one device."
    ),
    "devices": Entry("controller.cli.look", "devices", "List the switches and routers that hold rules."),
    "topology": Entry("controller.cli.topology", "topology", "Show or export who is cabled to whom."),
    "path": Entry("controller.cli.path", "path", "Show the way from one device to another, and what blocks it."),
    "proposals": Entry("controller.cli.proposals", "proposals", "List what waits for a person."),
    "approve": Entry("controller.cli.proposals", "approve", "Say yes to a proposal."),
    "refuse": Entry("controller.cli.proposals", "refuse", "Say no to a proposal."),
    "profiles": Entry(
        "controller.cli.profiles", "profiles", "List how far a containment can go, and what each closes."
    ),
    "commands": Entry(
        "controller.cli.commands", "commands", "Print every command that may be sent to a switch's platform."
    ),
    "alert": Entry("controller.cli.alert", "alert_app", "Send alerts, and look at what came in."),
    "policy": Entry("controller.cli.policy", "policy_app", "Show, try, reload and replay what decides about alerts."),
    "audit": Entry("controller.cli.audit", "audit_app", "Who did what, and whether the record of it is whole."),
    "token": Entry("controller.cli.token", "token_app", "Make, list and revoke the API's tokens."),
    "discover": Entry(
        "controller.cli.discover", "discover", "Listen on an interface, or read a capture: who is there?"
    ),
    "crawl": Entry("controller.cli.crawl", "crawl", "Read the switches' and routers' own tables now."),
    "sensor": Entry("controller.cli.sensor", "sensor_app", "Probe the network for the daemon, from inside it."),
    "init": Entry("controller.cli.init", "init", "Write a first configuration, by asking."),
    "doctor": Entry("controller.cli.doctor", "doctor", "Say what is missing or misconfigured, and how to mend it."),
    "serve": Entry("controller.cli.serve", "serve", "Run the daemon."),
}
EXTERNAL_HELP: Mapping[str, str] = {"lab": "Rehearse a containment in a network of its own."}


class Commands(TyperGroup):
    """The table above, and what other packages add in the entry-point group. A command's module is imported when it is
    called."""

    _listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        return [*COMMANDS, *(name for name in sorted(_external()) if name not in COMMANDS)]

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | TyperGroup | None:
        if self._listing:
            return _stand_in(cmd_name)
        if cmd_name in COMMANDS:
            entry = COMMANDS[cmd_name]
            return _built(cmd_name, getattr(import_module(entry.module), entry.object))
        return _load_external(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        self._listing = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self._listing = False


def _stand_in(name: str) -> TyperCommand:
    help = COMMANDS[name].help if name in COMMANDS else EXTERNAL_HELP.get(name, "From another package.")
    return TyperCommand(name, help=help, rich_markup_mode=None)


def _built(name: str, command: Callable[..., None] | typer.Typer) -> TyperCommand | TyperGroup:
    """Without Rich's help pages, which take longer to import than all else; without completion, which is the whole
    program's."""
    if not isinstance(command, typer.Typer):
        function, command = command, typer.Typer()
        command.command(name)(function)
    command.info.name = name
    command.rich_markup_mode = None
    built = get_command(command)
    if not isinstance(built, TyperCommand | TyperGroup):
        raise TypeError(f"{name} is no command: {built!r}")
    built.params = [option for option in built.params if option.name not in ("install_completion", "show_completion")]
    return built


def _external() -> dict[str, Any]:
    """The entry points by name. Nothing of them is imported."""
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _load_external(name: str) -> TyperCommand | TyperGroup | None:
    point = _external().get(name)
    if point is None:
        return None
    try:
        return _built(name, point.load())
    except ImportError as error:
        raise ConfigError(f"`netcordon {name}` cannot be loaded: {error}; install netcordon[{name}]") from error


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"netcordon {version('netcordon')}")
        raise typer.Exit


def group() -> Commands:
    options = typer.Typer(rich_markup_mode=None)

    @options.callback()
    def netcordon(
        version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
    ) -> None:
        """Contain devices that run no agent, from the network side, and prove that the block holds."""

    built = get_command(options)
    return Commands(
        name="netcordon",
        rich_markup_mode=None,
        commands={name: _stand_in(name) for name in (*COMMANDS, *EXTERNAL_HELP)},
        params=built.params,
        help=built.help,
        no_args_is_help=True,
        callback=built.callback,
    )


def run(arguments: Sequence[str]) -> int:
    """One command line, to its exit code. People see a sentence, never a traceback; NETCORDON_DEBUG=1 shows it after
    all."""
    as_json = "--json" in arguments
    try:
        code = group().main(list(arguments), prog_name="netcordon", standalone_mode=False)
    except SystemExit as end:
        code = end.code
    except NetcordonError as error:
        return _told(error, _called(arguments), as_json=as_json)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (until the process ends: what is buffered has nowhere to go)
        return ExitCode.ERROR
    except Exception as error:  # noqa: BLE001 (the process's outermost loop)
        if isinstance(error, _CLICK_ERROR):
            return _told_usage(error, as_json=as_json)
        if isinstance(error, typer.Abort):
            if isinstance(error.__context__, KeyboardInterrupt):
                return INTERRUPTED
            return _told(InvalidInput("no answer came, and nothing was done"), _called(arguments), as_json=as_json)
        return _told_other(error, as_json=as_json)
    return code if isinstance(code, int) else ExitCode.OK if code is None else ExitCode.ERROR


def _called(arguments: Sequence[str]) -> str:
    """The command without what it was given: `netcordon alert send`."""
    words = list(itertools.takewhile(lambda word: not word.startswith("-"), arguments))
    groups = [name for name, entry in COMMANDS.items() if entry.object.endswith("_app")] + [*EXTERNAL_HELP]
    return " ".join(["netcordon", *words[: 2 if words and words[0] in groups else 1]])


def _told(error: NetcordonError, command: str, *, as_json: bool) -> int:
    from controller.cli.output import show_error

    code = getattr(error, "code", None) or _WORDS.get(type(error), "error")
    hint = getattr(error, "hint", "").replace("netcordon COMMAND", command)
    show_error(str(code), str(error), hint, as_json=as_json)
    return int(getattr(error, "exit_code", _CODES.get(type(error), ExitCode.ERROR)))


_CODES: Mapping[type[NetcordonError], ExitCode] = {
    InvalidInput: ExitCode.USAGE,
    ConfigError: ExitCode.USAGE,
    Refused: ExitCode.REFUSED,
    NotFound: ExitCode.NOT_FOUND,
}
_WORDS: Mapping[type[NetcordonError], str] = {
    InvalidInput: "invalid-input",
    ConfigError: "configuration",
    NotFound: "not-found",
    Conflict: "conflict",
    StoreUnavailable: "store-unavailable",
}


_CLICK_ERROR = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""What a wrong command line raises. Typer brings a Click of its own, or uses the real one, by its version."""


def _told_usage(error: Any, *, as_json: bool) -> int:
    """A wrong command line. People are told by Click itself, which shows how it is called, too."""
    from controller.cli.output import show_error

    if isinstance(message := getattr(error, "message", None), str):
        error.message = message.replace("Value error, ", "").replace("Input should be", "it should be")
    if not as_json:
        error.show()
        return int(error.exit_code)
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "netcordon"
    show_error("usage", error.format_message(), f"`{path} --help` shows how it is called", as_json=True)
    return ExitCode.USAGE


def _told_other(error: Exception, *, as_json: bool) -> int:
    from controller.cli.output import show_error
    from drivers.base import DriverError

    if os.environ.get(DEBUG_VARIABLE):
        raise error
    if isinstance(error, DriverError):
        show_error("device", str(error), "", as_json=as_json)
        return ExitCode.ERROR
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (as for a broken pipe)
        show_error(
            "output", f"what was to be said could not be written: {error.strerror}", "make room", as_json=as_json
        )
        return ExitCode.ERROR
    hint = f"run it again with {DEBUG_VARIABLE}=1, and report what it shows"
    show_error(
        "internal", f"something went wrong that nobody foresaw: {type(error).__name__}: {error}", hint, as_json=as_json
    )
    return ExitCode.ERROR


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))
