"""The application beside another controller that owns the forwarding.

In role EQUAL (OpenFlow 1.3.5 §6.3.6), which every controller has until one asks for another, it hears the packet-ins that the other one
gets, and sends nothing of its own accord: no meter (it would limit the other's packet-ins), no LLDP (the other would find links
that are not its own). Only what the driver pushes goes to a switch, and again when the switch or a port has lost it.
"""

from __future__ import annotations

from typing import Any, ClassVar

from drivers.openflow.app import Application
from drivers.openflow.layout import BESIDE, Layout
from drivers.openflow.session import Session


class ApplicationBeside(Application):
    layout: ClassVar[Layout] = BESIDE

    def _prepare(self, session: Session) -> None:
        pass

    def _send_lldp(self, session: Session, ports: list[dict[str, Any]] | None = None) -> None:
        pass
