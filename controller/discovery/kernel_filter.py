"""Lets the kernel throw away what no sensor needs: on a mirror port that is nearly everything, and Python reads some 50,000 frames a
second at best. What is left are frames to ourselves and frames from watched MACs. Classic BPF, written by hand, since compiling it
needs libpcap."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
from collections.abc import Collection

WATCHED_MOST = 400
"""A filter has room for so many; with more, every frame is let through."""

_ATTACH, _DETACH = 26, 27
_LOAD_WORD, _LOAD_HALF, _JUMP_EQUAL, _RETURN = 0x20, 0x28, 0x15, 0x06
_WHOLE = 0x40000
Instruction = tuple[int, int, int, int]


def compile_filter(own: bytes, watched: Collection[bytes]) -> list[Instruction]:
    """As (code, jump if true, jump if false, operand): whole frames to `own` or from one of `watched`, nothing of others."""
    program = _take_if(0, own)
    for mac in watched:
        program += _take_if(6, mac)
    return [*program, (_RETURN, 0, 0, 0)]


def _take_if(offset: int, mac: bytes) -> list[Instruction]:
    """Takes the frame if the MAC at `offset` is this one; goes on to what follows if not."""
    high, low = struct.unpack("!HI", mac)
    return [
        (_LOAD_WORD, 0, 0, offset + 2),
        (_JUMP_EQUAL, 0, 3, low),
        (_LOAD_HALF, 0, 0, offset),
        (_JUMP_EQUAL, 0, 1, high),
        (_RETURN, 0, 0, _WHOLE),
    ]


def apply_filter(handle: socket.socket, own: bytes, watched: Collection[bytes]) -> bool:
    """Replaces the socket's filter at once. Whether there is one now: where it has no room, all is let through."""
    if len(watched) <= WATCHED_MOST:
        program = compile_filter(own, watched)
        code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in program))
        try:
            handle.setsockopt(socket.SOL_SOCKET, _ATTACH, struct.pack("HP", len(program), ctypes.addressof(code)))
            return True
        except OSError:
            pass  # the kernel's limit for such programs is lower here
    with contextlib.suppress(OSError):  # there was none
        handle.setsockopt(socket.SOL_SOCKET, _DETACH, 0)
    return False
