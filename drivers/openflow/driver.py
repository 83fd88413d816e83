"""The OpenFlow driver: one switch, reached through the speaker that holds its session. Imports no OpenFlow library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from ipaddress import ip_address
from typing import Any, ClassVar

from drivers.base import (
    EVERYTHING,
    Capabilities,
    Change,
    DeviceDiff,
    DeviceFacts,
    Disconnected,
    DriverEvent,
    Interface,
    LinkSeen,
    Management,
    Neighbour,
    ObservedState,
    PortState,
    PortStatus,
    PreState,
    Receipt,
    ReceiptStatus,
    Reconnected,
    RuleRemoved,
    Scope,
    Sighting,
    UnsupportedAction,
)
from drivers.openflow import flows
from drivers.openflow.converge import PIPELINE, Renderer, read_back
from drivers.openflow.laid import LaidPush
from drivers.openflow.layout import ALONE, BESIDE, Layout
from drivers.openflow.link import Events, SpeakerLink
from drivers.openflow.told import Reader
from drivers.rules import Action, Direction, Match, PortName, RuleSet, parse_mac

READ_DEADLINE = 10.0
_ANYTHING = frozenset(Match.__slots__) - {"direction"}
_NO_PORT = _ANYTHING - {"port"}


def device_id(dpid: int) -> str:
    return f"of:{dpid:016x}"


class OpenFlowDriver:
    """Rules FROM match anything. Rules TO cannot match the port that a frame leaves by (OpenFlow 1.3 has no egress tables): a deny on the
    port alone is its NO_FWD flag; with a MAC or an IP as well, those are matched and the port is where they are. A switch that is not
    connected is DeviceUnreachable. `dhcp_ports`: where DHCP servers are; a lease told from any other port is a host's word about
    another, and is not passed on."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        matchable=frozenset(
            {(action, Direction.FROM, _ANYTHING) for action in (Action.DENY, Action.PERMIT, Action.COUNT)}
            | {(action, Direction.TO, _NO_PORT) for action in (Action.DENY, Action.PERMIT, Action.COUNT)}
            | {(Action.DENY, Direction.TO, frozenset({"port", "mac", "ip"}))}
        ),
        counters=True,
        events=True,
    )
    layout: ClassVar[Layout] = ALONE

    def __init__(
        self, device: str, dpid: int, link: SpeakerLink, dhcp_ports: frozenset[PortName] = frozenset()
    ) -> None:
        self._device, self._dpid, self._link, self._dhcp_ports = device, dpid, link, dhcp_ports
        self._subscribed: list[Events] = []
        self._renderer = Renderer(device, self.capabilities, self.layout)
        self._reader = Reader()
        self._laid: tuple[Change, LaidPush] | None = None

    async def facts(self) -> DeviceFacts:
        """Interfaces as the switch describes them; neighbours by the speaker's LLDP. `description` is the LOCAL port's name."""
        told = await self._link.request("switch", READ_DEADLINE, dpid=self._dpid)
        ports = [port for port in told["ports"] if port["physical"]]
        local = [port["name"] for port in told["ports"] if not port["physical"]]
        return DeviceFacts(
            device=self._device,
            boot_id=told["boot_id"],
            description=local[0] if local else "",
            management=Management.OUT_OF_BAND if ip_address(told["peer"]).is_loopback else Management.UNKNOWN,
            interfaces=tuple(
                Interface(PortName(port["name"]), port["number"], parse_mac(port["hw_addr"]), port["up"])
                for port in ports
            ),
            neighbours=tuple(
                Neighbour(PortName(port["name"]), device_id(port["link"]["dpid"]), PortName(port["link"]["port"]))
                for port in ports
                if port["link"] is not None
            ),
            since=told["connected_at"],
        )

    async def observe(self, scope: Scope = EVERYTHING) -> ObservedState:
        """See `converge` for the ids that are not rules'. A scope of rules asks the switch for those alone."""
        whole = scope.rule_ids is None
        cookies = None if scope.rule_ids is None else sorted(set(_cookies(scope.rule_ids)))
        above = {str(table): lowest for table, lowest in self.layout.outranked_from.items()} if whole else None
        told = await self._link.request("observe", READ_DEADLINE, dpid=self._dpid, cookies=cookies, above=above)
        ports = {PortName(port["name"]): _port_state(port) for port in told["ports"]}
        found: list[flows.Counted] = []
        for piece in self._reader.pieces(told["flows"], whole=whole):
            if found:
                await asyncio.sleep(0)  # an alert may be due: a thousand rules' flows take longer than its whole way
            found += piece
        state = read_back(told["boot_id"], told["at"], found, ports, self.layout)
        rules = tuple(rule for rule in state.rules if scope.rule_ids is None or rule.rule_id in scope.rule_ids)
        kept = {name: port for name, port in ports.items() if scope.ports is None or name in scope.ports}
        return ObservedState(state.boot_id, state.at, rules, kept, state.outranking)

    def render(self, desired: RuleSet, observed: ObservedState, baseline: PreState) -> Change:
        """Needs an `observed` of the whole switch. See `converge.Renderer.change`."""
        return self._renderer.change(desired, observed, baseline)

    async def preview(self, change: Change) -> DeviceDiff:
        """OpenFlow switches have no diff of their own."""
        raise UnsupportedAction("an OpenFlow switch cannot preview a change")

    def lay_ready(self, change: Change) -> LaidPush | None:
        """The speaker encodes the messages, and sends them at the word."""
        if self._laid is not None:
            self._laid[1].drop()
        sent = _sent(change)
        laid = self._link.lay(dpid=self._dpid, messages=sent) if sent else None
        self._laid = None if laid is None else (change, laid)
        return laid

    async def apply(self, change: Change, deadline: float) -> Receipt:
        """Send all messages and a barrier. A rule of which the switch refused any message is in `refused`, with the switch's reason."""
        if change.empty:
            return Receipt(self._device, ReceiptStatus.UNCHANGED)
        sent = _sent(change)
        refused = {name: m["reason"] for m in change.messages if m["kind"] == "absent" for name in m["rules"]}
        answer: dict[str, Any] = {"refused": {}}
        if (laid := self._said(change)) is not None:
            answer = await self._link.finish(laid, deadline)
        elif sent:
            answer = await self._link.request("push", deadline, dpid=self._dpid, messages=sent)
        for index, reason in answer["refused"].items():
            refused |= dict.fromkeys(_named(sent[int(index)]), reason)
        taken = len(sent) - len(answer["refused"])
        status = ReceiptStatus.APPLIED if not refused else ReceiptStatus.PARTIAL if taken else ReceiptStatus.REFUSED
        return Receipt(self._device, status, refused)

    def _said(self, change: Change) -> LaidPush | None:
        """What was laid ready for this very change and is on its way, by now at the latest. What was for another one is no longer."""
        laid, self._laid = self._laid, None
        if laid is None:
            return None
        if laid[0] is change and laid[1].send():
            return laid[1]
        laid[1].drop()
        return None

    async def confirm(self, receipt: Receipt) -> Receipt:
        """There is no dead-man timer: what was applied stands."""
        return receipt

    def events(self) -> AsyncIterator[DriverEvent]:
        """What the speaker reports of this switch from now on; a switch that is up already is not announced again."""
        told = self._link.subscribe(self._dpid)
        self._subscribed.append(told)
        return self._translated(told)

    async def _translated(self, events: Events) -> AsyncIterator[DriverEvent]:
        try:
            async for told in events:
                for event in self._event(told):
                    yield event
        finally:
            events.close()
            self._subscribed.remove(events)

    async def close(self) -> None:
        """Ends `events`. The link is its owner's, and the sessions are the speaker's."""
        for events in self._subscribed:
            events.close()

    def _event(self, told: Mapping[str, Any]) -> Iterator[DriverEvent]:
        device, at = self._device, float(told["at"])
        match told["event"]:
            case "up":
                yield Reconnected(device, at, told["boot_id"])
            case "down":
                yield Disconnected(device, at, told["reason"])
            case "port" if told["physical"]:
                address = parse_mac(told["hw_addr"])
                yield PortStatus(
                    device, at, PortName(told["port"]), told["up"], told["present"], told["number"], address
                )
            case "link":
                far = device_id(told["neighbour"]), PortName(told["neighbour_port"])
                yield LinkSeen(device, at, PortName(told["port"]), *far)
            case "removed":
                flow = flows.Flow.from_wire(told["flow"] | {"goto": None, "output": None})
                yield RuleRemoved(device, at, flow.text.partition(" ")[0])
            case "sighting" if not told["lease"] or told["from_port"] in self._dhcp_ports:
                yield self._sighting(told, at)

    def _sighting(self, told: Mapping[str, Any], at: float) -> Sighting:
        ip = None if told["ip"] is None else ip_address(told["ip"])
        where = PortName(told["port"])
        return Sighting(
            self._device, at, parse_mac(told["mac"]), where, ip, told["vlan"], told["source"], told["lease"]
        )


class BesideOpenFlowDriver(OpenFlowDriver):
    """The same beside another controller that owns the forwarding: rules only drop, in a band of priorities of table 0 (see `beside`). A
    contained device's ARP is not seen, COUNT and MIRROR would steal frames, and the one exception that a deny can have is a MAC."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        matchable=frozenset(
            {
                (Action.DENY, Direction.FROM, _ANYTHING),
                (Action.DENY, Direction.TO, _NO_PORT),
                (Action.DENY, Direction.TO, frozenset({"port", "mac", "ip"})),
                (Action.PERMIT, Direction.FROM, frozenset({"port", "mac"})),
                (Action.PERMIT, Direction.TO, frozenset({"mac"})),
            }
        ),
        counters=True,
        events=True,
        advice=(
            "beside another controller (openflow.speaker.role: equal) rules can only drop, with exceptions for MACs on the device's own"
            " port. Use a profile that needs no more (full, lateral, or one of your own that denies single services), or give the switch to"
            " Netcordon alone (role: sole)"
        ),
    )
    layout: ClassVar[Layout] = BESIDE


def _sent(change: Change) -> list[Mapping[str, Any]]:
    """What of it is for the switch."""
    return [message for message in change.messages if message["kind"] != "absent"]


def _cookies(names: frozenset[str]) -> Iterator[int]:
    for name in names:
        if name == PIPELINE:
            yield flows.COOKIE_MARK | flows.PIPELINE_ID
        elif name.startswith("witness:"):
            yield flows.witness_cookie(name)
        else:
            yield flows.cookie_of(name)


def _port_state(port: Mapping[str, Any]) -> PortState:
    """`no_fwd` is what we would touch; `number` and `hw_addr` are what a message must name."""
    settings = {"no_fwd": port["no_fwd"], "number": port["number"], "hw_addr": port["hw_addr"]}
    return PortState(port["up"], settings, port["rx"], port["tx"])


def _named(message: Mapping[str, Any]) -> list[str]:
    """Whom a refused message concerns: rules by their id, the pipeline's own flows by their text."""
    if message["kind"] == "port":
        return message["rules"] or [f"port {message['name']}"]
    named = flows.rule_id_of(message["cookie"])
    return [named] if named is not None else [flows.Flow.from_wire(message).text]
