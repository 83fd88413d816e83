"""One OpenFlow session with one switch: messages out, and the answers brought back to who asked. Speaker's side.

Answers arrive in the application's event thread, requests come from the clients' threads; every method may be called from any.
"""

from __future__ import annotations

import itertools
import logging
import struct
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from drivers.openflow import bundle, messages, staged, wire
from drivers.openflow.bundle import BARRIER
from drivers.openflow.staged import SessionLost

SENT_AT_ONCE = 64 * 1024
ECHO = struct.pack("!BBHI", 4, 2, 8, 0)
LOG = logging.getLogger("netcordon.speaker")
ECHO_AFTER, DEAD_AFTER = 0.9, 4.0  # seconds of silence


def serialized(message: Any) -> bytes:
    """The bytes of a message of os-ken's or Ryu's."""
    message.xid = 0
    message.serialize()
    return bytes(message.buf)


@dataclass(eq=False)
class _Push:
    """Messages on their way: `done` gets the errors by message index once the barrier is answered. `bundle_failed`: the switch's reason
    why nothing of the bundle stands."""

    messages: Sequence[bytes]
    done: Future[dict[int, str]] = field(default_factory=Future)
    errors: dict[int, str] = field(default_factory=dict)
    bundle_failed: str | None = None


@dataclass(eq=False)
class _Question:
    """A multipart request: `done` gets the bodies of all replies."""

    done: Future[list[Any]] = field(default_factory=Future)
    bodies: list[Any] = field(default_factory=list)


class Session:
    """`boot_id` is new for each session: the switch may have lost everything since the last one. `bundles`: whether the switch has them,
    as far as is known; it is taken to have them until it refuses to open one."""

    def __init__(self, datapath: Any, boot_id: str) -> None:
        self.datapath, self.boot_id, self.connected_at = datapath, boot_id, time.time()
        self.peer: str = datapath.address[0]
        self.dpid: int = datapath.id
        self.ports: dict[int, dict[str, Any]] = {p.port_no: messages.decode_port(p) for p in datapath.ports.values()}
        self.heard_at = time.monotonic()
        self._lock = threading.Lock()
        self._numbers, self._bundle_numbers = itertools.count(1), itertools.count(1)
        self._alive = True
        self.bundles = True
        self._sent: dict[int, tuple[_Push, int | None]] = {}
        self._barriers: dict[int, tuple[_Push, list[int]]] = {}
        self._questions: dict[int, _Question] = {}

    def push(self, plain: Sequence[Mapping[str, Any]]) -> Future[dict[int, str]]:
        """Send the messages and a barrier; the result maps the index of each refused message to the switch's reason. The flow messages
        are one atomic bundle where the switch has bundles. When it fails the bundle, nothing of it stands, and they are sent one by
        one in the order that they have: what the switch can hold then stands, and what it refuses is known by its own error.
        Raises wire.BadMessage before anything is sent, and SessionLost."""
        return staged.push(self, plain, [wire.encode(message) for message in plain])

    def send(self, encoded: Sequence[bytes]) -> Future[dict[int, str]]:
        """All of it at once, for messages that are encoded already."""
        push = _Push(encoded)
        with self._lock:
            self._send(push, *self._bundled(encoded))
        return push.done

    def _bundled(self, encoded: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[int | None]]:
        if not self.bundles:
            return encoded, range(len(encoded))
        return bundle.sequence(encoded, next(self._bundle_numbers) & 0xFFFFFFFF)

    def _send(self, push: _Push, encoded: Sequence[bytes], stand_for: Sequence[int | None]) -> None:
        """With the lock held. `stand_for`: the index in `push.messages` of each message, None for those that serve a bundle."""
        if not self._alive:
            raise SessionLost("the session has ended")
        numbers = self._write((*encoded, BARRIER))
        self._sent.update((xid, (push, index)) for xid, index in zip(numbers[:-1], stand_for, strict=True))
        self._barriers[numbers[-1]] = push, numbers[:-1]

    def ask(self, request: Any) -> Future[list[Any]]:
        """Send a multipart request; the result gathers the bodies of all its replies."""
        question = _Question()
        with self._lock:
            if not self._alive:
                raise SessionLost("the session has ended")
            self._questions[self._write([serialized(request)])[0]] = question
        return question.done

    def tell(self, encoded: Sequence[bytes]) -> None:
        """Send without waiting for anything; a dead session swallows it."""
        with self._lock:
            if self._alive:
                self._write(encoded)

    def keep_alive(self, now: float) -> bool:
        """Ask a silent switch for an echo; False when it has been silent for too long. Whatever it says counts: behind ten thousand
        answers an echo is late. `now` is of the monotonic clock."""
        if now - self.heard_at > ECHO_AFTER:
            self.tell([ECHO])
        return now - self.heard_at <= DEAD_AFTER

    def _write(self, encoded: Sequence[bytes]) -> list[int]:
        """Number the messages and send them: many at once, since one by one they would pass a queue and two threads each. Answers
        cannot be handled before the lock is free, so that who waits for a number may be noted after this."""
        numbers = [next(self._numbers) & 0xFFFFFFFF for _ in encoded]
        buffer = bytearray()
        for message, number in zip(encoded, numbers, strict=True):
            buffer += bundle.numbered(message, number)
            if len(buffer) >= SENT_AT_ONCE:
                self.datapath.send(bytes(buffer))
                buffer.clear()
        self.datapath.send(bytes(buffer))
        return numbers

    def on_barrier(self, xid: int) -> None:
        with self._lock:
            push, xids = self._barriers.pop(xid, (None, []))
            for sent in xids:
                del self._sent[sent]
        if push is None:
            return
        if push.bundle_failed is None:
            push.done.set_result(push.errors)
        else:
            self._send_one_by_one(push)

    def _send_one_by_one(self, push: _Push) -> None:
        """The flow messages of a bundle that failed as a whole. What was beside the bundle was answered already."""
        which = [index for index, message in enumerate(push.messages) if message[1] == bundle.FLOW_MOD]
        LOG.info("switch %016x: no bundle (%s): %d flow messages one by one", self.dpid, push.bundle_failed, len(which))
        push.errors = {index: text for index, text in push.errors.items() if index not in which}
        push.bundle_failed = None
        try:
            with self._lock:
                self._send(push, [push.messages[index] for index in which], which)
        except SessionLost as lost:
            push.done.set_exception(lost)

    def on_error(self, xid: int, kind: int, code: int) -> str | None:
        """Put the error to its message; gives its text back when nobody waits for it."""
        text = messages.error_names(kind, code)
        with self._lock:
            push, index = self._sent.get(xid, (None, 0))
            question = self._questions.pop(xid, None)
        if push is not None and index is not None:
            push.errors[index] = text
        elif push is not None:
            self.bundles = self.bundles and not messages.is_unknown_request(kind)
            push.bundle_failed = text
        elif question is not None:
            question.done.set_exception(SessionLost(f"the switch refused the request: {text}"))
        else:
            return text
        return None

    def on_multipart(self, xid: int, body: Any, more: bool) -> None:
        with self._lock:
            question = self._questions.get(xid) if more else self._questions.pop(xid, None)
        if question is not None:
            question.bodies.extend(body)
            if not more:
                question.done.set_result(question.bodies)

    def end(self) -> None:
        """The session is over: whoever still waits gets SessionLost."""
        with self._lock:
            self._alive = False
            waiting: list[Future[Any]] = [push.done for push, _ in self._barriers.values()]
            waiting += [question.done for question in self._questions.values()]
            self._barriers.clear()
            self._questions.clear()
            self._sent.clear()
        for future in waiting:
            future.set_exception(SessionLost("the session ended before the switch answered"))
