"""What a passive sensor takes a device for: it reaches the endpoint, is kept, and neither widens nor hinders a containment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from controller.config import Config
from controller.daemon import Daemon
from controller.discovery.alarms import Known
from controller.discovery.listener import Device, Listener
from controller.discovery.reports import DeviceReport, DeviceReports, Reporting
from controller.model import End, Looks
from controller.network.looks import STALE, LooksBook
from controller.requests import Disposition
from controller.store import Store
from drivers.memory import MemoryDriver
from tests.campus import NOW, alert, campus, mac, port
from tests.unit.store_cases import Clock
from tests.unit.test_discover import arp

DC, ATTACKER = mac(1), mac(6)
CONFIG: dict[str, Any] = {
    "assets": [{"mac": DC, "ip": "10.0.0.10", "name": "DC01", "role": "domain-controller", "type": "computer"}],
    "protected": [{"role": "domain-controller", "why": "everybody signs in there"}],
    "policy": {
        "incriminate": [{"name": "scans", "culprit": "source"}],
        "rules": [{"name": "scanners", "mode": "contain"}],
    },
}


def looks(**changes: Any) -> Looks:
    given: dict[str, Any] = {
        "type": "camera",
        "role": "camera",
        "vendor": "Axis",
        "confidence": 0.5,
        "evidence": ("offers tcp/554",),
    }
    return Looks(**{**given, "sensor": "floor2", "at": NOW} | changes)


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    """One that never started: no switch, no speaker; its clock stands at NOW."""
    clock = Clock()
    clock.now = NOW
    store = await Store.open(f"sqlite:///{tmp_path}/netcordon.db", now=clock)
    made = Daemon(Config.model_validate(CONFIG), store, clock)
    net = campus(**CONFIG)
    net.keeps_saying("10.0.0.66", 6, 3, since=600)
    net.keeps_saying("10.0.0.10", 1, 1, since=600)
    made.network.graph, made.network.bindings = net.network.graph, net.network.bindings
    made.containments._capabilities = lambda _: MemoryDriver.capabilities
    yield made
    await store.close()


def saying(name: str) -> list[Device]:
    """The attacker, heard as a domain controller by everything that it says of itself and offers."""
    listener = Listener(Known())
    named = [("message-type", "request"), ("hostname", name.encode()), ("client_id", name.encode()), "end"]
    asking = BOOTP(op=1) / DHCP(options=named)
    head = Ether(src=ATTACKER) / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
    listener.hear(bytes(head / asking), NOW)
    listener.hear(arp(ATTACKER, "10.0.0.66"), NOW)
    return listener.devices()


async def test_a_device_that_calls_itself_dc01_drags_no_domain_controller_in(daemon: Daemon) -> None:
    """Nor does it get the domain controller's protection by that."""
    said = Reporting().news(saying("DC01"))
    assert "dhcp-name DC01" in [str(word) for one in saying("DC01") for word in map(" ".join, one.seen.words)]
    worst = DeviceReport(
        mac=ATTACKER, last_seen=NOW, role="domain-controller", confidence=0.9, evidence=["dhcp-name DC01"]
    )
    assert daemon.report_devices("floor2", DeviceReports(devices=[*said, worst])) == len(said) + 1
    answer = await daemon.take_alert(alert(), "{}")
    assert answer.containment is not None, answer.reason
    held = answer.containment.endpoint
    assert held.macs == frozenset({ATTACKER})
    assert (held.role, held.looks) == ("unknown", worst.looks("floor2", NOW)), "shown, and decided by nobody"
    assert held.ips == {ip_address("10.0.0.66")}
    assert {rule.match.port for _, rule in answer.containment.rules} == {port(3)}, "and not the domain controller's"
    assert (await daemon.store.containment(answer.containment.id)).endpoint.looks == held.looks
    controller = next(one for one in daemon.endpoints() if DC in one.macs)
    assert (controller.macs, controller.role, controller.looks) == (frozenset({DC}), "domain-controller", None)
    refused = await daemon.take_alert(alert(key="k2", src=End(ip=ip_address("10.0.0.10"))), "{}")
    assert refused.disposition is not Disposition.CONTAINED, "the real one is protected"


async def test_what_is_known_of_a_device_outlives_the_daemon(daemon: Daemon) -> None:
    daemon.report_devices("floor2", DeviceReports(devices=[DeviceReport(mac=ATTACKER, last_seen=NOW, vendor="Axis")]))
    await daemon._flush_looks()
    assert daemon.network.looks.take_unsaved() == {}
    again = LooksBook()
    again.load(await daemon.store.load_looks(10))
    kept = again.of("default", {ATTACKER})
    assert kept is not None
    assert (kept.vendor, kept.sensor, kept.at) == ("Axis", "floor2", NOW)
    assert again.of("elsewhere", {ATTACKER}) is None
    await daemon.store.forget_looks(NOW + 1)
    assert await daemon.store.load_looks(10) == {}


async def test_the_store_keeps_the_newest_of_each(store: Store) -> None:
    one, other = ("default", ATTACKER), ("default", DC)
    await store.save_looks({one: looks(at=NOW), other: looks(at=NOW + 1)})
    await store.save_looks({one: looks(at=NOW + 2, evidence=("dhcp-name \0\ud800",))})
    kept = await store.load_looks(10)
    assert list(kept) == [other, one], "oldest first"
    assert kept[one].at == NOW + 2
    assert list(await store.load_looks(1)) == [one]
    assert await store.forget_looks(NOW + 2) == 1


def test_of_two_sensors_the_surer_counts_until_it_is_stale() -> None:
    book = LooksBook()
    assert book.take("default", DC, looks(sensor="a", confidence=0.8))
    assert not book.take("default", DC, looks(sensor="b", confidence=0.3, role="dns"))
    assert book.take("default", DC, looks(sensor="a", confidence=0.2, at=NOW + 1)), "its own newer word"
    assert not book.take("default", DC, looks(sensor="a", confidence=0.9, at=NOW)), "its own older word"
    assert book.take("default", DC, looks(sensor="b", confidence=0.1, at=NOW + 2 + STALE))


def test_a_flood_of_macs_pushes_nobody_out() -> None:
    book = LooksBook(most=2)
    assert all(book.take("default", mac(n), looks()) for n in (1, 2))
    assert not book.take("default", mac(3), looks(at=NOW + 60))
    assert book.crowded_out == 1
    assert book.of("default", {mac(1)}) is not None
    assert book.take("default", mac(3), looks(at=NOW + STALE + 1)), "what is old makes room"


def test_a_device_is_told_of_once_and_again_when_it_changes_or_after_a_while() -> None:
    reporting = Reporting(again=60.0)
    device = saying("DESKTOP-1")[0]
    (first,) = reporting.news([device])
    assert reporting.news([device]) == [first], "the daemon does not have it yet"
    reporting.told([first])
    assert reporting.news([device]) == []
    later = replace(device, seen=replace(device.seen, last_seen=NOW + 60))
    assert [one.last_seen for one in reporting.news([later])] == [NOW + 60]
    other = replace(device, looks=replace(device.looks, confidence=0.5, role="printer"))
    assert [one.role for one in reporting.news([other])] == ["printer"]
    silent = replace(device, looks=replace(device.looks, vendor="", confidence=0.0))
    assert reporting.news([silent]) == []


@pytest.mark.parametrize(
    "wrong",
    [{"role": "Domain Controller\x1b"}, {"confidence": 2}, {"evidence": ["x"] * 99}, {"mac": "me"}, {"ip": "1"}],
)
def test_what_cannot_be_a_report_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DeviceReport.model_validate({"mac": ATTACKER, "last_seen": NOW, **wrong})
