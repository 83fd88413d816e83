"""`discover --probe`: the asking beside the listening."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli import output
from controller.errors import ConfigError, InvalidInput
from drivers.rules import Network

if TYPE_CHECKING:
    from controller.discovery.prober import Prober


def prepared(config: Path | None, interface: str, within: Sequence[str], ended: Callable[[], bool]) -> Prober:
    """Ready to begin. Raises InvalidInput for what may not be asked, ConfigError where nothing can be
    sent."""
    from controller.config import load_config
    from controller.discovery.interface import read_interface, why_deaf
    from controller.discovery.prober import Prober, aim

    networks, settings = [_network(one) for one in within], load_config(config).discovery.probe
    here = read_interface(interface)
    aimed = aim(settings, networks, here)
    if trouble := why_deaf(interface):
        raise ConfigError(f"nothing can be asked: {trouble}")
    prober = Prober(here, aimed, settings.ports, _socket(interface).send, ended)
    output.note(
        f"asking for {len(aimed.addresses)} addresses at {settings.rate:g} frames a second at most: {aimed.seconds:.0f} s or more"
    )
    return prober


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise InvalidInput(f"--within {text!r}: {error}") from error


def _socket(interface: str) -> socket.socket:
    """Sends whole frames, and hears none."""
    try:
        handle = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        handle.bind((interface, 0))
    except PermissionError as error:
        raise ConfigError("probing needs the right to open raw sockets: run it as root, or with CAP_NET_RAW") from error
    except OSError as error:
        raise ConfigError(f"nothing can be asked on {interface}: {error.strerror}") from error
    return handle
