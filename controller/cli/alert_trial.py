"""`alert test`: what would be read of a file, and what is missing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from controller.cli import output
from controller.cli.exit_codes import ExitCode
from controller.cli.tables import Form
from controller.config import load_config
from controller.errors import NotFound
from controller.intake import with_mappings
from controller.intake.trial import Trial, tried
from controller.model import Alert, End


def tried_file(body: bytes, source: str, config: Path | None) -> list[Trial]:
    """Raises NotFound for a source that there is not, InvalidInput for a body that cannot be cut, ConfigError."""
    read = load_config(config)
    sources = with_mappings(read.intake.mappings)
    if source not in sources:
        raise NotFound(f"no alert source {source!r}; known are {', '.join(sources)}")
    return tried(sources[source], body, read.policy, time.time())


def worst(trials: Sequence[Trial]) -> ExitCode:
    """As `alert send` ends: with the malformed."""
    malformed = sum(one.status == "malformed" for one in trials)
    if not malformed:
        return ExitCode.OK
    return ExitCode.FAILED if malformed == len(trials) else ExitCode.PARTIAL


def show(trials: Sequence[Trial], *, as_json: bool) -> None:
    if as_json:
        output.print_json({"results": [_wire(one) for one in trials]})
        return
    output.table(
        Form(("EVENT", "FIELD", "WHAT WOULD BE READ"), folds=("WHAT WOULD BE READ",)),
        (row for one in trials for row in _rows(one)),
        "no event",
    )
    counts = {word: sum(one.status == word for one in trials) for word in ("taken", "ignored", "malformed")}
    output.note(f"{', '.join(f'{n} {word}' for word, n in counts.items())}; nothing was sent or stored")


def _rows(trial: Trial) -> Iterator[tuple[object, str, object]]:
    if trial.alert is None:
        yield trial.index, trial.status, trial.reason
        return
    for name, value in _fields(trial.alert).items():
        if value not in (None, "", []):
            yield trial.index, name, value if not isinstance(value, list) else ", ".join(value)
    yield trial.index, "culprit", f"{trial.culprit.value}: {trial.why}"
    for words in trial.missing:
        yield trial.index, "missing", words


def _fields(alert: Alert) -> dict[str, Any]:
    return {
        "observed_at": datetime.fromtimestamp(alert.observed_at, UTC).isoformat(),
        "signature": alert.signature,
        "signature_id": alert.signature_id,
        "severity": alert.severity,
        "src": _end(alert.src),
        "dst": _end(alert.dst),
        "confidence": alert.confidence,
        "techniques": list(alert.techniques),
        "category": alert.category,
        "text": alert.text,
        "realm": alert.realm,
        "key": alert.key,
    }


def _end(end: End) -> str:
    """10.0.0.66 02:00:00:00:00:42 port 40312"""
    words = (str(end.ip or ""), end.mac or "", "" if end.port is None else f"port {end.port}")
    return " ".join(word for word in words if word)


def _wire(trial: Trial) -> dict[str, Any]:
    alert = None if trial.alert is None else _fields(trial.alert)
    return {
        "index": trial.index,
        "status": trial.status,
        "reason": trial.reason,
        "alert": alert,
        "culprit": trial.culprit.value if alert else None,
        "why": trial.why,
        "missing": list(trial.missing),
    }
