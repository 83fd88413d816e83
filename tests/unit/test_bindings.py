"""Who was where when: histories in order, uplinks forgotten, an established holder that no claim takes over, and bounds."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.model import Attachment, Binding
from controller.network import bindings as module
from controller.network import spans as spans_module
from controller.network.bindings import Bindings, draining
from controller.network.spans import SPANS_KEPT, Span
from drivers.base import BELIED, ROUTER_ADVERTISEMENT, Sighting
from drivers.rules import Mac, PortName
from tests.campus import S1, mac, place

REALM = "default"
IPS = tuple(ip_address(text) for text in ("10.0.0.1", "10.0.0.2", "fd00::3"))


def sighting(
    at: float, who: int = 1, where: int = 1, address: str | None = "10.0.0.1", lease: bool = False
) -> Sighting:
    parsed = None if address is None else ip_address(address)
    return Sighting(S1, at, mac(who), PortName(f"s1-eth{where}"), parsed, None, "arp", lease)


sightings = st.builds(
    Sighting,
    device=st.just(S1),
    at=st.integers(0, 1000).map(float),
    mac=st.integers(1, 4).map(mac),
    port=st.integers(1, 3).map(lambda n: PortName(f"s1-eth{n}")),
    ip=st.none() | st.sampled_from(IPS),
    lease=st.booleans(),
)


def fed(seen: list[Sighting]) -> Bindings:
    known = Bindings(max_age=400)
    for one in seen:
        known.see(REALM, one)
    return known


def spans(known: Bindings) -> list[list[Span]]:
    return [*known.by_ip.values(), *known.by_mac.values()]


@given(st.lists(sightings, max_size=40))
def test_histories_are_in_the_order_of_time_whatever_order_they_came_in(seen: list[Sighting]) -> None:
    for history in spans(fed(seen)):
        assert history
        assert all(span.first <= span.last for span in history)
        assert all(one.first <= next_.first and one.last <= next_.first for one, next_ in pairwise(history))


@given(st.lists(sightings, max_size=40), st.integers(0, 40))
def test_nothing_seen_at_an_uplink_remains(seen: list[Sighting], when: int) -> None:
    known = fed(seen[:when])
    known.forget_port(S1, PortName("s1-eth1"))
    for one in seen[when:]:
        if one.port != "s1-eth1":
            known.see(REALM, one)
    assert all(span.port != "s1-eth1" for history in spans(known) for span in history)
    assert all(binding.attachment.port != "s1-eth1" for binding in known.take_unsaved())
    for who in map(mac, range(1, 5)):
        for address in known.ips_held_by(REALM, who):
            holder = known.holder(REALM, address)
            assert holder is not None
            assert holder.port != "s1-eth1"
    assert known.on_place(REALM, place(1), 0) == {}


@given(st.lists(sightings.filter(lambda one: not one.lease and one.mac != mac(9)), max_size=40))
def test_claims_do_not_take_an_address_from_who_still_uses_it(claims: list[Sighting]) -> None:
    """The domain controller is heard of every 100 s; whatever others claim in between, without a lease, it stays the holder."""
    own = [sighting(float(at), who=9, where=9) for at in range(0, 1100, 100)]
    known = Bindings(max_age=400)
    for one in sorted([*own, *claims], key=lambda one: (one.at, one.mac != mac(9))):
        known.see(REALM, one)
        holder = known.holder(REALM, IPS[0])
        assert holder is not None
        assert holder.mac == mac(9)
    assert IPS[0] in known.ips_held_by(REALM, mac(9))
    assert all(IPS[0] not in known.ips_held_by(REALM, mac(n)) for n in range(1, 5))


@given(st.lists(sightings, max_size=30, unique_by=lambda one: one.at))
def test_what_was_stored_is_the_same_after_loading(seen: list[Sighting]) -> None:
    known = fed(sorted(seen, key=lambda one: one.at))
    loaded = Bindings(max_age=400)
    loaded.load(known.take_unsaved())
    for key, history in known.by_ip.items():
        assert [(s.mac, s.port, s.first, s.last) for s in loaded.by_ip[key]] == [
            (s.mac, s.port, s.first, s.last) for s in history
        ]
    assert loaded.take_unsaved() == []
    assert known.take_unsaved() == []


stored = st.builds(
    lambda realm, ip, who, where, vlan, first, lasted, source, lease: Binding(
        realm, ip, mac(who), Attachment(S1, PortName(f"s1-eth{where}"), vlan), first, first + lasted, source, lease
    ),
    st.sampled_from((REALM, REALM, REALM, "other")),
    st.sampled_from((IPS[0], IPS[0], None)) | st.sampled_from((IPS[0], IPS[1], ip_address("fe80::1"))),
    st.integers(1, 2),
    st.integers(1, 2),
    st.sampled_from((None, None, 10)),
    st.integers(0, 60).map(float),
    st.just(0.0) | st.integers(0, 60).map(float),
    st.sampled_from(("arp", "arp", "dhcp", BELIED, ROUTER_ADVERTISEMENT)),
    st.booleans(),
)


@settings(max_examples=300)
@given(st.lists(stored, max_size=40), st.sampled_from((2, 1000)))
def test_loading_is_the_same_as_seeing_one_by_one(known: list[Binding], bound: int) -> None:
    """To the order in which things are forgotten, and where no more is kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MACS_ON_PORT", bound)
        patch.setattr(module, "IPS_OF_MAC", bound)
        patch.setattr(spans_module, "SPANS_KEPT", bound + 1)
        loaded, seen = Bindings(max_age=20), Bindings(max_age=20)
        drained = list(known)
        loaded.load(draining(drained))
        assert not drained
        moments = [(at, one) for one in known for at in (one.first_seen, one.last_seen)]
        for at, one in sorted(moments, key=lambda moment: moment[0]):
            place = one.attachment
            seen.see(
                one.realm,
                Sighting(place.device, at, one.mac, place.port, one.ip, place.vlan, one.source, one.lease),
            )
        seen.take_unsaved()
    assert everything(loaded) == everything(seen)


def everything(known: Bindings) -> list[object]:
    """All that it holds, spans by what they say."""

    def told(span: Span) -> tuple[object, ...]:
        return tuple(getattr(span, name) for name in Span.__slots__)

    indexes = (known.by_ip, known.by_mac)
    return [
        *([(key, [told(span) for span in history]) for key, history in index.items()] for index in indexes),
        {key: told(span) for key, span in known._holder.items()},
        {port: list(there.items()) for port, there in known.on_port.items()},
        {key: there for key, there in known.ips_of.items() if there},
        known.advertisers,
        known.revision,
        known._vlans,
        known.take_unsaved(),
    ]


def test_after_loading_a_device_is_where_it_was_last() -> None:
    """It said one address at port 1, moved, and came back with the first: its address' span covers the time at the other port."""
    known = fed([sighting(5, address="10.0.0.2"), sighting(20, where=2), sighting(50, where=2)])
    known.see(REALM, sighting(60, address="10.0.0.2"))
    loaded = Bindings(max_age=400)
    loaded.load(known.take_unsaved())
    assert [s.port for s in loaded.history_of_mac(REALM, mac(1))] == ["s1-eth1", "s1-eth2", "s1-eth1"]


def test_a_late_sighting_changes_nothing_about_the_present() -> None:
    known = fed([sighting(0), sighting(100), sighting(60, who=2, where=2, address=None)])
    assert known.see(REALM, sighting(50, who=2, where=2)) is False
    assert [(s.mac, s.first, s.last) for s in known.history_of_ip(REALM, IPS[0])] == [
        (mac(1), 0, 50),
        (mac(2), 50, 50),
        (mac(1), 100, 100),
    ]
    holder = known.holder(REALM, IPS[0])
    assert holder is not None
    assert holder.mac == mac(1)


def test_a_lease_makes_the_holder_and_what_was_given_up_is_no_claim() -> None:
    known = fed([sighting(0), sighting(100), sighting(200, who=2, where=2, lease=True)])
    assert known.ips_held_by(REALM, mac(2)) == {IPS[0]}
    assert known.ips_claimed_by(REALM, mac(1)) == frozenset()
    known.see(REALM, sighting(300))
    assert known.ips_claimed_by(REALM, mac(1)) == {IPS[0]}


def test_a_holder_that_is_silent_for_long_gives_way() -> None:
    known = fed([sighting(0), sighting(399, who=2)])
    assert known.ips_claimed_by(REALM, mac(2)) == {IPS[0]}
    known.see(REALM, sighting(401, who=2))
    assert known.ips_held_by(REALM, mac(2)) == {IPS[0]}


def test_realms_are_apart() -> None:
    known = Bindings()
    known.see("a", sighting(0))
    known.see("b", sighting(0, who=2, where=2))
    assert [s.mac for s in known.history_of_ip("a", IPS[0])] == [mac(1)]
    assert known.on_place("b", place(1), 0) == {}
    assert known.macs_within("a", ip_network("10.0.0.0/24")) == {mac(1)}
    assert known.macs_within("b", ip_network("10.0.0.1/32")) == {mac(2)}
    assert known.macs_within("b", None) == set()


def test_a_flood_from_one_port_is_bounded_and_pushes_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MACS_ON_PORT", 50)
    known = fed([sighting(0, address="10.0.0.1"), sighting(0, who=2, where=2, address="10.0.0.2")])
    for n in range(1000):
        known.see(REALM, sighting(1 + n / 1000, who=100 + n, address=f"10.1.{n // 250}.{n % 250}"))
    assert len(known.by_mac) == 51
    assert len(known.by_ip) == 51
    assert known.history_of_ip(REALM, IPS[0])
    known.see(REALM, sighting(3, who=2, where=1, address="10.0.0.2"))
    assert known.history_of_mac(REALM, mac(2))[-1].port == "s1-eth1", "who is known may move to the flooded port"
    known.see(REALM, sighting(500, who=5000))
    assert known.history_of_mac(REALM, mac(5000)), "what has been silent for long makes room"


def test_a_flood_of_addresses_from_one_mac_hides_no_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IPS_OF_MAC", 50)
    known = fed([sighting(0, who=9, where=9)])
    for n in range(1000):
        known.see(REALM, sighting(1, address=f"10.1.{n // 250}.{n % 250}"))
    assert len(known.by_ip) == 51
    known.see(REALM, sighting(2, address="10.0.0.1"))
    assert known.ips_claimed_by(REALM, mac(1)) == {IPS[0]}
    known.see(REALM, sighting(2, address="10.2.0.1", lease=True))
    assert ip_address("10.2.0.1") in known.ips_held_by(REALM, mac(1))


def test_an_address_that_flips_keeps_a_bounded_history() -> None:
    known = fed([sighting(float(n), who=n % 2) for n in range(1000)])
    assert len(known.history_of_ip(REALM, IPS[0])) == SPANS_KEPT


def test_devices_gone_for_long_are_dropped_whole() -> None:
    known = fed([sighting(0, who=1), sighting(10, who=2, where=2), sighting(500, who=3, where=3, address="10.0.0.2")])
    assert known.forget_before(400) == 2
    assert [key[1] for key in known.by_mac] == [mac(3)]
    assert list(known.by_ip) == [(REALM, "10.0.0.2")]
    assert known.holder(REALM, IPS[0]) is None
    assert [key for key, _ in known.recent()] == [(REALM, mac(3))]
    assert known.forget_before(400) == 0


def test_what_the_store_did_not_take_comes_again_unless_newer() -> None:
    known = fed([sighting(0)])
    taken = known.take_unsaved()
    known.see(REALM, sighting(10))
    known.put_back(taken)
    assert [binding.last_seen for binding in known.take_unsaved()] == [10]


@settings(max_examples=20)
@given(st.lists(sightings, max_size=30))
def test_those_heard_of_last_come_first(seen: list[Sighting]) -> None:
    known = fed(seen)
    order = list(dict.fromkeys(one.mac for one in reversed(seen)))
    assert [Mac(key[1]) for key, _ in known.recent()] == order


def test_where_a_mac_was_is_told_though_it_had_no_address() -> None:
    known = fed([sighting(1, address=None), sighting(2, where=2, address=None), sighting(3, who=2)])
    assert [(one.ip, one.attachment.port) for one in known.places_of(mac(1))] == [(None, "s1-eth1"), (None, "s1-eth2")]
