"""What the driver needs of a platform. What is blocking runs in the session's thread; the rest does no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from drivers.base import EVERYTHING, Capabilities, Change, DeviceFacts, ObservedState, PreState, Scope
from drivers.rules import RuleSet

if TYPE_CHECKING:
    from drivers.netmiko_cli.shell import Shell


class Platform(Protocol):
    """`look` gives what `facts` and `observed` are made of. Blocking methods raise Lost or Refused (see `warm_session`)."""

    @property
    def capabilities(self) -> Capabilities: ...

    def look(self, shell: Shell) -> Any:
        """All that is ever asked, in one command."""

    def facts(self, seen: Any) -> DeviceFacts: ...

    def observed(self, seen: Any, scope: Scope = EVERYTHING) -> ObservedState: ...

    def render(self, desired: RuleSet, observed: ObservedState, baseline: PreState) -> Change:
        """Pure. The rules were checked against `capabilities`. What cannot be held is a `Refusal` among the messages."""

    def check(self, shell: Shell, change: Change) -> None:
        """Let the device's own tool judge the change, and change nothing. Only where `capabilities` has a preview."""

    def push(self, shell: Shell, change: Change) -> None:
        """Send all of the change but its refusals."""
