"""The speaker's Unix socket: JSON lines, many clients, requests answered as the switches answer.

    client                                        speaker
    {"hello": {"protocol": 3}}                    {"hello": {"protocol": 3, "pid": ..., "runtime": ..., "listen": ...}}
    {"id": 7, "op": "push", "dpid": 1, ...}       {"id": 7, "result": {"refused": {"0": "OFPFMFC_TABLE_FULL (...)"}}}
                                                  {"id": 7, "error": "unreachable" | "lost" | "bad-request", "text": ...}
    {"id": 9, "op": "lay", "key": "k", ...}       as for push, with nothing sent until somebody says
    {"id": 0, "op": "go", "key": "k"}             (or "drop"), over whatever connection, which is not answered
    {"id": 8, "op": "subscribe"}                  {"event": "up", "dpid": 1, "at": ..., "boot_id": ...}   and so on

A client that reads slowly loses its oldest sightings; it never holds up an OpenFlow thread. Deadlines are the client's own: an answer
is given when the switch gives it, or when its session ends.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from drivers.openflow import messages, runtime, staged, told, wire
from drivers.openflow.flows import COOKIE_MARK, COOKIE_MASK, Band, pipeline
from drivers.openflow.laid import Shelf
from drivers.openflow.link import PROTOCOL
from drivers.openflow.memory import flows_of
from drivers.openflow.runtime import ofproto, parser
from drivers.openflow.session import Session, serialized
from drivers.openflow.staged import SessionLost

MOST_EVENTS = 10_000
ASKED_ONE_BY_ONE, SHARE_ASKED_ONE_BY_ONE = 32, 1 / 16
"""Cookies that are asked for by themselves: so many, or as many as this share of the switch's flows of ours. A request each costs less
than to carry, read and put together what else is there, which holds up the controller's event loop besides."""
TOUCH = wire.touch(pipeline()[0])
LOG = logging.getLogger("netcordon.speaker")
Reply = Callable[[Mapping[str, Any]], None]


class Unreachable(Exception):
    """The switch has no session."""


class Client:
    """One connection: its reader calls `server`, its writer drains the outbox."""

    def __init__(self, connection: socket.socket, server: Server) -> None:
        self._connection, self._server = connection, server
        self._outbox: deque[Mapping[str, Any]] = deque()
        self._events = 0
        self._wake = threading.Condition()
        self._open = True
        self.subscribed = False

    def send(self, message: Mapping[str, Any]) -> None:
        with self._wake:
            if self._events >= MOST_EVENTS and "event" in message:
                self._drop_one()
            self._events += "event" in message
            self._outbox.append(message)
            self._wake.notify()

    def _drop_one(self) -> None:
        """The oldest sighting, or the oldest event."""
        oldest = next((m for m in self._outbox if m.get("event") == "sighting"), None)
        victim = oldest or next(m for m in self._outbox if "event" in m)
        self._outbox.remove(victim)
        self._events -= 1

    def write_for_ever(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._outbox or not self._open)
                if not self._open:
                    return
                message = self._outbox.popleft()
                self._events -= "event" in message
            try:
                self._connection.sendall(json.dumps(message).encode() + b"\n")
            except OSError:
                return self.close()

    def read_for_ever(self) -> None:
        try:
            with self._connection.makefile("rb") as lines:
                if self._greeted(lines.readline()):
                    threading.Thread(target=self.write_for_ever, daemon=True).start()
                    for line in lines:
                        self._server.handle(self, line)
        except OSError as error:
            LOG.debug("a client went away: %s", error)
        finally:
            self.close()

    def _greeted(self, line: bytes) -> bool:
        try:
            theirs = json.loads(line)["hello"]["protocol"]
        except (ValueError, KeyError, TypeError):
            theirs = None
        if theirs == PROTOCOL:
            answer: dict[str, Any] = {"hello": {"protocol": PROTOCOL, **self._server.about}}
        else:
            answer = {
                "error": "protocol",
                "text": f"this speaker talks protocol {PROTOCOL}, the client {theirs}: restart the older one",
            }
        self._connection.sendall(json.dumps(answer).encode() + b"\n")
        return bool(theirs == PROTOCOL)

    def close(self) -> None:
        self._server.gone(self)
        with self._wake:
            self._open = False
            self._wake.notify()
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            LOG.debug("the connection was closed already")
        self._connection.close()


class Server:
    def __init__(self, app: Any, listen: str, role: str = "sole") -> None:
        self._app = app
        self._clients: set[Client] = set()
        self._lock = threading.Lock()
        self._shelf = Shelf()
        self.about = {"pid": os.getpid(), "runtime": runtime.RUNTIME, "listen": listen, "role": role}
        self._ops: dict[str, Callable[[Client, Mapping[str, Any], Reply], None]] = {
            "ping": lambda client, request, reply: reply({}),
            "subscribe": self._subscribe,
            "switches": lambda client, request, reply: reply({"switches": [self._about(s) for s in self._sessions()]}),
            "switch": lambda client, request, reply: reply(self._about(self._session(request))),
            "push": self._push,
            "lay": self._lay,
            "go": lambda client, request, reply: self._shelf.go(request["key"]),
            "drop": lambda client, request, reply: self._shelf.drop(request["key"]),
            "observe": self._observe,
            "packet_out": self._packet_out,
        }
        app.publish = self.publish

    def serve_for_ever(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            client = Client(connection, self)
            with self._lock:
                self._clients.add(client)
            threading.Thread(target=client.read_for_ever, daemon=True).start()

    def publish(self, event: Mapping[str, Any]) -> None:
        with self._lock:
            clients = [client for client in self._clients if client.subscribed]
        for client in clients:
            client.send(event)

    def gone(self, client: Client) -> None:
        with self._lock:
            self._clients.discard(client)
        self._shelf.forget(client)

    def handle(self, client: Client, line: bytes) -> None:
        """Answer one request, now or when the switch has; a bad one gets an error and harms nobody."""
        number = None
        try:
            request = json.loads(line)
            number = request["id"]
            self._ops[request["op"]](client, request, lambda result: client.send({"id": number, "result": result}))
        except Unreachable as error:
            client.send({"id": number, "error": "unreachable", "text": str(error)})
        except SessionLost as error:
            client.send({"id": number, "error": "lost", "text": str(error)})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            client.send({"id": number, "error": "bad-request", "text": f"{type(error).__name__}: {error}"})

    def _sessions(self) -> list[Session]:
        return list(self._app.sessions.values())

    def _session(self, request: Mapping[str, Any]) -> Session:
        session: Session | None = self._app.sessions.get(request["dpid"])
        if session is None:
            raise Unreachable(f"switch {request['dpid']:016x} is not connected")
        return session

    def _about(self, session: Session) -> dict[str, Any]:
        links = self._app.links.of(session.dpid, time.time())
        far = {near: {"dpid": port.dpid, "port": self._app.port_name(port)} for near, port in links.items()}
        about = {
            "dpid": session.dpid,
            "boot_id": session.boot_id,
            "connected_at": session.connected_at,
            "peer": session.peer,
        }
        return about | {"ports": [port | {"link": far.get(number)} for number, port in dict(session.ports).items()]}

    def _subscribe(self, client: Client, request: Mapping[str, Any], reply: Reply) -> None:
        client.subscribed = True
        reply({})

    def _push(self, client: Client, request: Mapping[str, Any], reply: Reply) -> None:
        encoded = [wire.encode(message) for message in request["messages"]]
        self._push_to(self._session(request), encoded, client, request, reply)

    def _lay(self, client: Client, request: Mapping[str, Any], reply: Reply) -> None:
        """Encode it for this very session: what another one's switch holds is not known to whoever laid it ready."""
        session = self._session(request)
        encoded = [wire.encode(message) for message in request["messages"]]

        def push() -> None:
            try:
                if self._session(request) is not session:
                    raise Unreachable(f"switch {session.dpid:016x} has another session by now")
                self._push_to(session, encoded, client, request, reply)
            except Unreachable as error:
                client.send({"id": request["id"], "error": "unreachable", "text": str(error)})
            except SessionLost as error:
                client.send({"id": request["id"], "error": "lost", "text": str(error)})

        self._shelf.lay(client, request["key"], push)

    def _push_to(
        self, session: Session, encoded: list[bytes], client: Client, request: Mapping[str, Any], reply: Reply
    ) -> None:
        plain, memory, ports = request["messages"], self._app.memories[session.dpid], dict(session.ports)
        memory.forget(plain, ports)
        pipeline = any(message["kind"] == "flow" and message["priority"] == Band.LLDP for message in plain)
        if pipeline:
            self._app.keep_decisions_apart(session)
        pushed = staged.push(session, plain, encoded)
        added = flows_of(plain, ports)

        def acknowledged(refused: dict[int, str]) -> None:
            memory.remember(added, refused)
            reply({"refused": refused, "boot_id": session.boot_id})
            if pipeline:
                self._app.discover()

        self._when_done(client, request, pushed, acknowledged)

    def _observe(self, client: Client, request: Mapping[str, Any], reply: Reply) -> None:
        """Our flows (all, or those of some cookies), the port descriptions and the counters of all ports, asked for at once. With
        `above` (table: priority): also everybody's flows in those tables from that priority on."""
        session, above = self._session(request), request["above"] or {}
        session.tell([TOUCH])
        asked = [session.ask(parser.OFPPortDescStatsRequest(session.datapath, 0))]
        asked.append(session.ask(parser.OFPPortStatsRequest(session.datapath, 0, ofproto.OFPP_ANY)))
        most = max(ASKED_ONE_BY_ONE, int(SHARE_ASKED_ONE_BY_ONE * self._app.memories[session.dpid].size))
        asked_for = _asked_for(request["cookies"], above, most)
        asked += [session.ask(_flow_request(session.datapath, *one)) for one in asked_for]

        def answered(bodies: list[list[Any]]) -> None:
            stats = {entry.port_no: (entry.rx_packets, entry.tx_packets) for entry in bodies[1]}
            ports = [messages.decode_port(desc) for desc in bodies[0]]
            counted = [
                port | dict(zip(("rx", "tx"), stats.get(port["number"], (None, None)), strict=True)) for port in ports
            ]
            flows = [
                raw for n, body in enumerate(bodies[2:]) for raw in _shown(n, [entry.raw for entry in body], above)
            ]
            reply({"boot_id": session.boot_id, "at": time.time(), "flows": told.to_text(flows), "ports": counted})

        self._when_done(client, request, _all(asked), answered)

    def _packet_out(self, client: Client, request: Mapping[str, Any], reply: Reply) -> None:
        session, data = self._session(request), bytes.fromhex(request["data"])
        out = messages.packet_out(session.datapath, data, request["port"], request.get("in_port"))
        self._when_done(client, request, session.send([serialized(out)]), lambda refused: reply({"refused": refused}))

    def _when_done(
        self, client: Client, request: Mapping[str, Any], future: Future[Any], then: Callable[[Any], None]
    ) -> None:
        def done(finished: Future[Any]) -> None:
            if (error := finished.exception()) is None:
                then(finished.result())
            else:
                client.send({"id": request["id"], "error": "lost", "text": str(error)})

        future.add_done_callback(done)


def _asked_for(cookies: list[int] | None, above: Mapping[str, int], most: int) -> list[tuple[int, int, int | None]]:
    """Cookie, its mask and table (None: all) of each flow request. Where strangers' flows are asked for in several tables, one answer has
    all flows, ours and theirs. Beside another controller, who may have many, those of its first table are asked for besides ours."""
    if cookies is not None and len(cookies) <= most:
        return [(cookie, wire.ALL, None) for cookie in cookies]
    if len(above) > 1:
        return [(0, 0, None)]
    return [(COOKIE_MARK, COOKIE_MASK, None), *((0, 0, int(table)) for table in above)]


def _shown(number: int, entries: list[bytes], above: Mapping[str, int]) -> list[bytes]:
    """Of the answer to that request: our flows, once each, and the strangers' that were asked for."""
    if not above:
        return entries
    return [raw for raw in entries if (number == 0 if told.is_ours(raw) else told.outranks(raw, above))]


def _flow_request(datapath: Any, cookie: int, mask: int, table: int | None = None) -> Any:
    anywhere = (ofproto.OFPTT_ALL if table is None else table, ofproto.OFPP_ANY, ofproto.OFPG_ANY)
    return parser.OFPFlowStatsRequest(datapath, 0, *anywhere, cookie, mask, parser.OFPMatch())


def _all(futures: list[Future[list[Any]]]) -> Future[list[list[Any]]]:
    """Done when the last one is: a switch may answer in any order."""
    whole: Future[list[list[Any]]] = Future()
    left = [len(futures)]
    lock = threading.Lock()

    def one_done(finished: Future[list[Any]]) -> None:
        with lock:
            left[0] -= 1
            last = left[0] == 0
        if last:
            failed = next((future.exception() for future in futures if future.exception()), None)
            whole.set_exception(failed) if failed else whole.set_result([future.result() for future in futures])

    for future in futures:
        future.add_done_callback(one_done)
    return whole
