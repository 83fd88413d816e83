"""The lab `rogue-dhcp`: somebody's DHCP server answers beside the right one. Netcordon's own discovery hears it, and policy holds it."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from labs import suricata
from labs.dhcp import SERVING
from labs.drill.stage import Stage, settings
from labs.frames import Phase
from labs.installation import netcordon
from labs.process import LabError, process, wait
from topologies.plan import Host, Role

EVERY = 0.005
ASKED = 5
PATIENCE = 30.0
RIGHT, WRONG = 150, 200
"""The last octets from which the two servers hand out addresses."""
POLICY = {
    "incriminate": [
        {"name": "our own sensor names the culprit", "match": {"source": "discovery"}, "culprit": "source"}
    ],
    "rules": [
        {
            "name": "a DHCP server that is none of ours is held at once",
            "match": {"source": "discovery", "signature_id": ["rogue-dhcp"], "managed": ["undiscovered", "unmanaged"]},
            "mode": "contain",
            "for": "4h",
        }
    ],
}


def play(stage: Stage) -> None:
    plan = stage.plan
    rogue, client, server = plan.actor(Role.ROGUE), plan.actor(Role.VICTIM), plan.actor(Role.FILE_SERVER)
    other = plan.actor(Role.NEIGHBOUR)
    alarms = stage.netcordon.places.folder / "alarms.jsonl"
    stage.configure(_followed(stage, alarms, server))
    stage.everyone_known()
    before = stage.switches()
    stage.stream(other, server, EVERY)
    stage.stream(server, other, EVERY)
    with ExitStack() as stack:
        _listening(stage, stack, alarms)
        _serves(stage, stack, server, RIGHT)
        leases = _asks(stage, client, ASKED)
        stage.holds(f"{client.name} gets a lease from the right server", _all_from(RIGHT, leases), leases)
        stage.streams_go_on_as(Phase.DURING)
        case = _raised_and_held(stage, stack, rogue, client)
        stage.until("it is held", lambda: _case(stage, case)["outcome"] in ("installed", "proven"))
        time.sleep(1.0)
        leases = _asks(stage, client, ASKED)
        stage.holds(
            f"{client.name} gets {ASKED} leases from the right server, and no other", _all_from(RIGHT, leases), leases
        )
        _said(stage, case, rogue)
        lost = stage.lost(Phase.DURING)
        flowing = all(sent > 100 and not gone for sent, gone in lost.values())
        stage.figures["innocent_frames"] = sum(sent for sent, _ in lost.values())
        stage.holds("not one frame of anybody else was lost", flowing, lost)
    stage.netcordon.command("release", case, "--reason", "its server is off", "--wait")
    stage.unchanged(before)


def _followed(stage: Stage, alarms: Path, server: Host) -> dict[str, Any]:
    """The daemon follows the sensor's file, and people have listed who the DHCP server is."""
    known = settings(stage.plan, stage.netcordon.places, POLICY)
    for asset in known["assets"]:
        asset["role"] = "dhcp" if asset["mac"] == server.mac else asset["role"]
    known["intake"] = {"files": [{"path": str(alarms), "format": "discovery"}]}
    return known


def _listening(stage: Stage, stack: ExitStack, alarms: Path) -> None:
    """`netcordon discover` at a mirror of the access switch, as an operator runs it."""
    where = stage.netcordon.places
    interface = stack.enter_context(suricata.mirror(stage.plan.actor(Role.ROGUE).switch))
    words = [netcordon(), "discover", "-i", interface, "--config", str(where.configuration), "--write", str(alarms)]
    running = stack.enter_context(
        process([*words, "--name", "mirror"], where.log("discover"), stage.netcordon.environment)
    )
    asked = [stage.plan.actor(Role.ROGUE)]

    def heard() -> bool:
        """The camera is in no inventory: the sensor's first word is about it."""
        stage.announce(asked)
        time.sleep(0.2)
        return alarms.exists() and asked[0].mac in alarms.read_text()

    with stage.story.step("netcordon discover listens at a mirror of the access switch"):
        wait(heard, "the sensor's first alarm", PATIENCE, alive=running, log=where.log("discover"))
    stage.holds("what it says of a new device contains nobody", not stage.cases(), stage.held())


def _serves(stage: Stage, stack: ExitStack, host: Host, first: int) -> subprocess.Popen[bytes]:
    pool = IPv4Address(int(stage.plan.prefix.network_address) + first)
    words = [sys.executable, "-P", "-m", "labs.dhcp", "serve", host.interface, str(host.ip), str(pool)]
    log = stage.netcordon.places.log(f"dhcp-{host.name}")
    running = stack.enter_context(process([*_inside(stage, host), *words], log, stage.netcordon.environment))
    wait(lambda: SERVING in log.read_text(), f"the DHCP server on {host.name}", PATIENCE, alive=running, log=log)
    return running


def _asks(stage: Stage, client: Host, times: int) -> list[str]:
    """The addresses that it is given, one a time; "" where nobody answered."""
    words = [sys.executable, "-P", "-m", "labs.dhcp", "ask", client.interface, str(times)]
    done = subprocess.run([*_inside(stage, client), *words], check=True, capture_output=True, text=True)
    return [line.strip() for line in done.stdout.splitlines()]


def _all_from(first: int, leases: list[str]) -> bool:
    return len(leases) == ASKED and all(one and first <= int(one.rpartition(".")[2]) < first + 10 for one in leases)


def _raised_and_held(stage: Stage, stack: ExitStack, rogue: Host, client: Host) -> str:
    running = _serves(stage, stack, rogue, WRONG)
    began = time.time()

    def held() -> bool:
        _asks(stage, client, 1)
        return bool(stage.cases())

    stage.until(f"{rogue.name} hands out leases as well, and is held by that alone", held, stage.held)
    (alert, *_) = [one for one in stage.netcordon.get("/api/v1/alerts", limit="100") if one["containment"]]
    named = "Rogue DHCP server" in str(alert) and rogue.mac in str(alert)
    stage.holds("the alert is the sensor's, and names the MAC that answered", named, alert)
    stage.figures["server_to_case_seconds"] = round(time.time() - began, 2)
    stage.holds("its server runs on", running.poll() is None)
    return str(alert["containment"])


def _said(stage: Stage, case: str, rogue: Host) -> None:
    now = _case(stage, case)
    place = now["endpoint"]["attachment"]["port"]
    stage.holds("it is held at its own port", place == rogue.edge, place)
    told = (now["by"], now["policy_rule"], now["automatic"])
    stage.holds("by policy, on the sensor's word", now["automatic"] and "none of ours" in now["policy_rule"], told)
    stage.figures["stages_ms"] = now["stages_ms"]


def _case(stage: Stage, case: str) -> dict[str, Any]:
    return dict(stage.netcordon.get(f"/api/v1/containments/{case}"))


def _inside(stage: Stage, host: Host) -> list[str]:
    if stage.standing.mininet is None:
        raise LabError("this lab's hosts run programs of their own: it needs Mininet")
    return stage.standing.mininet.inside(host)
