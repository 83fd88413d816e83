"""Suricata 7 on mirrors of switches: started by a lab, with rules of our own, and ended with it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from labs.process import LabError, process, wait
from topologies.network import vsctl

EVE = "eve.json"
START_PATIENCE = 60.0
_VERSION = re.compile(r"version (\d+)\.")
HOW_TO_GET = (
    "this lab needs Suricata 7, which Debian 12 has in its backports (in a checkout, `make setup` gets it):"
    " echo 'deb http://deb.debian.org/debian bookworm-backports main'"
    " > /etc/apt/sources.list.d/backports.list; apt-get update; apt-get install -t bookworm-backports suricata"
)


def check() -> None:
    """Raises LabError where there is no Suricata 7, and says how to get it."""
    if shutil.which("suricata") is None:
        raise LabError(HOW_TO_GET)
    said = subprocess.run(["suricata", "-V"], check=False, capture_output=True, text=True).stdout
    version = _VERSION.search(said)
    if version is None or int(version[1]) < 7:
        raise LabError(f"{HOW_TO_GET}; here is: {said.strip()}")


@contextmanager
def mirror(switch: str, of: Sequence[str] = ()) -> Iterator[str]:
    """An interface of this machine at which a copy of every frame of that switch comes out; where ports are named, of what comes in at
    these alone: on several switches each frame is then seen once. Nothing is forwarded to it, and nothing is taken from it
    (ovs-vswitchd.conf.db(5), table Mirror: `output_port`, `select_src_port`)."""
    port = f"{switch}-mon"
    named = [word for name in of for word in ("--", f"--id=@{name}", "get", "Port", name)]
    what = f"select-src-port={','.join(f'@{name}' for name in of)}" if of else "select-all=true"
    vsctl(
        *("--", "add-port", switch, port, "--", "set", "Interface", port, "type=internal"),
        *("--", "--id=@out", "get", "Port", port),
        *named,
        *("--", "--id=@mirror", "create", "Mirror", "name=netcordon-lab", what, "output-port=@out"),
        *("--", "set", "Bridge", switch, "mirrors=@mirror"),
    )
    try:
        with Path("/proc/sys/net/ipv6/conf", port, "disable_ipv6").open("w") as silent:
            silent.write("1")
        subprocess.run(["ip", "link", "set", port, "promisc", "on", "up"], check=True)
        yield port
    finally:
        vsctl("--", "--if-exists", "clear", "Bridge", switch, "mirrors", "--", "--if-exists", "del-port", switch, port)


@contextmanager
def watching(interfaces: Sequence[str], folder: Path) -> Iterator[None]:
    """Suricata listens at the interfaces, and writes `folder`/eve.json. It listens when the block begins. Raises LabError with the end of
    its log."""
    settings, log = folder / "suricata.yaml", folder / "suricata.log"
    settings.write_text(f"%YAML 1.1\n---\n{yaml.safe_dump(_settings(folder, interfaces), sort_keys=False)}")
    rules = files("labs").joinpath("suricata", "netcordon.rules")
    (folder / "netcordon.rules").write_text(rules.read_text(encoding="utf-8"))
    (folder / "classification.config").write_text("config classification: network-scan,Detection of a Network Scan,3\n")
    (folder / "reference.config").touch()
    words = ["suricata", "-c", str(settings), "-S", str(folder / "netcordon.rules"), "-l", str(folder)]
    words += ["--af-packet", "-k", "none", "-v", "--init-errors-fatal"]
    with process(words, log, os.environ) as running:
        wait(lambda: "Engine started" in log.read_text(), "Suricata", START_PATIENCE, alive=running, log=log)
        yield


def _settings(folder: Path, interfaces: Sequence[str]) -> dict[str, Any]:
    """What it needs for this and no more: one thread an interface, which captures, decodes, detects and writes, so that an alert is written
    by the time the next packet is looked at."""
    return {
        "vars": {"address-groups": {"HOME_NET": "any", "EXTERNAL_NET": "any"}},
        "runmode": "single" if len(interfaces) == 1 else "workers",
        "default-log-dir": str(folder),
        "outputs": [{"eve-log": {"enabled": True, "filetype": "regular", "filename": EVE, "types": ["alert", "flow"]}}],
        "logging": {"default-log-level": "info", "outputs": [{"console": {"enabled": True}}]},
        "stats": {"enabled": False},
        # tpacket-v3 hands packets over in blocks, after some milliseconds
        "af-packet": [
            {"interface": one, "threads": 1, "cluster-id": 97 - place, "tpacket-v3": False, "use-mmap": True}
            for place, one in enumerate(interfaces)
        ],
        "unix-command": {"enabled": False},
        "classification-file": str(folder / "classification.config"),
        "reference-config-file": str(folder / "reference.config"),
    }
