"""The client's side of the event stream: reads it, and goes on where it broke off for as long as somebody iterates."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
from pydantic import ValidationError

from controller.api.live_views import EventView
from controller.connection import ApiError, Unreachable, to_error

PATH = "/api/v1/events"
SILENCE = httpx.Timeout(10.0, read=35.0)
"""The daemon shows a sign of life every 10 s: a stream that is silent for much longer is dead."""
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
LONGEST_EVENT = 32 * 1024 * 1024


@dataclass
class EventStream:
    """Iterating gives each change once, in order, and never ends by itself: it connects again when the stream breaks, and a `reset` says
    when something may have been missed. `on_lost` hears of each outage once, `on_found` of its end. Raises ApiError for what trying
    again does not mend: a token that may not, another kind of server."""

    http: httpx.Client
    where: str
    after: str | None = None
    on_lost: Callable[[Unreachable], None] = lambda error: None
    on_found: Callable[[], None] = lambda: None
    sleep: Callable[[float], None] = time.sleep

    def __iter__(self) -> Iterator[EventView]:
        lost, tries = False, 0
        while True:
            try:
                for event in self._read():
                    if lost:
                        lost = False
                        self.on_found()
                    tries = 0
                    if event is not None:
                        yield event
                reason = "the stream of events ended"
            except httpx.TransportError as error:
                reason = str(error) or type(error).__name__
            except ApiError as error:
                if error.code not in ("store-unavailable", "http-502", "http-503", "http-504"):
                    raise
                reason = error.message
            if not lost:
                lost = True
                message = f"the daemon at {self.where} does not answer ({reason}): trying again"
                self.on_lost(Unreachable("unreachable", message))
            self.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
            tries += 1

    def _read(self) -> Iterator[EventView | None]:
        """One connection's events; None for each other sign of life."""
        headers = {"Accept": "text/event-stream"} | ({} if self.after is None else {"Last-Event-ID": self.after})
        with self.http.stream("GET", PATH, headers=headers, timeout=SILENCE) as answer:
            if not answer.is_success:
                answer.read()
                raise to_error(answer)
            yield None
            for block in _blocks(answer.iter_bytes()):
                event = _event(block)
                if event is not None:
                    self.after = event.id
                yield event


def _blocks(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """What stands between empty lines. Cut at newlines alone: str.splitlines would also cut inside of texts."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        *whole, rest = held.split(b"\n\n") if b"\n\n" in held else (held,)
        yield from map(bytes, whole)
        held = bytearray(rest)
        if len(held) > LONGEST_EVENT:
            raise ApiError("strange-answer", f"an event is longer than {LONGEST_EVENT} bytes")


def _event(block: bytes) -> EventView | None:
    """None for a comment, and for a kind of event that a later daemon may send."""
    fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line and not line.startswith(b":"))
    if b"data" not in fields:
        return None
    try:
        return EventView.model_validate_json(fields[b"data"])
    except ValidationError as error:
        if any(problem["loc"] == ("kind",) for problem in error.errors(include_url=False)):
            return None
        what = error.errors(include_url=False, include_input=False)[0]
        raise ApiError(
            "strange-answer",
            f"what answers there does not speak as this client does: {'.'.join(map(str, what['loc']))}: {what['msg']}",
            "see that NETCORDON_URL names a Netcordon daemon of the same version",
        ) from error
