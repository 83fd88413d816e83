"""Drivers by name: three different ways of not being there, told apart."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

import drivers.registry
from drivers.base import DriverError, DriverNotInstalled
from drivers.memory import MemoryDriver
from drivers.registry import BUILT_IN, ENTRY_POINT_GROUP, DriverRegistry, UnknownDriver


def test_a_built_in_driver_is_loaded() -> None:
    assert DriverRegistry().load("memory") is MemoryDriver


def test_an_unknown_name_says_which_are_known() -> None:
    with pytest.raises(UnknownDriver, match=r"'cisco'; known are memory, napalm, netmiko, openflow"):
        DriverRegistry().load("cisco")


def test_a_missing_package_is_named() -> None:
    registry = DriverRegistry({"vendor": "no_such_package.driver:Driver"})
    with pytest.raises(DriverNotInstalled, match="'vendor' needs the package 'no_such_package'"):
        registry.load("vendor")


@pytest.mark.parametrize("target", ["drivers.memory:Absent", "drivers.memory", "drivers.memory:FIELDS"])
def test_a_target_that_names_no_driver_is_a_clear_error(target: str) -> None:
    with pytest.raises(UnknownDriver, match="nothing to call there"):
        DriverRegistry({"wrong": target}).load("wrong")


def test_both_errors_are_driver_errors() -> None:
    assert issubclass(UnknownDriver, DriverError)
    assert issubclass(DriverNotInstalled, DriverError)


def test_registries_share_nothing() -> None:
    one, two = DriverRegistry({"mine": "drivers.memory:MemoryDriver"}), DriverRegistry()
    assert one.names() == ["mine"]
    assert two.names() == sorted(BUILT_IN)


def test_entry_points_add_and_cannot_take_over(monkeypatch: pytest.MonkeyPatch) -> None:
    announced = [
        EntryPoint("theirs", "drivers.memory:MemoryDriver [fast]", ENTRY_POINT_GROUP),
        EntryPoint("openflow", "their.package:Driver", ENTRY_POINT_GROUP),
    ]
    monkeypatch.setattr(drivers.registry, "entry_points", lambda group: announced if group == ENTRY_POINT_GROUP else [])
    registry = DriverRegistry.with_entry_points()
    assert registry.names() == ["memory", "napalm", "netmiko", "openflow", "theirs"]
    assert registry.load("theirs") is MemoryDriver
    assert registry._targets["openflow"] == BUILT_IN["openflow"]
