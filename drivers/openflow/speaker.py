"""The process that holds the OpenFlow sessions, so that they outlive a controller's restart.

    python -m drivers.openflow.speaker --socket /run/netcordon/speaker.sock [--listen 127.0.0.1:6653] [--runtime os-ken|ryu]

It logs to stderr, and ends on SIGTERM or SIGINT. Exit code 3: another speaker serves this socket; 4: an address cannot be listened on.
"""

from __future__ import annotations

import argparse
import fcntl
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

LOG = logging.getLogger("netcordon.speaker")
CANNOT_LISTEN = 4
LOOKED_FOR_SIGNALS = 0.2  # seconds
SWITCH_INTERVAL = 0.0005  # seconds; Python's 5 ms would be the latency of a push while another thread parses


def main() -> int:
    options = _options()
    logging.basicConfig(
        level=options.log_level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    os.environ["NETCORDON_OPENFLOW_RUNTIME"] = options.runtime
    sys.setswitchinterval(SWITCH_INTERVAL)
    lock = _lock(options.socket)
    if lock is None:
        LOG.error("another speaker serves %s", options.socket)
        return ANOTHER_SPEAKER
    signals: list[int] = []  # a handler must take no lock: the main thread may hold it
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: signals.append(number))
    try:
        host, port = _address(options.listen)
        _serve(options.socket, host, port)
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
        "--listen", default=DEFAULT_LISTEN, help="where switches connect: HOST:PORT, [IPv6]:PORT (%(default)s)"
    )
    parser.add_argument("--runtime", choices=("os-ken", "ryu"), default="os-ken")
    parser.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING"))
    return parser.parse_args()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
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


def _serve(path: Path, host: str, port: int) -> None:
    """Start everything; the threads then run by themselves."""
    from drivers.openflow import runtime  # first, and only now: Ryu patches the standard library
    from drivers.openflow.server import Server

    listener = _listen(path)
    app = runtime.run("drivers.openflow.app", host, port)
    server = Server(app, f"{host}:{port}")
    threading.Thread(target=server.serve_for_ever, args=(listener,), name="socket", daemon=True).start()


def _listen(path: Path) -> socket.socket:
    """The Unix socket, for this user alone. One that nobody answers on is left over, and replaced."""
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(path)) == 0:
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


if __name__ == "__main__":
    try:
        code = main()
    except BaseException:
        LOG.exception("the speaker failed")
        code = 1
    sys.stderr.flush()
    os._exit(code)  # os-ken's threads are not daemons, and end with nothing but the process
