"""Whether what a lab left behind has an owner, as other processes and other PID namespaces see it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from topologies import ownership


@contextmanager
def _elsewhere() -> Iterator[str]:
    """A mark of a process that lives, made in a PID namespace beside ours (a container's, with our /tmp). It lives on for as long as one
    looks: the next namespace to be made may get the number of one that has ended."""
    code = "import os; from topologies import ownership; print(ownership.mark(os.getpid()), flush=True); input()"
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as beside:
        assert beside.stdout is not None
        yield beside.stdout.readline().strip()
        beside.communicate("\n", timeout=60)
    assert beside.returncode == 0


def test_a_process_is_alive_until_it_has_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mark = ownership.mark(child.pid)
    assert ownership.alive(mark)
    child.communicate(b"\n", timeout=30)
    assert not ownership.alive(mark)


def test_another_process_with_the_same_id_is_not_its_owner() -> None:
    run, pid, started, namespace = ownership.mark(os.getpid()).split("-")
    assert not ownership.alive("-".join([run, pid, str(int(started) - 1), namespace]))


@pytest.mark.mininet  # namespaces, as root
def test_a_run_in_another_namespace_is_not_judged_from_where_it_cannot_be_seen() -> None:
    with _elsewhere() as mark:
        look = f"from topologies import ownership; print(ownership.alive({mark!r}))"
        command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", look]
        assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout == "True\n"


def test_the_machine_itself_sees_whether_anybody_of_a_namespace_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    own = ownership._namespace("self")
    monkeypatch.setattr(ownership, "_INITIAL_NAMESPACE", own)
    monkeypatch.setattr(ownership, "_somebody_lives_in", {"4026532999": True}.get)
    assert ownership.alive("run-12-345-4026532999")
    assert not ownership.alive("run-12-345-4026532998")


def test_a_mark_that_nobody_made_is_left_alone() -> None:
    assert all(ownership.alive(one) for one in ("", "run", "run-x-1-2", "mine", "run-1--2", "run-1-2"))
