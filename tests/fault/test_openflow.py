"""The OpenFlow side when it breaks in the middle of a push: what users are told, what stands on the switch, and how it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from controller.client import Address
from controller.roles import Role
from labs.cut import Cut
from tests.mininet.estate import Estate, estate, ofctl
from tests.mininet.served import until
from topologies.campus import campus
from topologies.network import vsctl
from topologies.plan import Host

pytestmark = [pytest.mark.fault, pytest.mark.mininet]
IN_THE_BUNDLE = 3
"""Messages of a push after which it is cut: the port's flag and the bundle's beginning have passed, the commit has not."""


@pytest.fixture(scope="module")
def standing() -> Iterator[Estate]:
    with estate(campus()) as up:
        yield up


@pytest.fixture
def site(standing: Estate) -> Iterator[Estate]:
    standing.repair()
    standing.known()
    yield standing
    standing.repair()
    standing.tidy()


@pytest.fixture
def cut(site: Estate) -> Iterator[Cut]:
    """Between the camera's switch and the speaker."""
    switch = site.host("camera").switch
    with Cut(site.netcordon.places.openflow_port) as cut:
        vsctl("set-controller", switch, f"tcp:127.0.0.1:{cut.port}")
        until("the switch to speak through it", lambda: cut.sessions and _is_up(site, switch))
        site.known()
        yield cut
        cut.mend()
        vsctl("set-controller", switch, site.address)
        until("the switch to be back", lambda: _is_up(site, switch))


def _is_up(site: Estate, switch: str) -> bool:
    return any(one.up and one.converged for one in site.netcordon.operator.devices() if one.description == switch)


def _drops(camera: Host) -> bool:
    return "priority=" in ofctl("dump-flows", camera.switch, f"table=0,in_port={camera.port}")


def _told(site: Estate, id: str) -> tuple[str, str]:
    """The device's outcome, and the reason for it."""
    (device,) = site.netcordon.case(id).devices
    return device.outcome, device.reason


def test_a_speaker_killed_in_the_middle_of_a_push_is_replaced_and_the_push_done_again(site: Estate, cut: Cut) -> None:
    camera, speaker = site.host("camera"), site.netcordon.speaker()["pid"]
    with site.stream("camera", "pc1") as stream:
        cut.hold_after(IN_THE_BUNDLE)
        case = site.netcordon.contain(str(camera.ip))
        assert cut.held.wait(10)
        assert not _drops(camera), "half of a bundle stands"
        os.kill(speaker, signal.SIGKILL)
        outcomes = until("what became of it", lambda: site.netcordon.went(case.id))
        assert outcomes[0] == "unknown"
        (said,) = [one.detail["reason"] for one in site.netcordon.audit(case.id, "outcome")][:1]
        assert "speaker" in said
        cut.mend()
        site.netcordon.outcome(case.id, "proven")
        stream.stops()
    assert site.netcordon.speaker()["pid"] != speaker
    assert "failed" not in site.netcordon.went(case.id)


def test_a_switch_lost_in_the_middle_of_contain_and_of_release_is_unknown_then_queued_then_done(
    site: Estate, cut: Cut
) -> None:
    camera = site.host("camera")
    with site.stream("camera", "pc1") as stream:
        cut.sever_after(IN_THE_BUNDLE)
        case = site.netcordon.contain(str(camera.ip))
        _waits(site, case.id)
        assert site.netcordon.went(case.id)[0] == "unknown"
        stream.runs()
        cut.mend()
        site.netcordon.outcome(case.id, "proven")
        stream.stops()

        cut.sever_after(1)
        with stream.silent():
            site.netcordon.operator.release(case.id, reason="a test")
            _waits(site, case.id)
        assert "removed" not in site.netcordon.went(case.id)
        cut.mend()
        site.netcordon.outcome(case.id, "removed")
        stream.runs()
    assert site.netcordon.went(case.id).count("removed") == 1


def _metrics(site: Estate) -> str:
    served = site.netcordon
    with Address(f"unix:{served.places.api_socket}", served.tokens[Role.OPERATOR]).open() as http:
        return http.get("/metrics").raise_for_status().text


def _waits(site: Estate, id: str) -> None:
    """It is not done, and says what it waits for."""
    until("a reason", lambda: "not connected" in _told(site, id)[1])
    assert _told(site, id)[0] in ("requested", "unknown")
    assert site.netcordon.case(id).outcome in ("requested", "unknown")


def test_a_full_flow_table_is_partial_with_the_refused_rule_and_mends_when_there_is_room(site: Estate) -> None:
    camera = site.host("camera")
    lines = ofctl("dump-flows", camera.switch, "table=0").splitlines()
    held = len([line for line in lines if "priority=" in line])
    table = ["--", "--id=@t", "create", "Flow_Table", f"flow_limit={held}", "overflow_policy=refuse"]
    with site.stream("camera", "pc1") as stream:
        vsctl(*table, "--", "set", "bridge", camera.switch, "flow_tables:0=@t")
        try:
            case = site.netcordon.contain(str(camera.ip), "partial")
            outcome, reason = _told(site, case.id)
            assert outcome == "partial"
            assert f"{camera.edge}: " in reason, "it names the rule"
            assert "TABLE_FULL" in reason
            assert 'netcordon_containments{outcome="partial",want="held"} 1.0' in _metrics(site)
            shown = site.netcordon.cli("show", case.id).stdout
            assert "TABLE_FULL" in shown
            stream.runs()
            assert "proven" not in site.netcordon.went(case.id)
        finally:
            vsctl("clear", "bridge", camera.switch, "flow_tables")
        site.netcordon.outcome(case.id, "proven")
        stream.stops()
    assert site.netcordon.case(case.id).devices[0].reason == ""
