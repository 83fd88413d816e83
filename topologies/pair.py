"""The campus, with two load balancers that share an address where it has a camera and a file server."""

from __future__ import annotations

from dataclasses import replace

from topologies.campus import campus
from topologies.plan import NetworkPlan, Role

_NAMES = {Role.ROGUE: "lb1", Role.FILE_SERVER: "lb2"}


def pair() -> NetworkPlan:
    plan = campus()
    hosts = tuple(replace(host, name=_NAMES.get(host.role, host.name)) for host in plan.hosts)
    return replace(plan, name="pair", hosts=hosts)
