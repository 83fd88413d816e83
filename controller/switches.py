"""OpenFlow switches as they come: the speaker is started when none answers, and every switch that connects to it becomes a device of
the fleet, unless the configuration wants only those that it lists."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal

import structlog

from controller.config import Config, Device, Speaker
from controller.errors import ConfigError, NetcordonError
from controller.fleet import Fleet
from drivers.base import DriverError
from drivers.openflow.driver import BesideOpenFlowDriver, OpenFlowDriver, device_id
from drivers.openflow.link import SpeakerLink
from drivers.openflow.starting import SpeakerKind, Tls, ensure_speaker
from drivers.rules import PortName

log = structlog.get_logger("switches")
RETRY_AFTER = 1.0
_DEVICE_ID = re.compile(r"of:([0-9a-f]{16})")


class OpenFlowSwitches:
    """Owns the link to the speaker. `start` serves the listed switches at once, so that what is wanted of an absent one is queued."""

    def __init__(self, config: Config, fleet: Fleet) -> None:
        self._settings = config.openflow
        self._listed = {device.id: device for device in config.devices if device.driver == "openflow"}
        self._fleet = fleet
        self._link = SpeakerLink(self._settings.speaker.socket)
        self._kind = _kind(self._settings.speaker)
        self._started_pid: int | None = None
        self._adopting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises ConfigError for a device id that is none, DeviceUnreachable when no speaker can be had,
        AnotherKind when the one that answers is not of the kind that was configured."""
        dpids = {id: _dpid(id) for id in self._listed}
        speaker = self._settings.speaker
        if speaker.start:
            speaker.log.parent.mkdir(parents=True, exist_ok=True)
            pid, started = await ensure_speaker(speaker.socket, self._kind, speaker.log)
            self._started_pid = pid if started else None
            log.info("speaker", pid=pid, started=started, listen=speaker.listen, socket=str(speaker.socket))
        arrivals = self._link.arrivals()
        await self._link.start()  # first: no switch is unreachable only because nobody has been asked for it yet
        self._kind.require(self._link.speaker)
        for id, dpid in dpids.items():
            await self._serve(id, dpid)
        self._adopting = asyncio.create_task(self._adopt(arrivals), name="adopt switches")

    async def close(self) -> None:
        """The speaker goes on, with its sessions, unless it was started here and is not to be kept."""
        if self._adopting is not None:
            self._adopting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._adopting
        if self._started_pid is not None and not self._settings.speaker.keep:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._started_pid, signal.SIGTERM)
        elif self._started_pid is not None:
            pid = self._started_pid
            log.info("the speaker goes on, so that the switches keep their sessions", pid=pid, end_it=f"kill {pid}")
        await self._link.close()

    async def keep_speaker(self) -> None:
        """One look: start a speaker again when none has answered for a while. Its link finds it by itself."""
        await asyncio.sleep(RETRY_AFTER)
        if self._link.connected or not self._settings.speaker.start:
            return
        speaker = self._settings.speaker
        pid, started = await ensure_speaker(speaker.socket, self._kind, speaker.log)
        if started:
            self._started_pid = pid
            log.warning("the speaker had ended and was started again", pid=pid)

    def troubles(self) -> list[str]:
        return [] if self._link.connected else [f"no OpenFlow speaker answers on {self._settings.speaker.socket}"]

    async def _adopt(self, arrivals: asyncio.Queue[int]) -> None:
        while True:
            dpid = await arrivals.get()
            id = device_id(dpid)
            if id in self._fleet.loops:
                continue
            if id in self._listed or self._settings.adopt:
                try:
                    await self._serve(id, dpid)
                except (NetcordonError, DriverError) as error:
                    log.warning("a switch could not be adopted yet", device=id, error=str(error))
                    asyncio.get_running_loop().call_later(RETRY_AFTER, arrivals.put_nowait, dpid)
                else:
                    log.info("switch adopted", device=id)
            else:
                log.warning("a switch connected that is not listed under `devices`; it is left alone", device=id)

    async def _serve(self, id: str, dpid: int) -> None:
        listed = self._listed.get(id, Device(id=id))
        ports = frozenset(PortName(port) for port in listed.dhcp_ports)
        driver = (BesideOpenFlowDriver if self._kind.role == "equal" else OpenFlowDriver)(id, dpid, self._link, ports)
        await self._fleet.add(id, "openflow", driver, listed.options)


def _kind(speaker: Speaker) -> SpeakerKind:
    tls = None if speaker.tls is None else Tls(speaker.tls.certificate, speaker.tls.key, speaker.tls.ca)
    return SpeakerKind(speaker.listen, speaker.runtime, speaker.python, tls, speaker.role)


def _dpid(id: str) -> int:
    found = _DEVICE_ID.fullmatch(id)
    if found is None:
        raise ConfigError(f"devices: {id!r} is no OpenFlow device; write of: and the 16 hex digits of its datapath id")
    return int(found[1], 16)
