"""What access lists on a switch's ports can tell, wherever there are such: what a platform declares of them."""

from __future__ import annotations

from drivers.base import Lack
from drivers.rules import Action, Direction, Protocol

_TOLD = frozenset({"port", "protocol", "ip", "peer", "own_ports", "peer_ports", "established"})
ALWAYS = frozenset({"port"})
ABSOLUTE = frozenset({Direction.TO})
LACKS = (
    Lack(None, frozenset({"ip", "peer"}), frozenset({None, Protocol.ARP})),
    Lack(Direction.TO, frozenset({"protocol"}), frozenset({Protocol.ARP})),
)


def matchable(*ways: Direction) -> frozenset[tuple[Action, Direction, frozenset[str]]]:
    """With lists in these directions, and an access VLAN that can be changed."""
    lists = {(action, way, _TOLD) for action in (Action.DENY, Action.PERMIT) for way in ways}
    return frozenset(lists) | {(Action.MOVE_VLAN, Direction.FROM, ALWAYS)}
