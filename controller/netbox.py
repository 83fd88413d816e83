"""The managed inventory from NetBox, by `pynetbox`: devices and virtual machines, their interfaces' MACs, and the addresses on these.

Read whole, page by page, as NetBox's REST API lists it (https://netboxlabs.com/docs/netbox/integrations/rest-api/, "Pagination").
Nothing is written to NetBox: a token that may only read is enough. It is sent to the configured NetBox alone, wherever a `next` points.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from controller.config import Asset, NetBox
from controller.errors import ConfigError
from controller.model import Managed
from controller.neutralize import neutralize
from drivers.credentials import NoCredentials, password

NAME = "netbox"
"""What the token is called in the environment (NETCORDON_PASSWORD_NETBOX) and the keyring."""
ROWS_MOST = 1_000_000
_PAGE = 500
_TIMEOUT = 30.0
_ONBOARDED = frozenset({"active", "staged", "failed", "offline"})
"""Of NetBox's states; what is planned, in store or being decommissioned is listed, and nobody looks after it on the network."""


@dataclass(frozen=True, slots=True)
class Reading:
    """`unread`: rows that are no asset (a MAC that is none), with the first of them in words."""

    assets: tuple[Asset, ...]
    unread: int = 0
    first_unread: str = ""


@dataclass(slots=True)
class _Interface:
    macs: list[str] = field(default_factory=list)
    ips: list[str] = field(default_factory=list)


def read_netbox(settings: NetBox, environment: Mapping[str, str] = os.environ) -> Reading:
    """All that NetBox lists (of `sites`, where some are named). Blocks, for as long as it takes. Raises ConfigError for a missing package
    or token, and for a NetBox that does not answer as such."""
    try:
        import pynetbox
        import requests
    except ImportError as error:
        raise ConfigError(
            f"inventory: {settings.netbox} needs the package pynetbox: pip install 'netcordon[netbox]'"
        ) from error
    api = pynetbox.api(settings.netbox, token=_token(settings, environment))
    api.http_session = _session(requests.Session, settings)
    try:
        return _read(api, settings)
    except (pynetbox.RequestError, pynetbox.ContentError) as error:
        raise ConfigError(f"{settings.netbox}: {neutralize(_in_words(error))}") from error
    except requests.RequestException as error:
        raise ConfigError(f"{settings.netbox} does not answer: {type(error).__name__}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # JSON, and not NetBox's
        raise ConfigError(
            f"{settings.netbox} does not answer as NetBox does ({type(error).__name__}): is that its URL?"
        ) from error


def _token(settings: NetBox, environment: Mapping[str, str]) -> str:
    try:
        return password(NAME, settings.token_file, environment)
    except NoCredentials as error:
        if settings.token_file is not None:
            raise ConfigError(f"{settings.netbox}: {error}") from None
        raise ConfigError(
            f"{settings.netbox}: no token: set $NETCORDON_PASSWORD_NETBOX, or token_file to a file of mode 0600"
        ) from None


def _session(base: type[Any], settings: NetBox) -> Any:
    origin = urlsplit(settings.netbox)[:2]

    class Session(base):  # type: ignore[misc]  # requests ships no types
        def request(self, method: str, url: str, **more: Any) -> Any:
            if urlsplit(url)[:2] != origin:
                raise ValueError("a page elsewhere")
            return super().request(method, url, **{"timeout": _TIMEOUT, "allow_redirects": False} | more)

    session = Session()
    session.trust_env = False  # no proxy, and no .netrc whose password would go instead of the token
    session.verify = str(settings.ca) if settings.ca is not None else True
    return session


def _in_words(error: Any) -> str:
    code = getattr(getattr(error, "req", None), "status_code", None)
    if code in (401, 403):
        return f"HTTP {code}: the token is not known there, or may not read"
    return f"HTTP {code}" if code is not None and code >= 300 else "answers, and not as NetBox does: is that its URL?"


def _read(api: Any, settings: NetBox) -> Reading:
    owners = {
        "dcim.interface": _owners(api.dcim.devices, settings, virtual=False),
        "virtualization.vminterface": _owners(api.virtualization.virtual_machines, settings, virtual=True),
    }
    interfaces: dict[str, dict[int, tuple[int, _Interface]]] = {
        "dcim.interface": _interfaces(api.dcim.interfaces, "device"),
        "virtualization.vminterface": _interfaces(api.virtualization.interfaces, "virtual_machine"),
    }
    for row in _rows(api.ipam.ip_addresses):
        at = interfaces.get(row.get("assigned_object_type") or "", {}).get(row.get("assigned_object_id") or 0)
        if at is not None:
            at[1].ips.append(str(row["address"]).partition("/")[0])
    assets, unread = [], []
    for kind, of in interfaces.items():
        for owner, interface in of.values():
            told = owners[kind].get(owner)
            for named in [] if told is None else _names(interface):
                try:
                    assets.append(Asset.model_validate({**(told or {}), **named}))
                except ValidationError:
                    unread.append(f"{(told or {}).get('name')}: {named}")
    return Reading(tuple(assets), len(unread), neutralize(unread[0]) if unread else "")


def _owners(endpoint: Any, settings: NetBox, *, virtual: bool) -> dict[int, dict[str, Any]]:
    """What is known of each device, by its id."""
    found = {}
    for row in _rows(endpoint, exclude="config_context", **({"site": list(settings.sites)} if settings.sites else {})):
        custom = row.get("custom_fields") or {}
        criticality = custom.get(settings.criticality)
        managed = Managed.MANAGED if _word(row.get("status"), "value") in _ONBOARDED else Managed.UNMANAGED
        model = "virtual-machine" if virtual else _word(row.get("device_type"), "model")
        found[int(row["id"])] = {
            "name": row.get("name") or "",
            "managed": managed,
            "type": model or "unknown",
            "role": _word(row.get("role") or row.get("device_role"), "slug") or "unknown",
            "owner": _word(row.get("tenant"), "name") or "unknown",
            "criticality": str(criticality).lower() if criticality else "unknown",
        }
    return found


def _word(value: Any, name: str) -> str:
    """Of a related object its name; of a plain value itself."""
    return str((value.get(name) if isinstance(value, Mapping) else value) or "")


def _interfaces(endpoint: Any, owner: str) -> dict[int, tuple[int, _Interface]]:
    """Each interface with its device's id. Since NetBox 4.2 one may have several MACs, of which `mac_address` is the primary one."""
    found = {}
    for row in _rows(endpoint):
        macs = [row.get("mac_address"), *(_word(one, "mac_address") for one in row.get("mac_addresses") or ())]
        named = list(dict.fromkeys(str(mac).lower() for mac in macs if mac))
        found[int(row["id"])] = int(row[owner]["id"]), _Interface(named)
    return found


def _names(interface: _Interface) -> Iterator[dict[str, str]]:
    """An asset for each MAC, the first one with each of its addresses; or for each address, where no MAC is known."""
    first, *others = interface.macs or [""]
    for ip in interface.ips:
        yield {"mac": first, "ip": ip} if first else {"ip": ip}
    if first and not interface.ips:
        yield {"mac": first}
    for mac in others:
        yield {"mac": mac}


def _rows(endpoint: Any, **filters: Any) -> Iterable[dict[str, Any]]:
    """All rows as plain values. Raises ConfigError for more than any inventory has."""
    records = endpoint.filter(**filters, limit=_PAGE) if filters else endpoint.all(limit=_PAGE)
    for number, record in enumerate(records):
        if number >= ROWS_MOST:
            raise ConfigError(f"more than {ROWS_MOST} rows of {endpoint.name}: name `sites`")
        yield dict(record)
