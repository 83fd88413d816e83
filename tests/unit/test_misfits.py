"""What does not fit is said in the words of whoever wrote it, and no secret is said back."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from controller.config import Config
from controller.errors import ConfigError
from controller.misfits import in_words, keys_at
from controller.yaml_source import parse_model


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("protcted: []", "1: protcted: unknown key; did you mean protected?"),
        ("devices:\n  - {id: of:1, managment: oob}", "2: devices.0.managment: unknown key; did you mean management?"),
        ("listen: {port: 99999}", "listen.port: at most 65535, not 99999"),
        ("listen: {address: nohost}", "listen.address: write an IP address, not 'nohost'"),
        ("listen: 8440", "listen: write keys with values below it (key: value), not 8440"),
        ("budget: {per_minute: many}", "budget.per_minute: write a whole number, not 'many'"),
        ("budget: {per_minute: 0}", "budget.per_minute: at least 1, not 0"),
        ("metrics: {without_token: maybe}", "metrics.without_token: write true or false, not 'maybe'"),
        ("on_expiry: realease", "on_expiry: write 'release' or 'ask', not 'realease'; did you mean release?"),
        ("devices: oob", "devices: write a list: [a, b], not 'oob'"),
        ("duration: 4 parsecs", "duration: not a span of time: '4 parsecs'; write it as 90s, 15m, 4h or 7d"),
        ("store: [a]", 'store: write it as text, as "0x1" or "6653" in quotes'),
    ],
)
def test_a_configuration_says_what_to_write(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_model(text, Config, "netcordon.yaml")
    assert says in str(caught.value)


def test_mistakes_stand_in_the_order_of_the_file() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_model("on_expiry: x\nlisten: {prt: 1}\nbudget: {totl: 1}\nfoo: 1\n", Config, "f")
    assert [line.split(":")[1] for line in str(caught.value).splitlines()] == ["1", "2", "3", "4"]


def test_what_is_long_is_not_said_back() -> None:
    found = {"type": "int_parsing", "loc": ("port",), "msg": "", "input": "x" * 41}
    assert in_words(found) == "write a whole number"


def test_the_keys_of_a_place_that_is_not_known_are_not_made_up() -> None:
    class Inner(BaseModel):
        b: int = 0

    class Outer(BaseModel):
        a: dict[str, list[Inner]] | None = None

    assert keys_at(Outer, ("a", "some", 3)) == ("b",)
    assert keys_at(Outer, ()) == ("a",)
    assert keys_at(None, ("a",)) == ()
