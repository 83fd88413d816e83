"""`doctor`: what is missing or misconfigured, on this machine and on the network, and how to mend it."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli import output
from controller.cli.exit_codes import ExitCode
from controller.cli.options import Config, Json, connect
from controller.doctor.finding import Finding, Severity, error, info, warning, worst

if TYPE_CHECKING:
    from controller.config import Config as Configuration

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.INFO: "dim"}
_CODES = {Severity.ERROR: ExitCode.UNHEALTHY, Severity.WARNING: ExitCode.WARNED, Severity.INFO: ExitCode.OK}


def doctor(
    config: Config = None,
    offline: Annotated[bool, typer.Option("--offline", help="Look at this machine only; ask no daemon.")] = False,
    as_json: Json = False,
) -> None:
    """Say what is missing or misconfigured, on this machine and on the network, and what to type to mend it. Changes
    nothing. Exit code 10: warnings; 11: something is broken.

    Example: netcordon doctor
    """
    from controller.doctor import machine

    read, findings = machine.configuration(config, os.environ)
    answered = False
    if not offline:
        answered, online = _online()
        findings += online
    if read is not None:
        findings += machine.examine(read, os.environ, running=answered or machine.daemon_runs(read))
        findings += _bridges(read)
    findings.sort(key=lambda one: list(Severity).index(one.severity), reverse=True)
    if as_json:
        output.print_json({"daemon": answered, "findings": [asdict(one) for one in findings]})
    else:
        _show(findings, asked=not offline)
    raise typer.Exit(_CODES[worst(findings)])


def _online() -> tuple[bool, list[Finding]]:
    """Whether a daemon answers, and what it says."""
    from controller.connection import ApiError, Denied, Unreachable
    from controller.errors import ConfigError

    try:
        with connect() as client:
            return True, [Finding(one.check, Severity(one.severity), one.seen, one.mend) for one in client.doctor()]
    except Unreachable as problem:
        return False, [error("daemon", str(problem), "netcordon serve")]
    except Denied as problem:
        mend = "netcordon token add NAME --role operator --offline --save  # while no daemon runs"
        if problem.code == "forbidden":
            mend = "netcordon token add NAME --role operator  # with an admin's token"
        return True, [warning("token", f"the daemon answers, and was not asked: {problem}", mend)]
    except ApiError as problem:
        return True, [error("daemon", str(problem), problem.hint)]
    except ConfigError as problem:
        return False, [error("client", str(problem))]


def _bridges(config: Configuration) -> list[Finding]:
    from controller.doctor import switches

    listed = {device.id for device in config.devices}
    try:
        found = switches.bridges()
    except FileNotFoundError:
        return []
    except (OSError, subprocess.SubprocessError):
        start = "/usr/share/openvswitch/scripts/ovs-ctl start --system-id=random"
        return [info("openvswitch", "Open vSwitch is installed here, and does not answer this user", start)]
    return list(switches.examine(found, config.openflow.speaker.listen, listed))


def _show(findings: list[Finding], *, asked: bool) -> None:
    from rich.text import Text

    console = output.stdout()
    for one in findings:
        word = output.said(f"{one.severity.value:8}", _STYLES[one.severity])
        console.print(Text.assemble(word, output.said(f"{one.check}: "), output.said(one.seen, limit=600)))
        if one.mend:
            console.print(Text.assemble("         ", ("try: ", "bold"), output.said(one.mend, limit=500)))
    counted = Counter(one.severity for one in findings)
    if worst(findings) is Severity.INFO:
        output.note(
            "nothing is broken" + ("" if asked else " on this machine; without --offline the daemon is asked too")
        )
    else:
        output.note(f"{counted[Severity.ERROR]} to mend, {counted[Severity.WARNING]} to look at")
