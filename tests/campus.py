"""A small network for the tests of the pure core: one switch with eight edge ports, an uplink to a second one, and a clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from controller.config import Config, Locating
from controller.locate import locate
from controller.model import FULL, Alert, Attachment, Decision, End, Location, Mode, Target
from controller.network.view import NetworkView
from drivers.base import DeviceFacts, Interface, Management, Neighbour, Sighting
from drivers.rules import Mac, PortName

NOW = 1_800_000_000.0
S1, S2 = "of:0000000000000001", "of:0000000000000002"
UPLINK = PortName("s1-eth9")
DECISION = Decision(Mode.CONTAIN, FULL, 3600.0, "operator", "it scans", "ann", automatic=False)
AUTOMATIC = Decision(Mode.CONTAIN, FULL, 3600.0, "scans", "it scans", "alert:suricata", automatic=True)


def mac(number: int) -> Mac:
    return Mac(f"02:00:00:00:{number // 256:02x}:{number % 256:02x}")


def port(number: int, switch: int = 1) -> PortName:
    return PortName(f"s{switch}-eth{number}")


def place(number: int, switch: int = 1) -> Attachment:
    return Attachment(f"of:{switch:016x}", port(number, switch))


def ip(text: str) -> Target:
    return Target(ip=ip_address(text))


def facts(switch: int = 1, management: Management = Management.OUT_OF_BAND) -> DeviceFacts:
    interfaces = tuple(Interface(port(n, switch), n) for n in range(1, 10))
    neighbours = (Neighbour(UPLINK, S2, port(9, 2)),) if switch == 1 else ()
    return DeviceFacts(f"of:{switch:016x}", "boot-1", f"s{switch}", management, interfaces, neighbours=neighbours)


@dataclass
class Campus:
    """`says` is a sighting `ago` seconds before `now`."""

    network: NetworkView
    settings: Locating
    now: float = NOW
    seen: list[Sighting] = field(default_factory=list)

    def says(
        self,
        address: str | None,
        who: int,
        where: int,
        *,
        ago: float = 0.0,
        switch: int = 1,
        lease: bool = False,
        vlan: int | None = None,
        source: str = "",
    ) -> None:
        parsed = None if address is None else ip_address(address)
        source = source or ("dhcp" if lease else "arp")
        device = f"of:{switch:016x}"
        self.network.bindings.see(
            "default", Sighting(device, self.now - ago, mac(who), port(where, switch), parsed, vlan, source, lease)
        )

    def keeps_saying(self, address: str, who: int, where: int, *, since: float, until: float = 0.0) -> None:
        """Heard every half a minute, from `since` to `until` seconds ago."""
        ago = since
        while ago >= until:
            self.says(address, who, where, ago=ago)
            ago -= 30.0

    def locate(self, target: Target | str, ago: float = 0.0) -> Location:
        wanted = ip(target) if isinstance(target, str) else target
        return locate(wanted, self.now - ago, self.now, self.network, self.settings)


def campus(**config: Any) -> Campus:
    read = Config.model_validate(config)
    network = NetworkView.from_config(read)
    network.graph.learn(facts(1))
    network.graph.learn(facts(2))
    return Campus(network, read.locate)


def alert(**changes: Any) -> Alert:
    given: dict[str, Any] = {
        "source": "suricata",
        "key": "k1",
        "observed_at": NOW,
        "received_at": NOW,
        "signature": "ET SCAN rogue",
        "signature_id": "2001219",
        "severity": 4,
        "src": End(ip=ip_address("10.0.0.66")),
        "dst": End(ip=ip_address("10.0.0.10"), port=445),
    }
    return Alert(**given | changes)
