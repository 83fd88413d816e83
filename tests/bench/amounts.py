"""What is not about one alert: many stored containments at once, many alerts, a burst of a hundred, and what merely holding costs."""

from __future__ import annotations

import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from controller.roles import Role
from drivers.openflow.flows import COOKIE_MARK, COOKIE_MASK
from labs.installation import netcordon
from tests.bench.contender import CONTAINED, LONG, OBSERVED, RULES_OF_ONE, Contender
from tests.bench.ground import PATIENCE, BenchError, Ground
from tests.bench.http import Http

OURS = f"cookie={COOKIE_MARK:#x}/{COOKIE_MASK:#x}"
SENDERS = 4
AT_ONCE = 500
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Bulk:
    """Seconds. `whole` is from the switch's attachment to the last containment recorded as installed."""

    containments: int
    flows: int
    netcordon: float
    ofctl: float


def bulk(side: Contender, containments: int, held: int) -> Bulk:
    """Stored while the switch is away and has forgotten everything; then it comes. Against `ovs-ofctl add-flows` for the same flows, while
    nobody else does anything."""
    ground = side.ground
    ground.controlled_by(None)
    side.stop()
    more = containments - held // RULES_OF_ONE
    if more > 0:
        side.store(held // RULES_OF_ONE, more)
    ground.wipe()
    side.start()
    began = time.monotonic()
    ground.controlled_by(side.served.places.openflow_port)
    side.until("everything to be installed", side.converged, LONG)
    took = time.monotonic() - began
    flows = [_plain(line) for line in ground.ofctl("dump-flows", "--no-stats", OURS).splitlines() if "actions=" in line]
    if len(flows) < containments * RULES_OF_ONE:
        raise BenchError(
            f"{containments} containments were said to be installed, and the switch holds {len(flows)} flows"
        )
    ground.controlled_by(None)
    side.stop()  # it would look for proof of all of them meanwhile
    theirs = median([_added(ground, flows) for _ in range(3)])
    side.start()
    return Bulk(containments, len(flows), took, theirs)


def _added(ground: Ground, flows: list[str]) -> float:
    ground.ofctl("del-flows")
    began = time.monotonic()
    ground.ofctl("add-flows", "-", text="\n".join(flows))
    return time.monotonic() - began


def _plain(line: str) -> str:
    """A line of `dump-flows` as `add-flows` reads it; of a flow in table 0 it does not name the table."""
    return re.sub(r"(\breset_counts|\bsend_flow_rem) ?,?", "", line.strip())


@dataclass(frozen=True, slots=True)
class Accepted:
    """Alerts a second: in arrays of some hundreds, and one a request, each over a few connections."""

    alerts: int
    arrays: float
    single: float
    duplicates: float


def accepted(side: Contender, alerts: int) -> Accepted:
    """Valid alerts about a device that is known, each new; then the very same ones again. All are answered as taken, or this fails."""
    every = [side.alert(OBSERVED, str(side.ground.rogue.ip)) for _ in range(alerts)]
    arrays = [every[start : start + AT_ONCE] for start in range(0, alerts, AT_ONCE)]
    single = [[side.alert(OBSERVED, str(side.ground.rogue.ip))] for _ in range(max(SENDERS, alerts // 10))]
    return Accepted(alerts, _rate(side, arrays), _rate(side, single), _rate(side, arrays, duplicate=True))


def _rate(side: Contender, bodies: list[list[dict[str, Any]]], *, duplicate: bool = False) -> float:
    port, token = side.served.places.api_port, side.served.tokens[Role.INTAKE]
    senders = [Http(port, token) for _ in range(SENDERS)]
    with ThreadPoolExecutor(SENDERS) as pool:
        began = time.monotonic()
        answers = pool.map(_send_all, senders, (bodies[n::SENDERS] for n in range(SENDERS)))
        taken = [result for results in answers for result in results]
        took = time.monotonic() - began
    for sender in senders:
        sender.close()
    wrong = [one for one in taken if one["status"] != "taken" or one["duplicate"] is not duplicate]
    if wrong or len(taken) != sum(map(len, bodies)):
        raise BenchError(f"{len(wrong)} of {len(taken)} alerts were not taken as they should be: {wrong[:1]}")
    return len(taken) / took


def _send_all(http: Http, bodies: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [
        result for body in bodies for result in http.request("POST", "/api/v1/alerts/generic", body).json()["results"]
    ]


@dataclass(frozen=True, slots=True)
class Burst:
    """Milliseconds from the POST of all alerts to the answer, and to the last containment that was installed."""

    alerts: int
    answered: float
    installed: float
    one_answered: float


def burst(side: Contender, alerts: int) -> Burst:
    """So many devices on ports of their own, contained by as many alerts in one request."""
    devices = side.ground.spare_ports(alerts)
    for port, mac, ip in devices:
        side.ground.show_at(port, mac, ip)
    side.until("everyone to be located", lambda: all(side.located(str(ip)) for *_, ip in devices), PATIENCE)
    answer = side.intake.request(
        "POST", "/api/v1/alerts/generic", [side.alert(CONTAINED, str(ip)) for *_, ip in devices[1:]]
    )
    cases = [result["containment"] for result in answer.json()["results"]]
    if None in cases:
        raise BenchError(f"not all of {alerts} alerts led to a containment: {answer.body[:500].decode()}")
    side.until(
        "all to be installed", lambda: not _lacking(side, cases), PATIENCE, seen=lambda: _lacking(side, cases)[:3]
    )
    one = side.intake.request("POST", "/api/v1/alerts/generic", side.alert(CONTAINED, str(devices[0][2])))
    last = max(side.reached(id)["installed"] for id in cases)
    for id in (*cases, one.json()["results"][0]["containment"]):
        side.operator.request("POST", f"/api/v1/containments/{id}/release", {"reason": "the burst is over"})
    side.until("all to be removed", side.converged, PATIENCE)
    return Burst(len(cases), (answer.answered - answer.sent) * 1000, last, (one.answered - one.sent) * 1000)


def _lacking(side: Contender, cases: list[str]) -> list[object]:
    """Those that have never been seen installed, with what is said of them."""
    found = [side.case(id) for id in cases]
    return [
        (one["id"], one["outcome"], one["devices"]) for one in found if "alert_to_installed" not in one["stages_ms"]
    ]


@dataclass(frozen=True, slots=True)
class Idle:
    """What merely holding costs: percent of one core, MiB resident."""

    containments: int
    daemon_cpu: float
    speaker_cpu: float
    daemon_rss: float
    speaker_rss: float


def idle(side: Contender, containments: int, seconds: float) -> Idle:
    assert side.served.daemon is not None
    pids = (side.served.daemon.pid, int(side.served.speaker()["pid"]))
    before = [_cpu(pid) for pid in pids]
    time.sleep(seconds)
    daemon, speaker = ((_cpu(pid) - was) / seconds * 100 for pid, was in zip(pids, before, strict=True))
    return Idle(containments, daemon, speaker, _rss(pids[0]), _rss(pids[1]))


def _cpu(pid: int) -> float:
    """Seconds of processor time so far, its threads together."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


def _rss(pid: int) -> float:
    line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def help_seconds(times: int) -> float:
    """`netcordon --help`, in the middle of so many runs."""
    took = []
    for _ in range(times):
        began = time.monotonic()
        subprocess.run([netcordon(), "--help"], check=True, capture_output=True)
        took.append(time.monotonic() - began)
    return median(took)
