"""The warm session with a device through the unmodified NAPALM driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from drivers.credentials import password
from drivers.napalm_config.options import DeviceOptions
from drivers.napalm_config.platform import Line, Platform
from drivers.warm_session import Lost, Refused, WarmSession, in_one_line

T = TypeVar("T")


class Session(WarmSession[Line]):
    """What `run` calls gets the open NAPALM driver."""

    def __init__(self, device: str, options: DeviceOptions, platform: Platform) -> None:
        super().__init__(device)
        self._options, self._platform = options, platform

    def _new_line(self) -> Line:
        return self._platform.line()

    def _use(self, line: Line, work: Callable[[Any], T]) -> T:
        lost: tuple[type[BaseException], ...] = (*self._platform.lost(), OSError, EOFError)
        try:
            if line.napalm is None:
                line.open(password(self._device, self._options.password_file))
            return work(line.napalm)
        except lost as error:
            raise Lost(in_one_line(error)) from None
        except self._platform.refused() as error:
            raise Refused(in_one_line(error)) from None
