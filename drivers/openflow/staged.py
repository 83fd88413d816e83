"""A push in two steps, where in one it would leak: flags first, and what begins to forward once they are acknowledged.

Open vSwitch goes by a new flow at once, and by a port's new flags only from the next turn of its main loop on (`type_run` in
ofproto-dpif.c). A switch that has just come up forwards nothing, so what must be silent is silent; when the flags and the forwarding
arrived together, frames came out of a port with NO_FWD for up to 16 ms (tried, 3.1: after 4 restarts of 86). On a switch that
forwards already there is nothing to wait for.

An acknowledgement is not the end of that turn: while the loop is still reading (up to 50 messages a turn, `ofconn_run` in connmgr.c) a
quick answer falls into the same one (after 1 restart of 67; with what follows, after none of 116). So the last flag is said that many
times more, which changes nothing: what comes after it is read in a later turn.
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
    flags = [index for index, message in enumerate(plain) if message["kind"] == "port" and message["no_fwd"]]
    if not flags or not any(message["kind"] == "flow" and message["output"] == "normal" for message in plain):
        return session.send(encoded)
    repeated = flags + flags[-1:] * READ_IN_ONE_TURN
    others = [index for index in range(len(plain)) if index not in set(flags)]
    whole: Future[Refused] = Future()

    def flags_are_on(done: Future[Refused]) -> None:
        try:
            refused = {repeated[index]: reason for index, reason in done.result().items()}
            rest = session.send([encoded[index] for index in others])
        except SessionLost as error:
            whole.set_exception(error)
        else:
            rest.add_done_callback(lambda last: _finish(whole, refused, others, last))

    session.send([encoded[index] for index in repeated]).add_done_callback(flags_are_on)
    return whole


def _finish(whole: Future[Refused], refused: Refused, others: Sequence[int], last: Future[Refused]) -> None:
    if (error := last.exception()) is not None:
        whole.set_exception(error)
    else:
        whole.set_result(refused | {others[index]: reason for index, reason in last.result().items()})
