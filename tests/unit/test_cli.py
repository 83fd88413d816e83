"""The command line as people and programs use it, over HTTP, against a daemon that decides nothing."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import networkx
import pytest
from typer.core import TyperGroup

from controller.api.app import create_app
from controller.api.server import ApiServers
from controller.cli import completion
from controller.cli.exit_codes import ExitCode
from controller.cli.main import COMMANDS, group, run
from controller.config import Listen
from controller.crawl import Crawl
from controller.doctor.finding import Finding, Severity
from controller.errors import Conflict, NetcordonError, RefusalCode, Refused, StoreUnavailable
from controller.freezes import Freeze, in_force
from controller.intake import SOURCES
from controller.live import Live
from controller.model import Hop, Located, Location, Looks, Managed, OnExpiry, Outcome, Proof, Reach, Target
from controller.neutralize import neutralize
from controller.requests import ContainRequest, DeviceView, Preview
from controller.roles import Role
from controller.store import Proposal, Store
from drivers.rules import PortName, parse_mac
from tests.unit.fake_service import HOSTILE, FakeService, refused
from tests.unit.store_cases import START, Clock, converge, draft, endpoint, nothing

EVE = Path(__file__).parent / "suricata_eve.jsonl"
GENERIC = {"observed_at": "2026-01-31T12:00:00Z", "signature": "\x1b[2Jseen", "src": {"ip": "10.0.0.66"}}
_DEADLINE = 20.0


@dataclass
class Daemon:
    """Runs in a thread of its own. `tell` runs a coroutine there."""

    service: FakeService
    loop: asyncio.AbstractEventLoop
    tokens: Mapping[Role, str]
    url: str
    socket: Path

    def tell(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(_DEADLINE)


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Ended]


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="daemon")
    thread.start()

    def here(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(_DEADLINE)

    path = tmp_path / "api.sock"
    store: Store = here(Store.open(f"sqlite:///{tmp_path}/netcordon.db", Clock()))
    service = FakeService(store)
    servers = ApiServers(create_app(service), Listen(port=0, socket=path))
    here(servers.start())
    tokens = {role: here(store.add_token(role.value, role)) for role in (Role.ADMIN, Role.VIEWER)}
    monkeypatch.setenv("NETCORDON_URL", servers.url)
    monkeypatch.setenv("NETCORDON_TOKEN", tokens[Role.ADMIN])
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    yield Daemon(service, loop, tokens, servers.url, path)
    here(servers.stop())
    here(store.close())
    loop.call_soon_threadsafe(loop.stop)
    thread.join(_DEADLINE)
    loop.close()


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run one command line in this process. No secret is ever on its output, and nothing that acts on a terminal."""

    def call(*arguments: str, stdin: bytes = b"", may_show_token: bool = False) -> Ended:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = run(arguments)
        out, err = capsys.readouterr()
        assert re.fullmatch(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]*", out + err)
        assert may_show_token or "nct_" not in out + err
        assert "Traceback" not in err
        return Ended(code, out, err)

    return call


# --- help -------------------------------------------------------------------------------------------------------------


def test_help_names_every_command_and_imports_none() -> None:
    script = (
        "import sys; from controller.cli.main import run; run(['--help'])\n"
        "heavy = {'httpx', 'pydantic', 'sqlalchemy', 'fastapi', 'rich', 'scapy', 'labs', 'networkx', 'os_ken'}\n"
        "sys.exit('imported: ' + ', '.join(sorted(heavy & sys.modules.keys())) if heavy & sys.modules.keys() else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in (*COMMANDS, "lab"):
        assert re.search(rf"^  {name} ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(command: Command, name: str) -> None:
    ended = command(name, "--help")
    assert ended.code == 0
    assert "Usage: netcordon" in ended.out
    assert COMMANDS[name].help[:10] in ended.out or "Commands:" in ended.out or ended.out.count("\n") > 5


@pytest.mark.parametrize(
    "words",
    [
        *([name] for name in COMMANDS if name not in ("alert", "audit", "policy", "token", "sensor", "serve")),
        ["alert", "send"],
        ["alert", "list"],
        ["alert", "dead-letters"],
        ["alert", "replay"],
        ["audit", "verify"],
        ["audit", "list"],
        *(["policy", name] for name in ("show", "test", "reload", "replay")),
        ["serve"],
        ["token", "add"],
        ["token", "list"],
        ["token", "revoke"],
    ],
)
def test_every_command_speaks_json(command: Command, words: list[str]) -> None:
    assert "--json" in command(*words, "--help").out


@pytest.mark.parametrize(
    "words",
    [
        *([name] for name in COMMANDS if name not in ("alert", "audit", "policy", "token", "sensor")),
        *(["alert", name] for name in ("send", "list", "dead-letters", "replay")),
        *(["audit", name] for name in ("verify", "list")),
        *(["policy", name] for name in ("show", "test", "reload", "replay")),
        *(["token", name] for name in ("add", "list", "revoke")),
        ["sensor", "run"],
        *(["endpoints", name] for name in ("join", "split")),
    ],
    ids=" ".join,
)
def test_every_help_has_an_example_that_parses(command: Command, words: list[str]) -> None:
    help = " ".join(command(*words, "--help").out.split())
    (example,) = re.findall(r"Example: netcordon ((?:(?!Arguments:|Options:).)+)", help)
    given = example.split()
    assert given[: len(words)] == words
    current: Any = group()
    for word in words:
        current = current.get_command(None, word)
    current.make_context(words[-1], given[len(words) :])


def test_the_help_of_contain_says_what_waiting_means(command: Command) -> None:
    assert "proven on the wire" in " ".join(command("contain", "--help").out.split())


def test_a_mistyped_command_is_a_usage_error_with_a_suggestion(command: Command) -> None:
    ended = command("contian", "10.0.0.1")
    assert ended.code == ExitCode.USAGE
    assert "'contain'" in ended.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["contian", "10.0.0.1"], "'contain'"),
        (["plan"], "target"),
        (["list", "--limit", "0"], "--limit"),
        (["list", "--no-such"], "--no-such"),
        (["alert", "send", "x"], "--source"),
    ],
)
def test_a_usage_error_is_one_json_object_too(command: Command, words: list[str], says: str) -> None:
    ended = command(*words, "--json")
    assert ended.code == ExitCode.USAGE
    assert ended.json["error"] == "usage"
    assert says in ended.json["message"]
    assert "--help" in ended.json["hint"]
    assert ended.err == ""


def test_version(command: Command) -> None:
    assert re.fullmatch(r"netcordon \d+\.\d+\.\d+\n", command("--version").out)


# --- contain ----------------------------------------------------------------------------------------------------------


def test_the_plan_is_shown_as_a_diff_with_its_evidence_and_proof(daemon: Daemon, command: Command) -> None:
    ended = command("contain", "10.0.0.1", "--dry-run")
    assert ended.code == ExitCode.OK
    for line in (
        "10.0.0.1 is 02:00:00:00:00:01, 10.0.0.1, fd00::1 at s1:eth1  (confidence 0.98)",
        "    + ARP 2 s before",
        "  # s1",
        "    + deny from eth1",
        "    ~ port eth1: flood",
        "    - \\x1b[31mred\\u202e [bold]not markup[/bold]\\nnext",
        "Plan: 1 to add, 1 to change, 1 to remove.",
        "Proof holds on the model of the network:",
        "  blocked: 1",
        "  residual: none",
        "  collateral: none",
        "  management of s1: unknown",
    ):
        assert line in ended.out.splitlines(), line
    assert "Nothing was changed" in ended.err
    assert command("list", "--json").json == {"containments": []}


def test_without_a_terminal_and_without_yes_nothing_is_done(daemon: Daemon, command: Command) -> None:
    ended = command("contain", "10.0.0.1", stdin=b"yes\n")
    assert ended.code == ExitCode.USAGE
    assert "netcordon contain 10.0.0.1 --yes" in ended.err
    assert command("list", "--json").json == {"containments": []}


def test_yes_acts_and_says_how_to_undo(daemon: Daemon, command: Command) -> None:
    ended = command("contain", "10.0.0.1", "--yes", "--for", "30m", "--reason", "by hand")
    assert ended.code == ExitCode.OK
    (case,) = command("list", "--json").json["containments"]
    assert f"netcordon release {case['id']}" in ended.err
    assert "deny from eth1" in ended.out
    wish = daemon.service.requests[-1]
    assert "table=0" not in ended.out
    assert "netcordon plan 10.0.0.1" in ended.err, "the switch's own words are not shown before the question"
    assert (wish.duration, wish.reason, wish.by) == (1800.0, "by hand", "admin")
    assert wish.key
    assert "table=0" in command("plan", "10.0.0.1").out


def test_on_a_terminal_only_the_whole_word_counts(daemon: Daemon) -> None:
    assert _on_a_terminal("y\n", "contain", "10.0.0.1") == ExitCode.ERROR
    assert daemon.tell(daemon.service.store.containments()) == []
    assert _on_a_terminal("yes\n", "contain", "10.0.0.1") == ExitCode.OK
    assert len(daemon.tell(daemon.service.store.containments())) == 1


def test_json_is_one_value_and_asks_nobody(daemon: Daemon, command: Command) -> None:
    assert command("contain", "10.0.0.1", "--json").json["error"] == "invalid-input"
    made = command("contain", "10.0.0.1", "--json", "--yes")
    assert made.json["created"]
    assert made.err == ""
    assert command("plan", "10.0.0.1", "--json").json["changes"]["s1"][0]["sign"] == "+"


def test_a_refusal_shows_what_was_found_out_and_what_to_do(daemon: Daemon, command: Command) -> None:
    daemon.service.refuse = refused()
    for words in (["contain", "10.0.0.1", "--yes"], ["plan", "10.0.0.1"], ["contain", "10.0.0.1", "--dry-run"]):
        ended = command(*words)
        assert ended.code == ExitCode.REFUSED
        assert "at s1:eth1" in ended.out
        assert "--override" in ended.err
    assert command("contain", "10.0.0.1", "--yes", "--json").json["error"] == "protected"
    planned = command("plan", "10.0.0.1", "--json")
    assert (planned.code, planned.json["refusal"]["code"]) == (ExitCode.REFUSED, "protected")


@pytest.mark.parametrize(
    ("then", "until", "code"),
    [
        (Outcome.PROVEN, "proven", ExitCode.OK),
        (Outcome.INSTALLED, "installed", ExitCode.OK),
        (Outcome.INSTALLED, "proven", ExitCode.UNPROVEN),
        (Outcome.FAILED, "proven", ExitCode.FAILED),
        (None, "installed", ExitCode.UNPROVEN),
    ],
)
def test_waiting_ends_with_what_was_seen(
    daemon: Daemon, command: Command, then: Outcome | None, until: str, code: ExitCode
) -> None:
    daemon.service.then = then
    ended = command("contain", "10.0.0.1", "--yes", "--wait", "--until", until, "--timeout", "1s")
    assert ended.code == code
    assert then is None or then.value in ended.err


def test_waiting_with_json_tells_the_end_alone(daemon: Daemon, command: Command) -> None:
    daemon.service.then = Outcome.PROVEN
    ended = command("contain", "10.0.0.1", "--yes", "--wait", "--json")
    assert ended.json["containment"]["outcome"] == "proven"
    assert ended.err == ""


def test_release_by_target_by_id_and_all(daemon: Daemon, command: Command) -> None:
    daemon.service.then = Outcome.INSTALLED
    for number in (1, 2, 3, 4):
        command("contain", f"10.0.0.{number}", "--yes", "--json", "--wait", "--until", "installed")
    (released,) = command("release", "10.0.0.1", "--reason", "clean", "--wait", "--json").json["released"]
    assert (released["want"], released["outcome"]) == ("released", "removed")
    asked = command("release", "10.0.0.3")
    assert "netcordon release 10.0.0.3 --wait" in asked.err or "removed" in asked.out
    second = next(c for c in command("list", "--json").json["containments"] if c["target"] == "10.0.0.2")
    assert command("release", second["id"]).code == ExitCode.OK
    unasked = command("release", "--all", "--json")
    assert (unasked.code, unasked.json["error"]) == (ExitCode.USAGE, "invalid-input")
    assert "netcordon release --all --yes" in command("release", "--all").err
    assert len(command("release", "--all", "--json", "--yes").json["released"]) == 1
    assert command("release", "--all").code == ExitCode.OK  # there is nothing to ask about
    assert command("release", "10.0.0.1").code == ExitCode.NOT_FOUND
    assert command("release").code == command("release", "10.0.0.1", "--all").code == ExitCode.USAGE
    assert "nothing is contained" in command("list").err
    assert command("list", "--all").out.count("released") == 4


def test_a_full_disk_behind_the_output_is_said(daemon: Daemon) -> None:
    words = [sys.executable, "-c", "from controller.cli.main import main; main()", "plan", "10.0.0.1"]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == ExitCode.ERROR
    assert "could not be written: No space left on device" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_automatic_action_is_paused_shown_and_resumed(daemon: Daemon, command: Command) -> None:
    assert "automatic action" in command("status").out
    assert command("pause").code == ExitCode.USAGE, "a reason is asked for"
    assert "is PAUSED since" in command("pause", "--reason", "INC-1").out
    state = command("status", "--json").json["automation"]
    assert (state["paused"], state["reason"], state["cause"]) == (True, "INC-1", "person")
    assert "INC-1" in command("status").out
    assert command("resume", "--reason", "mended", "--json").json["paused"] is False
    command("contain", "10.0.0.1")
    assert "is PAUSED since" in command("release", "--all", "--yes").err
    assert command("status", "--json").json["automation"]["reason"] == "release --all"


def test_a_dry_run_of_an_approval_shows_its_plan_and_says_nothing(daemon: Daemon, command: Command) -> None:
    proposed = command("contain", "10.0.0.1", "--propose", "--reason", "look", "--json").json
    shown = command("approve", proposed["id"], "--dry-run")
    assert (shown.code, "What would change" in shown.out) == (0, True)
    assert "Nothing was said and nothing was changed" in shown.err
    assert command("approve", proposed["id"], "--dry-run", "--json").json["decision"]["profile"] == "full"
    assert command("proposals", "--json").json[0]["approved_by"] == []
    daemon.service.refuse = Refused(RefusalCode.PROTECTED, "it is the domain controller")
    assert command("approve", proposed["id"], "--dry-run").code == ExitCode.REFUSED


def test_a_change_freeze_is_shown_with_its_end_and_what_it_refuses_has_its_own_word(
    daemon: Daemon, command: Command
) -> None:
    freeze = Freeze(name="year-end", start="2027-01-15", end="2027-01-16", sites=frozenset({"hq"}), why=HOSTILE)
    daemon.service.freezes = (in_force([freeze], 1_800_000_000.0)[0],)
    shown = command("status").out
    assert "year-end, site hq, until 2027-01-16" in shown
    (one,) = command("status", "--json").json["freezes"]
    assert (one["name"], one["where"], one["until"]) == ("year-end", "site hq", "2027-01-16T00:00:00Z")
    command("contain", "10.0.0.1", "--yes")
    daemon.service.refuse = Refused(RefusalCode.FROZEN, "change freeze 'year-end' is in force until 2027-01-16")
    ended = command("extend", "10.0.0.1", "--for", "9h", "--json")
    assert (ended.code, ended.json["error"]) == (ExitCode.REFUSED, "frozen")
    assert "until 2027-01-16" in ended.json["message"]
    assert "release and --shorten always go" in ended.json["hint"]


def test_releasing_all_shows_what_is_held_and_asks_on_a_terminal(daemon: Daemon, command: Command) -> None:
    for number in (1, 2):
        command("contain", f"10.0.0.{number}", "--yes", "--json")
    assert _on_a_terminal("y\n", "release", "--all") == ExitCode.ERROR
    assert len(command("list", "--json").json["containments"]) == 2
    assert _on_a_terminal("yes\n", "release", "--all") == ExitCode.OK
    assert command("list", "--json").json["containments"] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["plan", "printer"], "not a target: 'printer'"),
        (["plan", "10.0.0.1", "--for", "3x"], "--for: not a span of time: '3x'"),
        (["contain", "10.0.0.1", "--yes", "--for", "soon"], "--for: not a span of time: 'soon'"),
        (["contain", "10.0.0.1", "--yes", "--timeout", "x"], "--timeout: not a span of time"),
        (["contain", "10.0.0.1", "--yes", "--until", "installed"], "add --wait"),
        (["release", "printer"], "or a containment's id"),
        (["extend", "10.0.0.1", "--for", "3x"], "--for: not a span of time: '3x'"),
        (["extend", "10.0.0.1", "--until", "yesterday"], "--until: not a time: 'yesterday'"),
        (["extend", "10.0.0.1", "--until", "2030-01-01T00:00:00"], "has no time zone: write 2030-01-01T00:00:00Z"),
        (["show", "printer"], "or a containment's id"),
        (["watch", "printer"], "or a containment's id"),
        (["locate", "printer"], "not a target"),
        (["locate", "10.0.0.1", "--at", "1.2.3m"], "--at: not a time: '1.2.3m'; write it as"),
        (["bindings", "10.0.0.1", "--at", "0m"], "--at: not a time: '0m'"),
    ],
)
def test_what_is_mistyped_is_said_to_be_so_also_where_no_daemon_runs(
    words: list[str], says: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETCORDON_URL", "http://127.0.0.1:1")
    ended = command(*words)
    assert ended.code == ExitCode.USAGE
    assert says in ended.err


def test_a_device_is_named_by_its_id_or_its_own_name(daemon: Daemon, command: Command) -> None:
    command("contain", "10.0.0.1", "--yes", "--json")
    (device,) = {one["id"]: one for one in command("devices", "--json").json if one["id"] == "s1"}.values()
    for name in (device["id"], device["description"] or device["id"]):
        assert len(command("list", "--device", name, "--json").json["containments"]) == 1
    unknown = command("list", "--device", "s9", "--json")
    assert (unknown.code, unknown.json["error"]) == (ExitCode.NOT_FOUND, "not-found")
    assert "`netcordon devices` lists" in unknown.json["message"]


def test_hints_name_the_command_that_was_typed(daemon: Daemon, command: Command) -> None:
    assert "`netcordon token add --help` has an example" in command("token", "add", "a b", "--role", "viewer").err
    assert "`netcordon token revoke admin` first" in command("token", "add", "admin", "--role", "viewer").err
    assert "`netcordon token list` names them" in command("token", "revoke", "nobody").err
    assert "Value error" not in command("token", "add", "x", "--role", "boss").err


def test_extending_moves_the_end_and_tells_what_to_do_when_it_is_over(daemon: Daemon, command: Command) -> None:
    case = command("contain", "10.0.0.1", "--yes", "--json", "--on-expiry", "ask").json["containment"]
    assert daemon.service.requests[-1].on_expiry == "ask"
    longer = command("extend", "10.0.0.1", "--for", "9h", "--json").json
    assert (longer["id"], longer["revision"]) == (case["id"], 2)
    assert longer["expires_at"] > case["expires_at"]
    shorter = command("extend", case["id"], "--for", "1h")
    assert shorter.code == ExitCode.ERROR
    assert "--shorten" in shorter.err
    assert command("extend", case["id"], "--for", "1h", "--shorten").code == ExitCode.OK
    assert command("extend", case["id"], "--until", "2000-01-01T00:00:00Z").code == ExitCode.USAGE
    assert command("extend", case["id"], "--until", "2030-01-01T00:00:00").code == ExitCode.USAGE
    assert command("extend", case["id"]).code == ExitCode.USAGE
    assert command("extend", case["id"], "--for", "1h", "--until", "2030-01-01T00:00:00Z").code == ExitCode.USAGE
    command("release", case["id"])
    ended = command("extend", case["id"], "--for", "9h")
    assert ended.code == ExitCode.ERROR
    assert "netcordon contain 10.0.0.1" in ended.err
    assert command("extend", "10.0.0.1", "--for", "9h").code == ExitCode.NOT_FOUND


def test_what_must_be_confirmed_says_so_and_two_operators_may(daemon: Daemon, command: Command) -> None:
    store = daemon.service.store
    made = draft(2, containment="c-000000000002", confirm_by=START + 60)
    late = draft(3, containment="c-000000000003", confirm_by=START - 60)
    for one in (made, late):
        daemon.tell(store.accept(one, recheck=nothing))
    assert "2 held, released otherwise" in command("status").out
    assert f"netcordon confirm {made.id}" in command("show", made.id).out
    assert "confirmed by admin" in command("confirm", made.target).err
    daemon.tell(store.confirm(made.id, by="bea"))
    assert command("confirm", made.id, "--json").json["confirmed_by"] == "admin"
    shown = command("show", made.id).out
    assert "or it is released" not in shown
    assert "confirmed by" in shown
    daemon.tell(store.expire_due(START))
    ended = command("confirm", late.id)
    assert ended.code == ExitCode.ERROR
    assert "nobody confirmed it in time" in ended.err
    assert "netcordon contain 10.0.0.3" in ended.err
    assert "released otherwise" not in command("status").out


def test_what_waits_for_a_person_says_so(daemon: Daemon, command: Command) -> None:
    id = command("contain", "10.0.0.1", "--yes", "--json").json["containment"]["id"]
    made = draft(2, containment="c-000000000002", expires_at=START + 1, on_expiry=OnExpiry.ASK)
    waiting = daemon.tell(daemon.service.store.accept(made, recheck=nothing)).containment.id
    daemon.tell(daemon.service.store.expire_due(START + 2))
    line = next(line for line in command("list").out.splitlines() if waiting in line)
    assert "expired, waiting for a person" in line
    assert f"netcordon extend {waiting}" in command("show", waiting).out
    assert "waiting for a person" not in command("show", id).out


# --- watching ---------------------------------------------------------------------------------------------------------


def _watching(daemon: Daemon, *words: str) -> subprocess.Popen[str]:
    daemon.service.live = Live()
    script = "import sys; from controller.cli.main import run; sys.exit(run(sys.argv[1:]))"
    words = (sys.executable, "-c", script, "watch", *words)
    default = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a run in the background of a script ignores it
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=default)
    deadline = time.monotonic() + _DEADLINE
    while not daemon.service.live.readers and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return process


def _tell(daemon: Daemon, id: str, outcome: Outcome) -> None:
    daemon.tell(converge(daemon.service.store, "s1", outcome))
    case = daemon.tell(daemon.service.store.containment(id))
    daemon.loop.call_soon_threadsafe(daemon.service.live.publish, case)


def test_watch_tells_each_change_until_it_is_ended(daemon: Daemon, command: Command) -> None:
    id = command("contain", "10.0.0.1", "--yes", "--json").json["containment"]["id"]
    process = _watching(daemon)
    assert process.stdout is not None
    assert "requested" in process.stdout.readline()
    _tell(daemon, id, Outcome.INSTALLED)
    line = process.stdout.readline()
    assert all(word in line for word in (id, "10.0.0.1", "s1:eth1", "full", "held", "installed"))
    process.send_signal(signal.SIGINT)
    assert process.wait(_DEADLINE) == ExitCode.OK
    assert "Traceback" not in process.communicate()[1]


def test_watch_of_one_ends_when_it_is_proven(daemon: Daemon, command: Command) -> None:
    first, second = (command("contain", f"10.0.0.{n}", "--yes", "--json").json["containment"]["id"] for n in (1, 2))
    process = _watching(daemon, "10.0.0.1", "--json")
    _tell(daemon, first, Outcome.INSTALLED)
    _tell(daemon, second, Outcome.PROVEN)
    _tell(daemon, first, Outcome.PROVEN)
    out, err = process.communicate(timeout=_DEADLINE)
    assert process.returncode == ExitCode.OK, err
    cases = [json.loads(line)["containment"] for line in out.splitlines()]
    assert {case["id"] for case in cases} == {first}
    assert cases[-1]["outcome"] == "proven"


def test_watch_of_one_that_is_broken_off_says_so(daemon: Daemon, command: Command) -> None:
    command("contain", "10.0.0.1", "--yes", "--json")
    process = _watching(daemon, "10.0.0.1")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(_DEADLINE) == 130
    process.communicate()


def test_watch_of_what_is_not_there(daemon: Daemon, command: Command) -> None:
    assert command("watch", "10.0.0.1").code == ExitCode.NOT_FOUND


# --- looking ----------------------------------------------------------------------------------------------------------


def test_looking_at_one_case_and_at_all(daemon: Daemon, command: Command) -> None:
    daemon.service.then = Outcome.INSTALLED
    made = command("contain", "10.0.0.1", "--yes", "--json", "--wait", "--until", "installed").json["containment"]
    listed = command("list")
    assert made["id"] in listed.out
    assert "s1:eth1" in listed.out
    shown = command("show", made["id"][:8])
    for words in (
        "installed",
        "deny from port eth1",
        "alert to located",
        "[bold]not markup[/bold]",
        "management of s1",
    ):
        assert words in shown.out
    assert command("show", made["id"], "--json").json["id"] == made["id"]
    assert command("show", "10.0.0.1", "--json").json["id"] == made["id"], "by what is held, as release takes it"
    assert command("show", "c-none").code == ExitCode.NOT_FOUND


def test_locating(daemon: Daemon, command: Command) -> None:
    assert "at s1:eth7" in command("locate", "10.0.0.7").out
    unsure = command("locate", "10.0.0.99")
    assert "ambiguous" in unsure.out
    assert "perhaps at s2:eth2 VLAN 7" in unsure.out
    assert unsure.code == command("locate", "10.0.0.99", "--json").code == ExitCode.REFUSED
    assert command("locate", "10.0.0.7", "--at", "2026-01-31T12:00:00+01:00", "--json").code == ExitCode.OK
    assert command("locate", "10.0.0.7", "--at", "10m").code == ExitCode.OK
    assert daemon.service.located[-2][1] == 1769857200.0
    assert command("locate", "10.0.0.7", "--at", "noon").code == ExitCode.USAGE
    assert command("locate", "printer").code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Located.UNKNOWN, ExitCode.NOT_FOUND),
        (Located.BEHIND_ROUTER, ExitCode.REFUSED),
        (Located.NOT_AN_ENDPOINT, ExitCode.REFUSED),
    ],
)
def test_locating_what_is_no_one_device(
    daemon: Daemon, command: Command, monkeypatch: pytest.MonkeyPatch, status: Located, code: ExitCode
) -> None:
    monkeypatch.setattr(daemon.service, "locate", lambda target, at: Location(status, target, 0.0, against=("so",)))
    plain, as_json = command("locate", "10.0.0.7"), command("locate", "10.0.0.7", "--json")
    assert plain.code == as_json.code == code
    assert as_json.json["status"] == status.value
    assert status.value in plain.out


def test_a_switch_is_shown_by_its_own_name(daemon: Daemon, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    made = command("contain", "10.0.0.1", "--yes", "--json").json["containment"]
    shown = (["list"], ["show", made["id"]], ["endpoints"], ["locate", "10.0.0.1"], ["plan", "10.0.0.1"])
    for words in shown:
        assert "s1:eth1" in command(*words).out, "what is no plain word is not taken for a name"
    original = daemon.service.devices

    async def named() -> list[DeviceView]:
        return [replace(one, description="floor2") for one in await original()]

    monkeypatch.setattr(daemon.service, "devices", named)
    for words in shown:
        assert "floor2:eth1" in command(*words).out
    assert "  # floor2 (s1)" in command("plan", "10.0.0.1").out.splitlines()
    assert "floor2" not in command("endpoints", "--json").out


def test_endpoints_are_those_that_fit_every_option(
    daemon: Daemon, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = daemon.service.endpoints()
    axis = replace(
        second, macs=frozenset({parse_mac("ac:cc:8e:00:00:02")}), managed=Managed.UNDISCOVERED, role="camera"
    )
    monkeypatch.setattr(daemon.service, "endpoints", lambda: [first, axis])

    def macs(*words: str) -> list[str]:
        return [one["macs"][0] for one in command("endpoints", "--json", *words).json]

    both, mine = [min(first.macs), min(axis.macs)], [min(axis.macs)]
    assert macs() == both
    for words in (["--role", "camera"], ["--managed", "undiscovered"], ["--vendor", "axis"]):
        assert macs(*words) == mine, words
    assert macs("--at", axis.attachment.device) == both
    assert macs("--at", str(axis.attachment)) == [
        m for m, e in zip(both, (first, axis), strict=True) if e.attachment == axis.attachment
    ]
    assert macs("--role", "camera", "--at", "elsewhere") == []
    assert "no device that was seen is so" in command("endpoints", "--role", "nothing").err
    assert command("endpoints", "--managed", "perhaps").code == 2


def test_the_inventorys_word_comes_before_what_a_device_looks_like(
    daemon: Daemon, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = daemon.service.endpoints()
    looks = Looks("camera", "camera", "Axis", 0.75, (f"mdns-service {HOSTILE}",), "floor2", START)
    listed = replace(first, type="computer", role="dns", looks=looks)
    unlisted = replace(second, looks=looks)
    monkeypatch.setattr(daemon.service, "endpoints", lambda: [listed, unlisted])

    def macs(*words: str) -> list[str]:
        return [one["macs"][0] for one in command("endpoints", "--json", *words).json]

    assert macs("--role", "dns") == macs("--type", "computer") == [min(listed.macs)]
    assert macs("--role", "camera") == macs("--role", "camera", "--sure", "0.75") == [min(unlisted.macs)]
    assert macs("--role", "camera", "--sure", "0.8") == []
    assert macs("--vendor", "axis") == [min(listed.macs), min(unlisted.macs)]
    shown = command("endpoints").out
    assert "camera? (0.75)" in shown
    assert "dns?" not in shown
    found = Location(Located.FOUND, Target(mac=min(unlisted.macs)), START, unlisted, 0.9)
    monkeypatch.setattr(daemon.service, "locate", lambda target, at: found)
    assert "looks like: camera (0.75), Axis: mdns-service" in command("locate", min(unlisted.macs)).out


def test_the_proof_says_once_what_goes_for_the_same_protocols(
    daemon: Daemon, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = [f"{name}{guise}" for guise in ("", " as another MAC", " as another IP") for name in ("ARP", "TCP")]
    blocked = [Reach("device", "anyone", kind) for kind in kinds]
    blocked += [Reach("device", "everyone", f"{name} broadcast") for name in ("ARP", "TCP")]
    residual = (Reach("anyone", "device", "UDP"), Reach("anyone", "device", "ARP as another IP"))
    hit = Reach("02:00:00:00:00:09", "anyone", "ARP, TCP", "02:00:00:00:00:09 > 02:00:5e:00:53:02", rule="0a1b2c3d4e5f")
    collateral = (hit,)
    way = (Hop("s1", PortName("eth9"), PortName("eth2")), Hop("s2", PortName("eth7"), PortName("(any other port)")))
    original = daemon.service.plan

    async def proved(request: ContainRequest) -> Preview:
        proof = Proof(tuple(blocked), residual, collateral, {})
        return replace(await original(request), proof=proof, ways={hit: way, residual[0]: way[:1]})

    monkeypatch.setattr(daemon.service, "plan", proved)
    lines = [line.strip() for line in command("plan", "10.0.0.1").out.splitlines()]
    assert "device to anyone: ARP, TCP, also as another MAC, as another IP" in lines
    assert "device to everyone: ARP, TCP (broadcast)" in lines
    assert "anyone to device: UDP; ARP (as another IP)" in lines
    assert "by eth9 s1 eth2" in lines
    at = lines.index("02:00:00:00:00:09 to anyone: ARP, TCP")
    assert lines[at + 1 : at + 3] == [
        "for example 02:00:00:00:00:09 > 02:00:5e:00:53:02",
        "by eth9 s1 eth2 > eth7 s2 (any other port), stopped by rule 0a1b2c3d4e5f",
    ]
    told = command("plan", "10.0.0.1", "--json").json["proof"]
    assert len(told["blocked"]) == len(blocked)
    (shown,) = told["collateral"]
    assert (shown["stopped_by"], [hop["device"] for hop in shown["path"]]) == ("0a1b2c3d4e5f", ["s1", "s2"])


@pytest.mark.parametrize("name", ["devices", "endpoints", "proposals"])
def test_tables_and_their_json(daemon: Daemon, command: Command, name: str) -> None:
    assert command(name).code == ExitCode.OK
    assert isinstance(command(name, "--json").json, list)


def test_the_topology_is_shown_and_exported(daemon: Daemon, command: Command) -> None:
    shown = command("topology")
    assert shown.code == ExitCode.OK
    assert "eth1 to closet" in shown.out
    assert "to " + neutralize(HOSTILE) + ":eth1" in shown.out
    assert "02:00:00:00:00:05" not in shown.out
    assert [link["source_port"] for link in command("topology", "--json").json["links"]] == ["eth1"]
    read = networkx.parse_graphml(command("topology", "--endpoints", "--export", "graphml").out)
    assert read.nodes["default/02:00:00:00:00:05"]["kind"] == "endpoint"
    assert ElementTree.fromstring(command("topology", "--export", "svg").out).tag.endswith("svg")
    twice = command("topology", "--export", "svg", "--json")
    assert (twice.code, twice.json["error"]) == (ExitCode.USAGE, "invalid-input")


def test_a_path_shows_its_hops_and_what_stops_what(daemon: Daemon, command: Command) -> None:
    shown = command("path", "10.0.0.1", "10.0.0.2")
    assert shown.code == ExitCode.OK
    assert f"10.0.0.1 > eth1 s1 {neutralize(HOSTILE)} > eth9 s2 eth2 > 10.0.0.2" in shown.out
    rows = [line.split() for line in shown.out.splitlines()]
    assert ["ARP", "blocked", "all", "c-0000000000000001", "0a1b2c3d4e5f", "s1:eth1"] in rows
    assert ["TCP", "partly", "to", "445,", "135-139", "c-0000000000000001", "0a1b2c3d4e5f", "s1:eth1"] in rows
    assert ["TCP", "partly", "from", "445", "c-0000000000000001", "0a1b2c3d4e5f", "s1:eth1"] in rows
    assert ["UDP", "passes", "-", "-", "-", "-"] in rows
    told = command("path", "10.0.0.1", "10.0.0.2", "--json").json
    assert [hop["device"] for hop in told["hops"]] == ["s1", "s2"]
    assert {stop["rule"] for one in told["there"] for stop in one["stops"]} == {"0a1b2c3d4e5f"}


def test_a_path_that_nobody_knows_is_said_to_be_none(daemon: Daemon, command: Command) -> None:
    nowhere = command("path", "10.0.0.1", "10.0.0.98")
    assert nowhere.code == ExitCode.REFUSED
    assert "no known cables lead from" in nowhere.out
    doubtful = command("path", "10.0.0.99", "10.0.0.1")
    assert (doubtful.code, "10.0.0.99 is ambiguous (two holders)" in doubtful.out) == (ExitCode.REFUSED, True)


def test_that_not_everybody_fits_is_said(daemon: Daemon, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = daemon.service.topology(endpoints=True)
    monkeypatch.setattr(daemon.service, "topology", lambda *, endpoints: replace(whole, more=True))
    assert "these are the 1 heard of last" in command("topology", "--endpoints").err


def test_the_history_of_an_address_says_who_had_it(daemon: Daemon, command: Command) -> None:
    (one,) = command("bindings", "10.0.0.1", "--json").json
    shown = command("bindings", "10.0.0.1")
    assert shown.code == ExitCode.OK
    assert one["mac"] in shown.out
    assert "arp" in shown.out
    before = command("bindings", "10.0.0.1", "--at", "2001-01-01T00:00:00Z")
    assert before.code == ExitCode.NOT_FOUND
    assert "netcordon endpoints" in before.err
    assert command("bindings", "10.0.0.1", "--at", "2001-01-01T00:00:00Z", "--json").json == []
    assert command("bindings", "10.0.0.1", "--at", "yesterday").code == ExitCode.USAGE


def test_a_place_has_no_bindings(daemon: Daemon, command: Command) -> None:
    ended = command("bindings", "s1:3", "--json")
    assert ended.code == ExitCode.USAGE
    assert "netcordon locate s1:3" in ended.json["message"]


def test_a_table_in_a_pipe_is_not_cut(daemon: Daemon, command: Command) -> None:
    assert "refused one rule" in command("devices").out
    assert max(map(len, command("devices").out.splitlines())) > 80


def test_proposals_are_answered(daemon: Daemon, command: Command) -> None:
    first = Proposal("p-1", None, "10.0.0.1", endpoint(1), "full", 60.0, "scanners", HOSTILE, None, START, approvals=2)
    daemon.tell(daemon.service.store.save_proposal(first))
    daemon.tell(daemon.service.store.save_proposal(replace(first, id="p-2", target="10.0.0.2")))
    approved = command("approve", "p-1")
    assert approved.code == ExitCode.OK
    assert "approved by admin; 1 other person must approve it too" in approved.err
    assert command("approve", "p-1", "--json").json["proposal"]["approved_by"] == ["admin"]
    answered = command("refuse", "p-2", "--reason", "ours")
    assert answered.code == ExitCode.OK
    assert "refused" in answered.out
    again = command("approve", "p-2")
    assert again.code == ExitCode.ERROR
    assert "p-2 is refused" in again.err
    assert command("refuse", "p-2").code == ExitCode.USAGE
    assert command("approve", "p-9").code == ExitCode.NOT_FOUND


def test_what_one_may_not_do_is_put_to_an_approver(daemon: Daemon, command: Command) -> None:
    asked = command("contain", "10.0.0.7", "--propose", "--override", "--reason", "INC-7", "--for", "2h")
    assert asked.code == ExitCode.OK, asked.err
    assert "What would change" in asked.out
    assert "p-2  proposed, nothing is contained yet; an approver says: netcordon approve p-2" in asked.err
    assert daemon.tell(daemon.service.store.containments()) == []
    shown = command("proposals").out
    assert "admin (override of protection): INC-7" in shown
    assert "02:00:00:00:00:07 on s1:eth7" in shown
    again = command("contain", "10.0.0.7", "--propose", "--override", "--reason", "INC-7", "--for", "2h", "--json")
    assert (again.json["id"], again.json["times"]) == ("p-2", 2)
    own = command("approve", "p-2")
    assert own.code == ExitCode.ERROR
    assert "admin proposed p-2: somebody else approves it" in own.err
    assert command("contain", "10.0.0.7", "--propose").code == ExitCode.USAGE
    assert command("contain", "10.0.0.7", "--propose", "--reason", "x", "--wait").code == ExitCode.USAGE
    daemon.service.refuse = Refused(RefusalCode.PROTECTED, "protected: domain controller")
    no = command("contain", "10.0.0.7", "--propose", "--reason", "x")
    assert no.code == ExitCode.REFUSED
    assert "--propose" in no.err


# --- alerts, audit, tokens --------------------------------------------------------------------------------------------


def test_sending_alerts(daemon: Daemon, command: Command) -> None:
    sent = command("alert", "send", str(EVE), "--source", "suricata")
    assert sent.code == ExitCode.OK
    assert "3 taken, 2 ignored (not alerts), 0 malformed, 0 failed" in sent.err
    again = command("alert", "send", str(EVE), "--source", "suricata", "--json")
    assert [one["duplicate"] for one in again.json["results"]] == [True] * 3 + [False] * 2
    assert "ET SCAN" in command("alert", "list").out


def test_sending_from_standard_input_and_what_is_malformed(daemon: Daemon, command: Command) -> None:
    good = json.dumps(GENERIC).encode()
    assert command("alert", "send", "-", "--source", "generic", stdin=good).code == ExitCode.OK
    assert command("alert", "send", "-", "--source", "generic", stdin=good + b"\n{").code == ExitCode.PARTIAL
    assert command("alert", "send", "-", "--source", "generic", stdin=b"{").code == ExitCode.FAILED
    assert command("alert", "send", "-", "--source", "generic", stdin=b"").code == ExitCode.USAGE
    assert command("alert", "send", "/nowhere", "--source", "generic").code == ExitCode.USAGE
    assert command("alert", "send", str(EVE), "--source", "snort").code == ExitCode.NOT_FOUND
    assert "suricata" in command("alert", "send", str(EVE), "--source", "snort").err
    assert "not JSON" in command("alert", "dead-letters").out


def test_dead_letters_are_replayed(daemon: Daemon, command: Command) -> None:
    def bury(text: str) -> str:
        return str(daemon.tell(daemon.service.store.dead_letter("generic", text, "not read by an older release")))

    assert "no dead letter waits" in command("alert", "replay", "--all").err
    good, bad, long = bury(json.dumps(GENERIC)), bury("{"), bury("x" * 70_000)
    assert good in command("alert", "dead-letters").out
    assert command("alert", "replay").code == ExitCode.USAGE
    assert command("alert", "replay", good, "--all").code == ExitCode.USAGE
    assert command("alert", "replay", "nowhere").code == ExitCode.NOT_FOUND
    cut = command("alert", "replay", long)
    assert cut.code == ExitCode.ERROR
    assert "only the first 65536 of its 70000 characters were kept" in cut.err
    assert command("alert", "replay", bad).code == ExitCode.FAILED
    replayed = command("alert", "replay", "--all")
    assert replayed.code == ExitCode.PARTIAL
    assert "1 of 3 read" in replayed.err
    assert "observed" in replayed.out
    assert good not in command("alert", "dead-letters").out
    assert re.search(f"{good}.* by admin: alert [0-9a-f]+", command("alert", "dead-letters", "--replayed").out)
    assert command("alert", "replay", good).code == ExitCode.ERROR
    last = command("alert", "replay", "--all", "--json")
    assert (last.code, {one["status"] for one in last.json}) == (ExitCode.FAILED, {"malformed", "cut"})


def test_a_long_file_that_is_something_else_is_not_sent_to_its_end(
    daemon: Daemon, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "messages"
    file.write_text("kernel: something\n" * 5001)
    sent = command("alert", "send", str(file), "--source", "suricata")
    assert sent.code == ExitCode.FAILED
    assert f"netcordon alert test {file} --source suricata" in sent.err
    assert "0 taken" in sent.err


def test_a_long_file_is_sent_in_parts(daemon: Daemon, command: Command, tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    lines = [json.dumps({"event_type": "flow", "n": n}) for n in range(10_001)]
    path.write_text("\n".join([*lines, json.dumps({"event_type": "stats", "pad": "x" * 5_000_000})]))
    sent = command("alert", "send", str(path), "--source", "suricata", "--json")
    assert sent.json["ignored"] == 10_002
    assert sent.json["results"][-1]["index"] == 10_001


def test_each_part_of_a_long_table_has_its_header(daemon: Daemon, command: Command, tmp_path: Path) -> None:
    path = tmp_path / "notice.log"
    rows = [f"1769860800.{n:06}\tScan::Port_Scan\t10.0.0.66" for n in range(5_010)]
    path.write_text("\n".join(["#path\tconn", "#fields\tts\tnote\tsrc", *rows]))
    sent = command("alert", "send", str(path), "--source", "zeek", "--json")
    assert (sent.json["ignored"], sent.json["malformed"]) == (5_010, 0)
    assert [one["index"] for one in sent.json["results"]] == list(range(5_010))


def test_the_sources_are_listed_and_completed(daemon: Daemon, command: Command) -> None:
    listed = command("alert", "sources", "--json").json
    assert [one["name"] for one in listed] == list(SOURCES)
    assert "Suricata" in command("alert", "sources").out
    assert completed("netcordon alert send x --source z") == ["zeek"]


MAPPED = """
intake:
  mappings:
    - name: our-ndr
      fields: {observed_at: /t, signature: /what, src.ip: /who, severity: /level}
policy:
  incriminate:
    - {name: ndr, match: {source: our-ndr}, culprit: source}
"""


def test_a_file_is_tried_without_a_daemon_and_without_effect(command: Command, tmp_path: Path) -> None:
    configuration = tmp_path / "netcordon.yaml"
    configuration.write_text(MAPPED)
    event = {"t": "2026-01-31T12:00:00", "what": f"scan {HOSTILE}", "who": "10.0.0.66"}
    words = ("alert", "test", "-", "--source", "our-ndr", "--config", str(configuration))
    tried = command(*words, stdin=json.dumps(event).encode())
    assert tried.code == ExitCode.OK
    for said in ("10.0.0.66", "incrimination rule 'ndr'", "severity: nothing at /level", "it will be ambiguous"):
        assert said in " ".join(tried.out.split())
    assert "\x1b" not in tried.out
    assert "nothing was sent or stored" in tried.err
    both = json.dumps(event) + "\n" + json.dumps({"t": 1})
    answer = command(*words, "--json", stdin=both.encode())
    assert answer.code == ExitCode.PARTIAL
    assert [one["status"] for one in answer.json["results"]] == ["taken", "malformed"]
    assert answer.json["results"][0]["alert"]["observed_at"] == "2026-01-31T12:00:00+00:00"
    assert command(*words, stdin=b"{}").code == ExitCode.FAILED
    assert command("alert", "test", "-", "--source", "nobodys", stdin=b"{}").code == ExitCode.NOT_FOUND
    assert command("alert", "test", str(EVE), "--source", "suricata").code == ExitCode.OK


def test_the_audit_log(daemon: Daemon, command: Command) -> None:
    verdict = command("audit", "verify", "--json").json
    assert verdict["verified"]
    assert "verified" in command("audit", "verify", "--head", verdict["head"]).out
    assert command("audit", "verify", "--head", "0" * 63 + "1").code == ExitCode.FAILED
    assert "token-add" in command("audit", "list").out
    assert command("audit", "list", "--after", "1", "--limit", "1", "--json").json[0]["seq"] == 2


def test_tokens(daemon: Daemon, command: Command, tmp_path: Path) -> None:
    made = command("token", "add", "soc", "--role", "operator", may_show_token=True)
    assert made.out.startswith("nct_")
    assert command("token", "add", "soc", "--role", "operator").code == ExitCode.ERROR
    assert [one["name"] for one in command("token", "list", "--json").json] == ["admin", "soc", "viewer"]
    assert command("token", "revoke", "soc").code == ExitCode.OK
    assert command("token", "revoke", "soc").code == ExitCode.NOT_FOUND
    saved = command("token", "add", "mine", "--role", "viewer", "--save", "--json").json["saved"]
    assert Path(saved) == tmp_path / "config" / "netcordon" / "token"
    assert Path(saved).stat().st_mode & 0o777 == 0o600


def test_the_first_token_is_made_offline(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "netcordon.yaml"
    config.write_text(f"store: sqlite:///{tmp_path}/new.db\n")
    monkeypatch.setenv("NETCORDON_CONFIG", str(config))
    words = ("token", "add", "root", "--role", "admin", "--offline")
    secret = command(*words, may_show_token=True).out.strip()

    async def whose() -> str:
        store = await Store.open(f"sqlite:///{tmp_path}/new.db")
        record = await store.token(secret)
        await store.close()
        return "" if record is None else record.name

    assert asyncio.run(whose()) == "root"
    assert command("audit", "verify", "--offline", "--json").json["records"] == 1


def test_offline_is_refused_while_a_daemon_owns_the_database(daemon: Daemon, command: Command, tmp_path: Path) -> None:
    config = tmp_path / "netcordon.yaml"
    config.write_text(f"store: sqlite:///{tmp_path}/netcordon.db\n")
    for words in (["token", "add", "x", "--role", "admin"], ["audit", "verify"]):
        ended = command(*words, "--offline", "--config", str(config))
        assert ended.code == ExitCode.ERROR
        assert "daemon" in ended.err


# --- errors -----------------------------------------------------------------------------------------------------------


def test_no_daemon(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETCORDON_TOKEN", "nct_x")
    for url in ("http://127.0.0.1:1", f"unix:{tmp_path}/none.sock"):
        monkeypatch.setenv("NETCORDON_URL", url)
        ended = command("list")
        assert ended.code == ExitCode.UNREACHABLE
        assert "netcordon serve" in ended.err
        assert command("list", "--json").json["error"] == "unreachable"


def test_over_the_unix_socket(daemon: Daemon, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCORDON_URL", f"unix:{daemon.socket}")
    assert command("list", "--json").json == {"containments": []}


def test_denied(daemon: Daemon, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCORDON_TOKEN", daemon.tokens[Role.VIEWER])
    ended = command("release", "10.0.0.1")
    assert ended.code == ExitCode.DENIED
    assert "needed: admin, operator, approver" in ended.err
    monkeypatch.setenv("NETCORDON_TOKEN", "nct_wrong")
    assert command("list").code == ExitCode.DENIED
    monkeypatch.delenv("NETCORDON_TOKEN")
    assert "NETCORDON_TOKEN" in command("list").err


@pytest.mark.parametrize("error", [StoreUnavailable("the disk is full"), Conflict("moved on")])
def test_errors_are_sentences(daemon: Daemon, command: Command, error: NetcordonError) -> None:
    daemon.service.refuse = error
    ended = command("contain", "10.0.0.1", "--yes", "--json")
    assert ended.code == ExitCode.ERROR
    assert ended.json.keys() == {"error", "message", "hint"}


def test_what_nobody_foresaw_here_is_a_sentence_too(
    daemon: Daemon, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("oops \x1b[2J")

    monkeypatch.setattr("controller.client.Client.devices", broken)
    ended = command("devices")
    assert ended.code == ExitCode.ERROR
    assert "RuntimeError: oops" in ended.err
    assert "NETCORDON_DEBUG=1" in ended.err
    monkeypatch.setenv("NETCORDON_DEBUG", "1")
    with pytest.raises(RuntimeError):
        run(["devices"])


def test_a_bad_configuration_names_its_line(command: Command, tmp_path: Path) -> None:
    config = tmp_path / "netcordon.yaml"
    config.write_text("store: sqlite:///x\nlisten:\n  prot: 1\n")
    ended = command("serve", "--config", str(config))
    assert ended.code == ExitCode.USAGE
    assert f"{config}:3: listen.prot" in ended.err


def _on_a_terminal(typed: str, *words: str) -> int:
    """The exit code of the command in a terminal where somebody types."""
    ours, theirs = pty.openpty()
    program = [sys.executable, "-c", "from controller.cli.main import main; main()", *words]
    with subprocess.Popen(program, stdin=theirs, stderr=theirs, stdout=subprocess.DEVNULL) as process:
        os.close(theirs)
        seen = b""
        while b"Only 'yes'" not in seen:
            seen += os.read(ours, 4096)
        os.write(ours, typed.encode())
        code = process.wait(_DEADLINE)
    os.close(ours)
    return code


# --- doctor -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def in_order(daemon: Daemon, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A configuration, and no Open vSwitch here."""
    path = tmp_path / "netcordon.yaml"
    path.write_text(f"store: sqlite:///{tmp_path}/netcordon.db")
    (tmp_path / "netcordon.db").chmod(0o600)
    monkeypatch.setenv("NETCORDON_CONFIG", str(path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("controller.doctor.machine.clock_is_synchronized", lambda: True)


@pytest.mark.usefixtures("in_order")
@pytest.mark.parametrize(
    ("severities", "code"),
    [
        ([], ExitCode.OK),
        ([Severity.INFO], ExitCode.OK),
        ([Severity.INFO, Severity.WARNING], ExitCode.WARNED),
        ([Severity.WARNING, Severity.ERROR, Severity.INFO], ExitCode.UNHEALTHY),
    ],
)
def test_doctor_ends_by_its_worst_finding(
    daemon: Daemon, command: Command, severities: list[Severity], code: ExitCode
) -> None:
    daemon.service.found = [
        Finding("management", severity, f"it is {HOSTILE}", "devices: …") for severity in severities
    ]
    done = command("doctor")
    assert done.code == code, done
    assert done.out.count("try: devices: …") == len(severities)
    as_json = command("doctor", "--json")
    assert as_json.code == code
    found = [one["severity"] for one in as_json.json["findings"] if one["check"] == "management"]
    assert found == sorted(severities, key=["error", "warning", "info"].index)
    assert as_json.json["daemon"] is True


@pytest.mark.usefixtures("in_order")
def test_doctor_without_a_daemon_says_so_unless_told_not_to_ask(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETCORDON_URL", "unix:/nowhere/api.sock")
    done = command("doctor")
    assert done.code == ExitCode.UNHEALTHY
    assert "try: netcordon serve" in done.out
    assert command("doctor", "--offline").code == ExitCode.OK


@pytest.mark.usefixtures("in_order")
def test_doctor_with_a_token_that_may_not_ask(
    daemon: Daemon, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETCORDON_TOKEN", daemon.tokens[Role.VIEWER])
    done = command("doctor")
    assert done.code == ExitCode.WARNED
    assert "token" in done.out


# --- completion -------------------------------------------------------------------------------------------------------

SHELLS = ("bash", "zsh", "fish")


def offered(line: str, expected: list[str]) -> bool:
    """Whether that is offered. A daemon that does not answer within a blink is given up, which a busy machine's may be."""
    return any(completed(line) == expected for _ in range(5))


def completed(line: str, shell: str = "bash") -> list[str]:
    """What a Tab offers after `line`, in a process of its own as the shell starts it; it says nothing else."""
    words = line.split(" ")
    asked = {
        "_NETCORDON_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    script = "from controller.cli.main import main; import sys; sys.argv[0] = 'netcordon'; main()"
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_are_completed_in_each_shell(shell: str) -> None:
    offered = " ".join(completed("netcordon re", shell))
    assert "release" in offered
    assert "contain" not in offered.replace("containment", "")


def test_commands_of_groups_and_of_other_packages_are_completed() -> None:
    assert completed("netcordon token re") == ["revoke"]
    assert "clean" in completed("netcordon lab ")
    assert "--profile" in completed("netcordon contain --pro")


def test_ids_devices_targets_and_profiles_come_from_the_daemon(daemon: Daemon, command: Command) -> None:
    assert command("contain", "10.0.0.7", "--yes").code == ExitCode.OK
    id = command("list", "--json").json["containments"][0]["id"]
    assert offered("netcordon show c-", [id])
    assert offered("netcordon release 10.", ["10.0.0.7"])
    assert offered("netcordon release c", [id])
    assert offered("netcordon list --device s", ["s1"])
    assert offered("netcordon contain 10.0.0.", ["10.0.0.1", "10.0.0.2"])
    assert offered("netcordon plan --profile f", ["full"])


@pytest.mark.parametrize("url", ["unix:/nowhere", "http://127.0.0.1:9", "http://192.0.2.1:1", "nonsense", "https://"])
def test_completion_is_silent_without_a_daemon(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCORDON_URL", url)
    assert completed("netcordon release ") == []


def test_completion_gives_a_daemon_up_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "mute.sock"))
        listening.listen()
        monkeypatch.setenv("NETCORDON_URL", f"unix:{tmp_path}/mute.sock")
        assert completed("netcordon release ") == []


def test_completion_over_the_socket_and_without_a_good_token(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCORDON_URL", f"unix:{daemon.socket}")
    assert offered("netcordon list --device ", ["s1"])
    monkeypatch.setenv("NETCORDON_TOKEN", "nct_wrong")
    assert completed("netcordon list --device ") == []


@pytest.mark.parametrize("word", ["$(reboot)", "a b", "x;y", "`id`", "\x1b[2J", ""])
def test_what_a_shell_would_act_on_is_never_offered(word: str) -> None:
    assert completion._beginning("", [(word, "x"), ("of:1", HOSTILE)]) == [("of:1", neutralize(HOSTILE, 60))]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shells_script_is_shown(shell: str) -> None:
    script = "from controller.cli.main import main; main()"
    environment = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, "--show-completion", shell],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "_NETCORDON_COMPLETE" in done.stdout


# --- comfort ----------------------------------------------------------------------------------------------------------


def every_command() -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []

    def walk(path: str, current: Any) -> None:
        if not isinstance(current, TyperGroup):
            found.append((path, current))
            return
        for name in current.list_commands(None):  # type: ignore[arg-type]  # it looks at no context
            walk(f"{path} {name}", current.get_command(None, name))  # type: ignore[arg-type]  # as above

    walk("netcordon", group())
    return found


@pytest.mark.parametrize(("path", "one"), every_command(), ids=lambda value: value if isinstance(value, str) else "")
def test_each_commands_help_has_an_example_that_parses(path: str, one: Any) -> None:
    example = re.search(r"^\s*Example: (netcordon .+)$", one.help or "", re.MULTILINE)
    assert example is not None, f"{path} --help shows no example"
    words = shlex.split(example[1])
    assert words[: len(path.split())] == path.split()
    one.make_context(one.name, words[len(path.split()) :])


NO_DATA = {"netcordon sensor run"}
"""Print nothing but what goes wrong."""


@pytest.mark.parametrize(("path", "one"), every_command(), ids=lambda value: value if isinstance(value, str) else "")
def test_each_command_that_prints_data_prints_it_as_json_too(path: str, one: Any) -> None:
    options = {name for parameter in one.params for name in parameter.opts}
    assert ("--json" in options) is (path not in NO_DATA), path


@pytest.mark.parametrize(
    ("words", "suggested"),
    [
        (["contian"], "'contain'"),
        (["relase"], "'release'"),
        (["docter"], "'doctor'"),
        (["lba"], "'lab'"),
        (["token", "lst"], "'list'"),
        (["contain", "10.0.0.1", "--raeson", "x"], "--reason"),
        (["--vrsion"], "--version"),
    ],
)
def test_a_mistyped_word_suggests_the_nearest(command: Command, words: list[str], suggested: str) -> None:
    done = command(*words)
    assert done.code == ExitCode.USAGE
    assert suggested in done.err


def test_no_colour_when_it_is_not_wanted(daemon: Daemon) -> None:
    """On a terminal too."""
    script = "from controller.cli.main import main; main()"

    def shown(**environment: str) -> bytes:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-c", script, "devices"], stdout=theirs, env={**os.environ, "TERM": "xterm", **environment}
        )
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # how a closed terminal reads
            while more := os.read(ours, 4096):
                said += more
        os.close(ours)
        assert process.wait(_DEADLINE) == 0
        return said

    assert b"\x1b[" in shown()
    assert not re.search(rb"\x1b\[[0-9;]*3[0-7]", shown(NO_COLOR="1"))


def test_discover_tells_the_daemon_what_it_heard(daemon: Daemon, command: Command, tmp_path: Path) -> None:
    from scapy.layers.l2 import ARP, Ether
    from scapy.utils import wrpcap

    heard, head = tmp_path / "heard.pcap", Ether(src="ac:cc:8e:00:00:02", dst="ff:ff:ff:ff:ff:ff")
    wrpcap(str(heard), [head / ARP(op=2, hwsrc="ac:cc:8e:00:00:02", psrc="10.0.0.20")])
    assert command("discover", str(heard)).code == 0
    assert daemon.service.reported == [], "not without --send"
    assert command("discover", str(heard), "--send", "--name", "floor2", "--realm", "north").code == 0
    ((sensor, reports),) = daemon.service.reported
    assert (sensor, reports.realm) == ("floor2", "north")
    ((mac, vendor),) = [(one.mac, one.vendor) for one in reports.devices]
    assert mac == "ac:cc:8e:00:00:02"
    assert "axis" in vendor.lower()


def test_macs_are_joined_and_split_by_hand(daemon: Daemon, command: Command) -> None:
    one, other = "02:00:00:00:00:01", "02:00:00:00:00:02"
    joined = command("endpoints", "join", one, other, "--reason", "laptop, and its dock")
    assert joined.code == 0
    assert f"one device: {one}, {other}" in joined.err
    assert command("endpoints", "join", one, other, "--reason", "x", "--json").json["macs"] == [one, other]
    assert command("endpoints", "split", other).code == 0
    assert command("endpoints", "join", one, other).code == 2, "without a reason"
    assert command("endpoints", "join", one, "--reason", "x").code == 2, "one is no several"
    wrong = command("endpoints", "split", "10.0.0.1")
    assert wrong.code == 2
    assert "is no MAC" in wrong.err
    assert command("endpoints", "joyn", one, other).code == 2


def test_devices_are_crawled_on_demand_and_what_failed_says_why(
    daemon: Daemon, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = command("crawl", "s1")
    assert one.code == 0
    assert re.search(r"INTERFACES +VLANS +MACS +ARP +NEW", one.out)
    every = command("crawl")
    assert every.code == ExitCode.PARTIAL
    assert "0.5 s" in every.out
    assert command("crawl", "s9").code == ExitCode.NOT_FOUND
    assert command("crawl", "s1", "--json").json[0]["unplaced"] == 1
    known = asyncio.run(daemon.service.devices())
    crawled = replace(known[0], crawled=Crawl("s1", START, error="no route to it"))

    async def devices() -> list[DeviceView]:
        return [crawled]

    monkeypatch.setattr(daemon.service, "devices", devices)
    assert "no route to it" in command("devices").out
