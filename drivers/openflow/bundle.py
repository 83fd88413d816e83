"""Flow messages as one atomic bundle, by the ONF's extension 230 to OpenFlow 1.3 (the messages of OpenFlow 1.4 §7.3.9 as experimenter
messages). Pure. Open vSwitch has it since 2.4.

All of a bundle is sent at once, with the barrier behind it: no further round trip. Either all flows stand afterwards or none, and no
frame meets some of them. A port's flag cannot be in a bundle (Open vSwitch fails the whole), so one that goes on stays outside, before
it; `staged` holds back those that go off.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

FLOW_MOD, EXPERIMENTER = 14, 4
BARRIER = struct.pack("!BBHI", 4, 20, 8, 0)
_ONF, _CONTROL, _ADD = 0x4F4E4600, 2300, 2301
_OPEN, _COMMIT = 0, 4
_ATOMIC_AND_ORDERED = 3
_ADD_HEAD = 24  # octets before the message that is added
_HEAD = struct.Struct("!BBHIII")


def sequence(messages: Sequence[bytes], number: int) -> tuple[list[bytes], list[int | None]]:
    """What to send in place of `messages`, and for each of that the index of the message that it stands for (None: the bundle's own).
    Fewer than two flow messages, or flow messages with others between or behind them, are sent as they are."""
    which = [index for index, message in enumerate(messages) if message[1] == FLOW_MOD]
    if len(which) < 2 or which[0] + len(which) < len(messages):
        return list(messages), list(range(len(messages)))
    first = which[0]
    before = [] if first == 0 else [BARRIER]  # a switch may work in any order between two barriers
    inside = [_control(number, _OPEN), *(_add(number, message) for message in messages[first:])]
    stands_for = [*range(first), *(None for _ in before), None, *which, None]
    return [*messages[:first], *before, *inside, _control(number, _COMMIT)], stands_for


def numbered(message: bytes | bytearray, xid: int) -> bytes:
    """The message with its transaction id; a message within a bundle has that of the message that adds it (extension 230, §3.3)."""
    number = xid.to_bytes(4, "big")
    if message[1] == EXPERIMENTER and len(message) > _ADD_HEAD:
        inner = _ADD_HEAD + 4
        return b"".join((message[:4], number, message[8:inner], number, message[inner + 4 :]))
    return b"".join((message[:4], number, message[8:]))


def _control(number: int, kind: int) -> bytes:
    return _HEAD.pack(4, EXPERIMENTER, 24, 0, _ONF, _CONTROL) + struct.pack("!IHH", number, kind, _ATOMIC_AND_ORDERED)


def _add(number: int, message: bytes) -> bytes:
    head = _HEAD.pack(4, EXPERIMENTER, _ADD_HEAD + len(message), 0, _ONF, _ADD)
    return head + struct.pack("!IHH", number, 0, _ATOMIC_AND_ORDERED) + message
