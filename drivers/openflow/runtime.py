"""Chooses os-ken or Ryu; no other file knows which one runs. Import it first: Ryu needs eventlet to patch the standard library.

The choice is the environment's NETCORDON_OPENFLOW_RUNTIME ("os-ken", the default, or "ryu"), which the speaker sets from its command
line. Both have one API; os-ken's hub is native threads, Ryu's is eventlet. The modules are loaded by name, untyped as they are.
"""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

from drivers.openflow.starting import Tls

F = TypeVar("F", bound=Callable[..., None])

VARIABLE = "NETCORDON_OPENFLOW_RUNTIME"
RUNTIME = os.environ.get(VARIABLE, "os-ken")
PACKAGES = {"os-ken": "os_ken", "ryu": "ryu"}

if RUNTIME not in PACKAGES:
    raise SystemExit(f"{VARIABLE}={RUNTIME!r}: known are {', '.join(PACKAGES)}")
if RUNTIME == "ryu":  # Ryu 4.34 looks for a name that current eventlet no longer has
    with warnings.catch_warnings(record=True):  # that eventlet is deprecated is no news to who runs Ryu
        _wsgi: Any = import_module("eventlet.wsgi")
    _wsgi.ALREADY_HANDLED = getattr(_wsgi, "ALREADY_HANDLED", object())
    import_module("eventlet").monkey_patch()


def _load(name: str) -> Any:
    return import_module(f"{PACKAGES[RUNTIME]}.{name}")


app_manager: Any = _load("base.app_manager")
handler: Any = _load("controller.handler")
ofp_event: Any = _load("controller.ofp_event")
ofproto: Any = _load("ofproto.ofproto_v1_3")
parser: Any = _load("ofproto.ofproto_v1_3_parser")
_controller: Any = _load("controller.controller")

App: Any = app_manager.OSKenApp if RUNTIME == "os-ken" else app_manager.RyuApp
MAIN, DEAD = handler.MAIN_DISPATCHER, handler.DEAD_DISPATCHER


def on(event: str, *states: str) -> Callable[[F], F]:
    """Marks a method of the application as the handler of an event of `ofp_event`."""
    decorate: Callable[[F], F] = handler.set_ev_cls(getattr(ofp_event, event), list(states) or MAIN)
    return decorate


def run(app_module: str, listen_host: str, listen_port: int, certificates: Tls | None = None) -> Any:
    """Start the OpenFlow listener and the application in `app_module`; returns the application, whose threads then run by themselves.
    Raises OSError when the address cannot be listened on, BadCertificates when those cannot be used."""
    _check_free(listen_host, listen_port)
    if certificates is not None:
        tls: Any = import_module(
            "drivers.openflow.tls"
        )  # only now: it takes the standard library as Ryu's patches leave it
        _controller.StreamServer = tls.server(_controller.StreamServer, certificates, shared=RUNTIME == "os-ken")
    conf: Any = _load("cfg").CONF
    conf(args=["--ofp-listen-host", listen_host, "--ofp-tcp-listen-port", str(listen_port)], project=PACKAGES[RUNTIME])
    if RUNTIME == "os-ken":
        _end_sessions_at_once(_controller.Datapath)
    parser.OFPFlowStats.parser = _raw_flow
    manager = app_manager.AppManager.get_instance()
    manager.load_apps([f"{PACKAGES[RUNTIME]}.controller.ofp_handler", app_module])
    manager.instantiate_apps(**manager.create_contexts())
    return next(app for app in manager.applications.values() if type(app).__module__ == app_module)


def _check_free(host: str, port: int) -> None:
    """The listener's thread would only log that it cannot bind."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


@dataclass(frozen=True, slots=True)
class RawFlow:
    """An entry of a flow-stats reply, left as it came: `wire.decode_flow` is many times faster than the library's parser."""

    length: int
    raw: bytes


def _raw_flow(buffer: bytes, offset: int) -> RawFlow:
    length = int.from_bytes(buffer[offset : offset + 2], "big")
    return RawFlow(max(length, 8), bytes(buffer[offset : offset + length]))


def _end_sessions_at_once(datapath: Any) -> None:
    """os-ken 4.2 on native threads: once its receive loop has ended, `serve` waits for a send loop that waits on its queue, so nobody
    is told that the switch is gone until the next echo request fails. Tell, and wake the send loop."""
    receive = datapath._recv_loop

    def _recv_loop(self: Any) -> None:
        try:
            receive(self)
        finally:
            self.close()
            if (queue := self.send_q) is not None:
                self._send_q_sem.acquire(timeout=1)
                queue.put((b"", True))

    datapath._recv_loop = _recv_loop
