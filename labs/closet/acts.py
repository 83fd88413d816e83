"""The labs in a closet, each as a person would try it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from labs.closet.stage import Stage
from labs.closet.wing import ACCESS, CORE, OWN_ADDRESS, RACK, REMEDIATION, SERVER, WING, configuration
from labs.process import process
from topologies.vendor.closet import Cable, Closet

OFFICE, QUARANTINE = "10.0.0.", "10.99.0."


@dataclass(frozen=True)
class Act:
    name: str
    title: str
    story: str
    play: Callable[[Stage], None]
    in_band: bool = False
    closet: Closet = WING


@contextmanager
def unattended(stage: Stage) -> Iterator[None]:
    """A DHCP server in either VLAN, and clients that watch their link: nothing else tells them that they were moved."""
    words: Mapping[str, tuple[str, ...]] = {
        "server": ("serve", "server-eth0", SERVER, f"{OFFICE}101"),
        "mender": ("serve", "mender-eth0", REMEDIATION, f"{QUARANTINE}101"),
        "rogue": ("watch", "rogue-eth0"),
        "fellow": ("watch", "fellow-eth0"),
    }
    with ExitStack() as running:
        for name, said in words.items():
            command = [*stage.running.inside(name), sys.executable, "-m", "labs.dhcp", *said]
            running.enter_context(process(command, stage.netcordon.places.log(f"dhcp-{name}"), os.environ))
        for name in ("rogue", "fellow"):
            leased(stage, name, OFFICE)
        yield


def leased(stage: Stage, name: str, prefix: str) -> None:
    stage.until(
        f"{name} has a lease in {prefix}0/24",
        lambda: stage.address(name).startswith(prefix),
        lambda: stage.address(name),
    )


def quarantine(stage: Stage) -> None:
    before, cables = stage.configurations(), {name: stage.guest(name).cables[0] for name in ("rogue", "fellow")}
    with unattended(stage), stage.stream("printer", "server"):
        stage.reach("rogue", SERVER, "the server", wanted=True)
        cases = {}
        for name, cable in cables.items():
            stage.located(name, cable)
            cases[name] = stage.contain(name, "quarantine-vlan")
            leased(stage, name, QUARANTINE)
        for name in cables:
            stage.reach(name, REMEDIATION, "the remediation host", wanted=True)
            stage.reach(name, SERVER, "the server", wanted=False)
        stage.reach("mender", stage.address("rogue"), "the inmate whom it mends", wanted=True)
        stage.reach("rogue", stage.address("fellow"), "its fellow inmate, on the other switch", wanted=False)
        stage.reach("fellow", stage.address("rogue"), "its fellow inmate, on the other switch", wanted=False)
        for name, case in cases.items():
            stage.release(case, name)
            leased(stage, name, OFFICE)
        stage.back("rogue", SERVER, "the server")
        stage.back("rogue", stage.address("fellow"), "its former fellow inmate")
    stage.unchanged(before)


def nexus(stage: Stage) -> None:
    before, (cable,) = stage.configurations(), stage.guest("rogue").cables
    with unattended(stage), stage.stream("printer", "server"):
        stage.located("rogue", cable)
        case = stage.contain("rogue", "quarantine-vlan")
        leased(stage, "rogue", QUARANTINE)
        stage.reach("rogue", REMEDIATION, "the remediation host", wanted=True)
        stage.reach("rogue", SERVER, "the server", wanted=False)
        stage.release(case, "rogue")
        leased(stage, "rogue", OFFICE)
        case = stage.contain("rogue", "full")
        stage.reach("rogue", stage.address("fellow"), "its fellow", wanted=False)
        stage.release(case, "rogue")
        stage.back("rogue", stage.address("fellow"), "its fellow")
    stage.unchanged(before)


def _ours(stage: Stage, cable: Cable) -> list[str]:
    return [line for line in stage.running.section(cable) if " NETCORDON-" in line]


def colleague(stage: Stage) -> None:
    """On both switches: what he typed before, what he takes off, and what he types meanwhile."""
    before, cables = stage.configurations(), {name: stage.guest(name).cables[0] for name in ("rogue", "fellow")}
    theirs = (
        "ip access-list OFFICE",
        "permit ip any any",
        f"interface {cables['fellow'].port}",
        "ip access-group OFFICE in",
    )
    with unattended(stage), stage.stream("printer", "server"):
        stage.running.edit(CORE, *theirs)
        for cable in cables.values():
            stage.running.edit(cable.unit, f"interface {cable.port}", "description he was here before")
        cases = {}
        for name, cable in cables.items():
            stage.located(name, cable)
            cases[name] = stage.contain(name, "full")
            stage.reach(name, SERVER, "the server", wanted=False)
            stage.running.edit(
                cable.unit,
                f"interface {cable.port}",
                "description he is here now",
                *(f"no {line}" for line in _ours(stage, cable)),
            )
            stage.until(
                f"what he took off {cable.port} of {cable.unit.name} is back",
                lambda: _ours(stage, cable) and not stage.reaches(name, SERVER),  # noqa: B023 (called at once)
            )
            kept = "description he is here now" in stage.running.section(cable)
            stage.holds(f"what he typed at {cable.port} stands beside it", kept, stage.running.section(cable))
        for name, case in cases.items():
            stage.release(case, name)
            stage.back(name, SERVER, "the server")
        for cable in cables.values():
            kept = "description he is here now" in stage.running.section(cable)
            stage.holds(f"what he typed at {cable.port} of {cable.unit.name} outlives the release", kept)
            stage.running.edit(cable.unit, f"interface {cable.port}", "no description")
        bound = "ip access-group OFFICE in" in stage.running.section(cables["fellow"])
        stage.holds("his own list is bound again", bound, stage.running.section(cables["fellow"]))
        stage.running.edit(
            CORE, f"interface {cables['fellow'].port}", "no ip access-group OFFICE in", "no ip access-list OFFICE"
        )
    stage.unchanged(before)


def follow(stage: Stage) -> None:
    """By what each platform has, wherever it is plugged in."""
    before, cables = stage.configurations(), stage.guest("rogue").cables
    with unattended(stage), stage.stream("printer", "server"):
        stage.located("rogue", cables[0])
        case = stage.contain("rogue", "full")
        stage.reach("rogue", SERVER, "the server", wanted=False)
        for former, number in ((0, 2), (2, 1)):
            _moved(stage, case, cables[former], cables[number], number)
        stage.reach("fellow", SERVER, "the server", wanted=True)
        stage.release(case, "rogue")
        stage.back("rogue", SERVER, "the server")
        stage.running.plug("rogue", 0)
    stage.unchanged(before)


def _moved(stage: Stage, case: str, here: Cable, there: Cable, number: int) -> None:
    stage.running.plug("rogue", number)
    stage.run("rogue", "ip", "address", "add", f"{OFFICE}66/24", "dev", f"rogue-eth{number}")
    stage.until(
        f"it is held at {there.port} of {there.unit.name}, and no more at {here.port} of {here.unit.name}",
        lambda: stage.speaks("rogue") and _ours(stage, there) and not _ours(stage, here),
        lambda: [stage.outcome(case), stage.running.section(here), stage.running.section(there)],
    )
    stage.until(f"at {there.unit.name} it reaches the server no more", lambda: not stage.reaches("rogue", SERVER))


def lost_management(stage: Stage) -> None:
    """The controller's own port at the switch that it would hold it with: refused where it is known, taken back by the switch where not."""
    before, (cable,) = stage.configurations(), stage.guest("manager").cables
    stage.located("manager", cable)
    refused = stage.refused("manager", "full")
    stage.holds(
        "the plan is refused, since it would cut the controller off",
        "would cut the controller off" in refused["message"],
        refused,
    )
    stage.holds("nothing was pushed", not _ours(stage, cable), stage.running.section(cable))
    stage.configure(configuration(stage.running, stage.netcordon.places, stage.in_band))
    stage.located("manager", cable)
    asked = [
        "contain",
        stage.guest("manager").mac,
        "--profile",
        "full",
        "--reason",
        "a mistake",
        "--for",
        "1h",
        "--yes",
    ]
    case = str(stage.netcordon.command(*asked)["containment"]["id"])
    outcomes: list[str] = []

    def taken_back() -> bool:
        outcomes.append(stage.outcome(case))
        return not _ours(stage, cable)

    stage.until("told a wrong way, it pushes, and has cut itself off", lambda: bool(_ours(stage, cable)))
    stage.holds("the switch is not reached", not stage.reaches("manager", OWN_ADDRESS))
    stage.until("the switch's own timer has taken it back", taken_back, lambda: outcomes[-1:])
    wrong = {"installed", "proven"} & set(outcomes)
    stage.holds("nobody said that it was installed", not wrong, sorted(set(outcomes)))
    stage.netcordon.command("release", case, "--reason", "it was a mistake")
    stage.until("the containment is removed", lambda: stage.outcome(case) == "removed", lambda: stage.outcome(case))
    stage.reach("manager", OWN_ADDRESS, "the switch", wanted=True)
    stage.unchanged(before)


ACTS = {
    act.name: act
    for act in (
        Act(
            "quarantine-vlan",
            "Two devices on switches of two vendors are moved into the quarantine VLAN, get a lease there, and come back",
            "A device at a Cisco access switch and one at the Arista core behind its trunk are moved into VLAN 999. Their DHCP clients"
            " watch their links, and nobody tells them of it. There each may reach the remediation host, and not the other.",
            quarantine,
        ),
        Act(
            "nexus",
            "A device on a Cisco Nexus is moved into the quarantine VLAN, gets a lease there and comes back; then it is held by port lists",
            "The Nexus's commits are dual-stage, under its timer, which is ended in the session that made them once the switch was reached"
            " over another. Its ports have lists for what comes in alone: what the device sends is stopped, every answer included.",
            nexus,
            closet=RACK,
        ),
        Act(
            "colleague",
            "Somebody types on the switches while a device is held there: what he typed stays, and what he took off comes back",
            f"A device is held at {ACCESS.name} and one at {CORE.name}. A colleague had a list and a description on their ports before,"
            " takes ours off by hand, and types a description of his own.",
            colleague,
        ),
        Act(
            "mixed-vendor-campus",
            "A held device goes from the Cisco access switch to the Juniper one and to the Arista core: it is held at each, by its means",
            "The rogue is contained where it is. Then its cable is pulled, twice, and it appears on the switch of another vendor. It is"
            " followed, and what held it at the old port goes; after the release all configurations are what they were.",
            follow,
        ),
        Act(
            "lost-management",
            "A plan that would cut the controller off from its switch is refused; where nobody knew, the switch takes it back by itself",
            "The controller reaches the core through a port of the core, and somebody contains what is at that port. Then the"
            " configuration is wrong about how the core is managed, and the push really cuts the controller off: EOS's commit timer runs"
            " out, and takes it back.",
            lost_management,
            in_band=True,
        ),
    )
}
