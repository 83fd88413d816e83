"""Profiles: how far a containment goes, and the rules that it comes to at a device's edge port. Pure.

`lateral` closes what ATT&CK tactic TA0008 (Lateral Movement) travels by: its techniques name the services below, which are also those of
CISA CM0065's associated techniques (T1021, T1210, T1563, T1570). Web ports stay open, and so do the ports that DCOM picks once it was
asked at 135.

Rules keep no state, so a service is closed at both of its ends: what asks for it, and what it would answer. Where a profile permits by
ports, the answers to TCP must not open a connection (ACK or RST), and those to UDP go to ports of clients alone; otherwise a device
could open what it likes from the port of a service that it keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_network

from controller.model import FULL, Endpoint, Entry, Peers, Profile, Way
from drivers.rules import Action, Direction, Match, Network, PortRange, Protocol, Provenance, Rule

CLIENT_PORTS = PortRange(1024, 65535)
_DAD = ip_network("0.0.0.0/32")
Supported = Callable[[Rule], bool]
Addresses = Callable[[Peers], tuple[Network, ...]]
"""Whom `Peers` are, as far as anybody knows now."""


def _port(number: int) -> PortRange:
    return PortRange(number, number)


def _service(name: str, protocol: Protocol, *ports: int | tuple[int, int]) -> Entry:
    ranges = tuple(PortRange(*port) if isinstance(port, tuple) else _port(port) for port in ports)
    return Entry(Action.DENY, Way.BOTH, name, protocol, ranges)


LATERAL = Profile(
    "lateral",
    40,
    "closes the services that lateral movement uses (ATT&CK TA0008), both ways; leaves the rest",
    Action.PERMIT,
    (
        _service("RDP, T1021.001", Protocol.TCP, 3389),
        _service("RDP, T1021.001", Protocol.UDP, 3389),
        _service("SMB and admin shares, T1021.002", Protocol.TCP, 139, 445),
        _service("NetBIOS, T1021.002", Protocol.UDP, (137, 138)),
        _service("DCOM and WMI, T1021.003, T1047", Protocol.TCP, 135, 593),
        _service("SSH, T1021.004", Protocol.TCP, 22),
        _service("VNC, T1021.005", Protocol.TCP, 5800, (5900, 5909)),
        _service("WinRM, T1021.006", Protocol.TCP, (5985, 5986), 47001),
        _service("telnet and r-commands, T1021", Protocol.TCP, 23, (512, 514)),
        _service("FTP and rsync, T1570", Protocol.TCP, 21, 873),
        _service("TFTP, T1570", Protocol.UDP, 69),
        _service("NFS, T1080", Protocol.TCP, 111, 2049),
        _service("NFS, T1080", Protocol.UDP, 111, 2049),
    ),
    built_in=True,
)
MONITOR = Profile("monitor", 0, "counts the device's frames and drops none", Action.COUNT, built_in=True)
REMEDIATION = "remediation"
QUARANTINE = "quarantine-vlan"


def _reaching(hosts: Iterable[Network], way: Way, name: str) -> list[Entry]:
    """By protocol, since "anything" would be ARP as well, that claims whose address it likes."""
    listed = tuple(hosts)
    entries = [Entry(Action.PERMIT, way, name, p, peers=Peers(listed)) for p in (Protocol.TCP, Protocol.UDP)]
    if by_ipv4 := tuple(host for host in listed if host.version == 4):
        entries.append(Entry(Action.PERMIT, way, name, Protocol.ICMP, peers=Peers(by_ipv4)))
    return entries


def quarantine(vlan: int, hosts: Iterable[Network], *, bounce: bool) -> Profile:
    """The device's port is moved to this VLAN. Where hosts are listed it may send to them alone, and so to no other inmate; what they send
    to it passes, and all that is in that VLAN besides inmates."""
    listed = tuple(hosts)
    entries = tuple(_reaching(listed, Way.FROM, QUARANTINE)) if listed else ()
    whom = "sends to the quarantine hosts alone" if listed else "reaches all that is in there"
    return Profile(
        QUARANTINE,
        90,
        f"its port is moved to VLAN {vlan}, where it {whom}",
        Action.DENY,
        entries,
        built_in=True,
        vlan=vlan,
        bounce=bounce,
    )


def remediation(hosts: Iterable[Network], dns: Iterable[Network]) -> Profile:
    """Only the remediation hosts, and DNS where it is configured; what is needed to reach them comes with every profile of its kind."""
    entries = _reaching(hosts, Way.BOTH, REMEDIATION)
    if resolvers := tuple(dns):
        port = (_port(53),)
        entries += [
            Entry(Action.PERMIT, Way.FROM, "DNS", protocol, port, Peers(resolvers))
            for protocol in (Protocol.UDP, Protocol.TCP)
        ]
    text = "only the remediation hosts, and what is needed to reach them"
    return Profile(REMEDIATION, 80, text, Action.DENY, tuple(entries), built_in=True)


def catalogue(
    hosts: Iterable[Network], dns: Iterable[Network], custom: Iterable[Profile], quarantined: Profile | None = None
) -> Mapping[str, Profile]:
    """All profiles by name, the strictest first. `remediation` is there when it has hosts, `quarantine-vlan` when it has a VLAN."""
    built_in = [FULL, LATERAL, MONITOR, *([] if quarantined is None else [quarantined])]
    if listed := tuple(hosts):
        built_in.append(remediation(listed, dns))
    ranked = sorted((*built_in, *custom), key=lambda profile: (-profile.strictness, profile.name))
    return {profile.name: profile for profile in ranked}


def unknown(name: str, known: Iterable[str]) -> str:
    """The sentence for a profile that is not there."""
    known = tuple(known)
    if name == REMEDIATION:
        return "no remediation hosts: list them in the configuration, under remediation.hosts"
    if name == QUARANTINE:
        return "no quarantine VLAN: name it in the configuration, under quarantine.vlan"
    roles = [one for one in known if one.startswith("role:")]
    others = [one for one in known if one not in roles]
    if name.startswith("role:"):
        return f"no profile {name!r}; those of roles are {', '.join(roles)}"
    more = ", and role:NAME for each role" if roles else ""
    return f"no profile {name!r}; known are {', '.join(others)}{more}"


@dataclass(frozen=True, slots=True)
class Compiled:
    """`weaker`: in which ways the rules are less than the profile. `also`: what they do besides what it says."""

    rules: tuple[Rule, ...]
    weaker: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


def compile_rules(
    profile: Profile, endpoint: Endpoint, provenance: Provenance, addresses: Addresses, supported: Supported
) -> Compiled:
    """The rules of a profile for a device at its edge port. Its frames are denied by the port, so that it cannot escape under another
    MAC, and permitted under its own; frames to it go by its MACs, since no neighbour's may be stopped. Neighbours on the port keep what
    they send."""
    return _Compiler(profile, endpoint, provenance, addresses, supported).run()


class _Compiler:
    def __init__(
        self, profile: Profile, endpoint: Endpoint, provenance: Provenance, addresses: Addresses, supported: Supported
    ) -> None:
        self._profile, self._endpoint, self._provenance = profile, endpoint, provenance
        self._addresses, self._supported = addresses, supported
        self._coming = Match(Direction.FROM, port=endpoint.attachment.port)
        self._going = self._to_it()
        self._weaker: list[str] = []

    def _to_it(self) -> list[Match]:
        """By its MACs; or by the port, where it is alone there and the network device knows no MACs."""
        port = self._endpoint.attachment.port
        by_mac = [
            Match(Direction.TO, port=None if self._profile.granular else port, mac=mac)
            for mac in sorted(self._endpoint.macs)
        ]
        alone = Match(Direction.TO, port=port, protocol=Protocol.TCP)
        knows = all(self._supported(self._rule(replace(m, protocol=Protocol.TCP), Action.DENY)) for m in by_mac)
        if not knows and not self._endpoint.neighbours and self._supported(self._rule(alone, Action.DENY)):
            return [Match(Direction.TO, port=port)]
        return by_mac

    def run(self) -> Compiled:
        if self._profile.default is Action.COUNT:
            return Compiled(tuple(self._counting()), ("it drops nothing: its rules only count",))
        if self._profile.vlan is not None:
            moved = tuple(dict.fromkeys(self._quarantined(self._profile.vlan)))
            return Compiled(moved, tuple(dict.fromkeys(self._weaker)))
        rules = [
            *self._neighbours(),
            *self._default(),
            *(rule for entry in self._profile.entries for rule in self._entry(entry)),
        ]
        rules = self._without_going(rules)
        also = () if self._profile.default is Action.DENY else self._unseen(rules)
        rules += also
        words = (
            ("fragmented packets, and those whose protocol is hidden from the switch, are stopped as well",)
            if also
            else ()
        )
        return Compiled(tuple(dict.fromkeys(rules)), tuple(dict.fromkeys(self._weaker)), words)

    def _without_going(self, rules: list[Rule]) -> list[Rule]:
        """Less the rules for what goes to it, where the switch can hold none of any kind, as most Catalysts: then what it sends is all that
        can be stopped, and with that every answer."""
        coming = [rule for rule in rules if rule.match.direction is Direction.FROM]
        port = Match(Direction.TO, port=self._endpoint.attachment.port)
        ends = [port, *(Match(Direction.TO, mac=mac) for mac in self._endpoint.macs)]
        if any(self._supported(self._rule(end, Action.DENY)) for end in ends):
            return rules
        if len(coming) == len(rules) or not any(rule.action is Action.DENY for rule in coming):
            return rules
        self._weaker.append("the switch has no lists for what leaves a port: what others send still reaches the device")
        return coming

    def _rule(self, match: Match, action: Action) -> Rule:
        return Rule(match, action, self._provenance)

    def _permit(self, match: Match) -> Iterator[Rule]:
        """What it sends is permitted under its own MACs alone: a frame under the gateway's would teach the switches that the gateway is
        behind the held port, and bring the device what others send there."""
        if match.direction is Direction.TO:
            yield self._rule(match, Action.PERMIT)
            return
        own = [self._rule(replace(match, mac=mac), Action.PERMIT) for mac in sorted(self._endpoint.macs)]
        if all(self._supported(rule) for rule in own):
            yield from own
        else:
            self._weaker.append("the switch cannot tell by whom: what is permitted may be sent under any MAC")
            yield self._rule(match, Action.PERMIT)

    def _quarantined(self, vlan: int) -> Iterator[Rule]:
        """Into the VLAN; and there what it sends is told, so that inmates do not reach each other. Its address will be another one, and its
        ARP may claim any: only its fellow inmates and the hosts of that VLAN hear that."""
        yield Rule(self._coming, Action.MOVE_VLAN, self._provenance, vlan=vlan, bounce=self._profile.bounce)
        if not self._profile.entries:
            self._weaker.append(
                f"devices in VLAN {vlan} reach each other, and all that is in there: list whom they may reach under quarantine.hosts"
            )
            return
        yield self._rule(self._coming, Action.DENY)
        yield from self._permit(replace(self._coming, protocol=Protocol.ARP))
        if self._reaches_ipv6():
            yield from self._permit(replace(self._coming, protocol=Protocol.ND))
        yield from self._leases([self._coming])
        for entry in self._profile.entries:
            yield from self._entry(entry)

    def _leases(self, ends: Iterable[Match]) -> Iterator[Rule]:
        """DHCP, as a client."""
        for client, server in ((68, 67), (546, 547)):
            for match in ends:
                leased = replace(match, protocol=Protocol.UDP, own_ports=_port(client), peer_ports=_port(server))
                yield from self._permit(leased)

    def _counting(self) -> Iterator[Rule]:
        """On a shared port, by MAC: the neighbours' frames are none of it."""
        own = [replace(self._coming, mac=mac) for mac in sorted(self._endpoint.macs)]
        for match in own if self._endpoint.neighbours and own else [self._coming]:
            yield self._rule(match, Action.COUNT)
        for match in self._going:
            yield self._rule(match, Action.COUNT)

    def _neighbours(self) -> Iterator[Rule]:
        for mac in sorted(self._endpoint.neighbours):
            yield self._rule(replace(self._coming, mac=mac), Action.PERMIT)

    def _default(self) -> Iterator[Rule]:
        """Deny both ways: a port of its own as a whole when nothing may pass. Else also what it takes to be reachable: its own ARP,
        neighbour discovery where somebody that it may reach can have IPv6, and DHCP as a client."""
        if self._profile.default is not Action.DENY:
            return
        alone = not self._profile.entries and not self._endpoint.neighbours
        going = [Match(Direction.TO, port=self._endpoint.attachment.port)] if alone else self._going
        for match in (self._coming, *going):
            yield self._rule(match, Action.DENY)
        if not self._profile.entries:
            return
        own = [ip_network(ip) for ip in sorted(self._endpoint.ips, key=str) if ip.version == 4]
        arp = replace(self._coming, protocol=Protocol.ARP)
        told = [replace(arp, ip=ip) for ip in (*own, _DAD)] if own else [arp]
        if any(not self._supported(self._rule(match, Action.PERMIT)) for match in told):
            told = [arp]
            self._weaker.append("the switch cannot tell whom ARP speaks of: it may claim any address")
        for match in told:
            yield from self._permit(match)
        if not own:
            self._weaker.append("no IPv4 address of it is known, so its ARP may claim any")
        protocols = [Protocol.ARP]
        if self._reaches_ipv6():
            self._weaker.append("its neighbour discovery may claim any IPv6 address")
            yield from self._permit(replace(self._coming, protocol=Protocol.ND))
            protocols.append(Protocol.ND)
        for match in self._going:
            for protocol in protocols:
                yield from self._permit(replace(match, protocol=protocol))
        yield from self._leases((self._coming, *self._going))

    def _reaches_ipv6(self) -> bool:
        permits = (entry.peers for entry in self._profile.entries if entry.action is Action.PERMIT)
        return any(peers is None or any(one.version == 6 for one in self._addresses(peers)) for peers in permits)

    def _entry(self, entry: Entry) -> Iterator[Rule]:
        if entry.exact is not None:
            yield from self._flow(entry, *entry.exact)
            return
        for peer in self._peers(entry):
            for ports in entry.ports or (None,):
                if entry.way is not Way.TO:
                    yield from self._opened_by_it(entry, peer, ports)
                if entry.way is not Way.FROM:
                    yield from self._opened_to_it(entry, peer, ports)

    def _flow(self, entry: Entry, own: PortRange | None, far: PortRange | None) -> Iterator[Rule]:
        """The packets of one way, and not what answers them."""
        for peer in self._peers(entry):
            for end in [self._coming] if entry.way is Way.FROM else self._going:
                match = replace(end, protocol=entry.protocol, peer=peer, own_ports=own, peer_ports=far)
                if entry.action is Action.PERMIT:
                    yield from self._permit(match)
                else:
                    yield self._rule(match, entry.action)

    def _peers(self, entry: Entry) -> tuple[Network | None, ...]:
        if entry.peers is None:
            return (None,)
        found = self._addresses(entry.peers)
        if not found:
            verb = "permitted" if entry.action is Action.PERMIT else "stopped"
            self._weaker.append(
                f"{entry.label}: no address of {', '.join(entry.peers.roles)} is known, so nothing is {verb}"
            )
        return found

    def _opened_by_it(self, entry: Entry, peer: Network | None, ports: PortRange | None) -> Iterator[Rule]:
        asking = replace(self._coming, protocol=entry.protocol, peer=peer, peer_ports=ports)
        if entry.action is Action.DENY:
            yield self._rule(asking, Action.DENY)
        else:
            yield from self._permit(asking)
        if ports is None:
            return
        for going in self._going:
            answer = replace(going, protocol=entry.protocol, peer=peer, peer_ports=ports)
            if entry.action is Action.DENY:
                yield self._rule(answer, Action.DENY)
            else:
                yield from self._answer(answer)

    def _opened_to_it(self, entry: Entry, peer: Network | None, ports: PortRange | None) -> Iterator[Rule]:
        for going in self._going:
            yield self._rule(replace(going, protocol=entry.protocol, peer=peer, own_ports=ports), entry.action)
        if ports is None:
            return
        answer = replace(self._coming, protocol=entry.protocol, peer=peer, own_ports=ports)
        if entry.action is Action.DENY:
            yield self._rule(answer, Action.DENY)
        else:
            yield from self._answer(answer)

    def _answer(self, match: Match) -> Iterator[Rule]:
        """What answers a permitted request, and opens nothing by itself as far as a rule without state can tell."""
        if match.protocol is Protocol.TCP:
            answering = replace(match, established=True)
            if self._supported(self._rule(answering, Action.PERMIT)):
                yield from self._permit(answering)
            else:
                self._weaker.append(
                    "the switch cannot tell answers from new connections: from a permitted port it may open any"
                )
                yield from self._permit(match)
        elif match.direction is Direction.FROM:
            for clients in (CLIENT_PORTS, match.own_ports):
                yield from self._permit(replace(match, peer_ports=clients))
        else:
            yield from self._permit(match)

    def _unseen(self, rules: Iterable[Rule]) -> list[Rule]:
        """A fragment carries no ports, and behind an unknown header there may be anything: where a service is closed by what is in its
        packets' headers, these go the same way, since a receiver would put together what the switch could not see."""
        denied = [rule.match for rule in rules if rule.action is Action.DENY and rule.match.protocol in _LAYERED]
        found: dict[Match, None] = {}
        for match in denied:
            end = replace(
                self._coming if match.direction is Direction.FROM else match,
                protocol=None,
                own_ports=None,
                peer_ports=None,
            )
            found[replace(end, peer=match.peer, fragment=True)] = None
            found[replace(end, peer=None, hidden=True)] = None
        everyone = {(m.direction, m.mac) for m in found if m.fragment and m.peer is None}
        wanted = [
            self._rule(match, Action.DENY)
            for match in found
            if match.hidden or match.peer is None or (match.direction, match.mac) not in everyone
        ]
        held = [rule for rule in wanted if self._supported(rule)]
        for word, flag in (("fragmented packets", "fragment"), ("packets with unknown headers", "hidden")):
            if any(getattr(rule.match, flag) for rule in wanted) and not any(
                getattr(rule.match, flag) for rule in held
            ):
                self._weaker.append(f"the switch cannot tell {word}, so a closed service may be reached by them")
        return held


_LAYERED = (Protocol.TCP, Protocol.UDP, Protocol.ICMPV6)
