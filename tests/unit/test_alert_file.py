"""What `alert send` takes for a file of alerts, and how it is cut."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.cli import alert_file
from controller.errors import InvalidInput


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        ('{"a": 1}'.encode("utf-16"), "is UTF-16, and alerts are UTF-8: iconv"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "is no text"),
    ],
)
def test_what_no_sensor_writes_is_not_sent(body: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "eve.json"
    file.write_bytes(body)
    with pytest.raises(InvalidInput, match=says):
        alert_file.read(file)


def test_a_huge_file_is_not_even_read(tmp_path: Path) -> None:
    file = tmp_path / "eve.json"
    with file.open("wb") as opened:
        opened.truncate(1 << 40)  # sparse: nothing of it is on the disk, and no memory would hold it
    with pytest.raises(InvalidInput, match=r"larger than 256 MiB.*tail -n"):
        alert_file.read(file)


def test_neither_is_a_folder_or_what_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(InvalidInput, match=path.name):
            alert_file.read(path)


def test_an_array_that_is_too_long_is_cut_between_its_items() -> None:
    events = [{"n": n, "text": "x" * 500} for n in range(20_000)]
    parts = list(alert_file.parts(json.dumps(events, indent=1).encode()))
    assert len(parts) > 1
    assert [json.loads(line) for part in parts for line in part.splitlines()] == events


def test_one_long_object_stays_in_one_piece() -> None:
    bundle = json.dumps({"objects": [{"n": n} for n in range(3000)]}, indent=1).encode()
    assert bundle.count(b"\n") > 5000
    assert list(alert_file.parts(bundle)) == [bundle]


def test_lines_are_cut_between_lines_and_none_is_lost() -> None:
    body = b"".join(b'{"n": %d}\n' % n for n in range(12_000))
    parts = list(alert_file.parts(body))
    assert len(parts) == 3
    assert b"".join(parts) == body


def test_indented_objects_one_after_another_become_lines() -> None:
    events = [{"n": n, "text": "x" * 500} for n in range(10_000)]
    body = "\n".join(json.dumps(event, indent=2) for event in events).encode()
    parts = list(alert_file.parts(body))
    assert len(parts) > 1
    assert [json.loads(line) for part in parts for line in part.splitlines()] == events


def test_a_mark_before_an_object_does_not_get_it_cut() -> None:
    bundle = b"\xef\xbb\xbf" + json.dumps({"objects": [{"n": n} for n in range(3000)]}, indent=1).encode()
    assert list(alert_file.parts(bundle)) == [bundle]


def test_lines_of_which_one_is_broken_stay_lines() -> None:
    body = b"".join(b'{"n": %d}\n' % n for n in range(6_000)) + b'{"n": \n' + b'{"n": 1}\n'
    assert b"".join(alert_file.parts(body)) == body
