"""The process that holds the OpenFlow sessions, so that they outlive a controller's restart.

    python -m drivers.openflow.speaker --socket /run/netcordon/speaker.sock [--listen 127.0.0.1:6653] [--runtime os-ken|ryu]
        [--role sole|equal]
        [--listen ssl:0.0.0.0:6653 --certificate PEM --key PEM --ca PEM]

It logs to stderr, and ends on SIGTERM or SIGINT. Exit code 3: another speaker serves this socket; 4: an address cannot be listened on;
5: the runtime cannot be imported by this Python; 6: the certificates cannot be used.
"""

from __future__ import annotations

import argparse
import fcntl
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import IO

from drivers.openflow.link import ANOTHER_SPEAKER, DEFAULT_LISTEN
from drivers.openflow.starting import TLS_PREFIX, BadCertificates, Tls
from drivers.urgent import go_first

LOG = logging.getLogger("netcordon.speaker")
CANNOT_LISTEN, NO_RUNTIME, BAD_CERTIFICATES = 4, 5, 6
APPLICATIONS = {"sole": "drivers.openflow.app", "equal": "drivers.openflow.app_beside"}
LOOKED_FOR_SIGNALS = 0.2  # seconds
COLLECT_EVERY = (
    10_000,
    20,
    20,
)  # as the daemon's: by default the garbage is looked for all the time that a large push is read
SWITCH_INTERVAL = 0.0005  # seconds; Python's 5 ms would be the latency of a push while another thread parses


def main() -> int:
    options = _options()
    go_first()
    logging.basicConfig(
        level=options.log_level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    os.environ["NETCORDON_OPENFLOW_RUNTIME"] = options.runtime
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*COLLECT_EVERY)
    lock = _lock(options.socket)
    if lock is None:
        LOG.error("another speaker serves %s", options.socket)
        return ANOTHER_SPEAKER
    signals: list[int] = []  # a handler must take no lock: the main thread may hold it
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: signals.append(number))
    try:
        _serve(options)
    except ModuleNotFoundError as missing:
        LOG.error(
            "%s cannot be imported by %s (no module %r): install it there, or name in openflow.speaker.python a Python that has it",
            *(options.runtime, sys.executable, missing.name),
        )
        return NO_RUNTIME
    except BadCertificates as error:
        LOG.error("openflow.speaker.tls cannot be used: %s", error)
        return BAD_CERTIFICATES
    except OSError as error:
        LOG.error("cannot listen on %s and %s: %s", options.listen, options.socket, error)
        return CANNOT_LISTEN
    while not signals:
        time.sleep(LOOKED_FOR_SIGNALS)
    options.socket.unlink(missing_ok=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="speaker", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--socket", type=Path, required=True, help="Unix socket for controllers")
    parser.add_argument(
        "--listen",
        default=DEFAULT_LISTEN,
        help="where switches connect: HOST:PORT, [IPv6]:PORT, with TLS ssl:HOST:PORT (%(default)s)",
    )
    for name, what in (
        ("certificate", "our own"),
        ("key", "its private key"),
        ("ca", "who signs switches' certificates"),
    ):
        parser.add_argument(f"--{name}", type=Path, help=f"PEM file: {what}")
    parser.add_argument("--runtime", choices=("os-ken", "ryu"), default="os-ken")
    parser.add_argument(
        "--role", choices=tuple(APPLICATIONS), default="sole", help="equal: another controller owns the forwarding"
    )
    parser.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING"))
    options = parser.parse_args()
    files = [options.certificate, options.key, options.ca]
    if options.listen.startswith(TLS_PREFIX) != all(files) or any(files) != all(files):
        parser.error("--listen ssl:… goes with all of --certificate, --key and --ca, and they go with it")
    options.tls = Tls(*files) if all(files) else None
    return options


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.removeprefix(TLS_PREFIX).rpartition(":")
    return host.strip("[]"), int(port)


def _lock(path: Path) -> IO[str] | None:
    """Held while this process lives; None when another speaker holds it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = path.with_name(path.name + ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return lock


def _serve(options: argparse.Namespace) -> None:
    """Start everything; the threads then run by themselves."""
    from drivers.openflow import runtime  # first, and only now: Ryu patches the standard library
    from drivers.openflow.server import Server

    listener = _listen(options.socket)
    app = runtime.run(APPLICATIONS[options.role], *_address(options.listen), options.tls)
    server = Server(app, options.listen, options.role)
    threading.Thread(target=server.serve_for_ever, args=(listener,), name="socket", daemon=True).start()


def _listen(path: Path) -> socket.socket:
    """The Unix socket, for this user alone. One that nobody answers on is left over, and replaced."""
    if _answers(path):
        raise OSError(f"something answers on {path}")
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(16)
    return listener


def _answers(path: Path) -> bool:
    """Not by `connect_ex`: eventlet's raises."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


if __name__ == "__main__":
    try:
        code = main()
    except BaseException:
        LOG.exception("the speaker failed")
        code = 1
    sys.stderr.flush()
    os._exit(code)  # os-ken's threads are not daemons, and end with nothing but the process
