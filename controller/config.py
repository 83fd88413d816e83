"""The configuration: one YAML file, and the environment for where it lies. An unknown key is an error; nothing here does I/O
but reading that file. Every span of time may be written 90s, 15m, 4h, 7d."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyAddress,
    PrivateAttr,
    TypeAdapter,
    field_validator,
    model_validator,
)

from controller.datapath_id import whole_datapath_id
from controller.durations import parse_duration, show_duration
from controller.errors import ConfigError, InvalidInput
from controller.freezes import Freeze
from controller.mapping_file import NAME as SOURCE_NAME
from controller.mapping_file import MappingFile
from controller.model import DEFAULT_REALM, Address, Managed, OnExpiry, Profile
from controller.policy import PolicyFile
from controller.policy_file import misfits, read_policy
from controller.profile_file import NAME, ProfileFile, resolve
from controller.profiles import catalogue, quarantine
from controller.role_match import BY_ROLE, PROFILES, RoleMatching
from controller.targets import parse_address, parse_target, unmapped
from controller.webhooks import WebhookFile
from controller.yaml_source import LocatedError, read_model
from drivers.base import Management
from drivers.registry import DriverRegistry
from drivers.rules import Mac, parse_mac

CONFIG_VARIABLE = "NETCORDON_CONFIG"
DEFAULT_PATH = Path("/etc/netcordon/netcordon.yaml")

Seconds = Annotated[float, BeforeValidator(parse_duration)]
MacField = Annotated[Mac, BeforeValidator(lambda text: parse_mac(str(text)))]
AddressField = Annotated[Address, BeforeValidator(lambda text: parse_address(str(text)))]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(unmapped)]
NEVER = "never"


def _expand(path: Path) -> Path:
    return path.expanduser()


PathField = Annotated[Path, AfterValidator(_expand)]


DeviceField = Annotated[str, BeforeValidator(whole_datapath_id)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tls(Section):
    certificate: PathField
    key: PathField


class Listen(Section):
    """Where the API answers. Anything but loopback needs `tls`."""

    address: IPvAnyAddress = Field(default=ip_address("127.0.0.1"), validate_default=True)
    port: int = Field(default=8440, ge=0, le=65535)
    socket: PathField = Path("/run/netcordon/api.sock")
    tls: Tls | None = None

    @model_validator(mode="after")
    def _no_plain_text_beyond_loopback(self) -> Self:
        if not self.address.is_loopback and self.tls is None:
            raise ValueError(
                f"refusing to listen on {self.address} without TLS: set listen.tls, or listen on 127.0.0.1"
            )
        return self


class SwitchTls(Tls):
    """PEM files: the speaker's certificate and key, and the authority that must have signed each switch's certificate."""

    ca: PathField


class Speaker(Section):
    """The OpenFlow process. `start`: the daemon starts one when none answers. `keep`: it goes on when the daemon ends. `python`: the
    interpreter that runs it, where that is not the daemon's own. `listen`: HOST:PORT, or with `tls` ssl:HOST:PORT. `role: equal`: another
    controller owns the switches' forwarding, and only drops of ours stand beside its flows."""

    socket: PathField = Path("/run/netcordon/speaker.sock")
    listen: str = "127.0.0.1:6653"
    tls: SwitchTls | None = None
    runtime: Literal["os-ken", "ryu"] = "os-ken"
    role: Literal["sole", "equal"] = "sole"
    python: PathField | None = None
    start: bool = True
    keep: bool = True
    log: PathField = Path("/var/log/netcordon/speaker.log")

    @model_validator(mode="after")
    def _tls_is_said_in_both_places(self) -> Self:
        if self.listen.startswith("ssl:") != (self.tls is not None):
            raise ValueError("write listen: ssl:HOST:PORT together with tls: {certificate, key, ca}, or neither")
        return self


class OpenFlow(Section):
    """`adopt`: any switch that connects becomes a device of ours; otherwise only those listed under `devices`."""

    speaker: Speaker = Speaker()
    adopt: bool = True


class Device(Section):
    """`id` is of:<16 hex digits of the datapath id> for OpenFlow. `management` outweighs what the driver finds out. `uplinks`
    are ports with a switch or router behind them that nobody can discover; `dhcp_ports` those with a DHCP server, whose leases
    are believed. `realm` is the site or VRF that its addresses belong to."""

    id: DeviceField
    driver: str = "openflow"
    management: Management | None = None
    management_port: str | None = None
    uplinks: frozenset[str] = frozenset()
    dhcp_ports: frozenset[str] = frozenset()
    realm: str = DEFAULT_REALM
    options: Mapping[str, Any] = {}


class Router(Section):
    """A router's own addresses. What is seen at one of its MACs is behind it; its port is never contained."""

    name: str
    macs: frozenset[MacField] = frozenset()
    ips: frozenset[AddressField] = frozenset()
    prefixes: tuple[Network, ...] = ()


def _written_port(text: object) -> object:
    """switch:port, as its two parts; the switch by its id or its name, the port by its name or number."""
    try:
        place = parse_target(str(whole_datapath_id(text))).place
    except InvalidInput:
        place = None
    if place is None:
        raise ValueError(f"not a port: {text!r}; write it as device:port (s1:s1-eth3)")
    return place


PortField = Annotated[tuple[str, str], BeforeValidator(_written_port)]
BOX_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"


class Bundle(Section):
    """Ports that are one cable to who is behind them: a LAG, or of two devices an MLAG or vPC."""

    name: Annotated[str, Field(pattern=BOX_NAME)]
    ports: Annotated[tuple[PortField, ...], Field(min_length=2)]


class Box(Section):
    """What carries traffic and takes no rules of ours. `links`: where its cables go, each a port of a managed device (device:port) or the
    name of another box. `tunnelled`: who is seen there is not there, but came through a tunnel (a wireless controller's clients)."""

    name: Annotated[str, Field(pattern=BOX_NAME)]
    kind: Literal["switch", "hub", "wireless-bridge", "access-point", "wireless-controller", "hypervisor"] = "switch"
    links: Annotated[tuple[str, ...], Field(min_length=1)]
    tunnelled: bool = False

    @property
    def ports(self) -> tuple[tuple[str, str], ...]:
        return tuple(_PORT.validate_python(link) for link in self.links if ":" in link)

    @property
    def behind(self) -> tuple[str, ...]:
        """The other boxes that it is cabled to."""
        return tuple(link for link in self.links if ":" not in link)

    @field_validator("links")
    @classmethod
    def _readable(cls, links: tuple[str, ...]) -> tuple[str, ...]:
        for link in links:
            if ":" in link:
                _written_port(link)
        return links


_PORT: TypeAdapter[tuple[str, str]] = TypeAdapter(PortField)


class NetworkSection(Section):
    """`on_link`: prefixes whose hosts are seen directly; an address outside all of them is behind a router (empty: don't judge by
    prefix). `not_endpoints`: NAT, proxy, load balancer and VPN pools. `bundles`: LAGs and MLAGs. `boxes`: what nobody manages."""

    on_link: tuple[Network, ...] = ()
    routers: tuple[Router, ...] = ()
    not_endpoints: tuple[Network, ...] = ()
    bundles: tuple[Bundle, ...] = ()
    boxes: tuple[Box, ...] = ()

    @model_validator(mode="after")
    def _boxes_fit_together(self) -> Self:
        names = [box.name for box in self.boxes]
        for index, box in enumerate(self.boxes):
            if box.name in names[:index]:
                raise LocatedError(("boxes", index, "name"), f"there is a box {box.name!r} already")
            for link in box.behind:
                if link not in names or link == box.name:
                    raise LocatedError(
                        ("boxes", index, "links"), f"no other box {link!r}; write a port as device:port (s1:s1-eth3)"
                    )
        taken: dict[tuple[str, str], str] = {}
        named = [(one.name, one.ports) for one in self.bundles] + [(one.name, one.ports) for one in self.boxes]
        for name, ports in named:
            for port in ports:
                if taken.setdefault(port, name) != name:
                    raise ValueError(f"port {':'.join(port)} leads to {taken[port]} and to {name}: keep one of them")
        return self


class Protected(Section):
    """An asset that is never contained automatically: exactly one of the fields, and why."""

    ip: AddressField | None = None
    prefix: Network | None = None
    mac: MacField | None = None
    role: str | None = None
    port: DeviceField | None = None
    why: str = "listed as protected"

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("ip", "prefix", "mac", "role", "port") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"one of ip, prefix, mac, role, port (as device:port); got {', '.join(given) or 'none'}")
        return self


class Asset(Section):
    """What is known of a device that people look after: by MAC or IP."""

    mac: MacField | None = None
    ip: AddressField | None = None
    name: str = ""
    managed: Managed = Managed.MANAGED
    type: str = "unknown"
    role: str = "unknown"
    owner: str = "unknown"
    criticality: str = "unknown"

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.mac is None and self.ip is None:
            raise ValueError("an asset is named by its mac or its ip")
        return self


class NetBox(Section):
    """A NetBox whose devices and virtual machines are assets, read again `every` so often. The token is in the environment
    (NETCORDON_PASSWORD_NETBOX), the keyring, or `token_file`. `criticality` is the custom field that says it; `sites`: by their slugs,
    none: all; `ca`: a file of certificates to trust instead of the system's."""

    netbox: str
    token_file: PathField | None = None
    every: Seconds = Field(default=900.0, ge=10.0)
    criticality: str = "criticality"
    sites: tuple[str, ...] = ()
    ca: PathField | None = None

    @field_validator("netbox")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        """The token is not sent in plain text beyond this host."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise ValueError("write its address, as https://netbox.example.org")
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("the token would go in plain text: use https://")
        return url.rstrip("/")


class Locating(Section):
    """`skew`: how far the sensor's clock may be off. `contest`: how long after another holder's last word an address counts as contested.
    `max_age`: how long a binding stands without being seen again. `too_old`: alerts older than this are not acted upon.
    `neighbour_age`: how long a second MAC must have been on a port to count as a device of its own behind it."""

    skew: Seconds = 2.0
    contest: Seconds = 300.0
    max_age: Seconds = 4 * 3600.0
    too_old: Seconds = 24 * 3600.0
    neighbour_age: Seconds = 60.0


class BudgetLimits(Section):
    """Caps on automatic containment: how many may start in a minute, and how many may stand at once: in all, in one VLAN of a site, in one
    site (realm), and of one role. One more than that trips the breaker."""

    per_minute: int = Field(default=10, ge=1)
    total: int = Field(default=50, ge=1)
    per_vlan: int | None = Field(default=None, ge=1)
    per_site: int | None = Field(default=None, ge=1)
    per_role: Mapping[str, Annotated[int, Field(ge=1)]] = {"domain-controller": 1, "dns": 1, "dhcp": 1, "hypervisor": 1}


class DeadMan(Section):
    """A containment of an asset of one of these roles or criticalities is released after `confirm_within`, unless a person confirms it
    before. None are named by default. `then_ask`: for how long after such a release no alert contains that device again by itself."""

    confirm_within: Seconds = 600.0
    then_ask: Seconds = 24 * 3600.0
    roles: tuple[str, ...] = ()
    criticality: tuple[str, ...] = ()

    def covers(self, role: str, criticality: str) -> bool:
        return role in self.roles or criticality in self.criticality


class ImpactSection(Section):
    """`window`: for how long conversations that sensors tell of are remembered, to say what a plan would end."""

    window: Annotated[Seconds, Field(ge=60, le=7 * 86400)] = 8 * 3600.0


class Verifying(Section):
    """`window`: how long silence must last before `proven`. `baseline`: how often a sensor asks known hosts whether they
    answer, and how old such an answer may be when a push comes. `patience`: how long a containment is looked at closely for proof."""

    window: Annotated[Seconds, Field(ge=0.05, le=30)] = 0.25
    baseline: Seconds = 2.0
    baseline_age: Seconds = 5.0
    patience: Seconds = 10.0


class Reconciling(Section):
    deadline: Seconds = 5.0
    resync: Seconds = 30.0
    lease: Seconds = 60.0
    backoff: Seconds = 0.5
    backoff_most: Seconds = 60.0

    @model_validator(mode="after")
    def _push_ends_before_the_lease(self) -> Self:
        if self.deadline >= self.lease:
            raise ValueError("`deadline` must be shorter than `lease`: a push must end while the device is still ours")
        return self


class MetricsSection(Section):
    """`without_token`: whoever asks from this machine's loopback may read /metrics; everybody else needs a token with the role viewer."""

    without_token: bool = False


def _age(text: object) -> float | None:
    return None if text == NEVER else parse_duration(str(text))


Age = Annotated[float | None, BeforeValidator(_age)]


class Probing(Section):
    """What `discover --probe` may ask: only within `ranges` (none: it is off), less what is in `exclude`, at most `rate` frames a second;
    whoever is there is asked on these TCP `ports`."""

    ranges: tuple[Network, ...] = ()
    exclude: tuple[Network, ...] = ()
    rate: float = Field(default=50.0, gt=0, le=1000)
    ports: Annotated[tuple[Annotated[int, Field(ge=1, le=65535)], ...], Field(max_length=32)] = (
        22, 80, 88, 443, 445, 554, 631, 3389, 8006, 9100,
    )  # fmt: skip


class DiscoverySection(Section):
    """`probe`: the active part of it."""

    probe: Probing = Probing()


class Crawling(Section):
    """`every`: how often each device's own tables (ARP, MAC, VLANs, interfaces, links) are read; `never`: only when somebody asks."""

    every: Age = 900.0


class Retention(Section):
    """For how long the database keeps what is over: a span, or `never`, which deletes nothing of it. An alert counts from when it came, a
    proposal from when it could be answered last, a containment from when its last device was seen without it, a binding from when it was
    seen last. What an open containment or proposal names stays, and so do the audit log and a containment that an alert or a proposal
    names which is still kept."""

    alerts: Age = 90 * 86400.0
    dead_letters: Age = 30 * 86400.0
    proposals: Age = 90 * 86400.0
    containments: Age = 365 * 86400.0
    bindings: Age = 30 * 86400.0


class Remediation(Section):
    """What the profile `remediation` leaves open: `hosts` where a device is mended, and the `dns` servers that find them by name."""

    hosts: tuple[Network, ...] = ()
    dns: tuple[Network, ...] = ()


class Quarantine(Section):
    """The VLAN of the profile `quarantine-vlan`, on every switch that can move a port. `hosts`: whom an inmate may send to; none: all that
    is in there, its fellow inmates too. `bounce`: its link goes down for a moment, so that it asks DHCP for an address of that VLAN."""

    vlan: Annotated[int, Field(ge=2, le=4094)] | None = None
    hosts: tuple[Network, ...] = ()
    bounce: bool = False

    @property
    def profile(self) -> Profile | None:
        return None if self.vlan is None else quarantine(self.vlan, self.hosts, bounce=self.bounce)


class FollowedFile(Section):
    """A file on the daemon's host that a sensor writes to. `format`: a source's name. `start`: where to begin with one that is there
    already and was never followed; `beginning` takes what it holds as well."""

    path: PathField
    format: str = Field(pattern=SOURCE_NAME)
    start: Literal["end", "beginning"] = "end"

    @field_validator("path")
    @classmethod
    def _from_the_root(cls, path: Path) -> Path:
        if not path.is_absolute():
            raise ValueError(f"write the whole path, from the root: {path} depends on where the daemon is started")
        return path


class SyslogTls(Tls):
    """PEM files. With `ca`, a sender needs a certificate that this authority signed."""

    ca: PathField | None = None


class SyslogListener(Section):
    """Where appliances send their alerts as syslog. `format`: a source's name, for what stands behind the header. `senders`: from whom;
    none: loopback alone. Only TLS keeps others from reading what is sent, and with `ca` from sending in another's name."""

    protocol: Literal["udp", "tcp", "tls"]
    address: IPvAnyAddress = Field(default=ip_address("127.0.0.1"), validate_default=True)
    port: int = Field(ge=0, le=65535)
    format: str = Field(pattern=SOURCE_NAME)
    senders: tuple[Network, ...] = ()
    tls: SyslogTls | None = None

    @property
    def name(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{self.protocol}:{host}:{self.port}"

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.protocol == "tls") != (self.tls is not None):
            raise ValueError("write protocol: tls together with tls: {certificate, key}, or neither")
        if not self.address.is_loopback and not self.senders:
            raise ValueError(f"who may send to {self.address}? List the appliances' prefixes under `senders`")
        return self


class IntakeSection(Section):
    """`syslog`: listeners; none by default. `mappings`: sources of one's own. `webhooks`: sources whose senders sign what they send, in
    place of a token. `files`: what is read as it is written."""

    files: tuple[FollowedFile, ...] = ()
    syslog: tuple[SyslogListener, ...] = ()
    mappings: tuple[MappingFile, ...] = ()
    webhooks: tuple[WebhookFile, ...] = ()


class OpenC2(Section):
    """Which actuator this is, for OpenC2 commands that name one (SLPF profile, 2.1.4); a command that names none is for every actuator."""

    hostname: str | None = None
    named_groups: tuple[str, ...] = ()
    asset_id: str | None = None
    asset_tuple: Annotated[tuple[str, ...], Field(max_length=10)] = ()


class Config(Section):
    """`inventory`: more `assets`: CSV or JSON files, or a NetBox. `duration`: how long a containment is held unless it is
    said otherwise. `on_expiry`: what then; `ask` holds it until a person extends or releases it."""

    store: str = "sqlite:////var/lib/netcordon/netcordon.db"
    listen: Listen = Listen()
    openflow: OpenFlow = OpenFlow()
    devices: tuple[Device, ...] = ()
    network: NetworkSection = NetworkSection()
    protected: tuple[Protected, ...] = ()
    assets: tuple[Asset, ...] = ()
    inventory: tuple[NetBox | PathField, ...] = ()
    _own_assets: tuple[Asset, ...] | None = PrivateAttr(default=None)
    locate: Locating = Locating()
    budget: BudgetLimits = BudgetLimits()
    dead_man: DeadMan = DeadMan()
    freezes: tuple[Freeze, ...] = ()
    impact: ImpactSection = ImpactSection()
    roles: RoleMatching = RoleMatching()
    verify: Verifying = Verifying()
    reconcile: Reconciling = Reconciling()
    crawl: Crawling = Crawling()
    discovery: DiscoverySection = DiscoverySection()
    metrics: MetricsSection = MetricsSection()
    duration: Seconds = 4 * 3600.0
    remediation: Remediation = Remediation()
    quarantine: Quarantine = Quarantine()
    groups: Mapping[Annotated[str, Field(pattern=NAME)], tuple[Network, ...]] = {}
    profiles: tuple[ProfileFile, ...] = ()
    on_expiry: OnExpiry = OnExpiry.RELEASE
    proposal_expires: Seconds = 24 * 3600.0
    intake: IntakeSection = IntakeSection()
    openc2: OpenC2 = OpenC2()
    retention: Retention = Retention()
    policy: PolicyFile = PolicyFile()
    policy_file: PathField | None = None

    @model_validator(mode="after")
    def _devices_once(self) -> Self:
        ids = [device.id for device in self.devices]
        if twice := {one for one in ids if ids.count(one) > 1}:
            raise ValueError(f"devices listed twice: {', '.join(sorted(twice))}")
        return self

    @model_validator(mode="after")
    def _drivers_known(self) -> Self:
        known = DriverRegistry.with_entry_points().names() if self.devices else []
        for index, device in enumerate(self.devices):
            if device.driver not in known:
                raise LocatedError(
                    ("devices", index, "driver"), f"no driver {device.driver!r}; known are {', '.join(known)}"
                )
        return self

    @model_validator(mode="after")
    def _freezes_once(self) -> Self:
        names = [freeze.name for freeze in self.freezes]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise LocatedError(("freezes", index, "name"), f"there is a freeze {name!r} already")
        return self

    @model_validator(mode="after")
    def _sources_once(self) -> Self:
        names = [mapping.name for mapping in self.intake.mappings]
        signed = [webhook.source for webhook in self.intake.webhooks]
        files, listeners = self.intake.files, self.intake.syslog
        if not names and not signed and not files and not listeners:
            return self
        from controller.intake import SOURCES  # only where somebody names a source: it loads every adapter

        for index, name in enumerate(names):
            if name in SOURCES or name in names[:index]:
                raise LocatedError(("intake", "mappings", index, "name"), f"there is a source {name!r} already")
        for index, source in enumerate(signed):
            at = ("intake", "webhooks", index, "source")
            if source not in (*SOURCES, *names):
                raise LocatedError(at, f"no alert source {source!r}; known are {', '.join((*SOURCES, *names))}")
            if source in signed[:index]:
                raise LocatedError(at, f"{source!r} signs in two ways: keep one of them")
        for index, listener in enumerate(listeners):
            if listener.format not in (*SOURCES, *names):
                known = ", ".join((*SOURCES, *names))
                raise LocatedError(
                    ("intake", "syslog", index, "format"), f"no alert source {listener.format!r}; known are {known}"
                )
            if listener.port and listener.name in [one.name for one in listeners[:index]]:
                raise LocatedError(("intake", "syslog", index, "port"), f"{listener.name} is listened on already")
        for index, file in enumerate(files):
            if file.format not in (*SOURCES, *names):
                known = ", ".join((*SOURCES, *names))
                raise LocatedError(
                    ("intake", "files", index, "format"), f"no alert source {file.format!r}; known are {known}"
                )
            if file.path in [one.path for one in files[:index]]:
                raise LocatedError(("intake", "files", index, "path"), f"{file.path} is followed already")
        return self

    @model_validator(mode="after")
    def _kept_as_long_as_needed(self) -> Self:
        """An alert that may still be acted upon is known when it comes again, and so is who had which address then."""
        for name in ("alerts", "bindings"):
            age = getattr(self.retention, name)
            if age is not None and age < self.locate.too_old:
                least = show_duration(self.locate.too_old)
                raise LocatedError(
                    ("retention", name),
                    f"alerts are acted upon for {least} (locate.too_old): keep them at least as long",
                )
        return self

    @model_validator(mode="after")
    def _one_policy(self) -> Self:
        if self.policy_file is not None and (self.policy.rules or self.policy.incriminate):
            raise ValueError("policy stands here and in policy_file: keep one of them")
        return self

    @model_validator(mode="after")
    def _policy_fits(self) -> Self:
        for error in misfits(self.policy, self.catalogue, self.retention.containments):
            raise LocatedError(("policy", *error.where), str(error))
        return self

    @property
    def own_assets(self) -> tuple[Asset, ...]:
        """Those that a person wrote into the configuration itself; `assets` has its inventory files' as well."""
        return self.assets if self._own_assets is None else self._own_assets

    @cached_property
    def catalogue(self) -> Mapping[str, Profile]:
        """All profiles that there are, by name, the strictest first."""
        own = resolve(self.profiles, self.groups)
        more = (*own, BY_ROLE, *PROFILES.values())
        return catalogue(self.remediation.hosts, self.remediation.dns, more, self.quarantine.profile)


def load_config(path: Path | None = None, environment: Mapping[str, str] = os.environ) -> Config:
    """The configuration at `path`, else at $NETCORDON_CONFIG, else at the default place. Raises ConfigError with line numbers;
    a default place where nothing lies gives the defaults. A `policy_file` and `inventory` files are read from beside it."""
    if path is None and CONFIG_VARIABLE not in environment and not DEFAULT_PATH.exists():
        return Config()
    chosen = path or Path(environment.get(CONFIG_VARIABLE, DEFAULT_PATH))
    if chosen.is_dir():
        raise ConfigError(f"{chosen} is a directory: name the YAML file in it")
    config = _with_inventory(read_model(chosen, Config), chosen.parent)
    if config.policy_file is None:
        return config
    policy = read_policy(chosen.parent / config.policy_file, config.catalogue, config.retention.containments)
    return config.model_copy(update={"policy": policy, "policy_file": None})


def _with_inventory(config: Config, beside: Path) -> Config:
    """With the assets of the inventory's files behind its own, and the files by their whole paths. NetBox is not asked here."""
    if not config.inventory:
        return config
    from controller.inventory_file import read_inventory, together  # it reads assets, which are this file's

    sources = tuple(one if isinstance(one, NetBox) else (beside / one).absolute() for one in config.inventory)
    read = [read_inventory(one) for one in sources if isinstance(one, Path)]
    whole = config.model_copy(update={"assets": together(config.assets, read), "inventory": sources})
    whole._own_assets = config.assets
    return whole
