"""Raw events become alerts: one file a source. A parser is pure; a source that is not in the table does not exist."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from controller.errors import NotFound
from controller.intake import generic, suricata
from controller.intake.body import RawEvent, split_body
from controller.intake.event import NotAnAlert, Parser
from controller.model import Alert

__all__ = ["PARSERS", "NotAnAlert", "Parser", "RawEvent", "parse", "source_names", "split_body"]

PARSERS: Mapping[str, Parser] = MappingProxyType({suricata.SOURCE: suricata.parse, generic.SOURCE: generic.parse})


def parse(source: str, raw: Mapping[str, Any], received_at: float) -> Alert:
    """`raw` by the source's parser. Raises NotFound for a source that nobody knows, NotAnAlert for what the source
    reports beside alerts, and InvalidInput with the reason for all that cannot be read."""
    if source not in PARSERS:
        raise NotFound(f"no alert source {source!r}; known are {', '.join(PARSERS)}")
    return PARSERS[source](raw, received_at)


def source_names() -> list[str]:
    return list(PARSERS)
