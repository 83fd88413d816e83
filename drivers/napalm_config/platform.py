"""What the driver needs of a platform. An object of it serves one device; what is blocking runs in the session's thread.

A platform is some files of its own: what its configuration says (`<name>_config.py`), how it writes access lists (`<name>_dialect.py`), the
way to the device (`<name>_line.py`), and what is asked of it and told to it there (`<name>_device.py`). What is to be sent is rendered for
all of them by `render.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from drivers.base import Capabilities, Change, DeviceFacts, ObservedState, PreState
from drivers.rules import RuleSet

Sending = Callable[[], None]
"""Called right before something is sent that may change the device: a connection lost after it leaves the device's state unknown."""
COMMIT = "netcordon-"
"""How the token of a commit of ours begins."""


class Line(Protocol):
    """The way to a device, as something that can be cut from another thread. `napalm` is the open driver, or what has its getters; None
    before that."""

    @property
    def napalm(self) -> Any: ...

    def cut(self) -> None:
        """Nothing more is sent on it. What waits for an answer fails soon."""

    def open(self, password: str) -> None:
        """Raises what `Platform.lost` names, and OSError when it was cut."""


class Platform(Protocol):
    name: str
    """As its vendor writes it."""

    @property
    def capabilities(self) -> Capabilities:
        """What this platform can hold, and for how long a commit may wait."""

    def line(self) -> Line:
        """A new way to the device, not open yet."""

    def lost(self) -> tuple[type[BaseException], ...]:
        """What is raised when the connection is gone, or was never made."""

    def refused(self) -> tuple[type[BaseException], ...]:
        """What is raised when the device said no."""

    def boot_id(self, napalm: Any) -> str:
        """Another one whenever the device has started again."""

    def look(self, napalm: Any) -> ObservedState:
        """Everything that `render` works on."""

    def glance(self, napalm: Any) -> DeviceFacts:
        """Ports and MACs, as cheaply as can be: a push waits for it."""

    def port_of(self, name: str) -> str:
        """The port that a name in the device's tables means."""

    def render(self, desired: RuleSet, observed: ObservedState, baseline: PreState) -> Change:
        """Pure. The rules were checked against `capabilities`."""

    def compare(self, napalm: Any, lines: list[str]) -> str:
        """The device's own diff of what these lines would change; they are thrown away again."""

    def commit(self, napalm: Any, lines: list[str], sending: Sending) -> str | None:
        """Commit under the device's timer. The token by which `settle` knows the commit; None where there is no timer, and it stands.
        Nothing of it stands when it is refused."""

    def settle(self, napalm: Any, token: str, sending: Sending) -> None:
        """Confirm the commit. Raises DeviceRefused when the timer has run out already, or what waits is not this commit."""

    def is_clean(self, napalm: Any) -> bool:
        """Whether the startup configuration is what runs: only then does saving save nobody else's edits."""

    def save(self, napalm: Any) -> None:
        """The running configuration to the startup configuration. A device that cannot is logged: the change stands all the same."""
