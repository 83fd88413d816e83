"""A finished lab that stays up for a person to look around in, until they are done."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Iterator

from labs.installation import called
from labs.runner import Site
from topologies.plan import Role


def stay(site: Site) -> None:
    """Print how to look around, and return when somebody types q or presses Ctrl-C. Without a terminal only a signal
    ends it: a script's empty input is no answer."""
    for line in how_to_look_around(site):
        site.story.literally(line)
    try:
        while not _quit():
            time.sleep(0.2)
    except KeyboardInterrupt:
        return


def _quit() -> bool:
    if not sys.stdin.isatty() or not select.select([sys.stdin], [], [], 0)[0]:
        return False
    line = sys.stdin.readline()
    return not line or line.strip().lower() in ("q", "quit")


def how_to_look_around(site: Site) -> Iterator[str]:
    where, held, victim = site.netcordon.places, site.contained, site.plan.actor(Role.VICTIM)
    command, how = called(), _how(site)
    network = site.standing.mininet
    yield f"\nIt is still up. In another terminal{', as root' if network is not None else ''}:\n"
    yield f"  export NETCORDON_URL={where.url} NETCORDON_TOKEN=$(cat {where.token('admin')})"
    yield f"  {command} list"
    yield f"  {command} locate {held.mac}      # its address {held.ip} was claimed under other MACs, and may be ambiguous for a while"
    yield f"  {command} contain {held.mac}{how} --reason 'looking around' --wait"
    yield f"  {command} release {held.mac}"
    if network is not None:
        yield f"  ovs-ofctl -O OpenFlow13 dump-flows {site.plan.switch(held.switch).name}"
        yield f"  mnexec -a {network.pids[held.name]} ping -c 3 {victim.ip}      # {held.name}, {_as(site)}"
        for host in site.plan.hosts:
            if host is not held:
                yield f"  mnexec -a {network.pids[host.name]} bash      # {host.name} {host.ip}"
    yield f"\nLogs and the configuration are in {where.folder}. Type q and Enter, or Ctrl-C, to take it all down."


def _how(site: Site) -> str:
    """The options with which the scenario's own operator contained."""
    operator = site.scenario.operator
    if operator is None or operator.profile == "full":
        return ""
    return f" --profile {operator.profile}{' --override' if operator.override else ''} --until {site.scenario.expect}"


def _as(site: Site) -> str:
    return "the rogue" if site.contained is site.rogue else f"the {site.contained.role.value}"
