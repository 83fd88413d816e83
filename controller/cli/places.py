"""Where a device is attached, as people call it: s1:s1-eth2. A switch's own name stands for its id where it is one word and no
other switch's, so that what is shown can be typed back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from controller.api.schemas import AttachmentView

if TYPE_CHECKING:
    from controller.client import Client

Names = Mapping[str, str]
"""The switches' own names by id."""
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def switch_names(client: Client) -> Names:
    devices = client.devices()
    count = Counter(word for one in devices for word in {one.id, one.description})
    return {
        one.id: one.description for one in devices if _WORD.fullmatch(one.description) and count[one.description] == 1
    }


def switch(device: str, names: Names) -> str:
    return f"{names[device]} ({device})" if device in names else device


def place(attachment: AttachmentView, names: Names) -> str:
    return f"{names.get(attachment.device, attachment.device)}:{attachment.port}"
