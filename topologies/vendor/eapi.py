"""Arista's eAPI: JSON-RPC over HTTPS, one request a list of commands, in front of an `EosSwitch`.

From Arista's "Command API" (the overview that each switch serves) and pyeapi 1.0 (`eapilib.CommandError`): commands run in turn until one
fails; the error's `data` holds what the former ones answered, and the failed one's `errors`. Codes: 1000 could not run, 1002 invalid
command, 1003 has no JSON form, 1005 unauthorized. Nothing of a mode outlives a request. Wrong credentials get a plain 401.
"""

from __future__ import annotations

import base64
import hmac
import json
import socket
import ssl
import subprocess
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Any

from topologies.vendor.eos import CommandFailed, EosSwitch
from topologies.vendor.eos_shell import Shell
from topologies.vendor.eos_show import show
from topologies.vendor.faults import Sever

MEANING = {1000: "could not run command", 1002: "invalid command", 1003: "unconverted command", 1005: "unauthorized"}


class Eapi:
    """Serves `switch` on `address` (a port of 0 takes a free one) to `users`, as name and password, until the block ends. `heard` are all
    commands that were asked of it."""

    def __init__(
        self,
        switch: EosSwitch,
        users: dict[str, str],
        certificate: tuple[Path, Path],
        address: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        self.switch, self.users = switch, users
        self.heard: set[str] = set()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        self._server = _Server(address, context, self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="eapi", daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Eapi:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def answer(self, request: dict[str, Any], user: str) -> dict[str, Any]:
        """The response to a `runCmds` of a user who is known."""
        told: dict[str, Any] = {"jsonrpc": "2.0", "id": request.get("id")}
        parameters = request.get("params")
        if (
            request.get("method") != "runCmds"
            or not isinstance(parameters, dict)
            or not isinstance(parameters.get("cmds"), list)
        ):
            return told | {"error": {"code": -32600, "message": "Invalid request"}}
        with self.switch.lock:
            done, failure = self._run(parameters["cmds"], parameters.get("format") == "text", user)
        return told | ({"result": done} if failure is None else {"error": failure | {"data": done}})

    def _run(self, commands: list[Any], text: bool, user: str) -> tuple[list[Any], dict[str, Any] | None]:
        shell = Shell(self.switch, show, may_change=user not in self.switch.faults.read_only)
        done: list[Any] = []
        for index, command in enumerate(commands):
            line = str(command["cmd"] if isinstance(command, dict) else command)
            self.heard.add(line)
            if (
                self.switch.faults.delay
            ):  # a sleep of nothing gives the core away: for each of thousands of lines it adds up
                time.sleep(self.switch.faults.delay)
            try:
                done.append(_formatted(shell.run(line), line, text))
            except CommandFailed as error:
                reason = MEANING[error.code]
                message = f"CLI command {index + 1} of {len(commands)} '{line}' failed: {reason}"
                done.append({"errors": [str(error).removeprefix(f"{reason}: ")]})
                return done, {"code": error.code, "message": message}
        return done, None


def _formatted(answer: object, command: str, text: bool) -> object:
    if isinstance(answer, str) and not text and command.startswith("show"):
        raise CommandFailed(1003, "unconverted command: Command cannot be used over the API with JSON output")
    if text:
        return {"output": answer if isinstance(answer, str) else "" if not answer else json.dumps(answer, indent=4)}
    return {} if isinstance(answer, str) else answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext, eapi: Eapi) -> None:
        super().__init__(address, _Handler)
        self.context, self.eapi = context, eapi

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The handshake is in the request's own thread: a client that does not speak holds nobody up."""
        if self.eapi.switch.faults.unreachable:
            return
        with suppress(OSError), self.context.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is its own business."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        eapi = self.server.eapi
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        user = self._user(eapi.users)
        if user is None:
            self._send(401, b"Unable to authenticate user: Bad username/password combination")
            return
        if self.path != "/command-api":
            self._send(404, b"Not Found")
            return
        lost = eapi.switch.faults.due()
        if lost is Sever.BEFORE:
            self._hang_up()
            return
        try:
            answer = eapi.answer(json.loads(body), user)
        except ValueError:
            answer = {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "Parse error"}}
        if lost is Sever.AFTER:
            self._hang_up()
            return
        self._send(200, json.dumps(answer).encode(), "application/json")

    def _user(self, users: dict[str, str]) -> str | None:
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        try:
            name, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except ValueError:
            return None
        known = scheme == "Basic" and name in users and hmac.compare_digest(users[name].encode(), password.encode())
        return name if known else None

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def self_signed(folder: Path, address: str) -> tuple[Path, Path]:
    """A certificate for the address and its key, made once, as EOS makes its own. Needs the program openssl."""
    certificate, key = folder / "eapi.crt", folder / "eapi.key"
    if not certificate.exists():
        folder.mkdir(parents=True, exist_ok=True)
        kind = "IP" if _is_address(address) else "DNS"
        words = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "30",
        ]
        words += [
            "-subj",
            f"/CN={address}",
            "-addext",
            f"subjectAltName={kind}:{address}",
            "-keyout",
            str(key),
            "-out",
            str(certificate),
        ]
        subprocess.run(words, check=True, capture_output=True, timeout=60)
    return certificate, key


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
