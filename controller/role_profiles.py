"""Profiles by role: what a device of a role keeps while it is contained, service by service, and what closes. Data. Pure.

All else closes: each profile's default is `deny`. What is kept is what others need such a device for; what it may open itself is only what
it needs to go on with that. `Profile.closes` names what people will ask about: it becomes no rule, and the proof answers for each of it.
The ports' sources stand in `controller.role_services`; docs/role-profiles.md is written from both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from controller import role_services as at
from controller.model import Entry, Peers, Profile, Way
from controller.profiles import LATERAL
from drivers.rules import Action, PortRange, Protocol

PREFIX = "role:"
UNKNOWN = "unknown"
_SERVER, _USER, _NOBODY = 65, 70, 85
"""Strictness. `unknown` is the strictest: whatever a device is taken for later, what it was given as nobody stands."""
_HOPPING = "attackers go from host to host by it (ATT&CK TA0008)"
_OUTWARD = "command and control, and what is stolen, go out by it (ATT&CK TA0011, TA0010)"


@dataclass(frozen=True, slots=True)
class RoleProfile:
    """`costs`: what people lose while it holds, in words. `sources`: whose word the ports are."""

    role: str
    profile: Profile
    costs: str
    sources: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """Services of one kind: kept or closed, which way, with whom (roles; none: everybody), and why. `exact`: by UDP between this port of
    the device's and that of its peer."""

    action: Action
    way: Way
    services: tuple[at.Service, ...]
    why: str
    peers: tuple[str, ...] = ()
    exact: tuple[PortRange, PortRange] | None = None

    def entries(self) -> Iterator[Entry]:
        peers = Peers(roles=self.peers) if self.peers else None
        if self.exact is not None:
            (one,) = self.services
            yield Entry(self.action, self.way, one.name, Protocol.UDP, exact=self.exact, why=self.why)
            return
        for one in self.services:
            for protocol, ports in ((Protocol.TCP, one.tcp), (Protocol.UDP, one.udp)):
                if ports:
                    yield Entry(self.action, self.way, one.name, protocol, ranges(ports), peers, why=self.why)


def ranges(ports: at.Ports) -> tuple[PortRange, ...]:
    return tuple(PortRange(*one) if isinstance(one, tuple) else PortRange(one, one) for one in ports)


def _serves(why: str, *services: at.Service) -> _Line:
    return _Line(Action.PERMIT, Way.TO, services, why)


def _asks(why: str, *services: at.Service, of: tuple[str, ...] = ()) -> _Line:
    return _Line(Action.PERMIT, Way.FROM, services, why, of)


def _closed(way: Way, why: str, *services: at.Service) -> _Line:
    return _Line(Action.DENY, way, services, why)


_DIRECTORY = (at.KERBEROS, at.PASSWORDS, at.LDAP, at.LDAPS, at.CATALOG)
_NAMES = _asks("it finds names, at the listed resolvers alone", at.DNS, of=("dns", "domain-controller"))
_CHECKS = _asks(
    "it checks who its users are, at the listed domain controllers alone",
    at.KERBEROS,
    at.LDAP,
    at.LDAPS,
    of=("domain-controller",),
)
_NO_WEB = _closed(Way.FROM, _OUTWARD, at.WEB, at.QUIC)
_BOTH = (Way.FROM, Way.TO)
_NO_ADDRESS = "who has no address yet is answered at the client's port"
_RTP = ranges(at.SPEECH.udp)[0]
_NO_MAIL = _closed(Way.FROM, "it would send phishing in the house's name", at.MAIL)


def _exactly(
    ways: Iterable[Way], service: at.Service, own: int | PortRange, far: int | PortRange, why: str
) -> Iterator[_Line]:
    """Datagrams between these ports and no others: what has no state to go by would else answer anywhere."""
    ports = (_one(own), _one(far))
    return (_Line(Action.PERMIT, way, (service,), why, exact=ports) for way in ways)


def _one(port: int | PortRange) -> PortRange:
    return PortRange(port, port) if isinstance(port, int) else port


def _role(role: str, strictness: int, text: str, costs: str, lines: Iterable[_Line]) -> RoleProfile:
    written = tuple(lines)
    entries = [entry for line in written for entry in line.entries()]
    keeps = tuple(one for one in entries if one.action is Action.PERMIT)
    closes = (*(one for one in entries if one.action is Action.DENY), *_lateral_besides(keeps))
    profile = Profile(f"{PREFIX}{role}", strictness, text, Action.DENY, keeps, built_in=True, closes=closes)
    return RoleProfile(
        role, profile, costs, tuple({s.name: s.source for line in written for s in line.services}.items())
    )


def _lateral_besides(keeps: tuple[Entry, ...]) -> Iterator[Entry]:
    """What lateral movement uses, less what is kept of it, each way."""
    for entry in LATERAL.entries:
        left = {way: _not_kept(entry, way, keeps) for way in (Way.TO, Way.FROM)}
        alike = left[Way.TO] == left[Way.FROM]
        for way, ports in {Way.BOTH: left[Way.TO]}.items() if alike else left.items():
            if ports:
                yield Entry(Action.DENY, way, entry.name, entry.protocol, ports, why=_HOPPING)


def _not_kept(entry: Entry, way: Way, keeps: tuple[Entry, ...]) -> tuple[PortRange, ...]:
    kept = [port for one in keeps if one.way is way and one.protocol is entry.protocol for port in one.ports]
    return tuple(p for p in entry.ports if not any(k.first <= p.last and p.first <= k.last for k in kept))


ROLES = (
    _role(
        "domain-controller",
        _SERVER,
        "goes on signing people in, finding names and telling the time; opens nothing but DNS and NTP",
        "Group policy and logon scripts (SYSVOL over SMB), joining the domain, NTLM through Netlogon, replication between"
        " controllers, and its administration from afar wait. A controller that an attacker owns can sign tickets all the while:"
        " keeping it is for the hours until another takes over",
        (
            _serves("people and services are signed in", *_DIRECTORY),
            _serves("the domain's names are found", at.DNS),
            _serves("Kerberos fails where clocks are five minutes apart", at.NTP),
            _asks("names that it does not hold are asked for elsewhere", at.DNS),
            _asks("it keeps the domain's time", at.NTP),
            _closed(
                Way.TO, "services are made and tickets stolen over it (T1047, T1569, DCSync)", at.DYNAMIC_RPC, at.ADWS
            ),
            _closed(Way.FROM, "what it would ask another controller, DCSync does too", *_DIRECTORY),
            _NO_WEB,
        ),
    ),
    _role(
        "dns",
        _SERVER,
        "goes on answering and asking for names; opens nothing else",
        "Its administration waits. A name is a way out as well: what it asks for others, somebody on it can ask too (T1071.004)",
        (
            _serves("names are found", at.DNS, at.DNS_TLS),
            _asks("names that it does not hold are asked for elsewhere, and zones are fetched", at.DNS),
            _NO_WEB,
        ),
    ),
    _role(
        "dhcp",
        _SERVER,
        "goes on handing out leases; opens nothing but DNS to the listed resolvers",
        "Failover with a second server, and its administration, wait. Where it hands out wrong gateways (T1557.003), take `full`",
        (
            _serves("leases are given and renewed, through relays too", at.DHCP, at.DHCPV6),
            _NAMES,
            _closed(Way.TO, "the second server can be asked over it for all leases, and told others", at.FAILOVER),
            _closed(Way.FROM, "the second server can be asked over it for all leases, and told others", at.FAILOVER),
            *_exactly((Way.FROM,), at.DHCP, 67, 68, _NO_ADDRESS),
            *_exactly((Way.FROM,), at.DHCPV6, 547, 546, _NO_ADDRESS),
            _NO_WEB,
        ),
    ),
    _role(
        "file-server",
        _SERVER,
        "goes on serving files; opens nothing but DNS and the check of its users at the listed domain controllers",
        "Who signs in by NTLM is not checked (Netlogon is RPC), and its administration and its copies to elsewhere wait. Files can"
        " be encrypted through a share as before: that is the client's doing, who is contained for it",
        (
            _serves("shares are used", at.SMB, at.NFS, at.AFP),
            _NAMES,
            _CHECKS,
            _closed(Way.TO, "services are made over it (T1569)", at.DYNAMIC_RPC),
            _closed(Way.FROM, "a worm goes from share to share by it (T1021.002, T1210)", at.SMB),
            _NO_WEB,
        ),
    ),
    _role(
        "printer",
        _USER,
        "goes on printing what it is sent; opens nothing",
        "Scans to folders and mail, its web page, and its state over SNMP wait: Windows may show it as offline and print all the same",
        (
            _serves("print jobs come in", at.JETDIRECT, at.IPP, at.LPD),
            _closed(Way.TO, "passwords of folders and mailboxes are kept on it, and read out there", at.WEB, at.SNMP),
            _closed(
                Way.FROM, "a directory's password is sent to whoever is given as its server (T1557)", at.LDAP, at.LDAPS
            ),
            _NO_MAIL,
            _NO_WEB,
        ),
    ),
    _role(
        "web-server",
        _SERVER,
        "goes on answering web requests; opens nothing but DNS and databases, each at the listed ones",
        "What its pages fetch from elsewhere, its mails, and its administration wait. A web shell (T1505.003) can be asked as before",
        (
            _serves("pages are asked for", at.WEB),
            _asks("its pages come from the listed databases", at.DATABASES, of=("database",)),
            _NAMES,
            _closed(Way.TO, "browsers go back to TCP by themselves", at.QUIC),
            _NO_MAIL,
            _NO_WEB,
        ),
    ),
    _role(
        "database",
        _SERVER,
        "goes on answering queries; opens nothing but DNS and the check of its users at the listed domain controllers",
        "Copies to other databases, mails, and its administration wait. Named instances of SQL Server are not found by name",
        (
            _serves("applications ask it", at.DATABASES),
            _NAMES,
            _CHECKS,
            _closed(Way.TO, "it names instances, and is used to flood others", at.BROWSER),
            _closed(Way.TO, "they take orders from anybody who reaches them", at.CACHES),
            _closed(Way.FROM, "linked servers are the way from one database to the next (T1210)", at.DATABASES),
            _NO_WEB,
        ),
    ),
    _role(
        "hypervisor",
        _SERVER,
        "keeps its storage and its heartbeat, so that guests go on; opens and answers nothing else",
        "Its guests are neighbours on its port and keep all that they have; they are not contained with it. Nobody manages it over the"
        " network: look at its console. Migration and high availability wait, so that its guests are not restarted elsewhere either",
        (
            _asks("guests' disks are there: without them each of them stops", at.ISCSI, at.NFS),
            _asks("without it vCenter takes the host for dead", at.HEARTBEAT),
            _NAMES,
            _closed(Way.TO, "guests are stopped, encrypted and deleted from there (T1486)", at.GUESTS),
            _closed(Way.TO, "guests' memory goes over it", at.MIGRATION),
            _closed(Way.FROM, "other hosts are managed over it", at.GUESTS, at.MIGRATION),
            _NO_WEB,
        ),
    ),
    _role(
        "camera",
        _USER,
        "its video can be fetched; opens nothing",
        "Its web page, ONVIF, moving it, video over UDP or by a call of its own to a cloud, its clock over NTP, and alarms that it"
        " sends by itself wait. A recorder that fetches video over RTSP within TCP goes on",
        (
            _serves("recorders fetch video", at.RTSP),
            _closed(Way.TO, "cameras are taken over through their administration (T1190)", at.CAMERA_ADMIN),
            _NO_MAIL,
            _NO_WEB,
        ),
    ),
    _role(
        "phone",
        _USER,
        "calls go on, emergency calls too; opens nothing but them and DNS to the listed resolvers",
        "Its directory, its configuration from a server (TFTP, HTTPS) and its web page wait: do not restart it. Phones with other"
        " ports for speech than 16384 to 32767 ring and are mute",
        (
            _serves("calls come in", at.SIP),
            _asks("calls are made", at.SIP),
            *_exactly(_BOTH, at.SPEECH, _RTP, _RTP, "both are heard"),
            _NAMES,
            _closed(Way.TO, "phones are taken over through their web page (T1190)", at.WEB),
            _NO_WEB,
        ),
    ),
    _role(
        "workstation",
        _USER,
        "people can sign in and names are found, at the listed servers; nobody opens anything to it",
        "Web, mail, shares and printing wait. What is done on the screen goes on: whoever sits there can be told",
        (
            _NAMES,
            _asks("people sign in with a password that was changed", *_DIRECTORY, of=("domain-controller",)),
            _asks("Kerberos fails where clocks are five minutes apart", at.NTP, of=("domain-controller",)),
            _closed(Way.FROM, "printers' drivers are a way in (T1547.012), and a page can wait", at.JETDIRECT, at.IPP),
            _NO_MAIL,
            _NO_WEB,
        ),
    ),
    _role(
        UNKNOWN,
        _NOBODY,
        "keeps its address (DHCP) and is found by ARP; opens and answers nothing",
        "Everything but its lease, so that it stays where it is and can be looked at. Nobody knows what it is for: what is lost will"
        " be told by whoever misses it",
        (
            *_exactly(_BOTH, at.DHCP, 68, 67, "it keeps its lease"),
            *_exactly(_BOTH, at.DHCPV6, 546, 547, "it keeps its lease"),
            _closed(Way.FROM, "names are a way out (T1071.004)", at.DNS),
            _closed(Way.TO, "nobody knows what it is for", at.WEB),
            _NO_MAIL,
            _NO_WEB,
        ),
    ),
)
