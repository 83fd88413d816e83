"""The configuration file: what it refuses, and where it is looked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.config import CONFIG_VARIABLE, Config, load_config
from controller.durations import parse_duration, show_duration
from controller.errors import ConfigError
from controller.model import Mode
from controller.yaml_source import parse_model


def read(text: str) -> Config:
    return parse_model(text, Config, "netcordon.yaml")


def problem(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return str(caught.value)


def test_nothing_said_is_safe() -> None:
    config = Config()
    assert config.listen.address.is_loopback
    assert config.policy.rules == ()
    assert config.duration == 4 * 3600


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("listen:\n  adress: 127.0.0.1\n", "netcordon.yaml:2: listen.adress: unknown key; did you mean address?"),
        ("polcy: {}\n", "netcordon.yaml:1: polcy: unknown key; did you mean policy?"),
        (
            "devices:\n- id: s1\n  driver: openflw\n",
            "netcordon.yaml:3: devices.0.driver: no driver 'openflw'; known are memory, napalm, netmiko, openflow",
        ),
        ("devices:\n- id: of:1\n  management: outband\n", "netcordon.yaml:3: devices.0.management"),
        ("devices:\n- id: of:1\n- id: of:0000000000000001\n", "devices listed twice: of:0000000000000001"),
        ("protected:\n- ip: 10.0.0.1\n  mac: 02:00:00:00:00:01\n", "netcordon.yaml:2: protected.0: one of ip"),
        ("protected:\n- why: because\n", "got none"),
        ("protected:\n- prefix: 10.0.0.5/24\n", "netcordon.yaml:2: protected.0.prefix"),
        ("protected:\n- ip: fe80::1%eth0\n", "netcordon.yaml:2: protected.0.ip: an address with a zone"),
        ("protected:\n- prefix: 2001:db8::5/64\n", "netcordon.yaml:2: protected.0.prefix"),
        ("assets:\n- name: printer\n", "named by its mac or its ip"),
        ("network:\n  routers:\n  - name: gw\n    macs: [nonsense]\n", "not a MAC address: 'nonsense'"),
        (
            "retention:\n  alerts: 30 years\n",
            "netcordon.yaml:2: retention.alerts: not a span of time: '30 years'; write it",
        ),
        ("retention:\n  alerts:\n", "netcordon.yaml:2: retention.alerts: not a span of time"),
        ("retention:\n  audit: 1d\n", "netcordon.yaml:2: retention.audit: unknown key; known are alerts"),
        (
            "retention:\n  bindings: 12h\n",
            "netcordon.yaml:2: retention.bindings: alerts are acted upon for 1d (locate.too_old): keep them at least as long",
        ),
        ("locate:\n  too_old: 100d\n", "netcordon.yaml:1: retention.alerts: alerts are acted upon for 100d"),
        ("locate:\n  skew: soon\n", "netcordon.yaml:2: locate.skew: not a span of time: 'soon'"),
        ("duration: 0s\n", "not a span of time"),
        ("duration: 20000d\n", "longer than ten years"),
        ("budget:\n  per_minute: 0\n", "budget.per_minute"),
        ("verify:\n  window: 0.001\n", "verify.window"),
        ("reconcile:\n  deadline: 2m\n", "`deadline` must be shorter than `lease`"),
        ("policy:\n  rules:\n  - name: a\n    mode: block\n", "netcordon.yaml:4: policy.rules.0.mode"),
        (
            "policy:\n  rules:\n  - name: a\n    profile: total\n",
            "no profile 'total'; known are full, role, lateral, monitor, and role:NAME for each role",
        ),
        ("policy:\n  rules:\n  - name: a\n  - name: a\n", "names used twice: a"),
    ],
)
def test_what_is_refused_is_named(text: str, expected: str) -> None:
    assert expected in problem(text)


@pytest.mark.parametrize("address", ["0.0.0.0", "'::'", "192.0.2.1"])
def test_beyond_loopback_only_with_tls(address: str) -> None:
    assert "without TLS" in problem(f"listen: {{address: {address}}}")
    with_tls = f"listen: {{address: {address}, tls: {{certificate: /c.pem, key: /k.pem}}}}"
    assert not read(with_tls).listen.address.is_loopback


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.0.1", "'::1'"])
def test_loopback_needs_none(address: str) -> None:
    assert read(f"listen: {{address: {address}}}").listen.address.is_loopback


def test_a_datapath_id_is_written_out_wherever_a_switch_is_named() -> None:
    config = read("devices: [{id: 'of:A'}, {id: edge}]\nprotected: [{port: 'of:a:s10-eth3'}, {port: 's1:s1-eth3'}]")
    assert [device.id for device in config.devices] == ["of:000000000000000a", "edge"]
    assert [rule.port for rule in config.protected] == ["of:000000000000000a:s10-eth3", "s1:s1-eth3"]


def test_ipv4_that_is_written_as_ipv6_is_ipv4() -> None:
    """As it is compared with what is seen on the wire: protection that never fits would protect nothing."""
    config = read(
        "protected:\n- ip: ::ffff:10.0.0.1\n- prefix: ::ffff:10.0.0.0/104\n"
        "network:\n  on_link: ['::ffff:10.0.0.0/120', '2001:db8::/64']\n  routers:\n  - {name: gw, ips: ['::ffff:10.0.0.1']}\n"
        "assets:\n- ip: ::ffff:10.0.0.2\n"
    )
    assert [str(rule.ip or rule.prefix) for rule in config.protected] == ["10.0.0.1", "10.0.0.0/8"]
    assert [str(prefix) for prefix in config.network.on_link] == ["10.0.0.0/24", "2001:db8::/64"]
    assert [str(ip) for router in config.network.routers for ip in router.ips] == ["10.0.0.1"]
    assert [str(asset.ip) for asset in config.assets] == ["10.0.0.2"]


def test_what_is_kept_for_ever() -> None:
    kept = read("retention:\n  alerts: never\n  bindings: 7d\n  dead_letters: 1h\n").retention
    assert (kept.alerts, kept.bindings, kept.dead_letters, kept.proposals) == (None, 7 * 86400, 3600, 90 * 86400)


def test_a_policy_rule_proposes_until_it_is_raised() -> None:
    config = read("policy: {rules: [{name: a}, {name: b, mode: contain, for: 30m, match: {signature_id: [2001219]}}]}")
    assert [(rule.mode, rule.duration) for rule in config.policy.rules] == [(Mode.PROPOSE, 14400), (Mode.CONTAIN, 1800)]
    assert config.policy.rules[1].match.signature_id == frozenset({"2001219"})


def test_where_the_file_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, other = tmp_path / "named.yaml", tmp_path / "other.yaml"
    named.write_text("duration: 1h")
    other.write_text("duration: 2h")
    assert load_config(named, {CONFIG_VARIABLE: str(other)}).duration == 3600
    assert load_config(None, {CONFIG_VARIABLE: str(other)}).duration == 7200
    with pytest.raises(ConfigError, match="is a directory"):
        load_config(tmp_path, {})
    with pytest.raises(ConfigError, match="No such file"):
        load_config(None, {CONFIG_VARIABLE: str(tmp_path / "none.yaml")})
    monkeypatch.setattr("controller.config.DEFAULT_PATH", tmp_path / "none.yaml")
    assert load_config(None, {}) == Config()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("4h", 14400), ("7d", 604800), ("250", 250), (0.25, 0.25), ("1.5H", 5400)],
)
def test_spans_of_time(text: Any, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "-5m", "0", "5 weeks", "inf", "nan", "1e9", True, None, "99999999d"])
def test_no_span_of_time(text: Any) -> None:
    with pytest.raises(ValueError, match=r"span of time|ten years"):
        parse_duration(text)


@given(st.integers(1, 365 * 86400))
def test_a_span_is_shown_by_its_two_largest_units(seconds: int) -> None:
    shown = [parse_duration(part) for part in show_duration(seconds).split()]
    assert 1 <= len(shown) <= 2
    assert 0 <= seconds - sum(shown) < shown[-1]


def test_a_policy_file_lies_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("rules:\n- name: scanners\n  mode: contain\n")
    (tmp_path / "netcordon.yaml").write_text("policy_file: policy.yaml\n")
    assert load_config(tmp_path / "netcordon.yaml").policy.rules[0].mode is Mode.CONTAIN


def test_what_is_wrong_in_the_policy_file_is_named_there(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("rules:\n- name: scanners\n  mode: contian\n")
    (tmp_path / "netcordon.yaml").write_text("policy_file: policy.yaml\n")
    with pytest.raises(ConfigError, match=r"policy\.yaml:3: rules\.0\.mode"):
        load_config(tmp_path / "netcordon.yaml")


def test_two_policies_are_one_too_many() -> None:
    assert "keep one of them" in problem("policy_file: p.yaml\npolicy: {rules: [{name: a}]}\n")


def test_an_inventory_beside_the_configuration_is_read(tmp_path: Path) -> None:
    (tmp_path / "devices.csv").write_text(
        "mac,ip,role\n02:00:00:00:00:01,,printer\n02:00:00:00:00:02,10.0.0.2,camera\n"
    )
    path = tmp_path / "netcordon.yaml"
    path.write_text("inventory: [devices.csv]\nassets:\n- {mac: 02-00-00-00-00-01, role: server}\n")
    assets = load_config(path).assets
    assert [(one.mac, one.role) for one in assets] == [("02:00:00:00:00:01", "server"), ("02:00:00:00:00:02", "camera")]
    (tmp_path / "devices.csv").write_text("mac\nnonsense\n")
    with pytest.raises(ConfigError, match="row 2: mac"):
        load_config(path)
    (tmp_path / "devices.csv").unlink()
    with pytest.raises(ConfigError, match=r"devices\.csv: No such file"):
        load_config(path)
