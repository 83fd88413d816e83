"""The daemon and its speaker before others, where the system lets them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from drivers.urgent import NICE, SESSION

TELLS = "from drivers.urgent import go_first; import os; go_first(); print(os.getpriority(os.PRIO_PROCESS, 0))"
SESSION_TELLS = (
    "from drivers.urgent import SESSION, go_first; go_first(); print((SESSION.read_text().split() or [0])[-1])"
)
RENOUNCED = "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"


def _told(code: str, before: int = 0, own_session: bool = False) -> int:
    """In a process of its own: what is set here would stay for the tests that follow."""
    words = ["nice", "-n", str(before), sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, start_new_session=own_session)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may go before others")
def test_root_goes_first() -> None:
    assert _told(TELLS) == NICE


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may go before others")
def test_who_was_put_further_ahead_stays_there() -> None:
    assert _told(TELLS, before=-15) == -15


def test_who_may_not_stays_where_it_is() -> None:
    """Not an error: most daemons run as a user of their own."""
    loaded = "import drivers.urgent\n"  # before the rights are gone: the checkout may be root's alone
    assert _told(loaded + (RENOUNCED if os.geteuid() == 0 else "") + TELLS) == os.getpriority(os.PRIO_PROCESS, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may go before others")
@pytest.mark.skipif(not SESSION.exists(), reason="this kernel makes no groups of sessions")
def test_a_service_goes_before_other_sessions() -> None:
    assert _told(SESSION_TELLS, own_session=True) == NICE


@pytest.mark.skipif(not SESSION.exists(), reason="this kernel makes no groups of sessions")
def test_a_terminal_stays_where_it_is_with_all_that_runs_in_it() -> None:
    told = SESSION.read_text().split() or ["0"]  # empty for what is in no group of a session's, such as what CI starts
    before = int(told[-1])
    assert _told(SESSION_TELLS) == before
    assert SESSION.read_text().split() in (told, [])
