"""The configuration that `netcordon init` writes: commented, from a person's answers, and one that `load_config` reads. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.config import Network
from controller.model import Address


@dataclass(frozen=True, slots=True)
class Switch:
    """A bridge to be served: its device id, and how people call it."""

    device: str
    name: str


@dataclass(frozen=True, slots=True)
class Answers:
    """`state` holds the database and the log, `run` the sockets. `protected` are addresses and why each is."""

    state: Path
    run: Path
    port: int = 8440
    openflow: str = "127.0.0.1:6653"
    adopt: bool = True
    gateways: Sequence[Address] = ()
    on_link: Sequence[Network] = ()
    protected: Sequence[tuple[Address, str]] = ()
    switches: Sequence[Switch] = ()


def render(answers: Answers) -> str:
    """YAML, with what each key is for."""
    parts = (_daemon(answers), _switches(answers), _network(answers), _protected(answers), _caution())
    return "\n".join("\n".join(part) for part in parts) + "\n"


def _daemon(answers: Answers) -> Iterator[str]:
    yield "# Netcordon's configuration, written by `netcordon init`. Every key: docs/operators-guide.md."
    yield "# After a change: netcordon doctor --offline, then restart the daemon."
    yield ""
    yield "# Where what should be is kept. Several controllers need postgresql://…"
    yield f"store: {_text('sqlite:///' + str(answers.state / 'netcordon.db'))}"
    yield ""
    yield "# The API. Anything but loopback needs tls: {certificate: FILE, key: FILE}."
    yield "listen:"
    yield "  address: 127.0.0.1"
    yield f"  port: {answers.port}"
    yield f"  socket: {_text(str(answers.run / 'api.sock'))}"
    yield ""
    yield "# What Prometheus reads at /metrics; true: from this machine without a token."
    yield "metrics:"
    yield "  without_token: false"
    yield ""


def _switches(answers: Answers) -> Iterator[str]:
    yield "# The process that the switches dial: ovs-vsctl set-controller BRIDGE tcp:ADDRESS:PORT"
    yield "openflow:"
    yield "  # true: every switch that connects is served; false: only those listed under devices."
    yield f"  adopt: {'true' if answers.adopt else 'false'}"
    yield "  speaker:"
    yield f"    listen: {_text(answers.openflow)}"
    yield f"    socket: {_text(str(answers.run / 'speaker.sock'))}"
    yield f"    log: {_text(str(answers.state / 'speaker.log'))}"
    yield ""
    yield "# Switches by datapath id. management: oob where the controller reaches it past the network that it carries, else"
    yield "# in-band with management_port; unknown stops automatic action there."
    if not answers.switches:
        yield "# devices:"
        yield "#   - {id: of:0000000000000001, management: oob}"
    else:
        yield "devices:"
        for switch in answers.switches:
            yield f"  - id: {switch.device}   # {_comment(switch.name)}"
            yield "    management: oob"
    yield ""


def _network(answers: Answers) -> Iterator[str]:
    yield "# on_link: the prefixes that are plugged in here; what is outside is behind a router. Routers are never contained."
    if not (answers.on_link or answers.gateways):
        yield "# network:"
        yield "#   on_link: [10.0.0.0/24]"
        yield "#   routers: [{name: gateway, ips: [10.0.0.254]}]"
        yield ""
        return
    yield "network:"
    if answers.on_link:
        yield f"  on_link: [{', '.join(_text(str(prefix)) for prefix in answers.on_link)}]"
    if answers.gateways:
        yield f"  routers: [{{name: gateway, ips: [{', '.join(_text(str(ip)) for ip in answers.gateways)}]}}]"
    yield ""


def _protected(answers: Answers) -> Iterator[str]:
    yield "# Never contained automatically. By ip, prefix, mac, role or port (device:port). Add your domain controllers, DNS and DHCP"
    yield "# servers, hypervisors, and whatever must not stop."
    if not answers.protected:
        yield "# protected:"
        yield '#   - {ip: 10.0.0.10, why: "the domain controller"}'
    else:
        yield "protected:"
        for address, why in answers.protected:
            yield f"  - {{ip: {_text(str(address))}, why: {_text(why)}}}"
    yield ""


def _caution() -> Iterator[str]:
    yield "# How many automatic containments may start in a minute, and stand at once; beyond that a person is asked."
    yield "budget: {per_minute: 10, total: 50}"
    yield ""
    yield "# How long a containment lasts that says nothing else."
    yield "duration: 4h"
    yield ""
    yield "# What alerts lead to. Nothing happens by itself until a rule says mode: contain; begin with propose."
    yield "policy:"
    yield "  incriminate: []   # - {name: scans, match: {signature: 'ET SCAN *'}, culprit: source}"
    yield "  rules: []         # - {name: scanners, match: {signature: 'ET SCAN *'}, mode: propose, for: 4h}"


def _text(value: str) -> str:
    """As YAML reads it back, whatever is in it: JSON's strings are YAML's."""
    return json.dumps(value)


def _comment(text: str) -> str:
    """One line that ends no comment."""
    return json.dumps(text)[1:-1]
