"""What the shell offers while a command is typed, by the running daemon's word. Within half a second, and silent when nobody answers:
a Tab is no moment for an error. Imports the standard library alone, since each Tab starts a process."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 0.45
"""Seconds for asking, whatever the daemon does."""
MOST = 100
MOST_BYTES = 4 << 20
Offer = list[tuple[str, str]]


def containments(incomplete: str) -> Offer:
    """The ids of what is held, each with its target."""
    return _beginning(incomplete, ((one["id"], f"{one['target']}, {one['outcome']}") for one in _held()))


def held(incomplete: str) -> Offer:
    """Targets and ids of what is held."""
    cases = _held()
    targets = [(one["target"], f"{one['profile']}, {one['outcome']}") for one in cases]
    return _beginning(incomplete, [*targets, *((one["id"], one["target"]) for one in cases)])


def devices(incomplete: str) -> Offer:
    """The ids of the network devices, each with its name."""
    return _beginning(incomplete, ((one["id"], one["description"]) for one in _ask("/api/v1/devices") or []))


def targets(incomplete: str) -> Offer:
    """The addresses and MACs of what was seen on the network."""
    offers = []
    for one in _ask("/api/v1/endpoints") or []:
        place = f"{one['attachment']['device']}:{one['attachment']['port']}"
        offers += [(name, place) for name in (*one["ips"], *one["macs"])]
    return _beginning(incomplete, offers)


def profiles(incomplete: str) -> Offer:
    """The profiles by name."""
    answer = _ask("/api/v1/profiles") or {"profiles": []}
    return _beginning(incomplete, ((one["name"], one["description"]) for one in answer["profiles"]))


def alert_sources(incomplete: str) -> Offer:
    """How alerts may be written, each with what it is."""
    return _beginning(incomplete, ((one["name"], one["says"]) for one in _ask("/api/v1/alert-sources") or []))


def _held() -> list[dict[str, Any]]:
    answer = _ask(f"/api/v1/containments?want=held&limit={MOST}")
    return [] if answer is None else answer["containments"]


def _beginning(incomplete: str, offers: Iterable[tuple[str, str]]) -> Offer:
    """What is being typed goes on with these; what others wrote is neutralized, and offered only where it is one plain word."""
    from controller.neutralize import neutralize

    fitting = {word: said for word, said in offers if word.startswith(incomplete) and _plain(word)}
    return [(word, neutralize(said, 60)) for word, said in sorted(fitting.items())[:MOST]]


def _plain(word: str) -> bool:
    """Nothing that a shell would take for more than a word."""
    return bool(word) and all(letter.isascii() and (letter.isalnum() or letter in ":.-_/") for letter in word)


def _ask(path: str, environment: Mapping[str, str] = os.environ) -> Any:
    """The answer's JSON; None when there is none in time, for whatever reason. What still hangs then ends with the process."""
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(_fetch(path, environment))
        except Exception:  # noqa: BLE001 (the thread's outermost loop: a Tab is no moment for an error)
            return

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return answers[0] if answers else None


def _fetch(path: str, environment: Mapping[str, str]) -> Any:
    from controller.credentials import DEFAULT_URL, URL_VARIABLE, find_token

    url = environment.get(URL_VARIABLE) or DEFAULT_URL
    token = find_token(environment)
    connection = _connection(url)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
    answer = connection.getresponse()
    return json.loads(answer.read(MOST_BYTES)) if answer.status == 200 else None


def _connection(url: str) -> Any:
    """As `controller.connection` has it: a token goes in plain text to loopback only."""
    from http.client import HTTPConnection, HTTPSConnection
    from ipaddress import ip_address

    if url.startswith("unix:"):
        return _over_unix(url.removeprefix("unix:").removeprefix("//"))
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https":
        return HTTPSConnection(host, parts.port, timeout=PATIENCE)
    if host != "localhost" and not ip_address(host).is_loopback:
        raise ValueError("not in plain text beyond loopback")
    return HTTPConnection(host, parts.port, timeout=PATIENCE)


def _over_unix(path: str) -> Any:
    import socket
    from http.client import HTTPConnection

    connection = HTTPConnection("netcordon", timeout=PATIENCE)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.settimeout(PATIENCE)
    connection.sock.connect(path)
    return connection
