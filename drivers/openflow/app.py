"""The OpenFlow 1.3 application, on os-ken or Ryu: switches come and go, hosts and links show themselves. It knows no client: it
publishes plain events, and `server` asks it for sessions."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ClassVar

from drivers.openflow import lldp, messages, packets, runtime, wire
from drivers.openflow.flows import ETH_LLDP
from drivers.openflow.heard import Heard
from drivers.openflow.layout import ALONE, Layout
from drivers.openflow.links import SEND_EVERY, Links
from drivers.openflow.lldp import Origin
from drivers.openflow.megaflows import never_overlapping
from drivers.openflow.memory import Memory
from drivers.openflow.runtime import ofproto, on
from drivers.openflow.session import Session, serialized
from drivers.openflow.tracker import Buckets, Tracker

PUNTS_PER_SECOND = 1000
FLOW_REMOVED_MATCH = 48  # where its match starts, §7.4.2
EAGER_SECONDS = 2
LLDP_PER_SECOND = 20.0
Event = dict[str, Any]


class Application(runtime.App):
    """`sessions` holds the switches that are up, that is: whose remembered state was replayed and acknowledged. Handlers run in one
    thread, one after the other."""

    OFP_VERSIONS: ClassVar = [ofproto.OFP_VERSION]
    layout: ClassVar[Layout] = ALONE

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.sessions: dict[int, Session] = {}
        self.memories: dict[int, Memory] = {}
        self.links = Links()
        self.publish: Callable[[Event], None] = lambda event: None
        self._secret = secrets.token_bytes(32)
        self._starting: dict[int, Session] = {}
        self._trackers: dict[int, Tracker] = {}
        self._lldp_admits = Buckets(LLDP_PER_SECOND)
        self._count = self._eager = 0
        threading.Thread(target=self._tick_for_ever, name="tick", daemon=True).start()

    def _session(self, datapath: Any) -> Session | None:
        """The session of this very connection, which shows by it that it is alive: a switch that connects again before its old
        connection is found dead has two."""
        for sessions in (self.sessions, self._starting):
            found = sessions.get(datapath.id)
            if found is not None and found.datapath is datapath:
                found.heard_at = time.monotonic()
                return found
        return None

    @on("EventOFPStateChange", runtime.MAIN, runtime.DEAD)
    def on_state(self, ev: Any) -> None:
        if ev.state == runtime.MAIN:
            self._start(ev.datapath)
        elif ev.datapath.id is not None:
            self._end(ev.datapath)

    def _start(self, datapath: Any) -> None:
        """Limit the punts, replay what was acknowledged before; the switch is announced once it has taken that."""
        self._count += 1
        session = Session(datapath, f"{time.time():.6f}-{self._count}")
        if (before := self._starting.pop(session.dpid, None) or self.sessions.pop(session.dpid, None)) is not None:
            before.end()
        self._starting[session.dpid] = session
        self._trackers[session.dpid] = Tracker()
        memory = self.memories.setdefault(session.dpid, Memory(self.layout))
        self._prepare(session)
        session.push(memory.replay(session.ports)).add_done_callback(lambda done: self._announce(session, done))

    def _prepare(self, session: Session) -> None:
        session.tell([serialized(message) for message in messages.punt_meter(session.datapath, PUNTS_PER_SECOND)])
        self.keep_decisions_apart(session)

    def keep_decisions_apart(self, session: Session) -> None:
        """Once more after somebody took all flows away: the controller pushes its own again, and knows nothing of these."""
        session.tell([serialized(message) for message in never_overlapping(session.datapath)])

    def _announce(self, session: Session, replayed: Future[dict[int, str]]) -> None:
        if replayed.exception() is not None:
            return
        for reason in replayed.result().values():
            self.logger.warning("switch %016x refused a replayed message: %s", session.dpid, reason)
        if self._starting.pop(session.dpid, None) is session:
            self.sessions[session.dpid] = session
            self._send_lldp(session)
            self.logger.info("switch %016x is up, from %s", session.dpid, session.peer)
            self.publish({"event": "up", "dpid": session.dpid, "at": session.connected_at, "boot_id": session.boot_id})

    def _end(self, datapath: Any) -> None:
        session = self._session(datapath)
        if session is None:
            return
        self._starting.pop(session.dpid, None)
        known = self.sessions.pop(session.dpid, None)
        session.end()
        self.links.switch_gone(session.dpid)
        if known is not None:
            self.logger.info("switch %016x is gone", session.dpid)
            self.publish(
                {"event": "down", "dpid": session.dpid, "at": time.time(), "reason": "the OpenFlow session ended"}
            )

    @on("EventOFPBarrierReply")
    def on_barrier(self, ev: Any) -> None:
        if session := self._session(ev.msg.datapath):
            session.on_barrier(ev.msg.xid)

    @on("EventOFPEchoReply")
    def on_echo(self, ev: Any) -> None:
        self._session(ev.msg.datapath)

    @on("EventOFPErrorMsg")
    def on_error(self, ev: Any) -> None:
        if session := self._session(ev.msg.datapath):
            code = getattr(ev.msg, "code", 0) or 0
            if unexpected := session.on_error(ev.msg.xid, ev.msg.type, code):
                self.logger.info("switch %016x: %s", session.dpid, unexpected)

    @on("EventOFPFlowStatsReply")
    def on_flows(self, ev: Any) -> None:
        self._on_multipart(ev)

    @on("EventOFPPortStatsReply")
    def on_port_stats(self, ev: Any) -> None:
        self._on_multipart(ev)

    @on("EventOFPPortDescStatsReply")
    def on_port_desc(self, ev: Any) -> None:
        self._on_multipart(ev)

    def _on_multipart(self, ev: Any) -> None:
        if session := self._session(ev.msg.datapath):
            session.on_multipart(ev.msg.xid, ev.msg.body, bool(ev.msg.flags & ofproto.OFPMPF_REPLY_MORE))

    @on("EventOFPPortStatus")
    def on_port(self, ev: Any) -> None:
        session = self._session(ev.msg.datapath)
        if session is None:
            return
        port = messages.decode_port(ev.msg.desc)
        present = ev.msg.reason != ofproto.OFPPR_DELETE
        if present:
            before = session.ports.get(port["number"])
            session.ports[port["number"]] = port
            if ev.msg.reason == ofproto.OFPPR_ADD or before is None or before["name"] != port["name"]:
                self._restore(session, port["name"])
        else:
            session.ports.pop(port["number"], None)
        if present and port["up"]:
            self._send_lldp(session, [port])
        else:
            self.links.port_down(Origin(session.dpid, port["number"]))
        event = {"event": "port", "dpid": session.dpid, "at": time.time(), "port": port["name"]}
        about = {"number": port["number"], "hw_addr": port["hw_addr"], "physical": port["physical"]}
        self.publish(event | about | {"up": port["up"] and present, "present": present})

    def _restore(self, session: Session, name: str) -> None:
        """A port has come. What it held under this name before goes out at once: its flags went with the old port, and its rules name a
        number that it may not have any more. The controller looks at it as well, but frames do not wait for that."""
        lost = self.memories[session.dpid].replay_port(name, session.ports)
        if lost:
            self.logger.warning("switch %016x: port %s came back contained: %d messages", session.dpid, name, len(lost))
            session.push(lost).add_done_callback(lambda done: self._restored(session, done))

    def _restored(self, session: Session, done: Future[dict[int, str]]) -> None:
        for reason in {} if done.exception() is not None else done.result().values():
            self.logger.warning("switch %016x refused what a returned port held: %s", session.dpid, reason)

    @on("EventOFPFlowRemoved")
    def on_flow_removed(self, ev: Any) -> None:
        """Flows that we took away ourselves are forgotten before the switch is asked: what is still remembered was taken by others."""
        session, msg = self._session(ev.msg.datapath), ev.msg
        if session is None:
            return
        match, _ = wire.decode_match(bytes(msg.buf), FLOW_REMOVED_MATCH)
        if self.memories[session.dpid].holds(msg.cookie, msg.table_id, msg.priority, match, session.ports):
            what = {"table": msg.table_id, "priority": msg.priority, "cookie": msg.cookie, "match": match}
            self.publish({"event": "removed", "dpid": session.dpid, "at": time.time(), "flow": what})

    @on("EventOFPPacketIn")
    def on_packet(self, ev: Any) -> None:
        session, data, now = self._session(ev.msg.datapath), bytes(ev.msg.data), time.time()
        port = ev.msg.match.get("in_port")
        if session is None or port is None:
            return
        if data[12:14] == ETH_LLDP.to_bytes(2, "big"):
            if self._lldp_admits.take((session.dpid, port), now):
                self._on_lldp(Origin(session.dpid, port), data, now)
        elif self._trackers[session.dpid].admits(port, now):
            for heard in packets.read(data):
                self._on_heard(session, heard, port, now)

    def _on_lldp(self, near: Origin, data: bytes, now: float) -> None:
        far = lldp.read(data, self._secret, now)
        if far is not None and self.links.seen(near, far, now):
            told = {"port": self.port_name(near), "neighbour": far.dpid, "neighbour_port": self.port_name(far)}
            self.publish({"event": "link", "dpid": near.dpid, "at": now, **told})

    def _on_heard(self, session: Session, heard: Heard, port: int, now: float) -> None:
        found = self._trackers[session.dpid].locate(heard, port, now)
        if found is None:
            return
        ip = None if heard.ip is None else str(heard.ip)
        where = {
            "port": self.port_name(Origin(session.dpid, found.port)),
            "from_port": self.port_name(Origin(session.dpid, port)),
        }
        told = {"mac": heard.mac, "ip": ip, "vlan": heard.vlan, "source": heard.source, "lease": heard.lease}
        self.publish({"event": "sighting", "dpid": session.dpid, "at": now, **where, **told})

    def port_name(self, port: Origin) -> str:
        """The switch's name for the port, or "#number" where it is gone."""
        session = self.sessions.get(port.dpid) or self._starting.get(port.dpid)
        found = None if session is None else session.ports.get(port.port)
        return str(found["name"]) if found is not None else f"#{port.port}"

    def discover(self) -> None:
        """A switch has just begun to tell us of what it hears. Send LLDP out of every port now, and once more in the next seconds:
        for some milliseconds it may still go by what it did with such frames before."""
        self._eager = EAGER_SECONDS
        for session in list(self.sessions.values()):
            self._send_lldp(session)

    def _tick_for_ever(self) -> None:
        for second in itertools.count(1):
            time.sleep(1)
            eager, self._eager = self._eager > 0, max(0, self._eager - 1)
            for session in (*self._starting.values(), *self.sessions.values()):
                if not session.keep_alive(time.monotonic()):
                    self.logger.warning("switch %016x is silent", session.dpid)
                    session.datapath.close()
                elif eager or second % SEND_EVERY == 0:
                    self._send_lldp(session)

    def _send_lldp(self, session: Session, ports: list[dict[str, Any]] | None = None) -> None:
        now, frames = time.time(), []
        for port in list(session.ports.values()) if ports is None else ports:
            if port["physical"] and port["up"]:
                origin = Origin(session.dpid, port["number"])
                frame = lldp.build(origin, port["hw_addr"], self._secret, now)
                frames.append(serialized(messages.packet_out(session.datapath, frame, origin.port)))
        session.tell(frames)
