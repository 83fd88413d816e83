"""Syslog: the frames of RFC 6587, the headers of RFC 3164 and 5424, and listeners that lose nothing without saying so."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from controller.config import Config, SyslogListener
from controller.doctor.network import _syslog
from controller.errors import StoreUnavailable
from controller.intake import SOURCES
from controller.store import Store
from controller.syslog.fate import Fate
from controller.syslog.frames import Cutter, Frame, body_of
from controller.syslog.listener import Listener, Waiting, events_of
from tests.unit.fake_service import FakeService
from tests.unit.intake_feed import KNOWN, feed, samples
from tests.unit.store_cases import Clock

EVE = Path(__file__).with_name("suricata_eve.jsonl").read_text().splitlines()
ALERT = next(line for line in EVE if json.loads(line)["event_type"] == "alert")
CEF = "<134>Jan 31 12:00:00 fw CEF:0|Acme|FW|1|100|worm|9|src=10.0.0.66 dst=10.0.0.9 rt=1769860800000 externalId="
JSON = '{"a": "b: [c] <d>"}'

EVENT = "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 "
BODIES = (
    # RFC 5424, 6.5, examples 1 to 4
    (
        "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \ufeff'su root' failed for lonvick on /dev/pts/8",
        "'su root' failed for lonvick on /dev/pts/8",
    ),
    (
        "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
        "%% It's time to make the do-nuts.",
    ),
    (
        EVENT
        + '[exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"] \ufeffAn application event log entry...',
        "An application event log entry...",
    ),
    (EVENT + '[exampleSDID@32473 iut="3"][examplePriority@32473 class="high"]', ""),
    # a value with what has to be escaped in it (6.3.3)
    (EVENT + '[a@1 iut="3"][b@1 class="high \\"\\] x"] ' + JSON, JSON),
    # RFC 3164, 5.4, examples 1 and 2; and with a JSON body
    (
        "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
        "'su root' failed for lonvick on /dev/pts/8",
    ),
    ("Use the BFG!", "Use the BFG!"),
    (f"<13>Feb  5 17:32:18 10.0.0.99 suricata[123]: {JSON}", JSON),
    (f"<13>Feb  5 17:32:18 10.0.0.99 suricata: @cee: {JSON}", JSON),
    (f"<13>Feb  5 17:32:18 10.0.0.99 {JSON}", JSON),
    (f"<13>2026-02-05T17:32:18+01:00 ids suricata: {JSON}", JSON),
    (f"<13>{JSON}", JSON),
    (JSON, JSON),
)


@pytest.mark.parametrize(("frame", "body"), BODIES)
def test_the_body_of_each_kind_of_header(frame: str, body: str) -> None:
    assert body_of(frame.encode()).decode() == body


def cut(stream: bytes, step: int) -> list[tuple[bytes, str]]:
    cutter = Cutter(longest=64)
    frames = [frame for at in range(0, len(stream), step) for frame in cutter.feed(stream[at : at + step])]
    return [(frame.data, frame.problem) for frame in [*frames, *cutter.end()]]


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_frames_are_cut_however_they_come(step: int) -> None:
    long = b"<1>" + b"x" * 100
    stream = b"5 <1>ab8 <1>ab\ncd<1>line\r\n\n103 " + long + long + b"\n" + b"<1>last"
    assert cut(stream, step) == [
        (b"<1>ab", ""),
        (b"<1>ab\ncd", ""),
        (b"<1>line", ""),
        (long[:64], "a frame of more than 0 KiB"),
        (long[:64], "a frame of more than 0 KiB"),
        (b"<1>last", ""),
    ]
    assert cut(b"50 <1>ab", step) == [(b"50 <1>ab", "the connection ended within the frame")]
    assert cut(b"12345678901 x\n", step) == [(b"12345678901 x", "")]


class Sender:
    """A listener at work, and ways to send to it."""

    def __init__(self, service: FakeService) -> None:
        self.service = service
        self.told: dict[Fate, int] = {}
        self.work: list[tuple[Listener, asyncio.Task[None]]] = []

    async def listen(self, protocol: str = "udp", format: str = "suricata", **more: Any) -> Listener:
        how = SyslogListener.model_validate({"protocol": protocol, "port": 0, "format": format} | more)
        made = Listener(how, SOURCES[format], self.service, self._tell)
        self.work.append((made, asyncio.create_task(made.run())))
        await until(lambda: made.port)
        return made

    def _tell(self, name: str, fate: Fate, number: int) -> None:
        self.told[fate] = self.told.get(fate, 0) + number

    async def close(self) -> None:
        for listener, task in self.work:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await listener.close()


@pytest.fixture
async def sender(tmp_path: Path, sqlite_template: Path, clock: Clock) -> AsyncIterator[Sender]:
    shutil.copy(sqlite_template, tmp_path / "netcordon.db")
    store = await Store.open(f"sqlite:///{tmp_path}/netcordon.db", clock)
    made = Sender(FakeService(store))
    yield made
    await made.close()
    await store.close()


async def until(look: Callable[[], Any]) -> None:
    for _ in range(3000):
        if look():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that within 30 s")


def datagram(port: int, *bodies: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for body in bodies:
            udp.sendto(body, ("127.0.0.1", port))


async def stream(port: int, data: bytes, context: ssl.SSLContext | None = None) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="x" if context else None)
    writer.write(data)
    await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_udp_takes_alerts_and_keeps_what_it_cannot_read(sender: Sender) -> None:
    listener = await sender.listen()
    datagram(
        listener.port, f"<13>Feb  5 17:32:18 ids suricata: {ALERT}".encode(), b"<13>Feb  5 17:32:18 ids suricata: no"
    )
    await until(lambda: sender.told.get(Fate.DEAD_LETTER) and sender.told.get(Fate.TAKEN))
    assert [alert.source for alert in sender.service.taken] == ["suricata"]
    (letter,) = await sender.service.store.dead_letters()
    assert (letter.raw, letter.reason[:8]) == ("no", "not JSON")
    assert sender.told == {Fate.TAKEN: 1, Fate.DEAD_LETTER: 1}


async def test_tcp_takes_both_framings(sender: Sender) -> None:
    listener = await sender.listen("tcp", "cef")
    counted = (CEF + "1").encode()
    await stream(
        listener.port, b"%d " % len(counted) + counted + (CEF + "2\n").encode() + (CEF + "3").encode() + b"\n9 <1>"
    )
    await until(lambda: len(sender.service.taken) == 3 and sender.told.get(Fate.DEAD_LETTER))
    assert sender.told == {Fate.TAKEN: 3, Fate.DEAD_LETTER: 1}
    assert {str(alert.src.ip) for alert in sender.service.taken} == {"10.0.0.66"}


async def test_tls_takes_whom_the_authority_signed(sender: Sender, tmp_path: Path) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    await asyncio.to_thread(
        subprocess.run,
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=x", "-addext", "subjectAltName=DNS:x", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = {"certificate": str(certificate), "key": str(key), "ca": str(certificate)}
    listener = await sender.listen("tls", tls=tls)
    context = ssl.create_default_context(cafile=str(certificate))
    with contextlib.suppress(OSError):
        await stream(listener.port, f"<13>{ALERT}\n".encode(), context)
    await until(lambda: sender.told.get(Fate.REFUSED) == 1)
    with contextlib.suppress(OSError):
        await stream(listener.port, f"<13>{ALERT}\n".encode())  # no TLS at all
    await until(lambda: sender.told.get(Fate.REFUSED) == 2)
    assert sender.service.taken == []
    assert [finding.check for finding in _syslog({listener.name: listener.counts})] == ["syslog-refused"]
    context.load_cert_chain(certificate, key)
    await stream(listener.port, f"<13>{ALERT}\n".encode(), context)
    await until(lambda: sender.service.taken)
    assert len(sender.service.taken) == 1
    assert sender.told[Fate.REFUSED] == 2


async def test_others_are_refused_and_counted(sender: Sender) -> None:
    udp = await sender.listen(senders=["192.0.2.0/24"])
    tcp = await sender.listen("tcp", senders=["192.0.2.0/24"])
    datagram(udp.port, ALERT.encode())
    with contextlib.suppress(OSError):
        await stream(tcp.port, ALERT.encode() + b"\n")
    await until(lambda: sender.told.get(Fate.REFUSED) == 2)
    assert sender.service.taken == []
    assert [finding.check for finding in _syslog({udp.name: udp.counts})] == ["syslog-refused"]


async def test_a_burst_is_taken_or_counted_as_lost(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a small kernel buffer, and while the loop does not read: what came and what was lost add up to what was sent."""
    monkeypatch.setattr("controller.syslog.listener._RECEIVE_BUFFER", 4096)
    monkeypatch.setattr("controller.syslog.listener._LOOK_EVERY", 0.05)
    listener = await sender.listen()
    datagram(listener.port, *[b'{"event_type": "flow", "n": %d}' % n for n in range(2000)])
    await until(lambda: sum(sender.told.values()) == 2000)
    assert sender.told[Fate.LOST] > 0
    assert [finding.check for finding in _syslog({listener.name: listener.counts})] == ["syslog-lost"]


async def test_frames_wait_for_the_database(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.syslog.listener._AGAIN_AFTER", 0.02)
    sender.service.refuse = StoreUnavailable("disk full")
    listener = await sender.listen()
    datagram(listener.port, ALERT.encode())
    await asyncio.sleep(0.1)  # some attempts
    assert sender.service.taken == []
    sender.service.refuse = None
    await until(lambda: sender.told)
    assert sender.told == {Fate.TAKEN: 1}


async def test_what_waits_is_bounded() -> None:
    waiting = Waiting(most=2, most_bytes=10)
    assert waiting.offer(Frame(b"12345678"))
    assert not waiting.offer(Frame(b"123"))
    assert waiting.offer(Frame(b"12"))
    assert not waiting.offer(Frame(b""))
    put: Awaitable[None] = asyncio.ensure_future(waiting.put(Frame(b"123")))
    await asyncio.sleep(0)
    waiting.done(1)
    await put
    assert (len(waiting.frames), waiting.octets) == (2, 5)


async def test_a_port_that_is_taken_is_said_and_tried_again(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.syslog.listener._AGAIN_AFTER", 0.02)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        listener = await sender.listen(port=holder.getsockname()[1])
        await until(lambda: listener.trouble)
        assert "cannot listen" in listener.trouble
    await until(lambda: not listener.trouble)


@pytest.mark.parametrize(
    ("listener", "says"),
    [
        ({"protocol": "udp", "port": 514, "format": "cef", "address": "0.0.0.0"}, "senders"),
        ({"protocol": "tls", "port": 6514, "format": "cef"}, "together"),
        ({"protocol": "udp", "port": 514, "format": "snort"}, "no alert source 'snort'"),
    ],
)
def test_what_the_configuration_refuses(listener: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Config.model_validate({"intake": {"syslog": [listener]}})


def test_it_is_off_by_default_and_on_loopback() -> None:
    assert Config().intake.syslog == ()
    one = SyslogListener.model_validate({"protocol": "udp", "port": 5514, "format": "cef"})
    assert (one.name, one.senders) == ("udp:127.0.0.1:5514", ())


HEADERS = st.sampled_from([frame.encode() for frame, _ in BODIES] + [b"<13>Feb  5 17:32:18 ids x: ", b"7 ", b""])
PIECE = (
    HEADERS
    | st.binary(max_size=30)
    | st.sampled_from([b"\n", b"12 ", b"999999999 ", b"\0", ALERT.encode(), CEF.encode()])
)


@pytest.mark.fuzz
@settings(deadline=None)
@given(pieces=st.lists(PIECE, max_size=8), steps=st.integers(1, 200), longest=st.integers(16, 4000))
def test_any_stream_is_cut_alike_and_loses_no_octet_unsaid(pieces: list[bytes], steps: int, longest: int) -> None:
    whole = b"".join(pieces)
    at_once, by_steps = Cutter(longest), Cutter(longest)
    first = [*at_once.feed(whole), *at_once.end()]
    second = [one for at in range(0, len(whole), steps) for one in by_steps.feed(whole[at : at + steps])]
    assert [*second, *by_steps.end()] == first
    assert all(frame.data for frame in first)
    if whole.strip(b"\r\n\0 \t"):
        assert first


@pytest.mark.fuzz
@settings(deadline=None)
@given(data=st.data())
def test_any_frame_is_an_alert_or_none_or_a_dead_letter_with_a_reason(data: st.DataObject) -> None:
    source = KNOWN[data.draw(st.sampled_from(sorted(KNOWN)))]
    sample = data.draw(st.sampled_from(samples(source.name)))[:4000]
    start = data.draw(st.integers(0, len(sample)))
    body = sample[:start] + data.draw(st.binary(max_size=12)) + sample[data.draw(st.integers(start, len(sample))) :]
    for frame in Cutter(LONGEST).feed(data.draw(HEADERS) + body.replace(b"\n", b" ") + b"\n"):
        events = list(events_of(frame, source))
        assert events
        for event in events:
            assert (event.fields is None) == bool(event.error)
            event.raw.encode()
            if event.fields is not None:
                feed(source, dict(event.fields))


LONGEST = 64 * 1024
