"""A switch's end of an OpenFlow 1.3.5 session: it connects, answers, and connects again until it is closed."""

from __future__ import annotations

import logging
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

from topologies.openflow import stats
from topologies.openflow.switch import OFPP_CONTROLLER, Port, Punt, Switch
from topologies.openflow.table import (
    ADD,
    BAD_REQUEST,
    SEND_FLOW_REMOVED,
    Entry,
    Order,
    Refused,
    read_actions,
    read_order,
)

VERSION = 4
BETWEEN_TRIES = 0.1
MOST_BUFFERED = 1 << 26
(
    HELLO,
    ERROR,
    ECHO_REQUEST,
    ECHO_REPLY,
    EXPERIMENTER,
    FEATURES_REQUEST,
    FEATURES_REPLY,
    GET_CONFIG,
    CONFIG,
    SET_CONFIG,
) = range(10)
PACKET_IN, FLOW_REMOVED, PORT_STATUS, PACKET_OUT, FLOW_MOD = 10, 11, 12, 13, 14
PORT_MOD, MULTIPART, MULTIPART_REPLY, BARRIER, BARRIER_REPLY = 16, 18, 19, 20, 21
METER_MOD = 29
NO_BUFFER = 0xFFFFFFFF
ONF, BUNDLE_CONTROL, BUNDLE_ADD = 0x4F4E4600, 2300, 2301
OPEN, CLOSE, COMMIT, DISCARD = 0, 2, 4, 6
PORT_ADDED, PORT_DELETED, PORT_MODIFIED = 0, 1, 2
_DELETED, _BY_ACTION = 2, 1
_BUNDLE_FAILED = 17
LOG = logging.getLogger("netcordon.model")


class Session:
    """`lock` is the network's: whatever touches the switch holds it. Runs in a thread of its own from `start` on."""

    def __init__(self, switch: Switch, lock: threading.RLock, controller: tuple[str, int]) -> None:
        self._switch, self._lock, self._controller = switch, lock, controller
        self._connection: socket.socket | None = None
        self._closed = threading.Event()
        self._bundles: dict[int, list[bytes]] = {}
        self._thread = threading.Thread(target=self._run, name=f"openflow {switch.name}", daemon=True)
        self._answers: dict[int, Callable[[bytes, bytes], None]] = {
            ECHO_REQUEST: lambda head, body: self._send(ECHO_REPLY, body, head),
            FEATURES_REQUEST: lambda head, body: self._send(FEATURES_REPLY, stats.features(switch), head),
            GET_CONFIG: lambda head, body: self._send(CONFIG, b"\0\0\xff\xff", head),
            BARRIER: lambda head, body: self._send(BARRIER_REPLY, b"", head),
            MULTIPART: self._on_multipart,
            FLOW_MOD: lambda head, body: self._carry_out(read_order(body)),
            PORT_MOD: lambda head, body: self._on_port_mod(body),
            PACKET_OUT: lambda head, body: self._on_packet_out(body),
            METER_MOD: lambda head, body: self._on_meter_mod(body),
            EXPERIMENTER: self._on_experimenter,
        }
        switch.punt = self._punt

    def start(self) -> None:
        self._thread.start()

    @property
    def controller(self) -> tuple[str, int]:
        return self._controller

    def lead_to(self, controller: tuple[str, int]) -> None:
        """To another address by a new session. The switch keeps its flows."""
        self._controller = controller
        self.drop()

    def drop(self) -> None:
        """The session is over; the next one is tried at once."""
        connection = self._connection
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closed.set()
        self.drop()
        self._thread.join()

    def tell_port(self, reason: int, port: Port) -> None:
        self._send(PORT_STATUS, struct.pack("!B7x", reason) + stats.describe(port))

    def tell_removed(self, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.flags & SEND_FLOW_REMOVED:
                about = (entry.cookie, entry.priority, _DELETED, entry.table, 0, 0, 0, 0, entry.packets, entry.octets)
                self._send(FLOW_REMOVED, struct.pack("!QHBBIIHHQQ", *about) + entry.raw_match)

    def _run(self) -> None:
        while not self._closed.wait(BETWEEN_TRIES):
            with self._lock:
                wanted = self._controller if self._switch.on else None
            if wanted is None:
                continue
            with suppress(OSError), socket.create_connection(wanted, timeout=1.0) as connection:
                connection.settimeout(None)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._connection, self._bundles = connection, {}
            self._send(HELLO, b"")
        try:
            if self._closed.is_set():
                return
            for head, body in _messages(connection):
                with self._lock:
                    self._handle(head, body)
        finally:
            with self._lock:
                self._connection = None

    def _handle(self, head: bytes, body: bytes) -> None:
        """Whatever cannot be carried out is answered with an error, as a switch does."""
        answer = self._answers.get(head[1])
        if answer is None:
            if head[1] not in (HELLO, ERROR, ECHO_REPLY, SET_CONFIG):
                self._refuse(head, body, Refused(BAD_REQUEST, 1))
            return
        try:
            answer(head, body)
        except Refused as refused:
            self._refuse(head, body, refused)
        except (struct.error, IndexError):
            self._refuse(head, body, Refused(BAD_REQUEST, 6))

    def _refuse(self, head: bytes, body: bytes, why: Refused) -> None:
        LOG.info("%s refused a message of type %d: %s", self._switch.name, head[1], why)
        self._send(ERROR, struct.pack("!HH", why.kind, why.code) + (head + body)[:64], head)

    def _carry_out(self, order: Order) -> None:
        gone = self._switch.tables.carry_out(order)
        if order.command != ADD:
            self.tell_removed(gone)

    def _on_port_mod(self, body: bytes) -> None:
        number, address, config, mask = struct.unpack_from("!I4x6s2xII", body)
        self._switch.configure(number, address.hex(":"), config, mask)
        self.tell_port(PORT_MODIFIED, self._switch.ports[number])

    def _on_packet_out(self, body: bytes) -> None:
        _buffer, in_port, length = struct.unpack_from("!IIH", body)
        for port in read_actions(body[16 : 16 + length]):
            self._switch.put_out(port, in_port, body[16 + length :])

    def _on_meter_mod(self, body: bytes) -> None:
        """Only the virtual meter of what goes to the controller (§5.7.1, OFPM_CONTROLLER)."""
        command, _flags, meter = struct.unpack_from("!HHI", body)
        if meter != OFPP_CONTROLLER:
            raise Refused(12, 1)
        deleted = command == 2
        self._switch.punts.set(None if deleted else struct.unpack_from("!HHI", body, 8)[2])

    def _on_experimenter(self, head: bytes, body: bytes) -> None:
        """Bundles (ONF extension 230): all of one, or nothing."""
        experimenter, kind, number, what, flags = struct.unpack_from("!IIIHH", body)
        if experimenter != ONF or kind not in (BUNDLE_CONTROL, BUNDLE_ADD):
            raise Refused(BAD_REQUEST, 3)
        if kind == BUNDLE_ADD:
            self._bundles.setdefault(number, []).append(body[16:])
            return
        if what == OPEN:
            self._bundles[number] = []
        elif what == COMMIT:
            self._commit(self._bundles.pop(number, []))
        elif what == DISCARD:
            self._bundles.pop(number, None)
        self._send(EXPERIMENTER, struct.pack("!IIIHH", ONF, BUNDLE_CONTROL, number, what + 1, flags), head)

    def _commit(self, messages: list[bytes]) -> None:
        if any(message[1] != FLOW_MOD for message in messages):
            raise Refused(_BUNDLE_FAILED, 8)
        for order in [read_order(message[8:]) for message in messages]:
            self._carry_out(order)

    def _on_multipart(self, head: bytes, body: bytes) -> None:
        (kind,) = struct.unpack_from("!H", body)
        parts = stats.answer(self._switch, kind, body[8:])
        for place, part in enumerate(parts, 1):
            self._send(MULTIPART_REPLY, struct.pack("!HH4x", kind, int(place < len(parts))) + part, head)

    def _punt(self, punt: Punt) -> None:
        match = struct.pack("!HHHBBI4x", 1, 12, 0x8000, 0, 4, punt.in_port)
        about = struct.pack("!IHBBQ", NO_BUFFER, len(punt.frame), _BY_ACTION, punt.table, punt.cookie)
        self._send(PACKET_IN, about + match + b"\0\0" + punt.frame)

    def _send(self, kind: int, body: bytes, asked: bytes = b"\0" * 8) -> None:
        """With the transaction id of what was asked. Nobody there: nobody told."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.sendall(struct.pack("!BBH", VERSION, kind, 8 + len(body)) + asked[4:8] + body)


def _messages(connection: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """Header and body of each, until the controller is gone."""
    with connection.makefile("rb") as stream:
        while len(head := stream.read(8)) == 8:
            length = int.from_bytes(head[2:4], "big") - 8
            body = stream.read(length)
            if len(body) < length:
                return
            yield head, body
