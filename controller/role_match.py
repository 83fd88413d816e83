"""Which role profile a device gets, and by whose word. Pure.

The inventory's word counts, by the device's MAC; what it says of an address alone, anybody can take who takes that address. A fingerprint
is what the device does and says of itself: it may narrow what is known, and loosens nothing. So it chooses only among profiles under
which the device opens nothing by itself; whoever behaves as a domain controller, and is none of the inventory's, is `unknown`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from controller.errors import RefusalCode, Refused
from controller.model import Decision, Endpoint, Mode, Profile, Way
from controller.neutralize import neutralize
from controller.role_profiles import PREFIX, ROLES, UNKNOWN
from drivers.rules import Protocol

BY_ROLE = Profile(
    "role", 86, "that of the device's own role, as far as it is known: see the profiles role:…", built_in=True
)
"""Stands for one of the others until it is known whose: nothing passes under it, if it ever came to a plan."""
PROFILES = {one.role: one.profile for one in ROLES}
_SPELLINGS = {
    "dc": "domain-controller",
    "domain controller": "domain-controller",
    "dns-server": "dns",
    "resolver": "dns",
    "dhcp-server": "dhcp",
    "file": "file-server",
    "fileserver": "file-server",
    "nas": "file-server",
    "print": "printer",
    "print-server": "printer",
    "web": "web-server",
    "webserver": "web-server",
    "db": "database",
    "database-server": "database",
    "ip-camera": "camera",
    "ip-phone": "phone",
    "voip-phone": "phone",
    "desktop": "workstation",
    "laptop": "workstation",
    "client": "workstation",
}
_BY_MAC, _BY_ADDRESS = 1.0, 0.5


class RoleMatching(BaseModel):
    """How sure the role must be (0 to 1) for its profile: the inventory is by MAC 1, by address alone 0.5; a fingerprint says its own.
    `below`: what a fingerprint comes to that is less sure. What the inventory says less surely is always proposed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    confidence: float = Field(default=0.75, ge=0, le=1)
    below: Literal["unknown", "propose"] = "unknown"


@dataclass(frozen=True, slots=True)
class RoleMatch:
    """`doubt`: a person should say whether this is the one."""

    profile: Profile
    why: str
    doubt: bool = False


def profile_of(role: str) -> Profile | None:
    """By the inventory's spelling or ours."""
    word = role.strip().casefold()
    return PROFILES.get(_SPELLINGS.get(word, word))


def opens_nothing(profile: Profile) -> bool:
    """Whether the device opens nothing under it: only connections to it pass, and their answers."""
    return all(entry.way is Way.TO and entry.protocol is Protocol.TCP for entry in profile.entries)


def matched(endpoint: Endpoint, settings: RoleMatching) -> RoleMatch:
    """The profile by the device's role, and the sentence that says by whose word."""
    if endpoint.role != UNKNOWN:
        return _by_inventory(endpoint, settings)
    looks = endpoint.looks
    if looks is None or looks.role == UNKNOWN:
        return RoleMatch(PROFILES[UNKNOWN], "nobody knows its role")
    said = f"it looks like a {neutralize(looks.role)} ({looks.confidence:.2f}, by what it does and says)"
    profile = profile_of(looks.role)
    if profile is None or not opens_nothing(profile):
        return RoleMatch(
            PROFILES[UNKNOWN], f"{said}, and the inventory does not say so: nobody is looser held by its own word"
        )
    if looks.confidence < settings.confidence:
        doubt = settings.below == "propose"
        return RoleMatch(PROFILES[UNKNOWN], f"{said}, which is less than {settings.confidence:g}", doubt)
    return RoleMatch(profile, f"{said}, and opens nothing under that profile")


def _by_inventory(endpoint: Endpoint, settings: RoleMatching) -> RoleMatch:
    by_mac = endpoint.listed != "ip"
    said = f"the inventory says {endpoint.role}" + ("" if by_mac else ", of its address alone, which anybody can take")
    profile = profile_of(endpoint.role)
    if profile is None:
        return RoleMatch(PROFILES[UNKNOWN], f"{said}, for which there is no profile", doubt=True)
    return RoleMatch(profile, said, doubt=(_BY_MAC if by_mac else _BY_ADDRESS) < settings.confidence)


def by_role(decision: Decision, endpoint: Endpoint, settings: RoleMatching) -> Decision:
    """The decision with the device's own role's profile where it names `role`; any other stays. In doubt it is proposed; a person, who is
    not asked but tells, gets Refused and names the role."""
    if decision.profile.name != BY_ROLE.name:
        return decision
    found = matched(endpoint, settings)
    if found.doubt and not decision.automatic:
        raise Refused(
            RefusalCode.UNDECIDED,
            f"which role's profile is meant? {found.why}. Name it: --profile {found.profile.name}, or another of {PREFIX}…",
        )
    mode = Mode.PROPOSE if found.doubt and decision.mode is Mode.CONTAIN else decision.mode
    reason = f"{decision.reason}; {found.profile.name}: {found.why}"
    return replace(decision, profile=found.profile, mode=mode, reason=reason)
