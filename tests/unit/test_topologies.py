"""Plans are networks that can be built, and a seed always grows the same one."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topologies.boxes import behind_a_port, in_the_middle
from topologies.buffers import ROOM, give_room, make_room
from topologies.campus import campus
from topologies.office import office, server_room
from topologies.plan import ACTORS, Host, Link, NetworkPlan, PlanError, Role
from topologies.random_campus import random_campus

seeds = st.integers(0, 1 << 63)


def ports_of(plan: NetworkPlan) -> list[tuple[str, int]]:
    ends = [end for link in plan.links for end in ((link.a, link.a_port), (link.b, link.b_port))]
    return [(host.switch, host.port) for host in plan.hosts] + ends


@given(seeds)
def test_a_seed_grows_the_same_network_every_time(seed: int) -> None:
    assert random_campus(seed) == random_campus(seed)


def test_seeds_grow_different_networks() -> None:
    grown = [random_campus(seed) for seed in range(40)]
    assert len({plan.prefix for plan in grown}) > 30
    assert len({switch.dpid for plan in grown for switch in plan.switches}) == sum(len(p.switches) for p in grown)
    assert {len(plan.switches) for plan in grown} == {2, 3, 4, 5}


@given(seeds)
def test_what_a_seed_grows_can_be_built(seed: int) -> None:
    plan = random_campus(seed).with_switch_names("nc0af")
    ports = ports_of(plan)
    assert len(set(ports)) == len(ports)
    assert all(1 <= port <= 0xFEFF for _, port in ports)
    assert all(0 < switch.dpid < 1 << 64 for switch in plan.switches)
    assert len({switch.datapath for switch in plan.switches}) == len(plan.switches)
    assert all(len(switch.datapath) == 16 for switch in plan.switches)
    assert len({host.ip for host in plan.hosts}) == len({host.mac for host in plan.hosts}) == len(plan.hosts)
    assert all(host.ip in plan.prefix.hosts() for host in plan.hosts)
    assert all(len(name) <= 15 for host in plan.hosts for name in (host.edge, host.interface))
    assert {host.role for host in plan.hosts} >= set(ACTORS)


def test_the_office_has_forty_pcs_and_the_server_room_what_is_asked_for() -> None:
    pcs = (Role.ROGUE, Role.VICTIM, Role.NEIGHBOUR, Role.WORKSTATION)
    by_switch = [host.switch for host in office().hosts if host.role in pcs]
    assert [by_switch.count(f"s{number}") for number in range(1, 6)] == [0, 10, 10, 10, 10]
    for many in (1, 12, 40):
        assert sum(host.role is Role.SERVER for host in server_room(many).hosts) == many


@given(seeds)
def test_victim_and_neighbour_share_the_rogues_switch(seed: int) -> None:
    plan = random_campus(seed)
    assert {plan.actor(role).switch for role in (Role.ROGUE, Role.VICTIM, Role.NEIGHBOUR)} == {
        plan.actor(Role.ROGUE).switch
    }
    assert plan.actor(Role.GATEWAY).ip == plan.prefix.network_address + 1
    assert [host.name for host in plan.hosts if not host.managed] == [plan.actor(Role.ROGUE).name]


@pytest.mark.parametrize("plan", [campus(), random_campus(7)], ids=["campus", "random"])
class TestWhatIsNoNetworkIsRefused:
    def test_two_hosts_with_one_address(self, plan: NetworkPlan) -> None:
        first, *rest = plan.hosts
        with pytest.raises(PlanError, match="addresses used twice"):
            replace(plan, hosts=(replace(first, ip=rest[0].ip), *rest))

    def test_two_cables_in_one_port(self, plan: NetworkPlan) -> None:
        link = plan.links[0]
        host = next(host for host in plan.hosts if host.switch == link.b)
        with pytest.raises(PlanError, match="switch ports used twice"):
            replace(plan, links=(replace(link, b_port=host.port), *plan.links[1:]))

    def test_a_loop(self, plan: NetworkPlan) -> None:
        link = plan.links[0]
        with pytest.raises(PlanError, match="not a tree"):
            replace(plan, links=(*plan.links, Link(link.a, 1500, link.b, 1500)))

    def test_a_switch_without_a_cable(self, plan: NetworkPlan) -> None:
        with pytest.raises(PlanError, match="not a tree"):
            replace(plan, links=plan.links[1:])

    def test_a_missing_actor(self, plan: NetworkPlan) -> None:
        with pytest.raises(PlanError, match="no host for sensor"):
            replace(plan, hosts=tuple(host for host in plan.hosts if host.role is not Role.SENSOR))

    def test_an_address_from_elsewhere(self, plan: NetworkPlan) -> None:
        first, *rest = plan.hosts
        with pytest.raises(PlanError, match="is no host's address"):
            replace(plan, hosts=(replace(first, ip=IPv4Address("8.8.8.8")), *rest))


def test_an_unused_address_is_nobodys() -> None:
    plan = campus()
    assert plan.unused_ip() in plan.prefix
    assert plan.unused_ip() not in {host.ip for host in plan.hosts}


def test_the_link_local_address_follows_from_the_mac() -> None:
    """RFC 4291, appendix A."""
    host = replace(campus().actor(Role.ROGUE), mac="34:56:78:9a:bc:de")
    assert isinstance(host, Host)
    assert str(host.link_local) == "fe80::3656:78ff:fe9a:bcde"


def test_a_process_ports_get_room_and_its_other_sockets_none() -> None:
    """The kernel doubles what it is asked for. A packet socket of our own stands for Open vSwitch's: it needs root."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, contextlib.ExitStack() as stack:
        before = other.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        sockets = [other]
        if os.geteuid() == 0:
            sockets.append(stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW)))
        file = stack.enter_context(Path("/dev/null").open())
        numbers = [one.fileno() for one in sockets] + [file.fileno(), 10**6]
        assert give_room(os.getpid(), numbers) == len(sockets) - 1
        assert [one.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) for one in sockets] == [before, 2 * ROOM][
            : len(sockets)
        ]


def test_without_an_open_vswitch_no_room_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVS_RUNDIR", str(tmp_path))
    assert make_room() == 0
    (tmp_path / "ovs-vswitchd.pid").write_text("4194305\n")  # above the most that there can be
    assert make_room() == 0


def test_who_is_behind_a_box_is_seen_at_the_managed_ports_that_lead_to_it() -> None:
    def seen(plan: NetworkPlan, name: str) -> list[tuple[str, str]]:
        return [(switch.name, port) for switch, port in plan.seen_at(plan.host(name))]

    plan = behind_a_port().with_switch_names("nc0af")
    assert seen(plan, "camera") == seen(plan, "pc3") == [("nc0afs2", "nc0afs2-eth1")]
    assert seen(plan, "pc1") == [("nc0afs2", "nc0afs2-eth2")]
    assert seen(in_the_middle(), "camera") == [("s1", "s1-eth50"), ("s2", "s2-eth50")]
    assert [line for line in in_the_middle().describe() if "unmanaged" in line] == [
        "b1 (unmanaged): 1=camera 10.20.50.66, 2=pc2 10.20.50.102, 3=pc3 10.20.50.103, 50=to s1, 51=to s2"
    ]


def test_a_box_counts_when_a_plan_is_checked() -> None:
    plan = in_the_middle()
    with pytest.raises(PlanError, match="no switch b1"):
        replace(plan, boxes=())
    with pytest.raises(PlanError, match="names used twice: s1"):
        replace(plan, boxes=(*plan.boxes, plan.switches[0]))
    with pytest.raises(PlanError, match="not a tree"):
        replace(plan, links=(*plan.links, Link("s1", 51, "s2", 51)))
