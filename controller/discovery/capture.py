"""Where frames come from: a pcap or pcapng file, or an interface, by Scapy's readers and sockets."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from controller.errors import ConfigError, InvalidInput

_ETHERNET = 1
_ETH_P_ALL = 0x0003
_LONGEST = 65536
_TICK = 0.2
_LATEST = float(1 << 33)


def from_file(path: Path) -> Iterator[tuple[bytes, float]]:
    """Each frame with its time (seconds since the epoch), one at a time. Raises InvalidInput for what is no capture of Ethernet frames; a
    capture whose end is missing ends where it breaks off."""
    from scapy.error import Scapy_Exception
    from scapy.utils import RawPcapReader

    try:
        reader: Any = RawPcapReader(str(path))
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or error}") from error
    except Scapy_Exception as error:
        raise InvalidInput(f"{path} is no capture: name a pcap or pcapng file, as tcpdump -w writes it") from error
    except Exception as error:  # a header made to break the reader
        raise InvalidInput(f"{path} is no capture that can be read ({type(error).__name__})") from error
    with reader:
        nano = 1e-9 if getattr(reader, "nano", False) else 1e-6
        while True:
            try:
                frame, meta = reader._read_packet()
            except EOFError:
                return
            except Exception as error:  # likewise, in the middle
                raise InvalidInput(
                    f"{path} breaks off: it cannot be read any further ({type(error).__name__})"
                ) from error
            kind = getattr(meta, "linktype", None)
            if (reader.linktype if kind is None else kind) != _ETHERNET:
                raise InvalidInput(
                    f"{path} holds no Ethernet frames: capture on an interface (tcpdump -i eth0 -w FILE)"
                )
            yield frame, _time_of(meta, nano)


def _time_of(meta: Any, fraction: float) -> float:
    """0 where the capture has none, or none that anything was seen at."""
    if hasattr(meta, "sec"):
        return float(meta.sec + meta.usec * fraction)
    high, low, resolution = (getattr(meta, name, None) for name in ("tshigh", "tslow", "tsresol"))
    at = 0.0 if high is None or low is None else float(((high << 32) + low) / (resolution or 1_000_000))
    return at if at < _LATEST else 0.0


def from_interface(name: str, until: Callable[[], bool]) -> Iterator[tuple[bytes, float]]:
    """Every frame that passes there, in promiscuous mode, until `until()`. Raises ConfigError where it cannot listen."""
    from scapy.all import conf  # the whole of it: only that fills in the sockets of this system

    try:
        handle: Any = conf.L2listen(iface=name, type=_ETH_P_ALL, promisc=True)
    except PermissionError as error:
        raise ConfigError(
            "listening needs the right to open raw sockets: run it as root, or with CAP_NET_RAW"
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot listen on {name!r} ({error}): `ip link` lists the interfaces") from error
    try:
        handle.ins.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024 * 1024)
        while not until():
            if not select.select([handle.ins], [], [], _TICK)[0]:
                continue
            _, frame, at = handle.recv_raw(_LONGEST)
            if frame is not None:
                yield frame, float(at or time.time())
    except OSError as error:
        raise ConfigError(f"{name} went away ({error.strerror}): start again once it is back") from error
    finally:
        handle.close()
