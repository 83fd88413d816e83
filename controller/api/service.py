"""What the API needs from the daemon. Everything may raise the errors of `controller.errors`; nothing else gets out of
it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from controller.automation import Automation
from controller.config import OpenC2
from controller.conversations import Conversation
from controller.crawl import Crawl
from controller.discovery.probes import SensorResults, SensorWork
from controller.discovery.reports import DeviceReports
from controller.doctor.finding import Finding
from controller.intake import Source
from controller.live import Live
from controller.model import Address, Alert, Binding, Containment, Endpoint, Location, Profile, Target
from controller.network.chart import Chart
from controller.network.joined import Joined
from controller.policy_desk import PolicyDesk
from controller.requests import AlertAnswer, Approval, ContainRequest, DeviceView, PathAnswer, Preview, Status
from controller.store import Accepted, Extension, Proposal, Store
from controller.webhooks import Webhook
from drivers.rules import Mac


class Service(Protocol):
    @property
    def store(self) -> Store: ...

    @property
    def policy(self) -> PolicyDesk:
        """What is in force, and what another one would do."""

    @property
    def live(self) -> Live:
        """What changes, as it changes."""

    async def contain(self, request: ContainRequest) -> Accepted:
        """Durable when it comes back. Raises Refused, Conflict, StoreUnavailable."""

    async def plan(self, request: ContainRequest) -> Preview:
        """What `contain` would do. A guard's refusal is part of the answer, not raised."""

    async def plan_proposal(self, id: str, device: str | None = None) -> Preview:
        """As `plan`, for what the last approval would do. Raises NotFound, Conflict, InvalidInput, Refused where it names no device."""

    async def take_alert(self, alert: Alert, raw: str) -> AlertAnswer:
        """Keep the alert and act as far as policy lets it. A guard's refusal is a disposition, not raised."""

    def conversed(self, told: Conversation) -> None:
        """A sensor saw who talks to whom; it is remembered for a while."""

    async def release(self, target_or_id: str, *, by: str, reason: str, key: str | None) -> list[Containment]:
        """Raises NotFound when nothing holds it."""

    async def extend(self, id: str, extension: Extension, *, by: str, key: str | None) -> Containment:
        """Raises NotFound, Conflict when it was released or would be shortened unasked, InvalidInput."""

    async def confirm(self, id: str, *, by: str) -> Containment:
        """Raises NotFound, Conflict when it is too late or needs none."""

    async def propose(self, request: ContainRequest) -> Proposal:
        """Put it to an approver. Durable when it comes back. Raises Refused for what could not be contained then either."""

    async def approve_proposal(self, id: str, *, by: str, token: str, device: str | None = None) -> Approval:
        """`by` is the person, `token` the name of theirs, `device` the guilty end where nobody could tell. The proposal, and what it came
        to once enough people agreed. Raises NotFound, Conflict, InvalidInput, Refused."""

    async def refuse_proposal(self, id: str, *, by: str, token: str, reason: str) -> Proposal:
        """Raises NotFound, Conflict."""

    async def release_all(self, *, by: str, reason: str, pause: bool) -> list[Containment]:
        """All that is held, in a safe order; empty when nothing is. `pause`: automatic action is paused before."""

    async def status(self) -> Status: ...

    async def pause(self, *, by: str, reason: str) -> Automation:
        """No alert contains anybody once it comes back. Raises InvalidInput without a reason."""

    async def resume(self, *, by: str, reason: str) -> Automation:
        """Raises InvalidInput without a reason."""

    def locate(self, target: Target, at: float | None) -> Location:
        """`at` None is now."""

    def endpoints(self) -> list[Endpoint]: ...

    async def join(self, targets: Sequence[Target], *, by: str, reason: str) -> Joined:
        """These are one device. Raises InvalidInput, Refused, Conflict while one of them is held."""

    async def split(self, target: Target, *, by: str, reason: str) -> frozenset[Mac]:
        """This MAC is none of that device's; who stays. Raises InvalidInput, NotFound, Conflict while it is held."""

    def bindings(self, ip: Address | None, mac: Mac | None) -> list[Binding]:
        """All that is remembered, or of one address or MAC."""

    async def devices(self) -> list[DeviceView]: ...

    async def crawl(self, device: str | None) -> list[Crawl]:
        """Read one device's own tables now, or all of them. Raises NotFound."""

    async def path(self, source: Target, destination: Target) -> PathAnswer:
        """The way from one to the other, and what stops what on it."""

    def topology(self, *, endpoints: bool) -> Chart:
        """Who is cabled to whom; with `endpoints` everybody who was seen, too."""

    def ready(self) -> list[str]:
        """The reasons why not; empty when ready."""

    async def sensor_work(self, name: str, wait: float) -> SensorWork:
        """Held until there is something new for the sensor, at most `wait` seconds."""

    async def sensor_results(self, name: str, results: SensorResults) -> None: ...

    def report_devices(self, sensor: str, reports: DeviceReports) -> int:
        """What devices look like to a passive sensor; of how many it is kept."""

    @property
    def metrics_without_token(self) -> bool:
        """Whether whoever asks from loopback may read the metrics."""

    async def findings(self) -> list[Finding]:
        """What the doctor says of the daemon and its network."""

    async def metrics(self) -> bytes:
        """The page in Prometheus's text format."""

    def profiles(self) -> list[Profile]:
        """How far a containment can go: the strictest first."""

    def sources(self) -> Mapping[str, Source]:
        """The alert sources that are taken, by name."""

    def openc2(self) -> OpenC2:
        """Which actuator this is."""

    def webhooks(self) -> Mapping[str, Webhook]:
        """How those sources sign that need no token."""
