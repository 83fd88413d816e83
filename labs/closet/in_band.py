"""The way to the core through the network that it carries: from `manager`'s port to the one that stands for the core's own address."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from labs.closet.wing import CORE, OWN_ADDRESS
from labs.configuration import HERE, Places
from labs.installation import free_ports
from labs.process import process, wait
from topologies.vendor.closet import RunningCloset

PATIENCE = 20.0


@contextmanager
def managed_in_band(running: RunningCloset, where: Places) -> Iterator[int]:
    """The port, here, at which the core's eAPI answers as long as the switch lets `manager` through."""
    near, far = where.folder / "near.sock", where.folder / "far.sock"
    (port,) = free_ports(1)
    ways: tuple[tuple[list[str], str, str], ...] = (
        ([], f"unix:{far}", f"tcp:{HERE}:{running.nodes[CORE.name].eapi.port}"),
        (running.inside("core-svi"), f"tcp:{OWN_ADDRESS}:443", f"unix:{far}"),
        (running.inside("manager"), f"unix:{near}", f"tcp:{OWN_ADDRESS}:443"),
        ([], f"tcp:{HERE}:{port}", f"unix:{near}"),
    )
    with ExitStack() as stack:
        for number, (inside, listen, connect) in enumerate(ways):
            command = [*inside, sys.executable, "-m", "labs.relay", listen, connect]
            stack.enter_context(process(command, where.log(f"relay{number}"), os.environ))
        wait(lambda: near.exists() and far.exists(), "the way in-band", PATIENCE)
        yield port
