"""The daemon, its switches and its database when something is taken away from them: nothing is lost, and nothing is claimed meanwhile."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from controller.model import Outcome
from tests.mininet.estate import NOBODY, Estate, durations, estate, ofctl
from tests.mininet.served import until
from topologies.campus import campus
from topologies.network import vsctl
from topologies.plan import Host

pytestmark = [pytest.mark.mininet, pytest.mark.fault]
SOON = 5.0
"""Seconds from the daemon's first answer within which everything is as it should be again."""


@pytest.fixture(scope="module")
def standing() -> Iterator[Estate]:
    with estate(campus(), keep=True) as up:
        yield up


@pytest.fixture
def site(standing: Estate) -> Iterator[Estate]:
    standing.repair()
    standing.known()
    yield standing
    standing.repair()
    standing.tidy()


def session(site: Estate, host: Host) -> tuple[int, str]:
    """The speaker's process and the OpenFlow session of the host's switch."""
    told = site.netcordon.speaker(site.net.plan.switch(host.switch).dpid)
    return told["pid"], told["boot_id"]


# --- the daemon -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_what_is_held_outlives_the_daemon(site: Estate, how: signal.Signals) -> None:
    camera = site.host("camera")
    with site.stream("camera", "pc1") as stream:
        case = site.netcordon.contain(str(camera.ip), "proven")
        stream.stops()
        began, stood = time.monotonic(), durations(camera.switch)
        sessions = (session(site, camera), site.connections())
        assert len(sessions[1]) == len(site.net.plan.switches)
        with stream.silent():
            assert site.netcordon.end(how) == (-how if how is signal.SIGKILL else 0)
            stream.sends()
            site.netcordon.start()
            site.netcordon.contain(str(site.host("pc2").ip), "installed", "proven")
            assert site.netcordon.outcome(case.id, "installed", "proven").want == "held"
        assert (session(site, camera), site.connections()) == sessions
        elapsed, stands = time.monotonic() - began, durations(camera.switch)
        assert not [flow for flow, seconds in stood.items() if stands[flow] < seconds + elapsed - 1], "sent again"
        assert site.netcordon.went(case.id) == ["installed", "proven", "proven"]
        site.netcordon.operator.release(str(camera.ip), reason="a test")
        site.netcordon.outcome(case.id, "removed")
        stream.runs()


def test_what_was_taken_away_without_the_daemon_is_put_back_and_told(site: Estate) -> None:
    camera = site.host("camera")
    with site.stream("camera", "pc1") as stream:
        case = site.netcordon.contain(str(camera.ip), "proven")
        stream.stops()
        site.netcordon.end(signal.SIGKILL)
        ofctl("del-flows", camera.switch, f"in_port={camera.port}")
        stream.runs()
        site.netcordon.start()
        stream.stops()
        until("the drift and a new proof", lambda: site.netcordon.went(case.id).count("proven") == 4)
        assert "drifted" in site.netcordon.went(case.id)


@pytest.mark.parametrize("push", ["as it may be", "on its way", "never sent"])
def test_a_daemon_killed_right_after_its_answer_installs_after_its_restart(site: Estate, push: str) -> None:
    """`on its way`: the speaker has not read it yet when the daemon dies."""
    camera, speaker = site.host("camera"), site.netcordon.speaker()["pid"]
    with site.stream("camera", "pc1") as stream:
        if push == "never sent":
            site.controller(camera.switch, away=True)
        if push == "on its way":
            os.kill(speaker, signal.SIGSTOP)
        try:
            case = site.netcordon.contain(str(camera.ip))
            site.netcordon.end(signal.SIGKILL)
        finally:
            os.kill(speaker, signal.SIGCONT)
        if push == "never sent":
            stream.runs()
            vsctl("set-controller", camera.switch, site.address)
            until("the switch to be back", lambda: len(site.connections()) == len(site.net.plan.switches))
        began = time.monotonic()
        site.netcordon.start()
        answered = time.monotonic()
        site.netcordon.outcome(case.id, "installed", "proven", patience=SOON)
        installed = time.monotonic()
        print(f"{push}: answers after {answered - began:.2f} s, installed after {installed - began:.2f} s")  # noqa: T201
        stream.stops()
        site.netcordon.outcome(case.id, "proven")


# --- the switch -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forgets", [False, True])
def test_what_is_asked_of_an_absent_switch_is_done_when_it_is_back(site: Estate, forgets: bool) -> None:
    """`forgets`: it loses all its flows when it has no controller; otherwise it goes on as it is."""
    camera = site.host("camera")
    with site.stream("camera", "pc1") as stream:
        site.controller(camera.switch, away=True, forgets=forgets)
        case = site.netcordon.contain(str(camera.ip), "requested")
        _queued(site, case.id)
        if not forgets:
            stream.runs()
        site.controller(camera.switch, away=False)
        site.netcordon.outcome(case.id, "installed", "proven")
        stream.stops()

        site.controller(camera.switch, away=True, forgets=forgets)
        site.netcordon.outcome(case.id, "unknown")
        with stream.silent():
            site.netcordon.operator.release(case.id, reason="a test")
            _queued(site, case.id)
        site.controller(camera.switch, away=False)
        site.netcordon.outcome(case.id, "removed")
        stream.runs()
    assert site.netcordon.went(case.id).count("removed") == 1


def test_what_an_absent_switch_held_is_unknown_to_a_new_daemon(site: Estate) -> None:
    camera = site.host("camera")
    with site.stream("camera", "pc1") as stream:
        case = site.netcordon.contain(str(camera.ip), "proven")
        stream.stops()
        site.netcordon.end(signal.SIGKILL)
        vsctl("set-controller", camera.switch, NOBODY)
        site.netcordon.start()
        (device,) = site.netcordon.outcome(case.id, "unknown").devices
        assert "was installed" in device.reason
        site.controller(camera.switch, away=False)
        site.netcordon.outcome(case.id, "proven")


def _queued(site: Estate, id: str) -> None:
    """It waits, and says for what."""

    def told() -> bool:
        (device,) = site.netcordon.case(id).devices
        return device.outcome == Outcome.REQUESTED and "queued" in device.reason and "not connected" in device.reason

    until("a reason", told)
    assert site.netcordon.case(id).outcome == "requested"


@pytest.mark.parametrize("what", ["everything", "the containment"])
def test_flows_that_somebody_wiped_come_back(site: Estate, what: str) -> None:
    camera = site.host("camera")
    with site.stream("camera", "pc1") as stream, site.stream("pc2", "pc1") as neighbour:
        case = site.netcordon.contain(str(camera.ip), "proven")
        stream.stops()
        before = set(durations(camera.switch))
        ofctl("del-flows", camera.switch, *([] if what == "everything" else [f"in_port={camera.port}"]))
        until("the flows", lambda: set(durations(camera.switch)) == before)
        stream.stops()
        neighbour.runs()
        until("a new proof", lambda: site.netcordon.went(case.id).count("proven") == 4)
    listed = site.netcordon.cli("audit", "list", "--json")
    told = [one["detail"] for one in json.loads(listed.stdout) if one["subject"] == case.id]
    (drift,) = [detail for detail in told if detail.get("to") == "drifted"]
    assert "behind our back" in drift["reason"]
    assert site.netcordon.case(case.id).outcome == "proven"


# --- the database -----------------------------------------------------------------------------------------------------


def test_a_changed_audit_log_is_found(site: Estate) -> None:
    database = site.netcordon.places.folder / "netcordon.db"
    verify = ("audit", "verify", "--offline", "--json")
    head = json.loads(site.netcordon.cli("audit", "verify", "--json").stdout)
    assert head["verified"]
    site.netcordon.end()
    try:
        assert site.netcordon.cli("list").returncode == 6
        untouched = database.read_bytes()
        for harm in (
            "UPDATE audit SET actor = 'nobody' WHERE seq = 3",
            "DELETE FROM audit WHERE seq = 3",
            "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)",
        ):
            with closing(sqlite3.connect(database)) as connection:
                for trigger in ("audit_no_update", "audit_no_delete"):
                    connection.execute(f"DROP TRIGGER {trigger}")
                assert connection.execute(harm).rowcount == 1
                connection.commit()
            done = site.netcordon.cli(*verify)
            assert (done.returncode, json.loads(done.stdout)["verified"]) == (5, False), harm
            database.write_bytes(untouched)
        assert site.netcordon.cli(*verify, "--head", head["head"]).returncode == 0
    finally:
        site.netcordon.start()
