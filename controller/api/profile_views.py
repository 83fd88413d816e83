"""Profiles as the API shows them. Pure: what people wrote is neutralized here."""

from __future__ import annotations

from collections.abc import Iterable

from controller.api import schemas
from controller.model import Entry, Peers, Profile
from controller.neutralize import neutralize


def profile_view(profile: Profile) -> schemas.ProfileView:
    return schemas.ProfileView(
        name=profile.name,
        description=neutralize(profile.description),
        strictness=profile.strictness,
        default=profile.default.value,
        built_in=profile.built_in,
        entries=_entries(profile.entries),
        closes=_entries(profile.closes),
    )


def _entries(entries: Iterable[Entry]) -> list[schemas.EntryView]:
    return [
        schemas.EntryView(
            action=entry.action.value,
            direction=entry.way.value,
            what=neutralize(entry.label),
            peers=[] if entry.peers is None else _peers(entry.peers),
            why=entry.why,
        )
        for entry in entries
    ]


def _peers(peers: Peers) -> list[str]:
    return [*map(str, peers.prefixes), *(neutralize(f"role:{role}") for role in peers.roles)]
