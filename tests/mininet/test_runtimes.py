"""One whole containment through the daemon, on each of the libraries that the OpenFlow application runs on."""

from __future__ import annotations

import pytest

from tests.mininet.estate import estate
from tests.openflow_lab import RUNTIMES
from topologies.campus import campus

pytestmark = pytest.mark.mininet


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_containment_is_proven_and_undone(runtime: str) -> None:
    with estate(campus(), runtime=runtime) as site:
        assert site.netcordon.speaker()["runtime"] == runtime
        camera = site.host("camera")
        with site.stream("camera", "pc1") as rogue, site.stream("pc2", "pc1") as neighbour, neighbour.lossless():
            case = site.netcordon.contain(str(camera.ip), "proven")
            rogue.stops()
            with rogue.silent():
                site.netcordon.cli("list")
            site.netcordon.operator.release(case.id, reason="a test")
            site.netcordon.outcome(case.id, "removed")
            rogue.runs()
        assert set(site.netcordon.went(case.id)) == {"installed", "proven", "removed"}
