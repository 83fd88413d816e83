"""docs/intake.md against the readers: what its table says of each source is so, and its mapping reads what it says."""

from __future__ import annotations

import ast
import copy
import inspect
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.config import Config
from controller.errors import InvalidInput
from controller.intake import (
    SOURCES,
    NotAnAlert,
    cef,
    crowdsec,
    defender,
    discovery,
    elastic,
    generic,
    graph,
    ocsf,
    stix,
    suricata,
    wazuh,
    with_mappings,
    zeek,
)
from controller.intake.trial import tried
from controller.model import Alert, Culprit
from tests.unit.intake_feed import FOLDER, NOW, events

PAGE = (Path(__file__).resolve().parents[2] / "docs/intake.md").read_text()
ADAPTERS = {
    one.SOURCE: one
    for one in (cef, crowdsec, defender, discovery, elastic, generic, graph, ocsf, stix, suricata, wazuh, zeek)
}
HEADS = (
    "source",
    "one event is",
    "`src` and `dst`",
    "severity",
    "confidence, ATT&CK",
    "a repetition is known by",
    "not read",
)


def table() -> dict[str, dict[str, str]]:
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    start = next(at for at, line in enumerate(lines) if cells(line) == list(HEADS))
    rows = [cells(line) for line in lines[start + 2 : start + 2 + len(SOURCES)]]
    return {row[0].strip("`"): dict(zip(HEADS, row, strict=True)) for row in rows}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def read(source: str, event: dict[str, Any]) -> tuple[Alert, ...]:
    try:
        return SOURCES[source].read(event, NOW)
    except NotAnAlert:
        return ()


def in_samples(source: str) -> list[Alert]:
    return [alert for event in events(source) for alert in read(source, event)]


def test_each_source_has_its_row() -> None:
    assert list(table()) == list(SOURCES)


@pytest.mark.parametrize("source", SOURCES)
def test_confidence_and_attack_are_there_where_the_table_says_so(source: str) -> None:
    said = table()[source]["confidence, ATT&CK"]
    found = in_samples(source)
    assert any(alert.techniques for alert in found) == ("ATT&CK" in said)
    assert any(alert.confidence is not None for alert in found) == ("score" in said or "`confidence`" in said)


# The table's words, and what they mean: (where it stands, its value) -> ours.
SEVERITIES: Mapping[str, tuple[str, str, Mapping[Any, int]]] = {
    "suricata": ("1 → 5 … 4 → 2, else 1", "alert/severity", {1: 5, 2: 4, 3: 3, 4: 2, 5: 1, 255: 1}),
    "generic": ("1 to 5, as it is", "severity", {1: 1, 2: 2, 3: 3, 4: 4, 5: 5}),
    "zeek": ("3: Zeek has none", "severity", {1: 3, 5: 3}),
    "defender": (
        "its word: informational 1, low 2, medium 3, high 4",
        "severity",
        {"Informational": 1, "Low": 2, "Medium": 3, "High": 4},
    ),
    "graph": ("as `defender`", "severity", {"informational": 1, "low": 2, "medium": 3, "high": 4}),
    "wazuh": (
        "level: from 15 → 5, 12 → 4, 7 → 3, 4 → 2",
        "rule/level",
        {16: 5, 15: 5, 14: 4, 12: 4, 11: 3, 7: 3, 6: 2, 4: 2, 3: 1},
    ),
    "ocsf": ("`severity_id` 1 to 5, fatal 5", "severity_id", {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 5}),
    "crowdsec": ("3: CrowdSec has none", "severity", {1: 3, 5: 3}),
    "stix": ("3: STIX has none", "severity", {1: 3, 5: 3}),
}


@pytest.mark.parametrize("source", SEVERITIES)
def test_a_severity_means_what_the_table_says(source: str) -> None:
    words, place, meant = SEVERITIES[source]
    assert table()[source]["severity"] == words
    event = next(one for one in events(source) if read(source, one))
    tried_with: dict[Any, int] = {}
    for value in meant:
        turned = with_value(event, place, value)
        try:
            tried_with[value] = read(source, turned)[0].severity
        except InvalidInput:  # a source for which an unknown key is an error
            tried_with[value] = -1
    assert tried_with == meant


# What stands for each thing that the table says is not read: its text, and a place with a value there.
NOT_READ: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "suricata": (
        "payload, HTTP and other protocols' records",
        {"payload": "YQ==", "http": {"hostname": "evil"}, "tls": {"sni": "evil"}, "dns": {"rrname": "evil"}},
    ),
    "zeek": (
        "actions, suppression, geography, file type",
        {
            "actions": ["Notice::ACTION_EMAIL"],
            "suppress_for": 1.0,
            "remote_location.country_code": "XX",
            "file_mime_type": "a/b",
        },
    ),
    "defender": (
        "files, processes, users",
        {"relatedUser": {"userName": "evil"}, "loggedOnUsers": [{"accountName": "x"}]},
    ),
    "wazuh": ("the other decoded fields, compliance tags", {"data/other": "evil", "rule/pci_dss": ["9.9"]}),
    "elastic": (
        "process, file, user, `event.severity`",
        {"process": {"name": "evil"}, "file": {"path": "/evil"}, "user": {"name": "evil"}, "event.severity": 1},
    ),
    "ocsf": (
        "resources, malware, remediation",
        {"resources": [{"name": "evil"}], "malware": [{"name": "evil"}], "remediation": {"desc": "evil"}},
    ),
    "crowdsec": ("the events' fields, geography", {"events": [], "source/cn": "XX", "source/latitude": 1.0}),
}


@pytest.mark.parametrize("source", NOT_READ)
def test_what_is_not_read_changes_nothing(source: str) -> None:
    words, places = NOT_READ[source]
    assert table()[source]["not read"] == words
    tried_any = False
    for event in events(source):
        before = read(source, event)
        for place, value in places.items():
            first = place.partition("/")[0]
            if not before or ("/" in place and not isinstance(event.get(first), dict)):
                continue
            after = read(source, with_value(event, place, value))
            assert [replace(one, key="") for one in after] == [replace(one, key="") for one in before], place
            tried_any = True
    assert tried_any


def with_value(event: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    turned = copy.deepcopy(event)
    *way, last = place.split("/")
    at = turned
    for step in way:
        at = at.setdefault(step, {})
    at[last] = value
    return turned


def test_every_sample_says_where_it_comes_from() -> None:
    named = set(re.findall(r"^\| `([^`]+)` \|", (FOLDER / "README.md").read_text(), re.MULTILINE))
    assert named == {path.name for path in FOLDER.iterdir() if path.suffix != ".md"} | {"../suricata_eve.jsonl"}


@pytest.mark.parametrize("source", SOURCES)
def test_each_adapter_names_the_source_of_its_sample_as_the_page_does(source: str) -> None:
    said = ast.get_docstring(ast.parse(Path(inspect.getsourcefile(ADAPTERS[source]) or "").read_text())) or ""
    (after,) = re.findall(r"^Samples after (.+?)\.$", said, re.MULTILINE | re.DOTALL)
    block = PAGE.partition("## Where the samples come from")[2].partition("\n## ")[0]
    rows = {row[0].strip("`"): row[1:] for row in map(cells, block.splitlines()) if len(row) == 3}
    assert list(rows)[2:] == list(SOURCES)
    assert rows[source][0] == " ".join(after.split())
    assert rows[source][1]


def test_the_mapping_that_is_shown_reads_the_sample_that_is_shown() -> None:
    (mapping,) = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "mappings:" in block]
    (sample,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    config = Config.model_validate(
        yaml.safe_load(mapping) | {"policy": {"incriminate": [{"name": "all", "culprit": "source"}]}}
    )
    source = with_mappings(config.intake.mappings)["our-ndr"]
    (one,) = tried(source, sample.encode(), config.policy, NOW)
    assert one.status == "taken", one
    assert one.alert is not None
    said = (str(one.alert.src.ip), str(one.alert.dst.ip), one.alert.severity, one.alert.signature, one.culprit)
    assert said == ("10.0.0.66", "10.0.0.5", 5, "SMB fan-out", Culprit.SOURCE)
    assert not one.alert.time_doubt
    assert one.missing == ()
