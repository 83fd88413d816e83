"""A Mininet switch with a vendor's management plane: hosts are plugged into it as into any other, and it is configured as the vendor's is.

    sudo mn --custom topologies/vendor/node.py --switch eos --topo single,3 --controller none

Its eAPI then answers on loopback (`mininet> py s1.eapi.port`), user `admin`, password `admin`. With `--switch ios` it is a Catalyst, whose
SSH answers there (`mininet> py s1.ssh.port`), with `--switch nxos` a Nexus (same), and with `--switch junos` an EX, whose NETCONF does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from topologies.mininet_topo import EdgeSwitch
from topologies.vendor import nxos_shell
from topologies.vendor.eapi import Eapi, self_signed
from topologies.vendor.eos import EosSwitch
from topologies.vendor.forwarding import OpenVSwitch
from topologies.vendor.ios import IosSwitch
from topologies.vendor.ios_shell import served_over_ssh
from topologies.vendor.junos import ACTIVE, JunosSwitch, factory
from topologies.vendor.junos_rpc import served_over_netconf
from topologies.vendor.nxos import NxosSwitch
from topologies.vendor.ssh_front import SshFront

LOOPBACK = "127.0.0.1"


class EosNode(EdgeSwitch):
    """Ethernet<n> is Mininet's port n. `flash` keeps its startup-config from one run to the next; without it, a folder of its own that goes
    with it. `users` are names and passwords; `eapi_port` 0 takes a free one."""

    PROTOCOLS = "OpenFlow14"

    def __init__(
        self,
        name: str,
        flash: str | Path | None = None,
        users: dict[str, str] | None = None,
        eapi_port: int = 0,
        mac_lists_filter_ip: bool = True,
        **params: Any,
    ) -> None:
        # Mininet would start all bridges at once after `start`, and the management plane needs its own right then.
        super().__init__(name, **params | {"batch": False})
        self._own = tempfile.TemporaryDirectory(prefix=f"eos-{name}-") if flash is None else None
        self.flash = Path(self._own.name if self._own is not None else str(flash))
        self._users = users or {"admin": "admin"}
        self._eapi_port, self._mac_lists_filter_ip = eapi_port, mac_lists_filter_ip
        self.eos: EosSwitch | None = None
        self.eapi: Eapi | None = None

    def start(self, controllers: Any) -> None:
        """Without a controller, whatever Mininet has: the management plane alone says how it forwards."""
        super().start([])
        interfaces = {number: str(interface) for number, interface in self.intfs.items() if number > 0}
        hardware = OpenVSwitch(self.name, interfaces)
        self.eos = EosSwitch(hardware, self.flash, self.name, mac_lists_filter_ip=self._mac_lists_filter_ip)
        certificate = self_signed(self.flash, LOOPBACK)
        self.eapi = Eapi(self.eos, self._users, certificate, (LOOPBACK, self._eapi_port))
        self.eapi.start()

    def stop(self, deleteIntfs: bool = True) -> None:
        if self.eapi is not None:
            self.eapi.stop()
        if self.eos is not None:
            self.eos.close()
        super().stop(deleteIntfs)
        if self._own is not None:
            self._own.cleanup()

    @property
    def certificate(self) -> Path:
        """What a client must trust."""
        return self.flash / "eapi.crt"


class SshNode(EdgeSwitch):
    """A switch that is managed over SSH. `flash` keeps its configuration from one run to the next; without it, a folder of its own that
    goes with it. `users` are names and passwords; `ssh_port` 0 takes a free one. `platform` goes to the vendor's switch."""

    PROTOCOLS = "OpenFlow14"

    def __init__(
        self,
        name: str,
        flash: str | Path | None = None,
        users: dict[str, str] | None = None,
        ssh_port: int = 0,
        platform: Mapping[str, Any] | None = None,
        **params: Any,
    ) -> None:
        super().__init__(name, **params | {"batch": False})
        self._own = tempfile.TemporaryDirectory(prefix=f"{name}-") if flash is None else None
        self.flash = Path(self._own.name if self._own is not None else str(flash))
        self._users = users or {"admin": "admin"}
        self._ssh_port, self._platform = ssh_port, dict(platform or {})
        self.ssh: SshFront | None = None

    def managed(self, hardware: OpenVSwitch) -> SshFront:
        """Make the management plane and give its server, which is not started yet."""
        raise NotImplementedError

    def unmanage(self) -> None:
        """No timer of the management plane fires any more."""
        raise NotImplementedError

    def start(self, controllers: Any) -> None:
        """Without a controller, whatever Mininet has: the management plane alone says how it forwards."""
        super().start([])
        interfaces = {number: str(interface) for number, interface in self.intfs.items() if number > 0}
        self.ssh = self.managed(OpenVSwitch(self.name, interfaces))
        self.ssh.start()

    def stop(self, deleteIntfs: bool = True) -> None:
        if self.ssh is not None:
            self.ssh.stop()
            self.unmanage()
        super().stop(deleteIntfs)
        if self._own is not None:
            self._own.cleanup()


class IosNode(SshNode):
    """GigabitEthernet1/0/<n> is Mininet's port n. Its flash keeps vlan.dat beside its startup-config."""

    ios: IosSwitch | None = None

    def managed(self, hardware: OpenVSwitch) -> SshFront:
        self.ios = IosSwitch(hardware, self.flash, self.name, **self._platform)
        return served_over_ssh(self.ios, self._users, (LOOPBACK, self._ssh_port))

    def unmanage(self) -> None:
        if self.ios is not None:
            self.ios.close()


class JunosNode(SshNode):
    """ge-0/0/<n> is Mininet's port n. One without a configuration switches on all its ports, as from the factory."""

    junos: JunosSwitch | None = None

    def managed(self, hardware: OpenVSwitch) -> SshFront:
        if not (self.flash / ACTIVE).exists():
            self.flash.mkdir(parents=True, exist_ok=True)
            (self.flash / ACTIVE).write_text(factory(self.name, hardware.interfaces))
        self.junos = JunosSwitch(hardware, self.flash, self.name, **self._platform)
        return served_over_netconf(self.junos, self._users, (LOOPBACK, self._ssh_port))

    def unmanage(self) -> None:
        if self.junos is not None:
            self.junos.close()


class NxosNode(SshNode):
    """Ethernet1/<n> is Mininet's port n."""

    nxos: NxosSwitch | None = None

    def managed(self, hardware: OpenVSwitch) -> SshFront:
        self.nxos = NxosSwitch(hardware, self.flash, self.name, **self._platform)
        return nxos_shell.served_over_ssh(self.nxos, self._users, (LOOPBACK, self._ssh_port))

    def unmanage(self) -> None:
        if self.nxos is not None:
            self.nxos.close()


switches = {"eos": EosNode, "ios": IosNode, "junos": JunosNode, "nxos": NxosNode}
