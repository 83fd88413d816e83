"""The API on its two sockets: TCP, with TLS where it listens beyond loopback, and a Unix socket, which crosses network namespaces."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from controller.config import Listen
from controller.errors import ConfigError

SOCKET_MODE = 0o600
KEEP_ALIVE = 75
"""Seconds for which an idle connection is kept: a sensor that reports now and then does not begin with a handshake."""


class _Server(uvicorn.Server):
    """Leaves the process's signals to the daemon."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ApiServers:
    """`start` returns when both sockets accept; `stop` lets requests under way end."""

    def __init__(self, app: FastAPI, listen: Listen) -> None:
        self._app = app
        self._listen = listen
        self._servers: list[_Server] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._bound = False
        self.url = ""

    async def start(self) -> None:
        """Raises ConfigError when an address cannot be had."""
        tcp = _tcp_socket(str(self._listen.address), self._listen.port)
        self.url = f"{'https' if self._listen.tls else 'http'}://{self._listen.address}:{tcp.getsockname()[1]}"
        await self._serve(tcp, with_tls=True)
        local = _unix_socket(self._listen.socket)
        self._bound = True
        await self._serve(local, with_tls=False)

    async def stop(self) -> None:
        for server in self._servers:
            server.should_exit = True
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._bound:
            self._listen.socket.unlink(missing_ok=True)

    async def _serve(self, listening: socket.socket, *, with_tls: bool) -> None:
        tls = self._listen.tls if with_tls else None
        config = uvicorn.Config(
            self._app,
            http="h11",  # httptools bounds no head: whoever connects could fill the memory before a token is asked for
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
            timeout_keep_alive=KEEP_ALIVE,
            ssl_certfile=None if tls is None else str(tls.certificate),
            ssl_keyfile=None if tls is None else str(tls.key),
        )
        server = _Server(config)
        self._servers.append(server)
        self._tasks.append(asyncio.create_task(server.serve(sockets=[listening])))
        while not server.started:
            if self._tasks[-1].done():
                self._tasks[-1].result()
                raise ConfigError("the API server ended while it was starting")
            await asyncio.sleep(0.005)


def _tcp_socket(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # with proto 0 asyncio leaves Nagle on
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
    except OSError as error:
        listening.close()
        reason = error.strerror
        raise ConfigError(f"cannot listen on {address}:{port} ({reason}): set listen.port to a free one") from error
    return listening


def _unix_socket(path: Path) -> socket.socket:
    """A socket left behind by a daemon that was killed is replaced; one that answers is not."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_socket() and not _answers(path):
            path.unlink()
        listening.bind(str(path))
        os.chmod(path, SOCKET_MODE)
    except OSError as error:
        listening.close()
        raise ConfigError(f"cannot listen on {path} ({error.strerror}): set listen.socket to another path") from error
    return listening


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
