"""How `netcordon` ends. Documented in docs/exit-codes.md."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Each with its meaning; scripts may rely on both."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    OK = 0, "done as asked"
    ERROR = 1, "something went wrong that has no code of its own; or a person answered no; or a lab failed"
    USAGE = (
        2,
        "the command line, a target or a file cannot be read; or a confirmation was needed and nobody could give it",
    )
    REFUSED = (
        3,
        "a guard said no, or `locate` finds no one device at one port, or a lab cannot run on this fabric; nothing was changed",
    )
    PARTIAL = 4, "part of it holds and part does not"
    FAILED = 5, "no device took it, or every alert sent was malformed or failed, or the audit log does not verify"
    UNREACHABLE = 6, "no daemon answers"
    NOT_FOUND = (
        7,
        "there is no such containment, target, alert source, or token; or `locate` or `bindings` knows of no such device",
    )
    UNPROVEN = 8, "`--wait` ended before what it waited for was seen"
    DENIED = 9, "the token is missing, unknown, or may not do this"
    WARNED = 10, "`doctor` found something to look at, and nothing that is broken"
    UNHEALTHY = 11, "`doctor` found something that is broken"
