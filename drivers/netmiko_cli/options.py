"""How a device with a command line is reached, as its configuration says it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from drivers.napalm_config.options import CatalystOptions

Platform = Literal["linux", "ovs"]


class NetmikoOptions(BaseModel):
    """`key_file` is the private key to log in with, and `password_file` what unlocks it; without a key, a password is used: the only line
    of `password_file`, else from the environment, else from the keyring. `known_hosts` holds the device's host key, in OpenSSH's form;
    without it, the file of the user that runs the daemon. `verify` false takes any host key: for labs alone. `sudo`: commands that need
    root go through `sudo -n`. `bridge`: the Open vSwitch bridge (platform `ovs` alone). `poll`: seconds from one look at its ports and MACs
    to the next."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    platform: Platform
    host: str = Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:_-]+$")
    port: int = Field(default=22, ge=1, le=65535)
    username: str = Field(min_length=1, max_length=64)
    password_file: Path | None = None
    key_file: Path | None = None
    known_hosts: Path | None = None
    verify: bool = True
    sudo: bool = False
    bridge: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]{1,15}$")
    poll: float = Field(default=15.0, ge=0.1, le=3600)

    @field_validator("username")
    @classmethod
    def _printable(cls, name: str) -> str:
        if not name.isprintable():
            raise ValueError("a user name has no control characters")
        return name

    @model_validator(mode="after")
    def _names_its_bridge(self) -> Self:
        if (self.bridge is not None) is not (self.platform == "ovs"):
            raise ValueError("`bridge` names the bridge of platform ovs, and goes with no other")
        return self


class CiscoIosOptions(CatalystOptions):
    """`archive`: whether the switch has `archive` with a `path`. Without it IOS undoes nothing by itself, and `revert_in` says nothing."""

    platform: Literal["cisco_ios"] = "cisco_ios"
    archive: bool = True


class Named(BaseModel):
    """Which platform the options are for."""

    platform: Platform | Literal["cisco_ios"]
