"""What would be read of a body, without any effect: for people who connect a detector, before it sends. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from controller.errors import InvalidInput
from controller.intake.body import RawEvent
from controller.intake.event import NotAnAlert
from controller.intake.source import Source
from controller.model import Alert, Culprit, End
from controller.policy import PolicyFile, culprit_end, incriminate


@dataclass(frozen=True, slots=True)
class Trial:
    """One alert that would be taken, or why an event would not. `status` is as the API answers it; `missing` is what the event does not
    say, and what that means."""

    index: int
    status: str
    reason: str = ""
    alert: Alert | None = None
    culprit: Culprit = Culprit.UNDECIDED
    why: str = ""
    missing: tuple[str, ...] = ()


def tried(source: Source, body: bytes, policy: PolicyFile, at: float) -> list[Trial]:
    """All of `body`, as if it had come at `at`. Raises InvalidInput for a body that cannot be cut into events."""
    return [
        trial for index, event in enumerate(source.split(body)) for trial in _event(source, event, policy, index, at)
    ]


def _event(source: Source, event: RawEvent, policy: PolicyFile, index: int, at: float) -> list[Trial]:
    try:
        if event.fields is None:
            raise InvalidInput(event.error)
        read = source.read(event.fields, at)
    except NotAnAlert as error:
        return [Trial(index, "ignored", str(error))]
    except InvalidInput as error:
        return [Trial(index, "malformed", str(error))]
    absent = source.absent(event.fields)
    return [_alert(alert, absent, policy, index) for alert in read]


def _alert(alert: Alert, absent: list[str], policy: PolicyFile, index: int) -> Trial:
    culprit, why = incriminate(policy, alert)
    missing = [*absent, *_lacks(alert)]
    end = culprit_end(alert, culprit)
    if end is not None and not _named(end):
        missing.append(f"the {culprit.value} has no address, and is whom policy calls the culprit: a person is asked")
    return Trial(index, "taken", "", alert, culprit, why, tuple(missing))


def _lacks(alert: Alert) -> list[str]:
    """What policy could match on, or locating needs, and is not there."""
    lacking = {
        "src: no address": not _named(alert.src),
        "dst: no address": not _named(alert.dst),
        "signature_id: none": alert.signature_id is None,
        f"observed_at: {alert.time_doubt}; it will be ambiguous": bool(alert.time_doubt),
    }
    return [words for words, lacks in lacking.items() if lacks]


def _named(end: End) -> bool:
    return end.ip is not None or end.mac is not None
