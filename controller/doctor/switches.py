"""The Open vSwitch bridges of this machine: whom they dial, and what they do while nobody answers. Only reads."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from controller.doctor.finding import Finding, error, info, warning

Vsctl = Callable[..., str]
PATIENCE = 5
_ANYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 (compared with, not listened on)


@dataclass(frozen=True, slots=True)
class Bridge:
    """`dials` are its controllers' targets. `connected`: one of them answers it."""

    name: str
    datapath: str
    fail_mode: str
    dials: tuple[str, ...]
    connected: bool

    @property
    def device(self) -> str:
        return f"of:{self.datapath}"


def vsctl(*arguments: str) -> str:
    """What `ovs-vsctl` prints. Raises OSError or SubprocessError."""
    command = ["ovs-vsctl", f"--timeout={PATIENCE}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE + 1).stdout


def target_for(listen: str) -> str:
    """What a switch dials to reach a speaker that listens so: HOST:PORT, or ssl:HOST:PORT."""
    return listen if listen.startswith("ssl:") else f"tcp:{listen}"


def bridges(ask: Vsctl = vsctl) -> list[Bridge]:
    """Raises OSError or SubprocessError when Open vSwitch does not answer."""
    found = []
    for name in ask("list-br").split():
        dials = tuple(ask("get-controller", name).split())
        states = (
            ask("--no-headings", "--columns=target,is_connected", "--format=csv", "list", "controller") if dials else ""
        )
        connected = any(
            target.strip('"') in dials and state == "true"
            for target, _, state in (line.rpartition(",") for line in states.splitlines())
        )
        datapath = ask("get", "bridge", name, "datapath_id").strip().strip('"')
        found.append(Bridge(name, datapath, ask("get-fail-mode", name).strip(), dials, connected))
    return found


def examine(found: Collection[Bridge], listen: str, listed: Collection[str]) -> Iterator[Finding]:
    """`listen` is where the speaker takes switches; `listed` are device ids of the configuration. A bridge is ours when it is listed or
    dials the speaker; others are only mentioned."""
    for bridge in found:
        ours = any(_reaches(target, listen) for target in bridge.dials)
        if bridge.device not in listed and not ours:
            whom = f"dials {', '.join(bridge.dials)}" if bridge.dials else "dials no controller"
            mend = f"ovs-vsctl set-controller {bridge.name} {target_for(listen)}  # to have it served"
            yield info("other-bridge", f"bridge {bridge.name} ({bridge.device}) {whom}: it is not served", mend)
            continue
        yield from _ours(bridge, listen, dials_us=ours)


def _ours(bridge: Bridge, listen: str, *, dials_us: bool) -> Iterator[Finding]:
    name, set_controller = bridge.name, f"ovs-vsctl set-controller {bridge.name} {target_for(listen)}"
    if not bridge.dials:
        yield error("controller-address", f"{name} is listed and dials no controller", set_controller)
    elif not dials_us:
        whom = ", ".join(bridge.dials)
        yield error("controller-address", f"{name} dials {whom}, and the speaker listens on {listen}", set_controller)
    elif not bridge.connected:
        yield warning(
            "controller-address", f"{name} dials the speaker on {listen}, and is not connected", "netcordon devices"
        )
    if bridge.fail_mode != "secure":
        yield error(
            "fail-mode",
            f"{name} is in fail-standalone: while the speaker is away it forwards everything, contained devices too",
            f"ovs-vsctl set-fail-mode {name} secure",
        )


def _reaches(target: str, listen: str) -> bool:
    """tcp:HOST:PORT of the switch against HOST:PORT of the speaker; a speaker on all addresses is reached by any of this machine's."""
    kind, _, rest = target.partition(":")
    wanted, _, listen = target_for(listen).partition(":")
    if kind != wanted:
        return False
    host, _, port = rest.rpartition(":") if ":" in rest else (rest, "", "6653")
    our_host, _, our_port = listen.rpartition(":")
    our_host, host = our_host.strip("[]"), host.strip("[]")
    return port == our_port and (our_host in _ANYWHERE or host == our_host)
