"""A device behind a switch that is configured, contained and released through `netcordon serve`, with its frames really stopped."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from drivers.netmiko_cli.options import CiscoIosOptions
from labs.installation import places
from tests.contract.bench import Station, Traffic
from tests.contract.eos_bench import EosBench, EosLab, running_eos
from tests.contract.ios_bench import IosBench, IosLab, running_ios
from tests.contract.wires import Wires
from tests.mininet.served import Netcordon, Words, until
from topologies.vendor.eos_grammar import GRAMMAR

pytestmark = pytest.mark.mininet


def settings(lab: EosLab | IosLab, folder: Path, openflow_port: int, api_port: int) -> Words:
    options = lab.options.model_dump(mode="json", exclude={"save", "poll"}) | {"poll": "0.3"}
    driver = "netmiko" if options["platform"] == "cisco_ios" else "napalm"
    return {
        "store": f"sqlite:///{folder / 'netcordon.db'}",
        "listen": {"address": "127.0.0.1", "port": api_port, "socket": str(folder / "api.sock")},
        "openflow": {
            "speaker": {
                "socket": str(folder / "speaker.sock"),
                "listen": f"127.0.0.1:{openflow_port}",
                "keep": False,
                "log": str(folder / "speaker.log"),
            }
        },
        "devices": [{"id": "access-1", "driver": driver, "management": "oob", "options": options}],
        "reconcile": {"deadline": 15, "resync": 2},
    }


def text(lab: EosLab | IosLab) -> str:
    return lab.switch.text() if isinstance(lab, IosLab) else lab.switch.running.text(GRAMMAR)


@pytest.mark.parametrize(
    ("running", "on"),
    [(running_eos, EosBench), (running_ios, IosBench), (partial(running_ios, kind=CiscoIosOptions), IosBench)],
    ids=["eos", "ios", "cisco_ios"],
)
def test_a_device_at_a_configured_switch_is_contained_and_released(
    tmp_path: Path,
    running: Callable[[Path], AbstractContextManager[EosLab | IosLab]],
    on: type[EosBench | IosBench],
) -> None:
    with running(tmp_path) as lab, places() as where:
        served = Netcordon(where, settings(lab, where.folder, where.openflow_port, where.api_port))
        wires = Wires(lab.net.hosts)
        rogue, neighbour, bystander = (on.station(number) for number in (1, 2, 3))
        try:
            served.install()
            served.start()

            def way(src: Station, dst: Station) -> set[str]:
                return {kind.value for kind in Traffic if wires.delivers(src, dst, kind)}

            everything = {kind.value for kind in Traffic}
            before = text(lab)

            def located() -> bool:
                assert way(rogue, neighbour) == everything
                return served.cli("locate", rogue.mac).returncode == 0

            until("the rogue to be at a port", located)
            case = served.contain(rogue.mac, "installed")
            assert [device.device for device in case.devices] == ["access-1"]
            assert (way(rogue, neighbour), way(neighbour, rogue), way(bystander, neighbour)) == (
                set(),
                set(),
                everything,
            )
            port = f"interface {rogue.port}"
            ours = [line for line in lab.switch.running.section(port) if " NETCORDON-" in line]
            lab.switch.edit([port, *(f"no {line}" for line in ours)])
            until("the lists to be back", lambda: (way(rogue, neighbour), way(neighbour, rogue)) == (set(), set()))
            served.operator.release(case.id, reason="clean again")
            served.outcome(case.id, "removed")
            assert text(lab) == before
            assert way(rogue, neighbour) == everything
            said = served.logs()
            assert "Traceback" not in said, said
            assert served.operator.audit_verify().verified
        finally:
            wires.close()
            served.close()
