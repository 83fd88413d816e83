"""Which of a device's addresses a sensor asks."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from controller.discovery.aim import address_to_ask

OLD, NEW, LINK_LOCAL = ip_address("2001:db8::aaaa"), ip_address("2001:db8::bbbb"), ip_address("fe80::5")
IPV4 = ip_address("10.0.0.5")
NEVER = dict[object, float]()


def test_ipv4_comes_first() -> None:
    assert address_to_ask({OLD, IPV4, LINK_LOCAL}, [OLD, IPV4], {OLD: 9.0}.get) == IPV4


def test_of_ipv6_the_one_that_answered_last() -> None:
    assert address_to_ask({OLD, NEW, LINK_LOCAL}, [NEW, LINK_LOCAL], {OLD: 8.0, LINK_LOCAL: 9.0}.get) == LINK_LOCAL


def test_a_claim_that_never_answered_is_not_asked() -> None:
    """Its silence would prove nothing."""
    claimed = ip_address("10.0.0.1")
    assert address_to_ask({IPV4, claimed}, [claimed, IPV4], {IPV4: 9.0}.get) == IPV4


def test_one_that_answers_no_more_is_left() -> None:
    assert address_to_ask({OLD, NEW}, [NEW, OLD], {OLD: 8.0}.get, since=9.0) == NEW
    assert address_to_ask({OLD, NEW}, [NEW, OLD], {OLD: 8.0}.get, since=7.0) == OLD


def test_else_the_one_that_was_heard_last() -> None:
    assert address_to_ask({OLD, NEW}, [NEW, OLD], NEVER.get) == NEW
    assert address_to_ask({OLD}, [NEW, OLD], NEVER.get) == OLD, (
        "what it took since is not of the endpoint that was contained"
    )


@given(st.sets(st.ip_addresses()), st.lists(st.ip_addresses()), st.dictionaries(st.ip_addresses(), st.floats(0, 10)))
def test_always_one_of_its_own(ips: set[object], latest: list[object], answers: dict[object, float]) -> None:
    asked = address_to_ask(ips, latest, answers.get)  # type: ignore[arg-type]
    assert asked in ips or (asked is None and not ips)
