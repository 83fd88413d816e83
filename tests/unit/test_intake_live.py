"""Every door that an alert can come in by, on one real daemon: a signed webhook, syslog over TLS, and a file that is rotated while the
daemon is killed and started again. What was sent is there once, and what cannot be read is a dead letter."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import socket
import ssl
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from labs.configuration import HERE, Places
from labs.installation import Installation, free_ports, installed_by, places
from labs.process import wait

SECRET = "not much of a secret, but long enough"
PATIENCE = 60.0


@contextmanager
def netcordon(certificate: Path, key: Path, syslog: int, where: Places) -> Iterator[Installation]:
    secret = where.folder / "webhook.secret"
    with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(SECRET)
    tls = {"certificate": str(certificate), "key": str(key), "ca": str(certificate)}
    settings = {
        "store": f"sqlite:///{where.folder / 'netcordon.db'}",
        "listen": {"address": HERE, "port": where.api_port},
        # one apart, which ends with the test: what the killed daemon had started would outlive it
        "openflow": {"speaker": {"socket": str(where.speaker_socket), "start": False}},
        "intake": {
            "files": [{"path": str(where.eve), "format": "suricata"}],
            "syslog": [{"protocol": "tls", "port": syslog, "format": "cef", "tls": tls}],
            "webhooks": [{"source": "generic", "secret_file": str(secret)}],
        },
    }
    with installed_by(settings, where, speaker_apart=True) as one:
        yield one


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate that signs itself, for the listener and for who sends to it."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "c.pem", folder / "k.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days"]
    words += ["2", "-subj", "/CN=x", "-addext", "subjectAltName=DNS:x", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, check=True, capture_output=True)
    return certificate, key


def test_what_comes_in_by_any_door_is_there_once(pair: tuple[Path, Path]) -> None:
    (syslog,) = free_ports(1)
    with places() as where, netcordon(*pair, syslog, where) as one:
        webhook(one)
        over_tls(one, syslog, *pair)
        expected = followed(one)
        wait(
            lambda: kept(one, "suricata") == expected, "the file's alerts", PATIENCE, seen=lambda: kept(one, "suricata")
        )
        assert kept(one, "generic") == {"signed": 1}
        assert kept(one, "cef") == {"worm 1": 1, "worm 2": 1, "worm 3": 1}
        letters = one.request("GET", "/api/v1/dead-letters", "admin")
        assert Counter(letter["source"] for letter in letters) == {"cef": 1, "suricata": 1}
        assert "Traceback" not in "".join(log.read_text() for log in where.folder.glob("daemon*.log"))


def kept(one: Installation, source: str) -> dict[str, int]:
    """How often each signature of the source's is among the alerts."""
    alerts = one.get("/api/v1/alerts", limit="1000")
    return dict(Counter(alert["signature"] for alert in alerts if alert["source"] == source))


def now(ago: float = 0.0) -> str:
    return (datetime.now(UTC) - timedelta(seconds=ago)).isoformat()


def webhook(one: Installation) -> None:
    """Taken by its signature alone, twice as the duplicate that it is; not by another's, and not for another source."""
    body = json.dumps(
        {"id": "w-1", "signature": "signed", "observed_at": now(), "src": {"ip": "10.0.0.66"}, "severity": 4}
    ).encode()
    signed = {"X-Hub-Signature-256": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}
    paths = {"generic": 200, "wazuh": 401}
    for source, status in paths.items():
        assert one.http.post(f"/api/v1/alerts/{source}", content=body, headers=signed).status_code == status
    again = one.http.post("/api/v1/alerts/generic", content=body, headers=signed).json()
    assert again["results"][0]["duplicate"] is True
    for headers in ({}, signed | {"X-Hub-Signature-256": "sha256=" + "0" * 64}):
        assert one.http.post("/api/v1/alerts/generic", content=body, headers=headers).status_code == 401
    assert one.http.post("/api/v1/alerts/generic", content=body + b" ", headers=signed).status_code == 401


def over_tls(one: Installation, port: int, certificate: Path, key: Path) -> None:
    """Counted and by lines; without a certificate nobody is listened to."""
    context = ssl.create_default_context(cafile=str(certificate))
    nobody = send(port, context, [cef("not let in")])
    context.load_cert_chain(certificate, key)
    counted = cef("worm 1").rstrip(b"\n")
    assert send(port, context, [b"%d " % len(counted) + counted, cef("worm 2"), b"<13>no CEF\n", cef("worm 3")])
    wait(lambda: len(kept(one, "cef")) == 3, "syslog's alerts", PATIENCE, seen=lambda: (nobody, kept(one, "cef")))


def cef(name: str) -> bytes:
    at = int(datetime.now(UTC).timestamp() * 1000)
    return f"<134>Jan 31 12:00:00 fw CEF:0|Acme|FW|1|100|{name}|9|src=10.0.0.66 rt={at}\n".encode()


def send(port: int, context: ssl.SSLContext, frames: list[bytes]) -> bool:
    """Whether nobody cut it off. In TLS 1.3 who has no certificate learns of it after the handshake."""
    try:
        with (
            socket.create_connection((HERE, port), 10) as plain,
            context.wrap_socket(plain, server_hostname="x") as tls,
        ):
            tls.sendall(b"".join(frames))
            tls.settimeout(0.5)
            return tls.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def followed(one: Installation) -> dict[str, int]:
    """A file that a sensor writes, and rotates at any moment: while it is followed, and while nobody is there. Gives what must be read."""
    eve = one.places.eve
    write(eve, "a1", "a2")
    wait(lambda: len(kept(one, "suricata")) == 2, "the first lines", PATIENCE, seen=lambda: kept(one, "suricata"))
    rotate(eve)
    write(eve.with_name("eve.json.1"), "a3")  # the sensor has not noticed yet
    write(eve, "b1")
    with eve.open("a") as file:
        file.write('{"event_type": "alert", "timestamp": "never"}\n')
    wait(lambda: len(kept(one, "suricata")) == 4, "both files' lines", PATIENCE, seen=lambda: kept(one, "suricata"))
    one.kill()
    write(eve, "b2")
    rotate(eve)
    write(eve, "c1", "c2")
    one.start()
    write(eve, "c3")
    return dict.fromkeys(("a1", "a2", "a3", "b1", "b2", "c1", "c2", "c3"), 1)


def rotate(eve: Path) -> None:
    """As logrotate does it: .1 becomes .2, the file .1."""
    for number in (2, 1):
        old = eve.with_name(f"eve.json.{number}")
        if old.exists():
            old.rename(eve.with_name(f"eve.json.{number + 1}"))
    eve.rename(eve.with_name("eve.json.1"))


def write(path: Path, *signatures: str) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps(record(signature)) + "\n" for signature in signatures)


def record(signature: str) -> dict[str, Any]:
    return {
        "timestamp": now(),
        "event_type": "alert",
        "src_ip": "10.0.0.66",
        "dest_ip": "10.0.0.5",
        "proto": "TCP",
        "alert": {"action": "allowed", "gid": 1, "signature_id": 1, "rev": 1, "signature": signature, "severity": 1},
    }
