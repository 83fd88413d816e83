"""The inventory from NetBox, by pynetbox against a local server that answers as NetBox's REST API documents
(https://netboxlabs.com/docs/netbox/integrations/rest-api/; fields as `dcim.api.serializers_` of NetBox 4.2 lists them); and sources that
break, come back, and are read again."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from controller.config import Config, NetBox, load_config
from controller.errors import ConfigError
from controller.inventory_sources import InventorySources
from controller.model import Managed
from controller.netbox import read_netbox
from controller.network.view import NetworkView
from controller.store import Store
from tests.unit.store_cases import Clock

TOKEN = "0123456789abcdef0123456789abcdef01234567"
ENVIRONMENT = {"NETCORDON_PASSWORD_NETBOX": TOKEN}
DC, CAMERA, VM, SECOND = "00:15:5D:00:00:01", "00:40:8C:00:00:02", "52:54:00:00:00:03", "00:15:5D:00:00:99"


def device(id: int, name: str, role: str, **more: Any) -> dict[str, Any]:
    return {
        "id": id,
        "url": f"http://netbox/api/dcim/devices/{id}/",
        "name": name,
        "role": {"id": 1, "url": "http://netbox/api/dcim/device-roles/1/", "name": role.title(), "slug": role},
        "device_type": {"id": 1, "url": "http://netbox/api/dcim/device-types/1/", "model": "PowerEdge R640"},
        "site": {"id": 1, "url": "http://netbox/api/dcim/sites/1/", "name": "HQ", "slug": "hq"},
        "tenant": None,
        "status": {"value": "active", "label": "Active"},
        "custom_fields": {},
    } | more


def interface(id: int, of: str, owner: int, mac: str | None, *others: str) -> dict[str, Any]:
    macs = [
        {"id": n, "url": f"http://netbox/api/dcim/mac-addresses/{n}/", "mac_address": m} for n, m in enumerate(others)
    ]
    nested = {"id": owner, "url": f"http://netbox/api/x/{owner}/", "name": "x"}
    return {
        "id": id,
        "url": f"http://netbox/api/x/{id}/",
        "name": "eth0",
        of: nested,
        "mac_address": mac,
        "mac_addresses": macs,
    }


def address(id: int, text: str, kind: str | None, at: int | None) -> dict[str, Any]:
    named = {"id": id, "url": f"http://netbox/api/ipam/ip-addresses/{id}/", "address": text}
    return {**named, "assigned_object_type": kind, "assigned_object_id": at}


@dataclass
class Served:
    """What the server lists, by path, and what was asked of it. `answer`: instead of all that."""

    rows: dict[str, list[dict[str, Any]]]
    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    answer: Callable[[BaseHTTPRequestHandler], None] | None = None


@pytest.fixture
def netbox() -> Iterator[Served]:
    tenant = {"id": 5, "url": "http://netbox/api/tenancy/tenants/5/", "name": "Identity team", "slug": "identity"}
    served = Served(
        {
            "/api/dcim/devices/": [
                device(1, "dc01", "domain-controller", tenant=tenant, custom_fields={"criticality": "High"}),
                device(2, "door", "camera", status={"value": "decommissioning", "label": "Decommissioning"}),
                *(device(100 + n, f"spare{n}", "server") for n in range(1200)),
            ],
            "/api/virtualization/virtual-machines/": [
                {k: v for k, v in device(1, "vm1", "dns").items() if k != "device_type"}
            ],
            "/api/dcim/interfaces/": [
                interface(11, "device", 1, DC, DC, SECOND),
                interface(12, "device", 2, CAMERA),
                interface(13, "device", 2, None),
                interface(14, "device", 7777, "02:00:00:00:00:77"),
                interface(15, "device", 2, "no MAC at all"),
            ],
            "/api/virtualization/interfaces/": [interface(11, "virtual_machine", 1, VM)],
            "/api/ipam/ip-addresses/": [
                address(1, "10.0.0.10/24", "dcim.interface", 11),
                address(2, "2001:db8::10/64", "dcim.interface", 11),
                address(3, "10.0.0.53/24", "virtualization.vminterface", 11),
                address(4, "10.0.0.20/24", "dcim.interface", 13),
                address(5, "10.0.0.254/24", "ipam.fhrpgroup", 11),
                address(6, "10.0.0.99/24", None, None),
            ],
        }
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts, header = urlsplit(self.path), self.headers.get("Authorization", "")
            served.asked.append((self.path, header))
            if served.answer is not None:
                served.answer(self)
            elif header != f"Token {TOKEN}":
                say(self, 403, {"detail": "Invalid token"})
            else:
                query = parse_qs(parts.query)
                limit, offset = int(query.get("limit", ["50"])[0]), int(query.get("offset", ["0"])[0])
                rows, most = served.rows[parts.path], min(limit or 1000, 1000)
                more = f"{served.url}{parts.path}?limit={limit}&offset={offset + most}"
                page = rows[offset : offset + most]
                body = {"count": len(rows), "next": more if offset + most < len(rows) else None, "previous": None}
                say(self, 200, {**body, "results": page})

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def say(handler: BaseHTTPRequestHandler, status: int, body: Any) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(raw)))
    handler.end_headers()
    handler.wfile.write(raw)


def test_devices_and_machines_are_assets_by_their_interfaces(netbox: Served) -> None:
    read = read_netbox(NetBox(netbox=netbox.url), ENVIRONMENT)
    by_mac = {(str(asset.mac or ""), str(asset.ip or "")): asset for asset in read.assets}
    low = [mac.lower() for mac in (DC, CAMERA, VM, SECOND)]
    assert set(by_mac) == {
        (low[0], "10.0.0.10"),
        (low[0], "2001:db8::10"),
        (low[3], ""),
        (low[1], ""),
        ("", "10.0.0.20"),
        (low[2], "10.0.0.53"),
    }
    dc, vm = by_mac[low[0], "10.0.0.10"], by_mac[low[2], "10.0.0.53"]
    assert (dc.name, dc.role, dc.owner, dc.criticality) == ("dc01", "domain-controller", "Identity team", "high")
    assert (dc.type, dc.managed) == ("PowerEdge R640", Managed.MANAGED)
    assert (vm.name, vm.role, vm.type, vm.owner, vm.criticality) == (
        "vm1",
        "dns",
        "virtual-machine",
        "unknown",
        "unknown",
    )
    assert by_mac[low[1], ""].managed is Managed.UNMANAGED, "nobody looks after what is being decommissioned"
    assert read.unread == 1
    assert "no mac at all" in read.first_unread


def test_it_is_read_page_by_page_and_by_site(netbox: Served) -> None:
    read_netbox(NetBox(netbox=netbox.url, sites=("hq", "dc2")), ENVIRONMENT)
    pages = [path for path, _ in netbox.asked if path.startswith("/api/dcim/devices/")]
    assert len(pages) == 3, "1202 devices, 500 a page"
    assert {header for _, header in netbox.asked} == {f"Token {TOKEN}"}
    assert parse_qs(urlsplit(pages[0]).query)["site"] == ["hq", "dc2"]
    assert len(netbox.asked) == 3 + 4, "one request each for the others, and none for a single record"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda handler: say(handler, 500, {"detail": "oops"}), "HTTP 500"),
        (lambda handler: say(handler, 200, b"<html>login</html>"), "not as NetBox does"),
        (
            lambda handler: say(handler, 200, {"count": 1, "next": None, "results": [{"id": "x"}]}),
            "not answer as NetBox",
        ),
        (lambda handler: say(handler, 200, [1, 2]), "not answer as NetBox|nothing"),
    ],
)
def test_what_does_not_answer_as_netbox_is_said(netbox: Served, answer: Any, says: str) -> None:
    netbox.answer = answer
    with pytest.raises(ConfigError, match=says):
        read_netbox(NetBox(netbox=netbox.url), ENVIRONMENT)


def test_a_wrong_token_is_said_and_never_shown(netbox: Served) -> None:
    with pytest.raises(ConfigError, match="the token is not known there") as caught:
        read_netbox(NetBox(netbox=netbox.url), {"NETCORDON_PASSWORD_NETBOX": "wrong-secret"})
    assert "wrong-secret" not in str(caught.value)


def test_the_token_goes_nowhere_else(netbox: Served) -> None:
    def elsewhere(handler: BaseHTTPRequestHandler) -> None:
        say(
            handler,
            200,
            {"count": 2, "next": "http://127.0.0.2:1/api/dcim/devices/?offset=1", "results": [device(1, "a", "b")]},
        )

    netbox.answer = elsewhere
    with pytest.raises(ConfigError, match="does not answer as NetBox"):
        read_netbox(NetBox(netbox=netbox.url), ENVIRONMENT)


def test_the_token_comes_from_a_file_that_nobody_else_reads(netbox: Served, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_netbox(NetBox(netbox=netbox.url, token_file=file), {})
    file.chmod(0o600)
    assert read_netbox(NetBox(netbox=netbox.url, token_file=file), {}).assets
    with pytest.raises(ConfigError, match="NETCORDON_PASSWORD_NETBOX"):
        read_netbox(NetBox(netbox=netbox.url), {})


@pytest.mark.parametrize(
    "url", ["http://netbox.example.org", "ftp://netbox", "netbox", "https://me:secret@netbox", "https://netbox/?a=b"]
)
def test_an_address_that_would_leak_the_token_is_refused(url: str, tmp_path: Path) -> None:
    path = tmp_path / "netcordon.yaml"
    path.write_text(f"inventory: [{{netbox: '{url}'}}]\n")
    with pytest.raises(ConfigError, match="https://"):
        load_config(path)


# --- kept up to date --------------------------------------------------------------------------------------------------


@dataclass
class Kept:
    sources: InventorySources
    network: NetworkView
    clock: Clock

    def role(self, mac: str) -> str:
        return self.network.inventory.asset([mac.lower()], []).role  # type: ignore[list-item]


@pytest.fixture
async def keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[str], Any]]:
    monkeypatch.setenv("NETCORDON_PASSWORD_NETBOX", TOKEN)
    stores: list[Store] = []

    async def start(text: str) -> Kept:
        for store in stores:
            await store.close()
        path, clock = tmp_path / "netcordon.yaml", Clock()
        path.write_text(text)
        config = load_config(path)
        stores[:] = [await Store.open(f"sqlite:///{tmp_path}/netcordon.db", clock)]
        network = NetworkView.from_config(config)
        sources = InventorySources(config, stores[0], network, clock)
        await sources.start()
        return Kept(sources, network, clock)

    yield start
    for store in stores:
        await store.close()


async def test_a_file_is_read_again_when_it_changes_and_a_broken_one_keeps_what_it_said(
    keep: Callable[[str], Any], tmp_path: Path
) -> None:
    file = tmp_path / "devices.csv"
    file.write_text(f"mac,role\n{DC},dns\n")
    kept = await keep(f"inventory: [devices.csv]\nassets: [{{mac: '{CAMERA}', role: camera}}]\n")
    assert (kept.role(DC), kept.role(CAMERA)) == ("dns", "camera")
    file.write_text(f"mac,role\n{DC},domain-controller\n{CAMERA},phone\n")
    await kept.sources.look()
    assert (kept.role(DC), kept.role(CAMERA)) == ("domain-controller", "camera"), "a person's own word comes first"
    file.write_text(f"mac,role\n{DC},dns,and,more\n")
    await kept.sources.look()
    assert kept.role(DC) == "domain-controller"
    (trouble,) = kept.sources.troubles
    assert "more cells than the head" in trouble
    assert "what it said last still counts" in trouble
    file.unlink()
    await kept.sources.look()
    assert kept.role(DC) == "domain-controller"
    assert "No such file" in kept.sources.troubles[0]
    file.write_text(f"mac,role\n{DC},server\n")
    await kept.sources.look()
    assert (kept.role(DC), kept.sources.troubles) == ("server", [])


async def test_a_netbox_that_is_away_keeps_what_it_said_and_across_a_restart(
    keep: Callable[[str], Any], netbox: Served
) -> None:
    text = f"inventory: [{{netbox: '{netbox.url}', every: 15m}}]\n"
    kept = await keep(text)
    assert netbox.asked == [], "switches do not wait for it"
    assert "not read yet" in kept.sources.troubles[0]
    await kept.sources.run()
    assert kept.role(DC) == "domain-controller"
    assert kept.sources.troubles == [], "one row that is none stands in nobody's way"
    assert "1 rows are no asset" in kept.sources.notes[0]
    asked = len(netbox.asked)
    await kept.sources.look()
    assert len(netbox.asked) == asked, "it is not due"
    netbox.answer = lambda handler: say(handler, 503, {})
    kept.clock.now += 901
    await kept.sources.look()
    assert kept.role(DC) == "domain-controller"
    assert "HTTP 503" in kept.sources.troubles[0]
    netbox.answer = lambda handler: say(handler, 200, {"count": 0, "next": None, "previous": None, "results": []})
    kept.sources.read_now()
    await kept.sources.run()
    assert kept.role(DC) == "domain-controller", "nothing at all is no inventory"
    assert "does the token still see them" in kept.sources.troubles[0]
    again = await keep(text)
    assert again.role(DC) == "domain-controller"
    known = again.network.inventory.asset([], [ip_address("10.0.0.20")])
    assert (known.name, known.managed) == ("door", Managed.UNMANAGED), "all of it is kept"


async def test_sighup_reads_all_of_it_again(keep: Callable[[str], Any], netbox: Served) -> None:
    kept = await keep(f"inventory: [{{netbox: '{netbox.url}'}}]\n")
    await kept.sources.run()
    netbox.rows["/api/dcim/devices/"][0]["role"]["slug"] = "server"
    kept.sources.read_now()
    await kept.sources.run()
    assert kept.role(DC) == "server"


def test_the_configurations_own_assets_need_no_file() -> None:
    config = Config.model_validate({"assets": [{"mac": DC, "role": "dns"}]})
    assert config.own_assets == config.assets
