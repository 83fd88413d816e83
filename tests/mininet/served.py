"""`netcordon serve` as a process of a test's own, which it starts, ends and kills, and speaks to as users do."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import yaml

from controller.api.listings import AlertResult, AuditRecordView
from controller.api.schemas import ContainmentView
from controller.client import Address, ApiError, Client
from controller.connection import RequestRefused
from controller.roles import Role
from drivers.base import DeviceUnreachable
from drivers.openflow.link import SpeakerLink
from labs.configuration import Places
from labs.installation import netcordon
from labs.process import process, wait

PATIENCE = 30.0
T = TypeVar("T")
Words = dict[str, Any]


def until(what: str, seen: Callable[[], T], patience: float = PATIENCE) -> T:
    """What `seen` returns as soon as that is true; fails with what it returned last."""
    last: list[object] = [None]

    def look() -> T:
        last[0] = found = seen()
        return found

    return wait(look, what, patience, seen=lambda: repr(last[0]))


@dataclass
class Netcordon:
    """The daemon as its users have it: started, ended and killed at will. `said` is what its commands printed."""

    places: Places
    settings: Words
    said: list[str] = field(default_factory=list)
    tokens: dict[Role, str] = field(default_factory=dict)
    clients: dict[Role, Client] = field(default_factory=dict)
    daemon: subprocess.Popen[bytes] | None = None
    log: Path | None = None
    _running: ExitStack = field(default_factory=ExitStack)
    _starts: Iterator[int] = field(default_factory=lambda: count(1))

    def install(self) -> None:
        self.places.configuration.write_text(yaml.safe_dump(self.settings, sort_keys=False))
        admin = self.cli("token", "add", "root", "--role", "admin", "--offline", "--json")
        assert admin.returncode == 0, admin
        self.tokens[Role.ADMIN] = json.loads(admin.stdout)["token"]
        self.said.remove(admin.stdout)  # the one time that it is meant to be shown

    def start(self) -> None:
        self.log = self.places.log(f"daemon{next(self._starts)}")
        self.daemon = self._running.enter_context(process([netcordon(), "serve"], self.log, self.environment()))
        url = f"unix:{self.places.api_socket}"
        admin = self.clients[Role.ADMIN] = Client.connect(Address(url, self.tokens[Role.ADMIN]))
        wait(lambda: answers(admin), "the daemon to answer", PATIENCE, alive=self.daemon, log=self.log)
        for role in (Role.OPERATOR, Role.INTAKE):
            if role not in self.tokens:
                self.tokens[role] = admin.add_token(role.value, role).token
            self.clients[role] = Client.connect(Address(url, self.tokens[role]))

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code, once it is gone."""
        assert self.daemon is not None
        self.daemon.send_signal(how)
        code = self.daemon.wait(PATIENCE)
        self._running.close()
        for client in self.clients.values():
            client.close()
        return code

    def close(self) -> None:
        """The speaker as well, where it was to be kept."""
        self._running.close()
        with suppress(DeviceUnreachable, ProcessLookupError):
            os.kill(self.speaker()["pid"], signal.SIGTERM)

    def environment(self) -> dict[str, str]:
        """What a command is run with: as the operator, once there is one."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("NETCORDON_")}
        wanted = {"NETCORDON_CONFIG": str(self.places.configuration), "NETCORDON_URL": self.places.url}
        return ours | wanted | {"NETCORDON_TOKEN": self.tokens.get(Role.OPERATOR, "")}

    def cli(
        self, *words: str, environment: Mapping[str, str] = MappingProxyType({})
    ) -> subprocess.CompletedProcess[str]:
        """`netcordon WORDS` as a person types it. What it says is kept, for `logs`."""
        done = subprocess.run(
            [netcordon(), *words],
            env={**self.environment(), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        self.said += [done.stdout, done.stderr]
        return done

    def logs(self) -> str:
        """All that any of its processes and commands said."""
        return "\n".join([*(log.read_text() for log in self.places.folder.glob("*.log")), *self.said])

    def speaker(self, dpid: int | None = None) -> Words:
        """The speaker's process id and runtime, and the session of a switch as it knows it."""
        return asyncio.run(_ask_speaker(self.places.folder / "speaker.sock", dpid))

    @property
    def operator(self) -> Client:
        return self.clients[Role.OPERATOR]

    def case(self, id: str) -> ContainmentView:
        return self.operator.containment(id)

    def outcome(self, id: str, *wanted: str, patience: float = PATIENCE) -> ContainmentView:
        """The case, once its outcome is one of these."""
        seen: list[ContainmentView] = []

        def there() -> bool:
            seen[:] = [self.case(id)]
            return seen[0].outcome in wanted

        what = f"{id} to be {' or '.join(wanted)}"
        wait(there, what, patience, seen=lambda: _in_short(seen[0]), alive=self.daemon, log=self.log)
        return seen[0]

    def contain(self, target: str, *wanted: str, **wish: Any) -> ContainmentView:
        """The case; `wanted` names outcomes to wait for. Right after a switch came up, a contain is refused for some seconds."""
        (case,) = until("a settled place", lambda: self._contained(target, wish))
        return self.outcome(case.id, *wanted) if wanted else case

    def _contained(self, target: str, wish: Words) -> list[ContainmentView]:
        try:
            return [self.operator.contain(target, reason="a test", **wish).containment]
        except RequestRefused as error:
            if "came up a moment ago" not in str(error):
                raise
            return []

    def alert(self, signature: str, at: float | None = None, id: str | None = None, **ends: str) -> AlertResult:
        """What became of an alert about these ends: `src`, `dst`. `at` is in seconds since the epoch."""
        record: Words = {name: {"ip": ip} for name, ip in ends.items()} | {"signature": signature}
        record["observed_at"] = datetime.fromtimestamp(time.time() if at is None else at, UTC).isoformat()
        record |= {} if id is None else {"id": id}
        (result,) = self.clients[Role.INTAKE].send_alerts("generic", json.dumps(record).encode()).results
        return result

    def audit(self, id: str, action: str) -> list[AuditRecordView]:
        records = self.operator.audit_records(limit=1000)
        return [one for one in records if one.subject == id and one.action == action]

    def went(self, id: str) -> list[str]:
        """The outcomes that the audit log has of a case, in order."""
        return [one.detail["to"] for one in self.audit(id, "outcome")] + ["proven"] * len(self.audit(id, "proven"))


async def _ask_speaker(path: Path, dpid: int | None) -> Words:
    link = SpeakerLink(path)
    try:
        await link.start()
        session = {} if dpid is None else await link.request("switch", 10, dpid=dpid)
        return session | {"pid": int(link.speaker["pid"]), "runtime": link.speaker["runtime"]}
    finally:
        await link.close()


def _in_short(case: ContainmentView) -> tuple[str, str, str, list[str]]:
    return case.want, case.outcome, case.unproven, [f"{one.outcome}: {one.reason}" for one in case.devices]


def answers(client: Client) -> bool:
    try:
        client.readiness()
    except ApiError:
        return False
    return True
