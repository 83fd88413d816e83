"""A target as people write it."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.errors import InvalidInput
from controller.model import Target
from controller.targets import parse_target
from drivers.rules import parse_mac


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.5", "10.0.0.5"),
        (" 10.0.0.5 ", "10.0.0.5"),
        ("2001:DB8::5", "2001:db8::5"),
        ("[2001:db8::5]", "2001:db8::5"),
        ("fe80::1", "fe80::1"),
        ("::ffff:10.0.0.5", "10.0.0.5"),
        ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    assert parse_target(text) == Target(ip=ip_address(address))


@pytest.mark.parametrize("text", ["02:00:00:00:00:0A", "02-00-00-00-00-0a", "0200.0000.000a", "02000000000A"])
def test_macs(text: str) -> None:
    assert parse_target(text) == Target(mac=parse_mac("02:00:00:00:00:0a"))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("s1:3", ("s1", "3")),
        ("s1:s1-eth3", ("s1", "s1-eth3")),
        ("of:0000000000000001:s1-eth3", ("of:0000000000000001", "s1-eth3")),
        ("of:000000000000000A:3", ("of:000000000000000a", "3")),
        ("of:1:3", ("of:0000000000000001", "3")),
        ("leaf-1.example:GigabitEthernet1/0/1", ("leaf-1.example", "GigabitEthernet1/0/1")),
        ("mx1:ge-0/0/0:1", ("mx1", "ge-0/0/0:1")),
        ("10.0.0.2:eth0", ("10.0.0.2", "eth0")),
    ],
)
def test_places(text: str, place: tuple[str, str]) -> None:
    assert parse_target(text) == Target(place=place)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a target"),
        ("printer", "give an IP"),
        ("s1:", "not a target"),
        (":3", "not a target"),
        ("s1: 3", "not a target"),
        ("of:0000000000000001", "names a switch and no port"),
        ("10.0.0.0/24", "is a prefix"),
        ("2001:db8::/32", "is a prefix"),
        ("10.0.0.5:445", "give 10.0.0.5"),
        ("[2001:db8::5]:445", "L4 port"),
        ("fe80::1%eth0", "leave out %eth0"),
        ("02:00:00:00:00", "neither a whole MAC"),
        ("02:00:00:00:00:0a:0b", "neither a whole MAC"),
        ("ff:ff:ff:ff:ff:ff", "a group's MAC"),
        ("01:00:5e:00:00:01", "a group's MAC"),
        ("224.0.0.1", "not the address of one device"),
        ("255.255.255.255", "not the address of one device"),
        ("0.0.0.0", "not the address of one device"),
        ("::1", "not the address of one device"),
        ("\x1b[2J", r"\\x1b\[2J"),
        ("x" * 1000, "not a target"),
    ],
)
def test_what_is_no_target_says_what_is(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        parse_target(text)


def target_or_reason(text: str) -> Target | InvalidInput:
    try:
        return parse_target(text)
    except InvalidInput as error:
        return error


@given(st.text(max_size=40) | st.text(alphabet="0123456789abcdef:./-of[]%sx", max_size=30))
def test_anything_is_a_target_or_a_reason_and_shows_as_it_reads(text: str) -> None:
    result = target_or_reason(text)
    if isinstance(result, Target):
        assert sum(part is not None for part in (result.ip, result.mac, result.place)) == 1
        assert parse_target(str(result)) == result
    else:
        assert str(result).isprintable()


@given(st.ip_addresses())
def test_every_address_of_one_device_is_a_target(address: object) -> None:
    result = target_or_reason(str(address))
    assert isinstance(result, Target) or "one device" in str(result)
