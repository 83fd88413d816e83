"""The labs, run as a person runs them; and that they do not pass where a containment does not hold."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

import pytest
from rich.console import Console

from labs.attack import carry_out, eve
from labs.closet.acts import ACTS
from labs.closet.rehearsal import closet
from labs.frames import Phase
from labs.installation import netcordon, places
from labs.mininet_fabric import MininetFabric
from labs.process import wait
from labs.runner import Site, get_known, site
from labs.scenario import load, names
from labs.story import Story
from topologies.campus import campus
from topologies.network import OWNER_KEY, vsctl
from topologies.plan import Role

pytestmark = pytest.mark.mininet

SEED_VARIABLE = "NETCORDON_LAB_SEED"
PATIENCE = 240
KINDS = {"arp", "broadcast-udp", "broadcast-l2", "tcp", "udp", "non-ip"}
EVASIONS = {"changed-ip", "changed-mac", "gateway-ip", "ipv6-link-local"}


@dataclass(frozen=True)
class Run:
    code: int
    result: dict[str, Any]
    progress: str

    def rows(self, which: str, kind: str = "") -> list[dict[str, Any]]:
        return [row for row in self.result[which] if row["name"].startswith(kind)]


def start(*arguments: str, progress: IO[str] | int = subprocess.PIPE) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [netcordon(), "lab", "run", *arguments, "--json"],
        env={**os.environ, "COLUMNS": "160"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=progress,
        text=True,
        preexec_fn=partial(
            signal.signal, signal.SIGINT, signal.SIG_DFL
        ),  # a run in the background of a script ignores it
    )


def finish(process: subprocess.Popen[str]) -> Run:
    out, progress = process.communicate(timeout=PATIENCE)
    print(progress)  # noqa: T201  # pytest shows it when the test fails
    lines = out.splitlines()
    assert len(lines) == 1, f"standard output must be one JSON object: {out!r}"
    return Run(process.returncode, json.loads(lines[0]), progress)


def both_runs(*arguments: str) -> tuple[Run, Run]:
    """On Mininet, and at the same time on the model."""
    started = [start(*arguments), start(*arguments, "--fabric", "model")]
    try:
        run, model = [finish(process) for process in started]
    finally:
        for process in started:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)  # a lab that is interrupted takes down what it built
                process.wait(PATIENCE)
    return run, model


def on_both_fabrics(*arguments: str) -> Run:
    """The lab on Mininet, and at the same time on the model, found to come to the same: the same traffic with the same verdicts, incidents
    alike."""
    run, model = both_runs(*arguments)
    assert (run.result["fabric"], model.result["fabric"]) == ("mininet", "model")
    assert verdicts(model) == verdicts(run)
    return run


def verdicts(run: Run) -> dict[str, Any]:
    same = ("lab", "passed", "expected", "outcome", "topology", "seed", "restored", "differences", "error")
    rows = {which: {row["name"]: row["verdict"] for row in run.rows(which)} for which in ("must_stop", "must_flow")}
    incidents = [(one["what"], one["verdict"]) for one in run.result["incidents"]]
    return {"code": run.code, "incidents": incidents, **{key: run.result[key] for key in same}, **rows}


def bridges_of(pid: int) -> list[str]:
    rows = json.loads(vsctl("--format=json", "--columns=name,external_ids", "list", "Bridge"))["data"]
    return [name for name, ids in rows if dict(ids[1]).get(OWNER_KEY, "").startswith(f"run-{pid}-")]


def seen(text: str, progress: Path) -> bool:
    return text in progress.read_text()


# --- in a wiring closet -------------------------------------------------------------------------------------------------


def test_two_vendors_inmates_get_a_lease_and_reach_the_remediation_host_alone() -> None:
    run = finish(start("quarantine-vlan"))
    assert [check for check in run.result["checks"] if not check["held"]] == []
    assert (run.code, run.result["passed"], run.result["error"]) == (0, True, None)
    assert len(run.result["checks"]) > 20


def test_a_device_on_a_nexus_is_moved_and_comes_back_and_is_held_by_lists() -> None:
    run = finish(start("nexus"))
    assert [check for check in run.result["checks"] if not check["held"]] == []
    assert (run.code, run.result["passed"], run.result["error"]) == (0, True, None)
    assert len(run.result["checks"]) >= 12


@pytest.mark.timeout(600)
def test_a_colleague_types_the_rogue_is_plugged_in_elsewhere_and_a_mistake_cuts_the_controller_off() -> None:
    """Three labs on one closet, since it takes seconds to start."""
    with places() as where, closet(where, Story(Console(stderr=True)), in_band=True) as stage:
        for name in ("colleague", "mixed-vendor-campus", "lost-management"):
            ACTS[name].play(stage)
        assert [check for check in stage.checks if not check.held] == []
        assert "Traceback" not in "".join(log.read_text() for log in where.folder.glob("daemon*.log"))


@pytest.mark.parametrize("name", ["colleague", "worm"])
def test_a_lab_with_a_network_of_its_own_takes_no_seed(name: str) -> None:
    run = finish(start(name, "--seed", "7"))
    assert (run.code, run.result["checks"]) == (1, [])
    assert "leave out --seed" in run.result["error"]


# --- drills -----------------------------------------------------------------------------------------------------------


def test_a_worm_infects_forty_pcs_where_nobody_acts_and_few_where_netcordon_contains() -> None:
    run = finish(start("worm"))
    assert_drilled(run)
    print(run.result["figures"])  # noqa: T201  # the figures
    observe, contain = run.result["figures"]["observe"], run.result["figures"]["contain"]
    assert (observe["infected"], observe["of"]) == (40, 40)
    assert 1 <= contain["infected"] == contain["contained"] <= 10
    assert len(contain["alert_to_installed_ms"]) == contain["contained"]


def test_a_storm_of_false_alerts_leaves_production_flowing() -> None:
    run = finish(start("false-positive-storm"))
    assert_drilled(run)
    print(run.result["figures"])  # noqa: T201  # the figures
    figures = run.result["figures"]
    assert figures["storm"]["alerts"] == sum(figures["storm"]["became"].values()) == 500
    assert figures["storm"]["seconds"] < 60
    assert (figures["innocent_streams"], figures["innocent_lost"], len(figures["held"])) == (20, 0, 2)
    assert figures["innocent_frames"] > 5000


def test_defender_accuses_and_only_what_the_role_does_not_need_is_closed() -> None:
    run = finish(start("defender-contain-ip"))
    assert_drilled(run)
    assert run.result["figures"]["innocent_frames"] > 500


def test_who_offends_again_is_held_for_longer() -> None:
    run, model = both_runs("repeat-offender")
    for one in (run, model):
        assert_drilled(one)
        held = list(one.result["figures"]["held_for_seconds"].values())
        assert held == pytest.approx([600, 3600, 86400, 7 * 86400, 7 * 86400], abs=1)


def test_a_critical_server_takes_two_people_and_one_who_stands_by_it() -> None:
    run = finish(start("critical-server"))
    assert_drilled(run)
    print(run.result["figures"])  # noqa: T201  # the figures
    assert run.result["figures"]["answers_after_dead_man_seconds"] < 4


@pytest.mark.parametrize("name", ["hub", "unknown-place"])
def test_who_is_behind_a_box_is_held_at_the_nearest_place_and_what_remains_is_said(name: str) -> None:
    """On both fabrics, with the same checks."""
    run, model = both_runs(name)
    for one in (run, model):
        assert_drilled(one)
        assert one.result["figures"]["innocent_frames"] > 300
    assert [check["what"] for check in model.result["checks"]] == [check["what"] for check in run.result["checks"]]
    print(run.result["figures"])  # noqa: T201  # the figures


def test_who_speaks_in_the_domain_controllers_name_does_not_get_it_contained() -> None:
    run, model = both_runs("framed-victim")
    for one in (run, model):
        assert_drilled(one)
        assert one.result["figures"]["innocent_frames"] > 400
    assert [check["what"] for check in model.result["checks"]] == [check["what"] for check in run.result["checks"]]


def test_a_device_that_roams_is_followed_and_its_old_places_are_freed() -> None:
    run, model = both_runs("roaming")
    for one in (run, model):
        assert_drilled(one)
        print(one.result["figures"])  # noqa: T201  # the figures
        assert len(one.result["figures"]["followed_seconds"]) == 6
    assert [check["what"] for check in model.result["checks"]] == [check["what"] for check in run.result["checks"]]


def test_of_two_that_share_an_address_the_bad_one_is_held_and_the_other_serves_it() -> None:
    run, model = both_runs("shared-ip")
    for one in (run, model):
        assert_drilled(one)
        print(one.result["figures"])  # noqa: T201  # the figures
        assert one.result["figures"]["innocent_frames"] > 500
        assert all(0.8 < seconds < 10 for seconds in one.result["figures"]["taken_over_seconds"].values())
    assert [check["what"] for check in model.result["checks"]] == [check["what"] for check in run.result["checks"]]


def test_a_rogue_dhcp_server_is_held_by_what_our_own_discovery_hears() -> None:
    run = finish(start("rogue-dhcp"))
    assert_drilled(run)
    print(run.result["figures"])  # noqa: T201  # the figures


def assert_drilled(run: Run) -> None:
    assert [check for check in run.result["checks"] if not check["held"]] == []
    assert (run.code, run.result["passed"], run.result["error"]) == (0, True, None)
    assert len(run.result["checks"]) >= 12


# --- what passes ------------------------------------------------------------------------------------------------------


def assert_good(run: Run, expected: str = "proven") -> None:
    result = run.result
    bad = [row for row in (*result["must_stop"], *result["must_flow"]) if row["verdict"] != "holds"]
    assert not bad
    assert result["error"] is None
    assert result["outcome"] == result["expected"] == expected, result["unproven"]
    assert result["differences"] == []
    assert (result["passed"], result["restored"], run.code) == (True, True, 0)


def assert_everything_was_tried(run: Run) -> None:
    """The verdicts are the lab's own; the counts are looked at here."""
    out = {row["name"].split()[0] for row in run.rows("must_stop") if " camera -> " in row["name"]}
    back = {row["name"].split()[0] for row in run.rows("must_stop") if row["name"].endswith("-> camera")}
    assert out == KINDS | EVASIONS
    assert back == KINDS | {"ipv6-link-local"}
    for one in ("pc1", "files", "dc", "gw"):
        for ends in (f"camera -> {one}", f"{one} -> camera", f"pc2 -> {one}", f"{one} -> pc2"):
            rows = [row for which in ("must_stop", "must_flow") for row in run.rows(which)]
            tried = {row["name"].removesuffix(f" {ends}") for row in rows if row["name"].endswith(f" {ends}")}
            kinds = {kind for kind in tried if not kind.endswith(" stream")}
            expected = KINDS | (EVASIONS if ends.startswith("camera") else {"ipv6-link-local"})
            assert kinds == expected, ends
    for row in run.rows("must_stop"):
        assert row["during"]["sent"] > 0, row
        assert row["during"]["received"] == 0, row
        assert all(row[phase]["sent"] > 0 < row[phase]["received"] for phase in ("before", "after")), row
    for row in run.rows("must_flow"):
        assert all(row[phase]["sent"] > 0 < row[phase]["received"] for phase in ("before", "during", "after")), row


def assert_stages_in_order(run: Run) -> None:
    stages = run.result["stages_ms"]
    way = [stages[f"alert_to_{stage}"] for stage in ("located", "decided", "committed", "installed", "proven")]
    assert None not in way, stages
    assert way == sorted(way)
    assert 0 < stages["alert_to_last_packet"] < stages["alert_to_proven"]


@pytest.fixture(scope="module")
def rogue_host() -> Run:
    return on_both_fabrics("rogue-host")


@pytest.fixture(scope="module")
def undo() -> Run:
    return on_both_fabrics("undo")


def test_a_rogue_host_is_contained_proven_and_released(rogue_host: Run) -> None:
    assert rogue_host.result["lab"] == "rogue-host"
    assert_good(rogue_host)
    assert_everything_was_tried(rogue_host)


def test_every_stage_is_timed(rogue_host: Run) -> None:
    assert_stages_in_order(rogue_host)


def test_neighbours_on_the_same_switch_lose_no_packet(rogue_host: Run) -> None:
    """Streams through containment and release, without a pause."""
    for name in ("udp stream pc2 -> pc1", "udp stream pc1 -> pc2"):
        (row,) = rogue_host.rows("must_flow", name)
        assert all(row[phase]["sent"] > 50 for phase in ("before", "during", "after"))
        assert sum(row[phase]["sent"] - row[phase]["received"] for phase in ("before", "during", "after")) == 0


def test_what_an_operator_contains_and_releases_leaves_nothing(undo: Run) -> None:
    assert_good(undo)
    assert_everything_was_tried(undo)
    assert_stages_in_order(undo)


HONEST_IPV6 = {
    *(
        "ipv6-link-local",
        "ipv6-global",
        "ipv6-tcp",
        "nd",
        "hop-by-hop",
        "destination-options",
        "fragment",
        "atomic-fragment",
    ),
    *("6in4", "gre", "vxlan"),
}
IMPOSTURES_IPV6 = {"unsolicited-na", "router-advertisement", "privacy-address"}


def test_a_device_that_an_alert_names_by_ipv4_gets_nothing_through_by_ipv6() -> None:
    run = on_both_fabrics("dual-stack")
    assert_good(run)
    assert_stages_in_order(run)
    for one in ("pc1", "files", "dc", "gw"):
        assert kinds_between(run, "must_stop", f"camera -> {one}") == KINDS | EVASIONS | HONEST_IPV6 | IMPOSTURES_IPV6
        assert kinds_between(run, "must_stop", f"{one} -> camera") == KINDS | HONEST_IPV6
        assert kinds_between(run, "must_flow", f"pc2 -> {one}") == KINDS | HONEST_IPV6
        assert kinds_between(run, "must_flow", f"{one} -> pc2") == KINDS | HONEST_IPV6
    for row in run.rows("must_stop"):
        assert row["during"]["sent"] > 0 == row["during"]["received"], row
        assert all(row[phase]["sent"] > 0 < row[phase]["received"] for phase in ("before", "after")), row
    for name in ("ipv6-global stream pc2 -> pc1", "ipv6-global stream pc1 -> pc2", "nd stream pc1 -> pc2"):
        (row,) = run.rows("must_flow", name)
        assert sum(row[phase]["sent"] - row[phase]["received"] for phase in ("before", "during", "after")) == 0, row
    assert run.result["through_after_proven"] == 0


def kinds_between(run: Run, which: str, ends: str) -> set[str]:
    names = [row["name"].removesuffix(f" {ends}") for row in run.rows(which) if row["name"].endswith(f" {ends}")]
    return {name for name in names if not name.endswith(" stream")}


CLOSED = {"tcp/445", "ipv6-tcp/445", "tcp/3389", "ipv6-tcp/3389"}
AROUND = {"smb", "smb-disguised", "smb-fragment", "smb-behind-headers", "smb-tagged"}
KEPT = {"tcp/88", "udp/88", "tcp/389", "ipv6-tcp/389", "tcp/53", "udp/53"}


def test_a_domain_controller_goes_on_signing_in_without_smb_and_rdp() -> None:
    run = on_both_fabrics("granular")
    assert_good(run, "installed")
    for one in ("pc1", "files"):
        assert kinds_between(run, "must_stop", f"dc -> {one}") == CLOSED | AROUND
        assert kinds_between(run, "must_stop", f"{one} -> dc") == CLOSED | AROUND
        assert kinds_between(run, "must_flow", f"{one} -> dc") > KEPT
    for row in run.rows("must_stop"):
        assert row["during"]["sent"] > 0 == row["during"]["received"], row
    for row in run.rows("must_flow"):
        answered = [row[phase].get("exchanged", 1) for phase in ("before", "during", "after")]
        assert ("/" in row["name"].split()[0]) is ("exchanged" in row["during"]), row
        assert 0 not in answered, row
    assert run.result["through_after_settled"] == 0
    assert run.result["stages_ms"]["alert_to_proven"] is None
    assert "is refused" in run.progress
    assert "protected by" in run.progress


def test_a_profile_that_forgets_a_service_does_not_pass(tmp_path: Path) -> None:
    """The same lab, and a profile of the same name that closes SMB alone."""
    own = tmp_path / "forgetful.yaml"
    entries = "[{name: SMB, action: deny, protocol: tcp, ports: [445], direction: both}]"
    own.write_text(
        "{name: forgetful, title: RDP stays open, story: It does., like: granular, "
        f"profiles: [{{name: keep-directory, default: permit, entries: {entries}}}]}}"
    )
    run, model = finish(start(str(own))), finish(start(str(own), "--fabric", "model"))
    for one in (run, model):
        shutil.rmtree(one.result["logs"])
    assert verdicts(model) == verdicts(run)
    leaked = {row["name"].split()[0] for row in run.rows("must_stop") if row["verdict"] == "leaked"}
    assert leaked == {"tcp/3389", "ipv6-tcp/3389"}
    assert all(row["verdict"] == "leaked" for row in run.rows("must_stop") if "/3389" in row["name"])
    assert (run.code, run.result["passed"], run.result["restored"]) == (1, False, True)


def test_suricata_sees_a_scan_and_its_log_is_all_that_netcordon_is_told() -> None:
    run = finish(start("suricata-live"))
    assert_good(run)
    assert_stages_in_order(run)
    print(run.result["detected_ms"], run.result["stages_ms"], run.result["infected"])  # noqa: T201  # the figures
    took = run.result["detected_ms"]
    assert None not in took.values()
    assert 0 < took["attack_to_packet"] < took["attack_to_received"] < took["attack_to_last_packet"]
    assert run.result["through_after_proven"] == 0
    assert "contain what scans and nobody manages" in run.progress


def test_a_network_grown_by_chance_has_the_same_verdicts() -> None:
    seed = os.environ.get(SEED_VARIABLE) or str(secrets.randbelow(1 << 32))
    print(f"{SEED_VARIABLE}={seed}")  # noqa: T201  # to run the same one again
    run = on_both_fabrics("rogue-host", "--seed", seed)
    assert run.result["seed"] == int(seed)
    assert run.result["topology"] == f"random-{seed}"
    assert_good(run)
    assert_everything_was_tried(run)
    assert_stages_in_order(run)


UNDER_FIRE = {
    "wiped-flows": ["wipe-flows"],
    "switch-reboot": ["restart-switch"],
    "readded-port": ["readd-port"],
    "moved": ["move", "move"],
    "controller-crash": ["crash"],
    "speaker-crash": ["crash"],
    "flood": ["flood"],
}
ON_BOTH = {"rogue-host", "undo", "dual-stack", "granular", *UNDER_FIRE}
"""And the drills `hub`, `unknown-place`, `framed-victim`, `roaming` and `shared-ip`."""


def test_every_lab_runs_on_both_fabrics_or_says_why_not() -> None:
    """Each of ON_BOTH does in its own test here."""
    refused = set(names()) - ON_BOTH
    assert refused == {"suricata-live"}
    run = finish(start("suricata-live", "--fabric", "model"))
    assert (run.code, run.result["passed"], run.result["fabric"]) == (3, False, "model")
    assert "suricata reads packets at an interface" in run.result["error"]


@pytest.mark.fault
@pytest.mark.parametrize("name", UNDER_FIRE)
def test_it_holds_under_fire(name: str) -> None:
    run = on_both_fabrics(name)
    assert_good(run)
    print(run.result["incidents"])  # noqa: T201  # the figures
    assert [one["what"] for one in run.result["incidents"]] == UNDER_FIRE[name]
    assert run.result["through_after_proven"] == 0
    assert all(trail[-1] == "proven" for one in run.result["incidents"] for trail in one["trails"].values() if trail)
    if name == "wiped-flows":
        assert_everything_was_tried(run)
        assert all("drifted" in trail for trail in run.result["incidents"][0]["trails"].values())
    if UNDER_FIRE[name] == ["crash"]:
        (crash,) = run.result["incidents"]
        noted = crash["noted"]
        assert noted["messages_passed_on"] > 0
        assert (noted["second_when_killed"], noted["flows_of_second_when_killed"]) == ("requested", 0)
        assert noted["converged_ms"] > 0
        assert len(crash["trails"]) == 3


# --- what does not pass -----------------------------------------------------------------------------------------------


@pytest.fixture
def campus_site() -> Iterator[Site]:
    """The campus with everyone known, and a service port open on everybody."""
    with (
        places() as where,
        site(load("rogue-host"), campus(), where, Story(Console(file=sys.stderr)), MininetFabric()) as standing,
    ):
        get_known(standing)
        yield standing


def alert(standing: Site, at: float) -> dict[str, Any]:
    damage = carry_out(standing.scenario.attack, standing.plan, standing.traffic.crew)
    assert standing.scenario.alert is not None
    record = eve(standing.scenario.alert, damage.last, standing.rogue.edge)
    return record | {"timestamp": datetime.fromtimestamp(at, UTC).isoformat()}


@pytest.mark.parametrize("what", ["rules", "port flag"])
def test_a_lab_whose_containment_is_taken_away_again_does_not_pass(tmp_path: Path, what: str) -> None:
    """Somebody takes the rogue's rules, or its port's flag, off its switch as fast as they can. The controller puts them
    back, which is not enough."""
    progress = tmp_path / "progress"
    with progress.open("w") as out:
        process = start("rogue-host", progress=out)
        wait(lambda: seen("camera attacks", progress), "the attack", PATIENCE, seen=progress.read_text)
        (access,) = [bridge for bridge in bridges_of(process.pid) if bridge.endswith("s2")]
        over = threading.Event()
        port = campus().actor(Role.ROGUE).port
        take_away = {
            "rules": ["del-flows", access, f"table=0,in_port={port}"],
            "port flag": ["mod-port", access, str(port), "forward"],
        }
        saboteur = threading.Thread(target=sabotage, args=(take_away[what], over))
        saboteur.start()
        try:
            wait(lambda: seen("all ways around", progress), "the tries", PATIENCE, seen=progress.read_text)
        finally:
            over.set()
            saboteur.join()
        run = finish(process)
    shutil.rmtree(run.result["logs"])
    assert {row["verdict"] for row in run.rows("must_stop")} > {"holds"} or run.result["outcome"] != "proven"
    assert run.code == 1
    assert run.result["passed"] is False


def sabotage(words: list[str], over: threading.Event) -> None:
    while not over.wait(0.01):
        subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", *words], check=True, capture_output=True)


@pytest.mark.parametrize("pause", [2.0, 0.0], ids=["unplugged before", "unplugged at the same moment"])
def test_an_unplugged_rogue_is_never_proven(campus_site: Site, pause: float) -> None:
    record = alert(campus_site, time.time())
    rogue = campus_site.rogue
    assert campus_site.standing.mininet is not None
    unplug = [*campus_site.standing.mininet.inside(rogue), "ip", "link", "set", rogue.interface, "down"]
    subprocess.run(unplug, check=True)
    time.sleep(pause)
    answer = campus_site.netcordon.request("POST", "/api/v1/alerts/suricata", "intake", json=record)
    containment = answer["results"][0]["containment"]
    if containment is None:
        return  # refused because nobody is on that port any more: nothing is claimed
    deadline, outcomes, case = time.monotonic() + 8, set(), {}
    while time.monotonic() < deadline:
        case = campus_site.netcordon.get(f"/api/v1/containments/{containment}")
        outcomes.add(case["outcome"])
        time.sleep(0.05)
    assert "proven" not in outcomes, case["evidence"]
    assert case["outcome"] == "installed"
    assert case["unproven"]


def test_what_a_rogue_sends_is_counted_wherever_it_comes_out(campus_site: Site) -> None:
    """The counting that the verdicts stand on: nothing is contained here, so all of it is a leak."""
    trial = next(one for one in campus_site.trials if one.name == "arp camera -> files")
    campus_site.traffic.burst([trial], Phase.DURING)
    tally = campus_site.traffic.settle_silence()
    assert campus_site.traffic.count(trial, Phase.DURING, tally).received == 5


# --- what is left behind ----------------------------------------------------------------------------------------------


def folders_of(pid: int) -> list[Path]:
    """Other checkouts may run labs at the same time: theirs come and go."""
    found = []
    for mark in Path(tempfile.gettempdir()).glob("netcordon-lab-*/owner"):
        with suppress(FileNotFoundError):
            if mark.read_text().startswith(f"run-{pid}-"):
                found.append(mark.parent)
    return found


def interfaces(bridges: list[str]) -> list[str]:
    return [name for name in os.listdir("/sys/class/net") if any(name.startswith(bridge) for bridge in bridges)]


def standing_run(progress: Path) -> tuple[subprocess.Popen[str], list[str]]:
    """A lab in the middle of its way, and its bridges."""
    with progress.open("w") as out:
        process = start("rogue-host", progress=out)
    wait(lambda: seen("Everyone is known", progress), "the network", PATIENCE, seen=progress.read_text)
    return process, bridges_of(process.pid)


def test_an_interrupted_lab_leaves_nothing(tmp_path: Path) -> None:
    process, bridges = standing_run(tmp_path / "progress")
    assert len(bridges) == 3
    assert len(folders_of(process.pid)) == 1
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert bridges_of(process.pid) == []
    assert interfaces(bridges) == []
    assert folders_of(process.pid) == []


def test_what_a_killed_lab_leaves_is_found_and_cleaned(tmp_path: Path) -> None:
    process, bridges = standing_run(tmp_path / "progress")
    process.kill()
    process.communicate(timeout=PATIENCE)
    assert sorted(bridges_of(process.pid)) == sorted(bridges)
    (folder,) = folders_of(process.pid)
    cleaned = subprocess.run([netcordon(), "lab", "clean"], check=True, capture_output=True, text=True).stdout
    assert all(left in "".join(cleaned.split()) for left in (*bridges, str(folder)))
    assert bridges_of(process.pid) == []
    wait(lambda: not interfaces(bridges), "the interfaces to go", 60, seen=lambda: interfaces(bridges))
    assert folders_of(process.pid) == []
    assert not folder.exists()
