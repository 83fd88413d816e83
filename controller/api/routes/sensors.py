"""A sensor asks for work and brings results; see `controller.discovery.probes`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from controller.api.auth import Reporter, Sensor, TheService
from controller.api.listings import ReportedView
from controller.discovery.probes import SensorResults, SensorWork
from controller.discovery.reports import DeviceReports

router = APIRouter(prefix="/api/v1/sensors", tags=["sensors"])
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


@router.get("/{name}/work")
async def work(
    name: Name, service: TheService, token: Sensor, wait: Annotated[float, Query(ge=0, le=60)] = 10.0
) -> SensorWork:
    """What to probe and to watch; held until there is something new, at most `wait` seconds."""
    return await service.sensor_work(name, wait)


@router.post("/{name}/results", status_code=204)
async def results(name: Name, body: SensorResults, service: TheService, token: Sensor) -> None:
    """What was found since the last word."""
    await service.sensor_results(name, body)


@router.post("/{name}/devices")
async def devices(name: Name, body: DeviceReports, service: TheService, token: Reporter) -> ReportedView:
    """What devices look like to a passive sensor: shown with them; nothing is loosened by it."""
    return ReportedView(taken=service.report_devices(name, body), sent=len(body.devices))
