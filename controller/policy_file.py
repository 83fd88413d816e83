"""A policy in a file or a text of its own, read against the rest of the configuration: what is wrong is said with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from controller.durations import show_duration
from controller.model import Profile
from controller.policy import PolicyFile
from controller.profiles import unknown
from controller.yaml_source import LocatedError, parse_model, read_model


def read_policy(path: Path, profiles: Mapping[str, Profile], kept: float | None) -> PolicyFile:
    """The file's policy. `profiles` are those that there are, `kept` for how many seconds containments stay in the store (None: always).
    Raises ConfigError with the file's name and lines."""
    return read_model(path, PolicyFile, lambda policy: misfits(policy, profiles, kept))


def parse_policy(text: str, name: str, profiles: Mapping[str, Profile], kept: float | None) -> PolicyFile:
    """A text's policy; `name` is how errors call it. Raises ConfigError with lines."""
    return parse_model(text, PolicyFile, name, lambda policy: misfits(policy, profiles, kept))


def misfits(policy: PolicyFile, profiles: Mapping[str, Profile], kept: float | None) -> Iterator[LocatedError]:
    """What the policy asks for and the rest of the configuration does not have."""
    for index, rule in enumerate(policy.rules):
        at = ("rules", index)
        if rule.profile not in profiles:
            yield LocatedError((*at, "profile"), unknown(rule.profile, profiles))
        if kept is None:
            continue
        if rule.memory > kept:
            yield LocatedError((*at, "within" if rule.within else "for"), _forgotten(rule.memory, kept))
        if rule.match.remembers > kept:
            yield LocatedError((*at, "match", "repeats", "within"), _forgotten(rule.match.remembers, kept))


def _forgotten(asked: float, kept: float) -> str:
    return (
        f"containments are kept for {show_duration(kept)} (retention.containments), and the rule counts those of"
        f" {show_duration(asked)}: write a shorter `within`, or keep them longer"
    )
