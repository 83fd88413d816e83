"""The passive sensor's ear: frames in, devices and alarms out. In bounded memory, whatever comes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from controller.discovery.alarms import Alarm, Alarms, Known
from controller.discovery.dissect import Dissector
from controller.discovery.fingerprint import Fingerprint, fingerprint
from controller.discovery.seen import Seen, SeenDevices
from controller.model import Managed

_GROUP = 0x01


@dataclass(frozen=True, slots=True)
class Device:
    """One that was seen, with what it looks like and whether it is onboarded."""

    seen: Seen
    looks: Fingerprint
    managed: Managed


class Listener:
    """`frames` and `unreadable` count what came, and what of it was cut short or made to break a dissector."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self.table = SeenDevices()
        self.alarms = Alarms(known)
        self.frames = self.unreadable = 0
        self._dissector = Dissector()

    def hear(self, frame: bytes, at: float) -> Iterable[Alarm]:
        """Never raises for what a frame holds."""
        self.frames += 1
        if len(frame) < 14 or frame[6] & _GROUP:  # no station has a group address for its own
            self.unreadable += 1
            return ()
        mac = frame[6:12]
        heard = self._dissector.read(frame)
        self.unreadable += heard.unreadable
        return self.alarms.hear(mac, heard, at, new=self.table.take(mac, heard, at))

    def devices(self) -> list[Device]:
        return [
            Device(one, fingerprint(one.mac, one.words), self.known.state(bytes.fromhex(one.mac.replace(":", ""))))
            for one in self.table.all()
        ]
