"""A followed file gives each of its lines once: whatever rotation does to it, and whenever its reader starts anew."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.intake import zeek
from controller.tail import tail as tail_module
from controller.tail.place import Place, dump, load
from controller.tail.tail import Tail
from controller.tail.written import BLOCK, LONGEST_LINE, MOST_LINES, Heading


class Reader:
    """Reads as the daemon does; `restart` is all that it knows after it ended."""

    def __init__(self, path: Path, heading: Heading | None = None) -> None:
        self.path, self.now, self.heading = path, 0.0, heading
        self.said: list[str] = []
        self.lines: list[str] = []
        self.tail = self._made()

    def _made(self) -> Tail:
        return Tail(self.path, lambda: self.now, self.said.append, self.heading)

    def begin(self, known: list[Place] | None = None, *, from_end: bool = False) -> None:
        self.tail.begin(known, from_end=from_end)

    def restart(self) -> None:
        kept = dump(self.tail.places())
        self.tail.close()
        self.tail = self._made()
        self.begin(load(kept))

    def read(self) -> list[str]:
        """What is new."""
        before = len(self.lines)
        while (part := self.tail.next()) is not None:
            self.lines += part.block.body.decode().splitlines()
            part.of.take(part.block)
        return self.lines[before:]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "eve.json"


@pytest.fixture
def reader(file: Path) -> Iterator[Reader]:
    made = Reader(file)
    yield made
    made.tail.close()


def write(path: Path, *lines: str, end: str = "\n") -> None:
    with path.open("a") as opened:
        opened.write("".join(f"{line}{end}" for line in lines))


def copytruncate(path: Path, name: str = "eve.json.1") -> None:
    shutil.copyfile(path, path.parent / name)
    os.truncate(path, 0)


def test_a_file_that_comes_later_is_read_from_its_beginning(file: Path, reader: Reader) -> None:
    reader.begin(from_end=True)
    assert reader.read() == []
    write(file, "a", "b")
    assert reader.read() == ["a", "b"]
    assert reader.read() == []


def test_of_one_that_is_there_only_what_comes_is_read_unless_it_is_wanted(file: Path, reader: Reader) -> None:
    write(file, "old", *("x" * 1000 for _ in range(1000)))
    write(file, "half", end="")
    reader.begin(from_end=True)
    assert reader.read() == []
    write(file, " of it", "new")
    assert reader.read() == ["half of it", "new"]
    whole = Reader(file)
    whole.begin()
    assert whole.read()[0] == "old"
    whole.tail.close()


def test_a_line_is_read_once_it_is_whole(file: Path, reader: Reader) -> None:
    reader.begin()
    write(file, "a", end="")
    assert reader.read() == []
    reader.restart()
    write(file, "b", "c")
    assert reader.read() == ["ab", "c"]


def test_a_renamed_file_is_read_to_its_end_also_what_its_writer_adds_late(file: Path, reader: Reader) -> None:
    write(file, "a")
    reader.begin()
    reader.read()
    with file.open("a") as late:
        file.rename(file.parent / "eve.json.1")
        write(file, "new")
        late.write("late\n")
    assert sorted(reader.read()) == ["late", "new"]
    reader.now += tail_module.LINGER + 1
    write(file.parent / "eve.json.1", "last, without an end", end="")
    assert reader.read() == []
    reader.now += tail_module.LINGER + 1
    assert reader.read() == ["last, without an end"]
    assert reader.read() == []
    assert len(reader.tail.places()) == 1


ROTATIONS = [("rename", False), ("rename", True), ("copytruncate", False), ("copytruncate", True), ("remove", False)]


@pytest.mark.parametrize(("rotate", "away"), ROTATIONS)
@pytest.mark.parametrize("more", [1, 50], ids=["shorter than before", "longer than before"])
def test_rotation_loses_nothing(rotate: str, *, away: bool, more: int, file: Path, reader: Reader) -> None:
    """What was written after the last look and before the rotation, and all that comes then. What was removed can be read only as long
    as it was open."""
    write(file, "a", "b", "c")
    reader.begin()
    assert reader.read() == ["a", "b", "c"]
    write(file, "d", "e")
    kept = reader.tail.places()
    if away:
        reader.tail.close()
    if rotate == "rename":
        file.rename(file.parent / "eve.json.1")
    elif rotate == "copytruncate":
        copytruncate(file)
    else:
        file.unlink()
    write(file, *(f"new {n}" for n in range(more)))
    if away:
        reader.begin(kept)
    assert reader.read() == ["d", "e", *(f"new {n}" for n in range(more))]
    reader.restart()
    assert reader.read() == []
    assert reader.said == []


def test_files_that_came_and_went_between_two_looks_are_read_in_their_order(file: Path, reader: Reader) -> None:
    write(file.parent / "eve.json.3", "from before anybody read")
    os.utime(file.parent / "eve.json.3", (1, 1))
    write(file, "a")
    reader.begin()
    reader.read()
    write(file, "b")
    reader.tail.close()
    kept = reader.tail.places() or None
    assert kept is None  # closed: what is kept is what was kept before
    reader.begin([])
    reader.lines.clear()
    assert reader.read() == ["a", "b"]
    for n, name in ((2, "eve.json.2"), (1, "eve.json.1")):
        stamp = 2_000_000_000 - n * 100
        os.utime(file, (stamp, stamp))
        file.rename(file.parent / name)
        write(file, f"then {n}")
    write(file.parent / "eve-stats.json", "of another log")
    assert reader.read() == ["then 2", "then 1"]


def test_what_is_lost_is_said(file: Path, reader: Reader) -> None:
    write(file, "a")
    reader.begin()
    reader.read()
    kept = reader.tail.places()
    reader.tail.close()
    file.unlink()
    write(file.parent / "keeps the inode", "x")
    write(file, "b")
    reader.begin(kept)
    assert reader.read() == ["b"]
    assert "is gone, with what was written to it after byte 2" in reader.said[0]
    os.truncate(file, 0)
    write(file, "c", "d")
    assert reader.read() == ["c", "d"]
    assert "there is no copy" in reader.said[1]


def test_a_line_that_is_too_long_is_cut_and_the_next_one_read(file: Path, reader: Reader) -> None:
    reader.begin()
    write(file, "a" * (3 * LONGEST_LINE), end="")
    first = reader.tail.next()
    assert first is not None
    assert first.block.too_long
    assert len(first.block.body) == LONGEST_LINE
    first.of.take(first.block)
    reader.restart()
    assert reader.read() == []
    write(file, "a" * 99, "b", "c" * (LONGEST_LINE - 2), "d")
    assert [line[:3] for line in reader.read()] == ["b", "ccc", "d"]


def test_a_part_has_no_more_lines_than_a_request_may(file: Path, reader: Reader) -> None:
    write(file, *("{}" for _ in range(3 * MOST_LINES)))
    reader.begin()
    part = reader.tail.next()
    assert part is not None
    assert part.block.body.count(b"\n") == MOST_LINES < BLOCK / 3
    assert len(reader.read()) == 3 * MOST_LINES


def test_what_is_no_file_is_an_error_that_says_so(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(OSError, match="is no regular file"):
            Reader(path).begin()


HEADER = "#separator \\x09\n#path\tnotice\n#fields\tts\tnote\tsrc"


def test_a_tables_heading_stands_over_each_part_also_after_a_restart(file: Path) -> None:
    reader = Reader(file, zeek.heading)
    reader.begin()
    write(file, HEADER, "1.0\tA::B\t10.0.0.1")
    body = "\n".join(reader.read()).encode()
    assert [event.fields for event in zeek.split(body)] == [
        {"_path": "notice", "ts": 1.0, "note": "A::B", "src": "10.0.0.1"}
    ]
    reader.restart()
    write(file, "2.0\tA::B\t10.0.0.2", "#close\tnow")
    (second,) = zeek.split("\n".join(reader.read()).encode())
    assert second.fields == {"_path": "notice", "ts": 2.0, "note": "A::B", "src": "10.0.0.2"}
    file.rename(file.parent / "notice.1.log")
    write(file, HEADER.replace("ts\tnote", "note\tts"), "A::B\t3.0\t10.0.0.3")
    (third,) = zeek.split("\n".join(reader.read()).encode())
    assert third.fields is not None
    assert third.fields["ts"] == 3.0
    passed = Reader(file, zeek.heading)
    passed.begin(from_end=True)
    write(file, "A::B\t4.0\t10.0.0.4")
    (fourth,) = zeek.split("\n".join(passed.read()).encode())
    assert fourth.fields is not None
    assert fourth.fields["ts"] == 4.0
    for one in (reader, passed):
        one.tail.close()


STEP = st.sampled_from(["write", "write", "half", "read", "restart", "rename", "copytruncate"])


@pytest.mark.fuzz
@settings(deadline=None, max_examples=max(150, settings().max_examples))
@given(steps=st.lists(STEP, max_size=25))
def test_whatever_happens_each_line_comes_once(steps: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every line that was written is read exactly once. A line that a rotation cuts in two comes as its halves."""
    file = tmp_path_factory.mktemp("tail") / "eve.json"
    reader = Reader(file)
    reader.begin()
    written, rotations = 0, 0

    def line(end: str = "\n") -> None:
        nonlocal written
        write(file, f"<{written}>", end=end)
        written += 1

    def rotated(how: Callable[[Path], None]) -> None:
        nonlocal rotations
        if file.exists() and file.stat().st_size:
            write(file, "")
            rotations += 1
            if not reader.tail.places():  # who never saw the file does not know that it was there
                reader.read()
            how(file.parent / f"eve.json.{rotations}")

    for step in steps:
        if step == "write":
            line()
        elif step == "half":
            line("")
        elif step == "read":
            reader.read()
        elif step == "restart":
            reader.restart()
        elif step == "rename":
            rotated(lambda to: os.rename(file, to))
        elif (
            file.exists()
        ):  # who has taken nothing of a file cannot know its copy: one look, and then more that is only in the copy
            line()
            reader.read()
            line()
            rotated(lambda to: copytruncate(file, to.name))
    write(file, "")
    reader.read()
    reader.tail.close()
    found = "".join(reader.lines).replace("><", "> <").split()
    assert sorted(found) == sorted(f"<{n}>" for n in range(written)), reader.said
