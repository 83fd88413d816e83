"""Structured logs on stderr: key=value lines on a terminal (coloured, unless NO_COLOR is set), one JSON object a line elsewhere.

What is done for a containment is logged inside `about`, so that each line carries its id, the drivers' lines too. What others wrote is
neutralized, wherever in a line it stands. A token or a password is never a field; one that got into a text by accident is cut out.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Collection, Mapping, MutableMapping
from contextlib import AbstractContextManager
from typing import Any

import structlog

from controller.neutralize import neutralize

MOST_NAMED = 100
"""Containments that one line names: a push may be for thousands, and each has lines of its own besides."""
LONGEST_TRACEBACK_LINE = 1000
_SECRET = re.compile(r"nct_[A-Za-z0-9_-]+|(?<=://)([^/\s:@]*):[^/\s@]+(?=@)|(?i:(?<=bearer )\S+)")
_SECRET_KEYS = frozenset({"authorization", "password", "secret", "token"})


def about(containments: Collection[str]) -> AbstractContextManager[None]:
    """All that is logged inside is about these: `containment` when it is one, else `containments`."""
    if len(containments) == 1:
        return structlog.contextvars.bound_contextvars(containment=next(iter(containments)))
    if not containments:
        return structlog.contextvars.bound_contextvars()
    return structlog.contextvars.bound_contextvars(containments=sorted(containments)[:MOST_NAMED])


def configure_logs(level: str = "INFO") -> None:
    """Called once, by the process that logs. Lines of the standard library's loggers come out in the same form."""
    renderer: Any = structlog.processors.JSONRenderer(default=str)
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer(colors=not os.environ.get("NO_COLOR"))
    shared = processors()
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    to_line = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shared[2:], renderer]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=to_line, foreign_pre_chain=shared[:2]))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("netcordon").setLevel(level)


def processors() -> list[Any]:
    """All but the renderer, in their order."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _without_secrets_and_neutralized,
    ]


def _without_secrets_and_neutralized(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: "***" if key in _SECRET_KEYS else _made_safe(value, key) for key, value in event.items()}


def _made_safe(value: Any, key: str = "") -> Any:
    """Also what lies deeper: a reason in a list is as much an attacker's word as one that stands alone."""
    if isinstance(value, str):
        if key == "exception":
            return "\n".join(neutralize(_uncovered(line), LONGEST_TRACEBACK_LINE) for line in value.split("\n"))
        return neutralize(_uncovered(value))
    if isinstance(value, Mapping):
        return {_made_safe(str(name)): _made_safe(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_made_safe(inner) for inner in value]
    return value if isinstance(value, int | float | None) else _made_safe(str(value))


def _uncovered(text: str) -> str:
    if "nct_" not in text and "://" not in text and "earer " not in text:
        return text
    return _SECRET.sub(lambda found: f"{found[1]}:***" if found[1] is not None else "***", text)
