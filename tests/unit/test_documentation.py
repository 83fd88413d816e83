"""What the documentation shows is so: each command parses, each configuration is read, each link leads somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.core import TyperGroup

from controller.cli.main import group
from controller.config import Config
from controller.yaml_source import parse_model

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"(?:^|`|\$\()(?:\.venv/bin/)?netcordon ((?:[^`#|&;)\n]|(?<=\\)\n)+)", re.MULTILINE)
PLACEHOLDERS = {"HASH": "0" * 64, "NAME": "name", "ROLE": "viewer", "TARGET": "10.0.0.1", "SOURCE": "suricata"}


def shown_commands() -> list[tuple[str, str]]:
    found = [(page.name, words.strip()) for page in PAGES for words in COMMAND.findall(page.read_text())]
    return sorted({(page, words) for page, words in found if not words.startswith(("is ", "takes ", "has "))})


@pytest.mark.parametrize(("page", "words"), shown_commands())
def test_a_command_that_is_shown_parses(page: str, words: str) -> None:
    arguments = [PLACEHOLDERS.get(word, word) for word in shlex.split(words.replace("…", "x"))]
    current: Any = group()
    while isinstance(current, TyperGroup) and arguments and not arguments[0].startswith("-"):
        inner = current.get_command(None, arguments[0])  # type: ignore[arg-type]  # it looks at no context
        assert inner is not None, f"{page}: there is no command {arguments[0]!r}"
        current, arguments = inner, arguments[1:]
    named_only = not arguments  # as in a sentence: `netcordon show`
    if not isinstance(current, TyperGroup) and not named_only:
        current.make_context(current.name, arguments)


def test_commands_are_found_at_all() -> None:
    assert len(shown_commands()) > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_configuration_that_is_shown_is_read(page: Path) -> None:
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
        if isinstance(data := yaml.safe_load(block), dict) and data.keys() & Config.model_fields.keys():
            parse_model(block, Config, page.name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_to_a_file_leads_to_one(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@pytest.mark.parametrize(("page", "head", "least"), [("faults", "fault", 20), ("conflicts", "what is seen", 11)])
def test_each_row_names_a_test_that_there_is(page: str, head: str, least: int) -> None:
    rows = [line for line in (ROOT / f"docs/{page}.md").read_text().splitlines() if line.startswith("| ")]
    tried = [row for row in rows if not row.startswith(f"| {head} ")]
    assert len(tried) > least
    for row in tried:
        (named,) = NAMED_TEST.findall(row)
        file, name = named
        assert re.search(rf"^(?:async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE), row
