"""In which order what waits is written."""

from __future__ import annotations

import queue
from dataclasses import dataclass

import pytest

from controller.store.write_queue import AT_ONCE, IN_A_ROW, LATER_AT_ONCE, WriteQueue


@dataclass(frozen=True)
class Job:
    name: int
    later: bool = False


def of(*jobs: Job) -> WriteQueue[Job]:
    waiting: WriteQueue[Job] = WriteQueue()
    for job in jobs:
        waiting.put(job)
    return waiting


def test_what_can_wait_goes_behind_and_few_at_a_time() -> None:
    later = [Job(n, later=True) for n in range(LATER_AT_ONCE + 1)]
    waiting = of(*later, Job(100))
    assert waiting.batch(None) == [Job(100)]
    assert waiting.batch(None) == later[:-1]
    waiting.put(Job(101))
    assert waiting.batch(None) == [Job(101)]
    assert waiting.batch(None) == later[-1:]


def test_what_is_due_shares_a_commit_in_its_order() -> None:
    jobs = [Job(n) for n in range(AT_ONCE + 1)]
    waiting = of(*jobs)
    assert waiting.batch(None) == jobs[:-1]
    assert waiting.batch(None) == jobs[-1:]


def test_what_can_wait_does_not_wait_for_ever() -> None:
    waiting = of(Job(0, later=True))
    before = 0
    while True:
        waiting.put(Job(1))
        batch = waiting.batch(None)
        assert batch is not None
        if batch[0].later:
            break
        before += 1
    assert before == IN_A_ROW


def test_the_end_comes_after_all() -> None:
    waiting = of(Job(0, later=True), Job(1))
    waiting.end()
    assert [waiting.batch(None), waiting.batch(None), waiting.batch(None)] == [[Job(1)], [Job(0, later=True)], None]


def test_nothing_comes() -> None:
    with pytest.raises(queue.Empty):
        of().batch(0.01)
