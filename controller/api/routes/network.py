"""What is known of the network: who is where, who was where when, and the devices that hold rules."""

from __future__ import annotations

import re
from math import inf
from typing import Annotated

from fastapi import APIRouter, Query

from controller.api import views
from controller.api.auth import Container, Reader, TheService
from controller.api.listings import BindingView, CrawlView, DeviceInfo, PathView, TopologyView
from controller.api.schemas import CrawlBody, EndpointView, LocationView
from controller.errors import InvalidInput
from controller.intake.event import aware_time
from controller.model import Address
from controller.neutralize import neutralize
from controller.targets import parse_address, parse_target
from drivers.rules import Mac, parse_mac

router = APIRouter(prefix="/api/v1", tags=["network"])


@router.get("/locate")
async def locate(
    service: TheService,
    token: Reader,
    target: Annotated[str, Query(max_length=200)],
    at: Annotated[str | None, Query(max_length=50, description="ISO 8601 with an offset; left out: now")] = None,
) -> LocationView:
    """Which device a target is, or was at a time, with the evidence for it and against it."""
    return views.location_view(service.locate(parse_target(target), None if at is None else _time(at)))


@router.get("/endpoints")
async def endpoints(service: TheService, token: Reader) -> list[EndpointView]:
    """Every device that was seen."""
    return [views.endpoint_view(endpoint) for endpoint in service.endpoints()]


@router.get("/bindings")
async def bindings(
    service: TheService,
    token: Reader,
    ip: str | None = None,
    mac: str | None = None,
    at: Annotated[
        str | None, Query(max_length=50, description="ISO 8601 with an offset: what had begun by then")
    ] = None,
) -> list[BindingView]:
    """Who held which address where, from when to when."""
    until = inf if at is None else _time(at)
    found = service.bindings(_address(ip), _mac(mac))
    return [views.binding_view(binding) for binding in found if binding.first_seen <= until]


@router.get("/devices")
async def devices(service: TheService, token: Reader) -> list[DeviceInfo]:
    """The network devices, and how far each has come with what it should hold."""
    return [views.device_info(device) for device in await service.devices()]


@router.post("/crawl")
async def crawl(body: CrawlBody, service: TheService, token: Container) -> list[CrawlView]:
    """Read a device's own tables now, or all devices'. What could not be read says why."""
    return [views.crawl_view(one) for one in await service.crawl(body.device)]


@router.get("/topology")
async def topology(
    service: TheService,
    token: Reader,
    endpoints: Annotated[bool, Query(description="also everybody who was seen")] = False,
) -> TopologyView:
    """Who is cabled to whom: devices, boxes that nobody manages, bundles, and the routers that were seen."""
    return views.topology_view(service.topology(endpoints=endpoints))


@router.get("/path")
async def path(
    service: TheService,
    token: Reader,
    source: Annotated[str, Query(max_length=200)],
    destination: Annotated[str, Query(max_length=200)],
) -> PathView:
    """The way from one device to another, and what stops what on it, by what the network devices should hold."""
    return views.path_view(await service.path(parse_target(source), parse_target(destination)))


def _time(text: str) -> float:
    # A '+' that was not percent-encoded arrives as a space.
    try:
        return aware_time(re.sub(r" (\d\d:?\d\d)$", r"+\1", text))
    except ValueError as error:
        raise InvalidInput(f"at: {error}") from error


def _address(text: str | None) -> Address | None:
    try:
        return None if text is None else parse_address(text)
    except ValueError as error:
        raise InvalidInput(f"ip: not an address: {neutralize(text or '', 80)!r}") from error


def _mac(text: str | None) -> Mac | None:
    try:
        return None if text is None else parse_mac(text)
    except ValueError as error:
        raise InvalidInput(f"mac: not a MAC address: {neutralize(text or '', 80)!r}") from error
