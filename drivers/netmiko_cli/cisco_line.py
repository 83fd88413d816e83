"""The way to an IOS switch by its command line, with what the driver asks of NAPALM's getters answered in their shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netmiko import ConnectHandler

from drivers.napalm_config.ios_device import run
from drivers.napalm_config.ios_told import vlans
from drivers.napalm_config.ssh_line import SshLine
from drivers.netmiko_cli import cisco_told
from drivers.netmiko_cli.options import CiscoIosOptions

CONNECT = 10.0
"""Seconds for each step of a login."""


class CiscoLine(SshLine):
    def __init__(self, device: str, options: CiscoIosOptions) -> None:
        super().__init__(device, options)

    def _driver(self, password: str, optional: dict[str, Any]) -> Any:
        trust = {name: value for name, value in optional.items() if name != "force_no_enable"}
        return CiscoCli(host=self._options.host, username=self._options.username, password=password, **trust)

    def _begin(self, napalm: Any) -> None:
        napalm.open()


class CiscoCli:
    """`login` is what Netmiko's ConnectHandler takes. `device` is its connection, once it is open."""

    def __init__(self, **login: Any) -> None:
        self._login = login
        self.device: Any = None

    def open(self) -> None:
        """Raises what Netmiko and paramiko raise."""
        self.device = ConnectHandler(
            device_type="cisco_ios", conn_timeout=CONNECT, auth_timeout=CONNECT, keepalive=30, **self._login
        )

    def get_config(self, retrieve: str) -> Mapping[str, str]:
        return {retrieve: run(self, f"show {retrieve}-config")}

    def get_facts(self) -> Mapping[str, str]:
        return cisco_told.facts(run(self, "show version"))

    def get_interfaces(self) -> Mapping[str, Mapping[str, Any]]:
        return cisco_told.interfaces(run(self, "show interfaces"))

    def get_vlans(self) -> Mapping[int, str]:
        return vlans(run(self, "show vlan brief"))

    def get_mac_address_table(self) -> list[dict[str, Any]]:
        return cisco_told.macs(run(self, "show mac address-table"))

    def get_arp_table(self) -> list[dict[str, str]]:
        return cisco_told.arp(run(self, "show arp | exclude Incomplete"))
