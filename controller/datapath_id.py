"""How people write an OpenFlow switch's datapath id, and how it is written out. Pure."""

from __future__ import annotations

import re

_DATAPATH_ID = re.compile(r"of:([0-9a-f]{1,16})(?![0-9a-f])", re.IGNORECASE)


def whole_datapath_id(text: object) -> object:
    """of:1 is written out as of:0000000000000001, as the switch itself is called; anything else stays as it is."""
    if isinstance(text, str) and (short := _DATAPATH_ID.match(text)):
        return f"of:{short[1].lower():0>16}{text[short.end() :]}"
    return text
