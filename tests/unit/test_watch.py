"""A followed file's lines through the daemon: alerts as if they were posted, dead letters for what cannot be read, and each once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from controller.alerts import Alerts
from controller.config import Config
from controller.daemon import Daemon
from controller.errors import StoreUnavailable
from controller.store import Store
from controller.tail import watch as watch_module
from tests.campus import NOW, campus
from tests.unit.store_cases import Clock

EVE = Path(__file__).with_name("suricata_eve.jsonl")


def record(n: int, **more: Any) -> str:
    alert = {"signature": "worm", "signature_id": 9, "gid": 1, "rev": 1, "severity": 1}
    said = {
        "timestamp": datetime.fromtimestamp(NOW, UTC).isoformat(),
        "event_type": "alert",
        "flow_id": n,
        "alert": alert,
    }
    return json.dumps(said | {"src_ip": "10.0.0.66", "dest_ip": "10.0.0.9", "proto": "TCP"} | more)


def configuration(path: Path, format: str = "suricata", start: str = "beginning") -> dict[str, Any]:
    return {
        "intake": {"files": [{"path": str(path), "format": format, "start": start}]},
        "policy": {
            "incriminate": [{"name": "scans", "culprit": "source"}],
            "rules": [{"name": "all", "mode": "propose"}],
        },
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "eve.json"


Start = Callable[..., Awaitable[Daemon]]


@pytest.fixture
async def start(tmp_path: Path, file: Path) -> AsyncIterator[Start]:
    """`await start()`: a daemon that follows the file, on the same database each time; the one before has ended without a word."""
    stores: list[Store] = []

    async def starting(**how: str) -> Daemon:
        for store in stores:
            await store.close()
        stores.clear()
        clock = Clock()
        clock.now = NOW
        store = await Store.open(f"sqlite:///{tmp_path}/netcordon.db", now=clock)
        stores.append(store)
        config = configuration(file, **how)
        made = Daemon(Config.model_validate(config), store, clock)
        net = campus(**config)
        net.keeps_saying("10.0.0.66", 6, 3, since=600)
        made.network.graph, made.network.bindings = net.network.graph, net.network.bindings
        return made

    yield starting
    for store in stores:
        await store.close()


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    """What it gives once that is something."""
    found = await look()
    for _ in range(3000):
        if found:
            break
        await asyncio.sleep(0.01)
        found = await look()
    return found


async def drained(daemon: Daemon) -> None:
    while await daemon.watches[0].step():
        pass


async def test_what_is_written_is_taken_once_over_restarts(file: Path, start: Start) -> None:
    daemon = await start()
    file.write_text(record(1) + "\n" + record(2) + "\n")
    await drained(daemon)
    daemon = await start()
    with file.open("a") as writer:
        writer.write(record(2) + "\n" + record(3))
    await drained(daemon)
    assert len(await daemon.store.alerts()) == 2
    with file.open("a") as writer:
        writer.write("\n")
    await drained(daemon)
    assert sorted(json.loads(one.raw)["flow_id"] for one in await daemon.store.alerts()) == [1, 2, 3]
    assert [one.times for one in await daemon.store.proposals()] == [3]
    assert await daemon.store.dead_letters() == []


async def test_each_line_that_cannot_be_read_is_a_dead_letter_of_its_own(file: Path, start: Start) -> None:
    daemon = await start()
    lines = ["nonsense", "more of it", '{"event_type": "alert"}', '{"event_type": "flow"}', "x" * 2_000_000, record(1)]
    file.write_text("".join(f"{line}\n" for line in lines))
    await drained(daemon)
    letters = {one.raw[:30]: one.reason for one in await daemon.store.dead_letters()}
    assert len(letters) == 4
    assert "not JSON" in letters["nonsense"]
    assert "not JSON" in letters["more of it"]
    assert "suricata: timestamp" in letters['{"event_type": "alert"}']
    assert letters["x" * 30] == "suricata: a line of more than 1024 KiB"
    assert len(await daemon.store.alerts()) == 1
    daemon = await start()
    await drained(daemon)
    assert len(await daemon.store.dead_letters()) == 4


async def test_suricatas_own_log_says_what_it_says_when_posted(file: Path, start: Start) -> None:
    file.write_bytes(EVE.read_bytes())
    daemon = await start()
    await drained(daemon)
    records = [json.loads(line) for line in EVE.read_text().splitlines()]
    alerts = [one for one in records if one.get("event_type") == "alert"]
    letters = await daemon.store.dead_letters()
    assert len(alerts) == 3
    assert len(await daemon.store.alerts(1000)) + len(letters) == len(alerts)


async def test_a_table_is_read_under_its_header(file: Path, start: Start) -> None:
    daemon = await start(format="zeek")
    header = "#separator \\x09\n#set_separator\t,\n#path\tnotice\n#fields\tts\tnote\tsrc\n"
    file.write_text(header + "1769860800.0\tScan::Port_Scan\t10.0.0.66\n")
    await drained(daemon)
    daemon = await start(format="zeek")
    with file.open("a") as writer:
        writer.write("1769860801.0\tScan::Port_Scan\t10.0.0.66\nshort\n#close\tnow\n")
    await drained(daemon)
    assert len(await daemon.store.alerts()) == 2
    assert [one.reason for one in await daemon.store.dead_letters()] == [
        "zeek: 1 values under a #fields header that names 3"
    ]


async def test_lines_wait_for_the_database(file: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = await start()
    file.write_text(record(1) + "\n")

    async def away(*_: object) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(daemon.store, "save_proposal", away)
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await drained(daemon)
    await drained(daemon)
    (taken,) = await daemon.store.alerts()
    assert taken.disposition != "", "it was kept when it came, and dealt with once that was possible"


async def test_lines_at_which_it_breaks_are_kept_and_do_not_stop_the_rest(
    file: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = await start()
    monkeypatch.setattr(watch_module, "AGAIN_AFTER", 0.0)
    monkeypatch.setattr(watch_module, "LOOK_EVERY", 0.001)
    take = Alerts.take

    async def breaks(self: Alerts, alert: Any, raw: str) -> Any:
        if "poison" in raw:
            raise ZeroDivisionError
        return await take(self, alert, raw)

    monkeypatch.setattr(Alerts, "take", breaks)
    file.write_text(record(1, poison=True) + "\n")
    running = asyncio.create_task(daemon.watches[0].run())
    async with asyncio.timeout(30):
        letters = await until(daemon.store.dead_letters)
        with file.open("a") as writer:
            writer.write(record(2) + "\n")
        await until(daemon.store.alerts)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await daemon.watches[0].close()
    assert [one.reason for one in letters] == ["could not be taken: ZeroDivisionError"]
    assert len(await daemon.store.dead_letters()) == 1


async def test_a_path_that_cannot_be_read_is_said_and_tried_again(
    file: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "AGAIN_AFTER", 0.01)
    file.mkdir()
    daemon = await start()
    running = asyncio.create_task(daemon.watches[0].run())
    async with asyncio.timeout(30):
        await until(lambda: asyncio.sleep(0, daemon.watches[0].trouble))
        assert any("is no regular file" in one for one in daemon.ready())
        file.rmdir()
        file.write_text(record(1) + "\n")
        await until(daemon.store.alerts)
    assert daemon.watches[0].trouble == ""
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await daemon.watches[0].close()


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([{"path": "/var/log/eve.json", "format": "snort"}], "no alert source 'snort'; known are suricata"),
        ([{"path": "eve.json", "format": "suricata"}], "write the whole path, from the root"),
        ([{"path": "/a", "format": "zeek"}, {"path": "/a", "format": "suricata"}], "/a is followed already"),
        ([{"path": "/a", "format": "zeek", "start": "middle"}], "'end' or 'beginning'"),
    ],
)
def test_what_cannot_be_followed_is_an_error_of_the_configuration(files: list[dict[str, str]], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Config.model_validate({"intake": {"files": files}})
