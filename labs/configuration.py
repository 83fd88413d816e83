"""The configuration file of a lab's own Netcordon, as its administrator would write it for this network. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from labs.scenario import Scenario
from topologies.plan import PREFIX6, NetworkPlan, Role

HERE = str(ip_address("127.0.0.1"))


@dataclass(frozen=True)
class Places:
    """Where things of one lab run lie: all in `folder`, which nobody else may read, and on two free local ports."""

    folder: Path
    api_port: int
    openflow_port: int

    @property
    def configuration(self) -> Path:
        return self.folder / "netcordon.yaml"

    @property
    def api_socket(self) -> Path:
        return self.folder / "api.sock"

    @property
    def speaker_socket(self) -> Path:
        return self.folder / "speaker.sock"

    @property
    def eve(self) -> Path:
        """Where a detector writes what it sees."""
        return self.folder / "eve.json"

    @property
    def url(self) -> str:
        return f"http://{HERE}:{self.api_port}"

    def log(self, of: str) -> Path:
        return self.folder / f"{of}.log"

    def token(self, role: str) -> Path:
        return self.folder / f"{role}.token"


def configuration(scenario: Scenario, plan: NetworkPlan, places: Places) -> dict[str, Any]:
    """Ready to be written as YAML. The switches' names are those that they have on this machine."""
    return configured(
        plan,
        places,
        scenario.policy,
        scenario.protected,
        detector=scenario.detector,
        profiles=scenario.profiles,
        speaker_apart=scenario.speaker_apart,
    )


def configured(
    plan: NetworkPlan,
    places: Places,
    policy: Mapping[str, Any],
    protected: Collection[Role],
    *,
    detector: str | None = None,
    profiles: Sequence[Mapping[str, Any]] = (),
    speaker_apart: bool = False,
) -> dict[str, Any]:
    """As `configuration`, for a plan without a scenario. `detector`: the format of what is written at `places.eve`."""
    gateway = plan.actor(Role.GATEWAY)
    return {
        "store": f"sqlite:///{places.folder / 'netcordon.db'}",
        "listen": {"address": HERE, "port": places.api_port, "socket": str(places.api_socket)},
        "openflow": {
            "adopt": True,
            "speaker": {
                "socket": str(places.speaker_socket),
                "listen": f"{HERE}:{places.openflow_port}",
                "start": not speaker_apart,
                "keep": False,
                "log": str(places.log("speaker")),
            },
        },
        # Mininet's switches reach the controller over this machine's loopback, not through the network they carry.
        "devices": [{"id": f"of:{switch.datapath}", "management": "oob"} for switch in plan.switches],
        "network": {
            "on_link": [str(plan.prefix), str(PREFIX6)],
            "routers": [
                {
                    "name": gateway.name,
                    "macs": [gateway.mac],
                    "ips": [str(ip) for ip in (gateway.ip, gateway.ip6, gateway.link_local)],
                }
            ],
        },
        "protected": [
            {"ip": str(ip), "why": f"the {host.role.value}"}
            for host in plan.hosts
            if host.role in protected
            for ip in (host.ip, host.ip6)
        ],
        "assets": [
            {"mac": host.mac, "name": host.name, "managed": "managed", "role": host.role.value}
            for host in plan.hosts
            if host.managed
        ],
        "intake": {"files": [{"path": str(places.eve), "format": detector}] if detector is not None else []},
        "policy": dict(policy),
        "profiles": [dict(profile) for profile in profiles],
    }
