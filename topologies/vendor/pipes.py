"""What stands behind a `show` command and a bar, as Cisco's command lines have it: `| include`, `exclude`, `begin` and `section`."""

from __future__ import annotations

import re

from topologies.vendor.configuration import InvalidInput, Rejected


def filtered(text: str, pipe: str) -> str:
    """The text's lines that `pipe` leaves. Raises InvalidInput and Rejected."""
    how, _, wanted = pipe.strip().partition(" ")
    try:
        pattern = re.compile(wanted)
    except re.error:
        raise Rejected("% Failed to compile regular expression") from None
    lines = text.splitlines()
    if how and "include".startswith(how):
        return "\n".join(line for line in lines if pattern.search(line))
    if how and "exclude".startswith(how):
        return "\n".join(line for line in lines if not pattern.search(line))
    if how and "begin".startswith(how):
        first = next((n for n, line in enumerate(lines) if pattern.search(line)), len(lines))
        return "\n".join(lines[first:])
    if how and "section".startswith(how):
        kept, inside = [], False
        for line in lines:
            inside = bool(pattern.search(line)) if not line.startswith(" ") else inside
            kept += [line] if inside else []
        return "\n".join(kept)
    raise InvalidInput(None)
