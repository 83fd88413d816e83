"""What policy made of an alert, rule by rule, as it is kept with the alert. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from controller.audit import canonical
from controller.model import Considered, Decision


@dataclass(frozen=True, slots=True)
class Explanation:
    """`policy` is the version that was in force. `why` says who the culprit is, and by which rule; `accusers` are the incrimination rules
    and `rules` those that say what to do, each with what spoke against it (""; none: it was decided by this one). Nothing is said of rules
    that nobody came to, since the culprit or its place was not known. `rule` "" : none matched."""

    policy: str
    culprit: str
    why: str
    accusers: tuple[Considered, ...] = ()
    rule: str = ""
    mode: str = ""
    profile: str = ""
    duration: float | None = None
    rules: tuple[Considered, ...] = ()

    def decided(self, decision: Decision) -> Explanation:
        """With what was decided of the device."""
        return replace(
            self,
            rule=decision.rule,
            mode=decision.mode.value,
            profile=decision.profile.name,
            duration=decision.duration,
            rules=decision.considered,
        )


@dataclass(frozen=True, slots=True)
class Trial:
    """What a policy would make of an alert: `told` by its rules, about `target` ("": no end is accused); `refused` by what guard it would
    not come to that."""

    told: Explanation
    target: str = ""
    refused: str = ""

    @property
    def would(self) -> str:
        """In a word: contain, propose, observe, refuse, or ask (a person)."""
        if not self.target:
            return "ask"
        return "refuse" if self.refused else self.told.mode or "ask"


def dump(explained: Explanation) -> str:
    return canonical(
        {
            "policy": explained.policy,
            "culprit": explained.culprit,
            "why": explained.why,
            "accusers": _pairs(explained.accusers),
            "rule": explained.rule,
            "mode": explained.mode,
            "profile": explained.profile,
            "duration": explained.duration,
            "rules": _pairs(explained.rules),
        }
    )


def load(text: str) -> Explanation:
    wire = json.loads(text)
    lists = {name: tuple(Considered(*pair) for pair in wire[name]) for name in ("accusers", "rules")}
    return Explanation(**wire | lists)


def _pairs(considered: Iterable[Considered]) -> list[list[str]]:
    return [[one.rule, one.against] for one in considered]
