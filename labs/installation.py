"""A Netcordon of a lab's own, used as its users do: tokens and containments by the command line, alerts over HTTP."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import yaml

from labs.configuration import HERE, Places, configuration
from labs.process import STOP_PATIENCE, LabError, process, wait
from labs.scenario import Scenario
from topologies import ownership
from topologies.network import RunningNetwork
from topologies.plan import Host, NetworkPlan

START_PATIENCE = 60.0
COMMAND_PATIENCE = 120.0
HTTP_PATIENCE = 30.0
FOLDER_PREFIX, OWNER_FILE = "netcordon-lab-", "owner"
OTHER_ROLES = ("approver", "operator", "intake", "sensor")
"""Whose tokens the admin makes over HTTP: each start of the command line costs a second or more on a busy machine."""


@dataclass
class Installation:
    """`http` keeps one connection for the whole run: an alert's way does not begin with a handshake."""

    places: Places
    environment: Mapping[str, str]
    http: httpx.Client
    daemon: subprocess.Popen[bytes] | None = None
    speaker: subprocess.Popen[bytes] | None = None
    tokens: dict[str, str] = field(default_factory=dict)
    _running: ExitStack = field(default_factory=ExitStack)
    _apart: ExitStack = field(default_factory=ExitStack)
    _starts: Iterator[int] = field(default_factory=lambda: count(1))

    def command(self, *arguments: str, role: str = "operator", fine: Collection[int] = (0,)) -> dict[str, Any]:
        """What `netcordon ARGUMENTS --json` prints. Raises LabError for an exit code that is not among `fine`."""
        environment = {**self.environment, "NETCORDON_TOKEN": self.tokens.get(role, "")}
        done = subprocess.run(
            [netcordon(), *arguments, "--json"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_PATIENCE,
            check=False,
        )
        if done.returncode not in fine:
            said = (done.stderr or done.stdout).strip()
            raise LabError(f"netcordon {' '.join(arguments)} ended with {done.returncode}: {said}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    @contextmanager
    def serving(self) -> Iterator[None]:
        """`netcordon serve`, answering, for as long as the block; it may be killed and started again meanwhile."""
        with ExitStack() as self._running:
            self.start()
            yield

    def start(self) -> None:
        """Raises LabError with the log's end when it does not answer in time."""
        log = self.places.log(f"daemon{next(self._starts)}")
        self.daemon = self._running.enter_context(process([netcordon(), "serve"], log, self.environment))
        wait(lambda: _answers(self), "Netcordon to answer", START_PATIENCE, alive=self.daemon, log=log)

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """A speaker of its own, listening, for as long as the block; it may be killed and started again meanwhile."""
        with ExitStack() as self._apart:
            self.start_speaker()
            yield

    def start_speaker(self) -> None:
        """As its unit would: who listens is there when this returns. Raises LabError with the log's end when it is not in time."""
        self.places.speaker_socket.unlink(missing_ok=True)  # a killed one leaves it
        log = self.places.log(f"speaker{next(self._starts)}")
        self.speaker = self._apart.enter_context(process(_speaker(self.places), log, self.environment))
        wait(self.places.speaker_socket.exists, "the speaker", START_PATIENCE, alive=self.speaker, log=log)

    def kill(self) -> None:
        """With SIGKILL, by its process id; it is gone when this returns."""
        _kill(self.daemon)

    def stop(self) -> None:
        """With SIGTERM: it ends its speaker as well, which a killed one leaves running. It is gone when this returns."""
        if self.daemon is None:
            raise LabError("there is no process to stop")
        self.daemon.terminate()
        self.daemon.wait(STOP_PATIENCE)

    def kill_speaker(self) -> None:
        _kill(self.speaker)

    @contextmanager
    def another(self) -> Iterator[Installation]:
        """The same one, over a connection of its own: for another thread."""
        with httpx.Client(base_url=self.places.url, timeout=HTTP_PATIENCE) as http:
            yield Installation(self.places, self.environment, http, tokens=self.tokens)

    def get(self, path: str, **query: str) -> Any:
        return self.request("GET", path, "operator", params=query)

    def request(self, method: str, path: str, role: str, **content: Any) -> Any:
        """The body of a successful answer. Raises LabError, also when nobody answers."""
        headers = {"Authorization": f"Bearer {self.tokens[role]}"}
        try:
            answer = self.http.request(method, path, headers=headers, **content)
        except httpx.HTTPError as error:
            raise LabError(f"{method} {path}: {error}") from error
        if not answer.is_success:
            raise LabError(f"{method} {path} was answered with {answer.status_code}: {answer.text.strip()}")
        return answer.json()


def _kill(running: subprocess.Popen[bytes] | None) -> None:
    if running is None:
        raise LabError("there is no process to kill")
    running.kill()
    running.wait()


def netcordon() -> str:
    """The command that belongs to this Python, else the one in PATH. Raises LabError."""
    beside = Path(sys.executable).parent / "netcordon"
    found = str(beside) if beside.exists() else shutil.which("netcordon")
    if found is None:
        raise LabError("the command netcordon is not installed: pip install netcordon[lab]")
    return found


def called() -> str:
    """How to type it in the shell that started us: by name where PATH has this very one, else by its path from here."""
    path = Path(netcordon())
    on_path = shutil.which("netcordon")
    if on_path is not None and Path(on_path).resolve() == path.resolve():
        return "netcordon"
    return shlex.quote(os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path))


@contextmanager
def places() -> Iterator[Places]:
    """A folder with mode 0700, gone afterwards, and two ports that nobody listens on."""
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    (folder / OWNER_FILE).write_text(ownership.mark(os.getpid()))
    try:
        yield Places(folder, *free_ports(2))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def abandoned_folders() -> list[Path]:
    """Folders of lab runs that are no more: they hold tokens and a database."""
    abandoned = []
    for mark in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*/{OWNER_FILE}"):
        with suppress(FileNotFoundError):  # another run just took its own folder away
            if not ownership.alive(mark.read_text()):
                abandoned.append(mark.parent)
    return abandoned


def keep_logs(where: Places) -> str:
    """A folder that outlives the run, with its logs and nothing secret."""
    kept = tempfile.mkdtemp(prefix="netcordon-lab-logs-")
    for log in where.folder.glob("*.log"):
        shutil.copy(log, kept)
    return kept


def free_ports(number: int) -> list[int]:
    """Ports that are free now. Somebody may take one meanwhile: the daemon then says so and the lab ends."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server((HERE, 0))) for _ in range(number)]
        return [int(one.getsockname()[1]) for one in sockets]


@contextmanager
def installed(scenario: Scenario, plan: NetworkPlan, where: Places) -> Iterator[Installation]:
    """As `installed_by`, for a scenario on a plan."""
    with installed_by(configuration(scenario, plan, where), where, speaker_apart=scenario.speaker_apart) as one:
        yield one


@contextmanager
def installed_by(settings: Mapping[str, Any], where: Places, *, speaker_apart: bool = False) -> Iterator[Installation]:
    """Configured, with tokens, and serving; ended afterwards by its process id. Raises LabError with the log's end."""
    where.configuration.write_text(yaml.safe_dump(settings, sort_keys=False))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("NETCORDON_")},
        "NETCORDON_CONFIG": str(where.configuration),
        "NETCORDON_URL": where.url,
    }
    with httpx.Client(base_url=where.url, timeout=HTTP_PATIENCE) as http:
        installation = Installation(where, environment, http)
        first = installation.command("token", "add", "lab-admin", "--role", "admin", "--offline")["token"]
        _keep_token(installation, "admin", first)
        with ExitStack() as stack:
            if speaker_apart:
                stack.enter_context(installation.speaking())
            stack.enter_context(installation.serving())
            for role in OTHER_ROLES:
                body = {"name": f"lab-{role}", "role": role}
                _keep_token(
                    installation, role, installation.request("POST", "/api/v1/tokens", "admin", json=body)["token"]
                )
            yield installation


def _keep_token(installation: Installation, role: str, secret: str) -> None:
    """Also in a file, for whoever looks around in a lab that was kept."""
    installation.tokens[role] = secret
    _write_secret(installation.places.token(role), secret)


def _speaker(where: Places) -> list[str]:
    """As a unit of its own would start it."""
    listen = f"{HERE}:{where.openflow_port}"
    return [sys.executable, "-m", "drivers.openflow.speaker", "--socket", str(where.speaker_socket), "--listen", listen]


def _write_secret(path: Path, secret: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret + "\n")


def _answers(installation: Installation) -> bool:
    try:
        return bool(installation.request("GET", "/healthz", "admin"))
    except LabError:
        return False


@contextmanager
def sensor(installation: Installation, network: RunningNetwork, host: Host) -> Iterator[None]:
    """`netcordon sensor run` inside the network, on this host. It reaches the daemon over its Unix socket."""
    where = installation.places
    command = ["sensor", "run", "--name", "lab", "--interface", host.interface, "--url", f"unix:{where.api_socket}"]
    environment = {**installation.environment, "NETCORDON_TOKEN": installation.tokens["sensor"]}
    with process([*network.inside(host), netcordon(), *command], where.log("sensor"), environment):
        yield
