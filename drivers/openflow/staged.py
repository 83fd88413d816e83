"""A push in steps, where in one it would leak: flags that go on, then the flows, then flags that go off. Each step waits until the one
before it is acknowledged.

**On before forwarding begins.** Open vSwitch goes by a new flow at once, and by a port's new flags only from the next turn of its main
loop on (`type_run` in ofproto-dpif.c). A switch that has just come up forwards nothing, so what must be silent is silent; when the flags
and the forwarding arrived together, frames came out of a port with NO_FWD for up to 16 ms (tried, 3.1: after 4 restarts of 86). On a
switch that forwards already there is nothing to wait for, and flags and flows go out together.

An acknowledgement is not the end of that turn: while the loop is still reading (up to 50 messages a turn, `ofconn_run` in connmgr.c) a
quick answer falls into the same one (after 1 restart of 67; with what follows, after none of 116). So the last flag is said that many
times more, which changes nothing: what comes after it is read in a later turn.

**Off after the flows stand.** A bundle that fails stands nowhere, and its flows are sent once more, one by one: a flag that went off
right behind the bundle would be off before the drops that take its place are there (decision 0006).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

READ_IN_ONE_TURN = 50
Refused = dict[int, str]


class SessionLost(Exception):
    """The session ended before the switch answered."""


class Sender(Protocol):
    def send(self, encoded: Sequence[bytes]) -> Future[Refused]: ...


def push(session: Sender, plain: Sequence[Mapping[str, Any]], encoded: Sequence[bytes]) -> Future[Refused]:
    """Send these messages, `encoded` being the bytes of `plain`; the result maps the index of each refused one to the switch's reason.
    Raises SessionLost before anything is sent."""
    whole: Future[Refused] = Future()
    _send(session, encoded, _steps(plain), {}, whole)
    return whole


def _steps(plain: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """The indices of what goes out together."""
    on = [index for index, message in enumerate(plain) if message["kind"] == "port" and message["no_fwd"]]
    off = [index for index, message in enumerate(plain) if message["kind"] == "port" and not message["no_fwd"]]
    if on and any(message["kind"] == "flow" and message["output"] == "normal" for message in plain):
        first = [on + on[-1:] * READ_IN_ONE_TURN]
    else:
        first, on = [], []
    later = {*on, *off}
    between = [index for index in range(len(plain)) if index not in later]
    return [*first, between, off] if between and off else [*first, between or off]


def _send(
    session: Sender, encoded: Sequence[bytes], steps: Sequence[list[int]], refused: Refused, whole: Future[Refused]
) -> None:
    step, *later = steps

    def answered(done: Future[Refused]) -> None:
        try:
            told = refused | {step[index]: reason for index, reason in done.result().items()}
            if later:
                _send(session, encoded, later, told, whole)
            else:
                whole.set_result(told)
        except SessionLost as error:
            whole.set_exception(error)

    session.send([encoded[index] for index in step]).add_done_callback(answered)
