"""YAML that people write: every mistake is named with its file, line and key."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from controller.errors import ConfigError
from controller.yaml_source import parse_model, read_model


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = ""
    count: int = 0
    mac: str = ""


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    inner: Inner = Inner()
    several: list[Inner] = []


def problem(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_model(text, Outer, "file.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("inner:\n  nam: x\n", "file.yaml:2: inner.nam: unknown key; did you mean name?"),
        ("inner:\n  count: many\n", "file.yaml:2: inner.count: write a whole number, not 'many'"),
        ("inner:\n  zzz: x\n", "file.yaml:2: inner.zzz: unknown key; known are name, count, mac"),
        ("several:\n  - nmae: a\n", "file.yaml:2: several.0.nmae: unknown key; did you mean name?"),
        ("several:\n  - name: a\n  - name: b\n    count: x\n", "file.yaml:4: several.1.count:"),
        ("inner: {}\ninner: {}\n", "file.yaml: line 2: key 'inner' is there twice"),
        ("inner:\n  name: a\n  name: b\n", "line 3: key 'name' is there twice"),
        ("inner: [\n", "file.yaml: line"),
        ("inner:\n\tname: a\n", "line 2: found character '\\t' that cannot start any token; indent with spaces"),
        ("- a\n", "file.yaml:1: (whole file): write keys with values below it"),
        ("just words\n", "file.yaml:1: (whole file)"),
        ("? [a, b]\n: c\n", "line 1: a key is one word"),
        ("several: &all [*all]\n", "nested too deep"),
        ("--- {}\n--- {}\n", "found another document"),
        ("inner: !!python/object/apply:os.system ['true']\n", "could not determine a constructor"),
        ("inner: {name: \x07}\n", "file.yaml: "),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, expected: str) -> None:
    assert expected in problem(text)


def test_several_mistakes_are_all_named() -> None:
    assert len(problem("inner:\n  nam: x\n  count: many\n").splitlines()) == 2


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n", "{}"])
def test_an_empty_file_is_the_defaults(text: str) -> None:
    assert parse_model(text, Outer, "file.yaml") == Outer()


@pytest.mark.parametrize("mac", ["52:54:00:12:34:56", "10:20:30:40:50:10", "02:00:00:00:00:05"])
def test_a_mac_is_no_number_to_the_base_sixty(mac: str) -> None:
    assert parse_model(f"inner: {{mac: {mac}}}", Outer, "f").inner.mac == mac


def test_numbers_are_still_numbers() -> None:
    assert [parse_model(f"inner: {{count: {n}}}", Outer, "f").inner.count for n in ("17", "0", "-3", "0x10")] == [
        17, 0, -3, 16,
    ]  # fmt: skip


def test_a_date_is_text() -> None:
    assert parse_model("inner: {name: 2026-45-99}", Outer, "f").inner.name == "2026-45-99"


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_model(tmp_path / "none.yaml", Outer)
    (tmp_path / "latin.yaml").write_bytes("inner: {name: Büro}".encode("latin-1"))
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_model(tmp_path / "latin.yaml", Outer)


@given(st.text(max_size=60))
def test_no_text_ends_in_a_traceback(text: str) -> None:
    with contextlib.suppress(ConfigError):
        parse_model(text, Outer, "f")
