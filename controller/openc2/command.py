"""An OpenC2 message read: which command it is, or the status and words that its sender gets. Pure.

Sources: OpenC2 Language Specification v1.0, SLPF profile v1.0 (oasis-tcs/openc2-apsc-stateless-packet-filter, oc2slpf.md), Transfer of
OpenC2 Messages via HTTPS v1.1 (oasis-tcs/openc2-impl-https). A section named here is the SLPF profile's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from controller.model import Way
from controller.neutralize import neutralize
from drivers.rules import Protocol

# fmt: off
ACTIONS = frozenset({
    "scan", "locate", "query", "deny", "contain", "allow", "start", "stop", "restart", "cancel", "set", "update", "redirect", "create",
    "delete", "detonate", "restore", "copy", "investigate", "remediate",
})
TARGETS = frozenset({
    "artifact", "command", "device", "domain_name", "email_addr", "features", "file", "idn_domain_name", "idn_email_addr", "ipv4_net",
    "ipv6_net", "ipv4_connection", "ipv6_connection", "iri", "mac_addr", "process", "properties", "uri", "slpf:rule_number",
})
# fmt: on
PAIRS: Mapping[str, tuple[str, ...]] = {
    "allow": ("ipv4_net", "ipv6_net"),
    "deny": ("ipv4_net", "ipv6_net", "ipv4_connection", "ipv6_connection"),
    "query": ("features",),
    "delete": ("slpf:rule_number",),
}
"""What is carried out, of Table 2.3-1."""
FEATURES = ("versions", "profiles", "pairs", "rate_limit")
SPECIFIERS = ("hostname", "named_group", "asset_id", "asset_tuple")
_TIMES = ("start_time", "stop_time", "duration")
_OPTIONS = ("drop_process", "persistent", "direction", "insert_rule")
_MOST_MS = 2**53
CLOCKS_APART = 5.0
"""Seconds by which a producer's clock may be ahead of ours."""


class Unable(Exception):
    """The command is not carried out; `status` is OpenC2's code, and the words are its status text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(neutralize(text, 500))
        self.status = status


class Reply(StrEnum):
    NONE = "none"
    ACK = "ack"
    STATUS = "status"
    COMPLETE = "complete"


Net = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Connection:
    """A five-tuple; None is any."""

    protocol: Protocol | None
    src: Net | None
    src_port: int | None
    dst: Net | None
    dst_port: int | None


@dataclass(frozen=True, slots=True)
class Command:
    """`way`: as the switch port sees it, what comes in there is FROM the device. `start` and `stop` are seconds since the epoch, `span` is
    in seconds. `specifiers` name the actuator that it is meant for."""

    action: str
    net: Net | None = None
    connection: Connection | None = None
    rule_number: int | None = None
    features: tuple[str, ...] = ()
    way: Way = Way.BOTH
    start: float | None = None
    stop: float | None = None
    span: float | None = None
    specifiers: Mapping[str, Any] | None = None

    @property
    def ends(self) -> float | None:
        """The moment that the command names as its end; None where it says how long, or nothing."""
        return self.start + self.span if self.start is not None and self.span is not None else self.stop

    def lasting(self, now: float) -> float | None:
        """For how long from now, in seconds; None is for as long as the configuration says. Raises Unable."""
        if self.start is not None and self.start > now + CLOCKS_APART:
            raise Unable(501, "Option not supported: start_time in the future")
        stop = self.ends
        left = self.span if stop is None else stop - now
        if left is not None and left <= 0:
            raise Unable(400, "Validation Error: the time that this is for is over")
        return left


def unwrap(body: bytes, header_id: str | None) -> tuple[str | None, Any]:
    """The request id (the message's own before the header's) and the command as it stands, or an Unable for what is none."""
    request_id = _identified(header_id)
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return request_id, Unable(400, "Validation Error: the body is not JSON")
    if not isinstance(message, dict):
        return request_id, Unable(400, "Validation Error: the body is no OpenC2 message")
    headers = message.get("headers", {})
    own = headers.get("request_id") if isinstance(headers, dict) else None
    request_id = _identified(own) or request_id
    if request_id is None:
        return None, Unable(
            400, "Validation Error: give headers.request_id, or X-Request-ID: 1 to 128 printable ASCII characters"
        )
    inner: Any = message
    for key in ("body", "openc2", "request"):
        inner = inner.get(key) if isinstance(inner, dict) else None
    return request_id, inner if isinstance(inner, dict) else Unable(
        400, "Validation Error: no body.openc2.request in the message"
    )


def _identified(said: object) -> str | None:
    fits = isinstance(said, str) and 0 < len(said) <= 128 and said.isascii() and said.isprintable()
    return str(said) if fits else None


def reply_wanted(raw: Any) -> Reply:
    """Also of a command that cannot be read: who asks for no answer gets none (conformance 3.2.1.7.1)."""
    args = raw.get("args") if isinstance(raw, dict) else None
    wanted = args.get("response_requested") if isinstance(args, dict) else None
    return Reply(wanted) if isinstance(wanted, str) and wanted in tuple(Reply) else Reply.COMPLETE


def read_command(raw: Mapping[str, Any]) -> Command:
    """Raises Unable: 400 for what is not OpenC2, 501 for what is, and is not supported."""
    _only(raw, ("action", "target", "args", "actuator", "command_id", "profile"), "Command")
    action, target = raw.get("action"), raw.get("target")
    if not isinstance(action, str) or action not in ACTIONS:
        raise Unable(400, f"Validation Error: Action: {action}")
    if not isinstance(target, dict) or len(target) != 1:
        raise Unable(400, "Validation Error: Target: exactly one is needed")
    ((kind, value),) = target.items()
    if kind not in TARGETS and ":" not in kind:
        raise Unable(400, f"Validation Error: Target: {kind}")
    specifiers = _actuator(raw)
    if action == "update" and kind == "file":
        _file(value)
        raise Unable(501, "Command not supported: Update-File Not Implemented")
    if action not in PAIRS and action != "update":
        raise Unable(501, f"Command not supported: {action}")
    if kind not in PAIRS.get(action, ()):
        raise Unable(501, f"Target type not supported: {action} {kind}")
    times, way = _args(raw.get("args", {}), action)
    return Command(action=action, way=way, specifiers=specifiers, **{**times, **_target(kind, value)})


def _only(value: object, known: tuple[str, ...], what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Unable(400, f"Validation Error: {what}")
    if others := [key for key in value if key not in known]:
        raise Unable(400, f"Validation Error: {what}: {others[0]}")
    return value


def _actuator(raw: Mapping[str, Any]) -> Mapping[str, Any] | None:
    profile = raw.get("profile", "slpf")
    actuator = raw.get("actuator", {"slpf": {}})
    if not isinstance(actuator, dict) or len(actuator) > 1 or not isinstance(profile, str):
        raise Unable(400, "Validation Error: Actuator")
    if profile != "slpf" or any(name != "slpf" for name in actuator):
        raise Unable(501, "Actuator profile not supported: this one is slpf")
    found = _only(actuator.get("slpf", {}), SPECIFIERS, "Actuator")
    for name, value in found.items():
        texts = value if name == "asset_tuple" and isinstance(value, list) else [value]
        if len(texts) > 10 or not all(isinstance(text, str) for text in texts):
            raise Unable(400, f"Validation Error: Actuator: {name}")
    return found


def _file(value: object) -> None:
    found = _only(value, ("name", "path", "hashes"), "Target: file")
    if not isinstance(found.get("name"), str):
        raise Unable(400, "Validation Error: Target: file: its name is needed")


def _args(value: object, action: str) -> tuple[dict[str, Any], Way]:
    """The times, and the way. What Table 2.3-2 does not list for the command is not supported."""
    if not isinstance(value, dict):
        raise Unable(400, "Validation Error: Args")
    wanted = value.get("response_requested", "complete")
    if not isinstance(wanted, str) or wanted not in tuple(Reply):
        raise Unable(400, "Validation Error: Args: response_requested")
    rules = action in ("deny", "allow")
    slpf = value.get("slpf", {})
    if not isinstance(slpf, dict):
        raise Unable(400, "Validation Error: Args: slpf")
    for name in value:
        if name not in ("response_requested", *(("slpf", *_TIMES) if rules else ())):
            raise Unable(501, f"Option not supported: {name}")
    for name in slpf:
        if name not in _OPTIONS or (name == "drop_process" and action == "allow"):
            raise Unable(501, f"Option not supported: slpf {name}")
    return _times(value), _options(slpf)


def _times(args: Mapping[str, Any]) -> dict[str, float]:
    said = {name: args[name] for name in _TIMES if name in args}
    if len(said) == 3:
        raise Unable(400, "Validation Error: Args: at most two of start_time, stop_time, duration")
    for name, value in said.items():
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MOST_MS:
            raise Unable(400, f"Validation Error: Args: {name} is in milliseconds, a whole number")
    if "stop_time" in said and "duration" in said:  # the third is derived: Language Specification, 3.3.1.4
        return {"start": (said["stop_time"] - said["duration"]) / 1000, "stop": said["stop_time"] / 1000}
    names = {"start_time": "start", "stop_time": "stop", "duration": "span"}
    return {names[name]: value / 1000 for name, value in said.items()}


def _options(slpf: Mapping[str, Any]) -> Way:
    drop = slpf.get("drop_process", "none")
    if drop not in ("none", "reject", "false_ack"):
        raise Unable(400, "Validation Error: Args: drop_process")
    if drop != "none":
        raise Unable(501, f"Option not supported: drop_process {drop}")
    lasting = slpf.get("persistent", True)
    if not isinstance(lasting, bool):
        raise Unable(400, "Validation Error: Args: persistent")
    if not lasting:
        raise Unable(501, "Option not supported: persistent false")
    if "insert_rule" in slpf:
        if _rule_id(slpf["insert_rule"]) is None:
            raise Unable(400, "Validation Error: Args: insert_rule")
        raise Unable(501, "Option not supported: insert_rule")
    ways = {"both": Way.BOTH, "ingress": Way.FROM, "egress": Way.TO}
    direction = slpf.get("direction", "both")
    if not isinstance(direction, str) or direction not in ways:
        raise Unable(400, "Validation Error: Args: direction")
    return ways[direction]


def _rule_id(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _target(kind: str, value: Any) -> dict[str, Any]:
    if kind == "slpf:rule_number":
        if (number := _rule_id(value)) is None:
            raise Unable(400, "Validation Error: Target: slpf:rule_number")
        return {"rule_number": number}
    if kind == "features":
        if not isinstance(value, list) or not all(isinstance(one, str) and one in FEATURES for one in value):
            raise Unable(400, f"Validation Error: Target: features are {', '.join(FEATURES)}")
        return {"features": tuple(dict.fromkeys(value))}
    version = 4 if kind.startswith("ipv4") else 6
    if kind.endswith("_net"):
        return {"net": _net(value, version, kind)}
    return {"connection": _connection(value, version, kind)}


def _net(value: object, version: int, kind: str) -> Net:
    """Without a mask it is one address (2.3.1.3)."""
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError("an address is a string")
        net = ip_network(value, strict=False)
        if net.version != version:
            raise ValueError("of the other version")
    except ValueError as error:
        raise Unable(400, f"Validation Error: Target: {kind}") from error
    return net


def _connection(value: object, version: int, kind: str) -> Connection:
    found = _only(value, ("protocol", "src_addr", "src_port", "dst_addr", "dst_port"), f"Target: {kind}")
    if not found:
        raise Unable(400, f"Validation Error: Target: {kind}: at least one property is needed")
    protocol = found.get("protocol")
    if protocol is not None and protocol not in ("icmp", "tcp", "udp", "sctp"):
        raise Unable(400, f"Validation Error: Target: {kind}: protocol")
    if protocol == "sctp":
        raise Unable(501, "Rule not updated: protocol sctp")
    ports = {name: found.get(name) for name in ("src_port", "dst_port")}
    for name, port in ports.items():
        if port is not None and (not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65535):
            raise Unable(400, f"Validation Error: Target: {kind}: {name}")
    if protocol not in ("tcp", "udp") and any(port is not None for port in ports.values()):
        raise Unable(501, "Rule not updated: ports without a protocol of tcp or udp")
    by_name = {"icmp": Protocol.ICMP if version == 4 else Protocol.ICMPV6, "tcp": Protocol.TCP, "udp": Protocol.UDP}
    ends = {name: _net(found[name], version, kind) if name in found else None for name in ("src_addr", "dst_addr")}
    known = None if protocol is None else by_name[protocol]
    return Connection(known, ends["src_addr"], ports["src_port"], ends["dst_addr"], ports["dst_port"])
