"""What the daemon and its sensors say to each other, as JSON over the API.

    GET  /api/v1/sensors/{name}/work?wait=10   -> SensorWork       (held until there is something new, or `wait` is over)
    POST /api/v1/sensors/{name}/results        <- SensorResults

Each probe is handed out once, and an answer with probes is kept short: it carries the standing work only when that has changed.
Any other answer states it in full, so that what was lost is repaired by the next; `wait=0` asks for it at once.

All times are seconds since the epoch by the *sensor's* clock. On one host that is the daemon's clock too; a sensor elsewhere
needs NTP, and `SensorResults.at` lets the daemon see how far off it is. Compare a sensor's times with each other wherever
possible: `answered_at` with `sent_at`, never with a switch's time.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from drivers.rules import Mac, parse_mac

Address = IPv4Address | IPv6Address
MacField = Annotated[Mac, BeforeValidator(lambda text: parse_mac(str(text)))]
Kind = Literal["arp", "nd", "icmp", "tcp", "udp"]
FrameKind = Literal["arp", "nd", "icmp", "tcp", "udp", "ip", "other"]
SensorName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Time = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=300)]

BASELINE_MOST = 256
WATCH_MOST = 1024
PROBES_MOST = 256
ANSWERS_MOST = 1000


def neighbour_kind(ip: Address) -> Kind:
    return "arp" if ip.version == 4 else "nd"


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProbeTarget(Message):
    """Whom to ask. With `mac`, only an answer from that MAC counts, when the address is on the sensor's own link (elsewhere, a
    frame carries the router's MAC). Without, the sensor asks for the MAC first, and any holder's answer counts."""

    ip: Address
    mac: MacField | None = None


class Probe(Message):
    """Questions to `target`, and the same to `control`, whose answers show that silence is the target's and not the sensor's.

    `count` rounds, `interval` seconds apart; a question is given up `timeout` seconds after it was sent, and the result comes as
    soon as nothing is waited for. Neighbour discovery follows the address: `arp` takes an IPv4 target, `nd` an IPv6 one, and the
    control is asked whichever fits it. A closed port answers like an open one, unless the host's own firewall is silent: Linux
    limits its ICMP errors to about one a second to one asker.
    """

    id: Annotated[str, Field(min_length=1, max_length=64)]
    target: ProbeTarget
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1, max_length=5)]
    control: ProbeTarget | None = None
    count: Annotated[int, Field(ge=1, le=100)] = 1
    interval: Annotated[float, Field(ge=0.001, le=10)] = 0.05
    timeout: Annotated[float, Field(ge=0.01, le=30)] = 0.25
    tcp_port: Port = 445
    udp_port: Port = 33434

    @property
    def duration(self) -> float:
        """Seconds that it takes on the wire when nobody answers."""
        return (self.count - 1) * self.interval + self.timeout

    def kinds_for(self, party: ProbeTarget) -> tuple[Kind, ...]:
        """The same questions, fit for an address that may be of the other IP version."""
        neighbour = neighbour_kind(party.ip)
        return tuple(dict.fromkeys(neighbour if kind in ("arp", "nd") else kind for kind in self.kinds))

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if len(set(self.kinds)) != len(self.kinds):
            raise ValueError(f"kinds listed twice: {', '.join(self.kinds)}")
        if wrong := ({"arp", "nd"} - {neighbour_kind(self.target.ip)}) & set(self.kinds):
            raise ValueError(
                f"{wrong.pop()} does not ask an IPv{self.target.ip.version} address such as {self.target.ip}"
            )
        if self.control is not None and self.control.ip == self.target.ip:
            raise ValueError(f"the control host is the target itself: {self.target.ip}")
        return self


class Standing(Message):
    """`baseline` is whom to ask every `baseline_interval` seconds by ARP or neighbour discovery; `watch` are the MACs whose frames
    must not arrive."""

    baseline: Annotated[list[ProbeTarget], Field(max_length=BASELINE_MOST)] = []
    baseline_interval: Annotated[float, Field(ge=0.05, le=3600)] = 2.0
    watch: Annotated[list[MacField], Field(max_length=WATCH_MOST)] = []


class SensorWork(Message):
    """`probes` are to be done at once. `standing` replaces what the sensor had; None leaves it."""

    probes: Annotated[list[Probe], Field(max_length=PROBES_MOST)] = []
    standing: Standing | None = None


class ProbeAnswer(Message):
    """One question and its fate. ARP and neighbour discovery carry no number: an answer is booked on the latest question still
    open, so that a leak is never filed under an earlier one. For a target without a MAC, asking for it is part of the question."""

    kind: Kind
    sent_at: Time
    answered_at: Time | None = None


class ProbeResult(Message):
    """`trouble` tells why silence proves nothing here (interface down, frames lost before they were looked at, …). `sensor` is
    filled in by the daemon."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    target: ProbeTarget
    answers: Annotated[list[ProbeAnswer], Field(max_length=ANSWERS_MOST)] = []
    control_answers: Annotated[list[ProbeAnswer], Field(max_length=ANSWERS_MOST)] = []
    started_at: Time
    ended_at: Time
    trouble: Text = ""
    sensor: Annotated[str, Field(max_length=63)] = ""

    @property
    def answered(self) -> bool:
        return any(answer.answered_at is not None for answer in self.answers)

    @property
    def control_answered(self) -> bool:
        return any(answer.answered_at is not None for answer in self.control_answers)

    @property
    def silent(self) -> bool:
        """Every kind of question was sent, none was answered, and the sensor had no trouble of its own."""
        return bool(self.answers) and not self.answered and not self.trouble


class BaselineAnswer(Message):
    target: ProbeTarget
    answered_at: Time


class FrameSeen(Message):
    """A frame from a watched MAC that arrived at the sensor's own interface: of each MAC and kind the latest since the last
    report. `ip` is the source address that it claims."""

    mac: MacField
    ip: Address | None = None
    at: Time
    kind: FrameKind


class SensorResults(Message):
    """What a sensor found since its last word, and where it sits. `at` is the sensor's clock when it posted; `trouble` tells why it
    cannot see just now. An empty one is a greeting."""

    results: Annotated[list[ProbeResult], Field(max_length=PROBES_MOST)] = []
    baseline: Annotated[list[BaselineAnswer], Field(max_length=BASELINE_MOST)] = []
    seen: Annotated[list[FrameSeen], Field(max_length=8 * WATCH_MOST)] = []
    interface: Annotated[str, Field(min_length=1, max_length=64)]
    mac: MacField
    ip: Address | None = None
    at: Time | None = None
    trouble: Text = ""
