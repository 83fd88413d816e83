"""How a device is reached, as its configuration says it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Save(StrEnum):
    """Whether a change goes into the startup configuration, and with it whatever else was not saved."""

    IF_CLEAN_BEFORE = "if-clean-before"
    NEVER = "never"
    ALWAYS = "always"


class DeviceOptions(BaseModel):
    """What every switch has whose changes wait for a confirmation. `password_file` holds the password and nothing else; without one it is
    looked for in the environment, and then in the keyring. `revert_in`: seconds after which the device undoes a commit that was not
    confirmed. `poll`: seconds from one look at its ports and MACs to the next. `bounce_for`: seconds for which a port is shut at least when
    it is bounced: clients overlook short ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:_-]+$")
    port: int = Field(ge=1, le=65535)
    username: str = Field(min_length=1, max_length=64)
    password_file: Path | None = None
    save: Save = Save.IF_CLEAN_BEFORE
    revert_in: int = 60
    poll: float = Field(default=15.0, ge=0.1, le=3600)
    bounce_for: float = Field(default=5.0, ge=0.1, le=15)

    @field_validator("username")
    @classmethod
    def _no_colon(cls, name: str) -> str:
        """Basic authentication ends the name at one."""
        if ":" in name or not name.isprintable():
            raise ValueError("a user name has no colon and no control characters")
        return name


class NapalmOptions(DeviceOptions):
    platform: Literal["eos", "ios", "junos", "nxos"]


class EosOptions(NapalmOptions):
    """`verify` false trusts any certificate: for labs alone. `ca` is the PEM file of the authority, or of the device's own certificate;
    the system's otherwise."""

    platform: Literal["eos"] = "eos"
    port: int = Field(default=443, ge=1, le=65535)
    verify: bool = True
    ca: Path | None = None
    revert_in: int = Field(default=60, ge=30, le=3600)


class CatalystOptions(DeviceOptions):
    """`verify` false trusts any host key: for labs alone. `known_hosts` is the file that has the device's; that of the user whom the daemon
    runs as otherwise. `port_lists_out`: whether ports have lists for what leaves, as Catalyst 4500 have; one that has not refuses them.
    `revert_in`: IOS counts whole minutes."""

    port: int = Field(default=22, ge=1, le=65535)
    verify: bool = True
    known_hosts: Path | None = None
    port_lists_out: bool = False
    revert_in: int = Field(default=60, ge=60, le=7200, multiple_of=60)


class IosOptions(CatalystOptions, NapalmOptions):
    """`file_system`: where the file is put that is merged."""

    platform: Literal["ios"] = "ios"
    file_system: str = Field(default="flash:", pattern=r"^[a-z][a-z0-9-]{0,30}:$")


class JunosOptions(NapalmOptions):
    """`verify` false trusts any host key: for labs alone. `known_hosts` is the file that has the device's; that of the user whom the daemon
    runs as otherwise. `save` says nothing here: what is committed stays. `revert_in`: Junos counts whole minutes."""

    platform: Literal["junos"] = "junos"
    port: int = Field(default=830, ge=1, le=65535)
    verify: bool = True
    known_hosts: Path | None = None
    revert_in: int = Field(default=60, ge=60, le=3600, multiple_of=60)


class NxosOptions(NapalmOptions):
    """`verify` false trusts any host key: for labs alone. `known_hosts` is the file that has the device's; that of the user whom the daemon
    runs as otherwise. The device has to know `configure dual-stage`."""

    platform: Literal["nxos"] = "nxos"
    port: int = Field(default=22, ge=1, le=65535)
    verify: bool = True
    known_hosts: Path | None = None
    revert_in: int = Field(default=60, ge=30, le=3600)
