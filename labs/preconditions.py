"""What a lab needs of the machine, looked at before anything is started."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess

from labs.process import LabError
from topologies.network import Leftover, vsctl

PROGRAMS = {
    "ovs-vsctl": "openvswitch-switch",
    "ovs-ofctl": "openvswitch-switch",
    "mnexec": "mininet",
    "ifconfig": "net-tools",
    "ethtool": "ethtool",
    "ip": "iproute2",
    "setpriv": "util-linux",
}
START_OVS = "/usr/share/openvswitch/scripts/ovs-ctl start --system-id=random"


def check() -> None:
    """Raises LabError that names one thing which is missing, and the command that brings it."""
    if os.geteuid() != 0:
        raise LabError("a lab makes network namespaces and switches: run it as root (sudo netcordon lab run …)")
    if importlib.util.find_spec("mininet") is None:
        raise LabError("Mininet's Python side is not installed: pip install 'netcordon[lab]'")
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        raise LabError(f"programs are missing: apt-get install {' '.join(dict.fromkeys(missing))}")
    try:
        vsctl("show")
    except subprocess.CalledProcessError as error:
        raise LabError(f"Open vSwitch does not answer: start it with {START_OVS}\n{error.stderr.strip()}") from error


def leftovers_in_words(found: list[Leftover]) -> str:
    """What an earlier run left, and how to be rid of it: by hand, nothing else is touched."""
    bridges = ", ".join(one.bridge for one in found)
    return f"an earlier lab run was killed and left bridges behind: {bridges}. Remove these with: netcordon lab clean"
