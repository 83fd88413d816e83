"""What the switches thought when a lab did not find everything as it was: written beside its logs, for whoever has to find out why.

The flows of a switch may be right and its cached decisions wrong; so both are kept, with their counters, while the network still stands.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from topologies.plan import NetworkPlan

PATIENCE = 20
OF_THE_BRIDGE = ("dump-flows", "dump-ports", "dump-ports-desc", "meter-stats", "dump-meters")
OF_THE_DAEMON = ("dpctl/dump-flows", "-m"), ("dpif/show",), ("coverage/show",), ("upcall/show",)


def keep(plan: NetworkPlan, log: Path) -> None:
    """Appended to `log`; a question that is not answered in time leaves its error there."""
    commands = [
        ["ovs-ofctl", "-O", "OpenFlow13", command, switch.name] for switch in plan.switches for command in OF_THE_BRIDGE
    ]
    commands += [["ovs-appctl", "fdb/show", switch.name] for switch in plan.switches]
    commands += [["ovs-appctl", *words] for words in OF_THE_DAEMON]
    with log.open("a") as kept:
        for command in commands:
            kept.write(f"$ {' '.join(command)}\n{_said(command)}\n")


def _said(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer within {PATIENCE} s"
    return done.stdout + done.stderr
