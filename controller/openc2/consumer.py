"""OpenC2 commands carried out: a deny is a containment, under every guard that automatic action is under; its rule number is the
containment's id as a number. What an operator, an alert or another producer holds is never let go.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from controller.api.service import Service
from controller.closed_flow import Flow
from controller.errors import Conflict, InvalidInput, NotFound, Refused
from controller.model import FULL, Containment, Located, Outcome, Want, Way
from controller.openc2.command import PAIRS, Command, Net, Unable
from controller.requests import ContainRequest
from controller.targets import parse_target

PATIENCE = 5.0
"""Seconds that an answer waits for the devices; then it is 102: accepted, and not seen installed yet."""
_LOOK_EVERY = 0.02
_DONE = (Outcome.INSTALLED, Outcome.PROVEN)
_EVERY = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Answer:
    status: int = 200
    text: str = ""
    results: Mapping[str, Any] | None = None


class Consumer:
    """`by` is the token's name: what it denied is its own."""

    def __init__(self, service: Service, by: str, request_id: str) -> None:
        self._service, self._by, self._request_id = service, by, request_id

    async def carry_out(self, command: Command, *, wait: bool) -> Answer:
        """Raises Unable, StoreUnavailable. Without `wait`, what the devices make of it is not looked at."""
        if command.specifiers:
            self._meant(command.specifiers)
        if command.action == "query":
            return _features(command.features)
        if command.action == "delete":
            return await self._delete(command.rule_number or 0)
        if command.action == "allow":
            return await self._allow(command)
        return await self._deny(command, wait=wait)

    def _meant(self, specifiers: Mapping[str, Any]) -> None:
        own = self._service.openc2()
        for name, said in specifiers.items():
            if name == "asset_tuple":
                fits = list(own.asset_tuple) == said
            else:
                names: dict[str, tuple[str | None, ...]] = {
                    "hostname": (own.hostname,),
                    "named_group": own.named_groups,
                    "asset_id": (own.asset_id,),
                }
                fits = said in names[name]
            if not fits:
                raise Unable(404, f"Actuator not found: this is not {name} {said}")

    async def _deny(self, command: Command, *, wait: bool) -> Answer:
        left = command.lasting(time.time())
        address, profile = self._closed(command)
        request = ContainRequest(
            target=parse_target(address),
            profile=profile,
            duration=left,
            reason=f"OpenC2 {self._request_id}",
            by=self._by,
            key=f"{self._by}:openc2:{self._request_id}",
            automatic=True,
        )
        case = await self._accepted(request, command.ends)
        if case.profile not in (profile, FULL.name):
            raise Unable(501, f"Rule not updated: {case.id} holds the device already, by profile {case.profile}")
        results = {"slpf": {"rule_number": rule_number(case)}}
        return await self._seen(case, results) if wait else Answer(results=results)

    async def _accepted(self, request: ContainRequest, ends: float | None) -> Containment:
        """Once for each request id. A command that names the moment of its end lasts less long each time that it is sent: it is known
        again by that moment."""
        if ends is not None:
            named = f"{self._request_id} {request.target} {request.profile} {ends:.3f}"
            key = f"{self._by}:openc2:{hashlib.sha256(named.encode()).hexdigest()}"
            if before := await self._service.store.asked_before(key):
                return await self._service.store.containment(before[0])
            request = replace(request, key=f"{key}/")
        await self._none_in_the_way(request)
        try:
            return (await self._service.contain(request)).containment
        except (Refused, Conflict, InvalidInput, NotFound) as error:
            raise Unable(501, f"Rule not updated: {error}") from error

    async def _none_in_the_way(self, request: ContainRequest) -> None:
        """A device has one case and one profile: another flow of a device that is held in part would be lost in it."""
        location = self._service.locate(request.target, None)
        if location.endpoint is None or request.profile == FULL.name:
            return
        held = await self._service.store.open_for_endpoint(location.endpoint.id)
        if held is not None and held.profile not in (request.profile, FULL.name):
            raise Unable(501, f"Rule not updated: {held.id} holds the device already, by profile {held.profile}")

    async def _seen(self, case: Containment, results: Mapping[str, Any]) -> Answer:
        end = time.monotonic() + PATIENCE
        while case.outcome not in _DONE and time.monotonic() < end:
            if case.outcome is Outcome.FAILED:
                raise Unable(
                    500, f"Rule not updated: {case.id} is accepted, and its device refuses it; it is tried again"
                )
            await asyncio.sleep(_LOOK_EVERY)
            case = await self._service.store.containment(case.id)
        if case.outcome in _DONE:
            return Answer(results=results)
        return Answer(102, f"{case.id} is accepted; its devices say {case.outcome.value}", results)

    def _closed(self, command: Command) -> tuple[str, str]:
        """Which device, by its address, and the profile."""
        if command.net is not None:
            way = command.way
            return self._one(command.net), FULL.name if way is Way.BOTH else Flow(way).name
        flow = command.connection
        if flow is None:
            raise Unable(400, "Validation Error: Target")
        if command.way is not Way.TO and flow.src is not None and self._here(flow.src):
            closed = Flow(Way.FROM, flow.protocol, flow.src_port, flow.dst, flow.dst_port)
            return self._one(flow.src), closed.name
        if command.way is not Way.FROM and flow.dst is not None and self._here(flow.dst):
            closed = Flow(Way.TO, flow.protocol, flow.dst_port, flow.src, flow.src_port)
            return self._one(flow.dst), closed.name
        raise Unable(
            501, "Rule not updated: no device on this network is named by src_addr or dst_addr in that direction"
        )

    def _one(self, net: Net) -> str:
        if net.num_addresses != 1:
            raise Unable(501, f"Rule not updated: devices are denied, not prefixes: {net} is more than one address")
        return str(net.network_address)

    def _here(self, net: Net) -> bool:
        if net.num_addresses != 1:
            return False
        return self._service.locate(parse_target(str(net.network_address)), None).status is not Located.UNKNOWN

    async def _allow(self, command: Command) -> Answer:
        """Of what this producer denied, what holds the address is released: nothing else stops traffic here."""
        if command.way is not Way.BOTH or command.net is None:
            raise Unable(501, "Option not supported: direction")
        if (command.start, command.stop, command.span) != (None, None, None):
            raise Unable(501, "Option not supported: a time; deny it again when the time is over")
        address = command.net.network_address
        self._one(command.net)
        held = await self._service.store.containments(want=Want.HELD, limit=_EVERY)
        own = [
            one for one in held if one.by == self._by and (address in one.endpoint.ips or one.target == str(address))
        ]
        if not own:
            raise Unable(501, f"Rule not updated: you deny nothing of {address}")
        for case in own:
            await self._release(case)
        return Answer(results={"slpf": {"rule_number": rule_number(own[0])}})

    async def _delete(self, number: int) -> Answer:
        try:
            case = await self._service.store.containment(f"c-{number:012x}")
        except (NotFound, InvalidInput) as error:
            raise Unable(500, "firewall rule not removed or updated: no such rule") from error
        if case.by != self._by:
            raise Unable(500, "firewall rule not removed or updated: it is somebody else's")
        if case.want is not Want.HELD:
            raise Unable(500, "firewall rule not removed or updated: it was removed before")
        await self._release(case)
        return Answer()

    async def _release(self, case: Containment) -> None:
        key = f"{self._by}:openc2:{self._request_id}"
        await self._service.release(case.id, by=self._by, reason=f"OpenC2 {self._request_id}", key=key)


def rule_number(case: Containment) -> int:
    """48 bits: any JSON reader holds it exactly."""
    return int(case.id.removeprefix("c-"), 16)


def _features(asked: tuple[str, ...]) -> Answer:
    known: dict[str, Any] = {
        "versions": ["1.0"],
        "profiles": ["slpf"],
        "pairs": {action: list(targets) for action, targets in PAIRS.items()},
    }
    results = {name: known[name] for name in asked if name in known}  # no rate_limit: there is none by design
    return Answer(results=results or None)
