"""The drills that there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from labs.drill import box, critical, defender, framed, repeat, roaming, rogue_dhcp, shared_ip, storm, worm
from labs.drill.stage import Stage
from topologies.boxes import behind_a_port, in_the_middle
from topologies.campus import campus
from topologies.office import office, server_room
from topologies.pair import pair
from topologies.plan import NetworkPlan, Role


@dataclass(frozen=True)
class Drill:
    """`policy` is what Netcordon starts with, `settings` what its configuration has beside that.
    `detector`: it needs Suricata. `modelled`: it can be run on the model as well."""

    name: str
    title: str
    story: str
    play: Callable[[Stage], None]
    plan: Callable[[], NetworkPlan]
    policy: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    detector: bool = False
    modelled: bool = False


DRILLS = {
    drill.name: drill
    for drill in (
        Drill(
            "worm",
            "A worm spreads over SMB among forty PCs: how many it infects while Netcordon observes, and while it contains",
            "One of forty PCs falls ill. It brings a copy to whomever it reaches over TCP 445, six hosts at a time, and who has taken a"
            " whole copy does the same. Suricata sees what the PCs send, by mirrors of their switches, and Netcordon follows its log: first"
            " with a policy that observes, then, everyone being healed, with the same policy in mode contain. Nothing of the copies is ever"
            " run.",
            worm.play,
            office,
            worm.policy("observe"),
            detector=True,
        ),
        Drill(
            "false-positive-storm",
            f"{storm.ALERTS} false alerts within a minute against a whole server VLAN: the breaker holds, and production keeps flowing",
            "A sensor has gone mad and accuses every server of the server VLAN, again and again. Policy would contain each of them. What"
            " the budget allows is contained, the next alert trips the breaker, and automatic action is paused until a person resumes it.",
            storm.play,
            lambda: server_room(storm.SERVERS),
            storm.POLICY,
            {"budget": {"per_minute": 10, "total": 50, "per_role": {Role.SERVER.value: storm.ALLOWED}}},
        ),
        Drill(
            "defender-contain-ip",
            "Microsoft Defender accuses a device that nobody manages: its role is known by what it does, and only the rest is closed",
            "A camera that no inventory has is taken over, and tries to run code on a PC over SMB. Defender on that PC sees an address and"
            " no more. Netcordon knows at which port it is, and from a passive sensor what it is there for: its video goes on, and all else"
            " stops. A person looks at why, and undoes it.",
            defender.play,
            campus,
            defender.POLICY,
        ),
        Drill(
            "repeat-offender",
            f"A device offends again and again, and is held for longer each time: {', '.join(repeat.LIMITS)}",
            "A camera scans; a sensor accuses it, and policy holds it for ten minutes. Somebody lets it go early, each time, because it is"
            " clean now. It never is.",
            repeat.play,
            campus,
            repeat.POLICY,
            modelled=True,
        ),
        Drill(
            "critical-server",
            "An alert on a server that others depend on: two people must agree, and one must stand by it, or it is let go again",
            "A sensor accuses a server. Policy proposes, and asks for two people; two tokens of one person are one. Contained, it must be"
            f" confirmed within {critical.WITHIN:.0f} seconds. The first time nobody does, and it is let go. The next alert would contain"
            " it by itself, and is put to people instead. Then somebody confirms it, and it stays held.",
            critical.play,
            lambda: server_room(critical.SERVERS),
            critical.POLICY,
            critical.SETTINGS,
        ),
        Drill(
            "framed-victim",
            "An attacker speaks in the domain controller's name to have it contained: it is not, and the evidence names both",
            "A camera claims the domain controller's address and attacks under it; a sensor accuses that address. Policy would contain, and"
            " nobody has listed the domain controller as protected. It contains nobody; a person is shown the two claimants, and holds the"
            " one that does not belong there. Then it copies the MAC as well.",
            framed.play,
            campus,
            framed.POLICY,
            framed.SETTINGS,
            modelled=True,
        ),
        Drill(
            "roaming",
            "A held device moves port twice, takes another address, then another MAC: it is followed each time, and how soon is told",
            "A camera is held. Somebody plugs it into another port of its switch, then into another switch; then it takes another address,"
            " and another MAC. It speaks all the while. Each time the case follows it, and a port that it left is freed.",
            roaming.play,
            campus,
            roaming.POLICY,
            modelled=True,
        ),
        Drill(
            "rogue-dhcp",
            "A DHCP server that is none of ours: Netcordon's own discovery hears it, and policy holds it with nobody told",
            "A camera hands out leases beside the right server. netcordon discover listens at a mirror of its switch, and the daemon"
            " follows what it writes: the alarm contains the camera by itself, and clients get their leases from the right server.",
            rogue_dhcp.play,
            campus,
            rogue_dhcp.POLICY,
        ),
        Drill(
            "shared-ip",
            "Two share an address by VRRP, and one of them is bad: it alone is held, and the other serves the address",
            "Two load balancers share an address and a virtual MAC. The active one is bad: it is held by its own address,"
            " then by the shared one that a sensor saw. Its standby hears it no more, takes the address over, and is not touched.",
            shared_ip.play,
            pair,
            shared_ip.POLICY,
            shared_ip.SETTINGS,
            modelled=True,
        ),
        Drill(
            "hub",
            "Three devices share one port by a box that nobody manages, and one of them is bad: what is held, and what the others keep",
            "Somebody brought a small switch, and plugged a camera and two PCs into it. The camera is bad. It is held at the port that all"
            " three share, whatever address it takes, and the two PCs go on working. What it can still do to these two is said, and seen.",
            box.behind_a_port,
            behind_a_port,
            box.POLICY,
            modelled=True,
        ),
        Drill(
            "unknown-place",
            "The edge is a switch that nobody manages, between two that are: a device there is held at the nearest places that take rules",
            "A camera and two PCs are plugged into a switch that nobody manages and that joins two managed ones. It is listed among the"
            " boxes: the camera is held on both sides of it, and what remains is said, and seen. Then it is listed no more: the camera is"
            " heard at two switches at once, and containing it is refused.",
            box.in_the_middle,
            in_the_middle,
            box.POLICY,
            box.box_of(in_the_middle()),
            modelled=True,
        ),
    )
}
