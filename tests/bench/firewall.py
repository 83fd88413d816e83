"""Ryu 4.34's own `rest_firewall`, in an environment of its own, as the side to compare with."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from labs.process import process
from tests.bench.ground import PATIENCE, BenchError, Ground
from tests.bench.http import Answer, Http

PRIORITY = "100"
START = """
import eventlet.wsgi, sys
eventlet.wsgi.ALREADY_HANDLED = getattr(eventlet.wsgi, "ALREADY_HANDLED", object())
eventlet.monkey_patch()
from ryu.cmd.manager import main
sys.exit(main())
"""
"""Ryu looks for a name that current eventlet no longer has; otherwise this is `ryu-manager`."""


@dataclass
class Firewall:
    """`contain` posts one bare rule. It is answered before any barrier; the switch may take it later."""

    ground: Ground
    http: Http
    name: str = "rest_firewall"

    @property
    def _rules(self) -> str:
        return f"/firewall/rules/{self.ground.dpid:016x}"

    def contain(self) -> tuple[Answer, str]:
        """The answer, and the id of the rule."""
        rule = {"dl_src": self.ground.rogue.mac, "nw_src": f"{self.ground.rogue.ip}/32"}
        answer = self.http.request("POST", self._rules, rule | {"actions": "DENY", "priority": PRIORITY})
        return answer, _rule_id(answer)

    def undo(self, which: str) -> None:
        """It asks the switch for all its flows, for a second at most. Where they are too many for that (ten thousand, or a thousand
        on a busy machine) it says that the rule does not exist: then the rule is taken away at the switch, by its cookie. That is
        not measured."""
        if "success" not in self.http.request("DELETE", self._rules, {"rule_id": which}).body.decode():
            self.ground.ofctl("del-flows", f"cookie={int(which):#x}/-1")

    def stages(self, which: str) -> dict[str, float]:
        return {}

    def hold(self, number: int, held: int) -> int:
        """So many rules in all, of addresses that nobody has; how many there are. They allow: to deny, it reads all flows each time."""
        for n in range(held, number):
            other = IPv4Address(0x0AFA0000 + n)
            rule = {"nw_src": f"{other}/32", "actions": "ALLOW", "priority": PRIORITY}
            self.http.request("POST", self._rules, rule)
        return number


@contextmanager
def firewall(ground: Ground, python: Path, ports: tuple[int, int], log: Path) -> Iterator[Firewall]:
    """Running, controlling the switch, enabled, and letting everything pass that no rule denies. `ports`: OpenFlow's and HTTP's. Its log is
    off: each denied frame would be sent to it to be written down, two thousand a second, and where the machine is busy besides, it never
    gets to the end of them. That can only make it faster."""
    openflow, web = ports
    command = [str(python), "-c", START, "--ofp-listen-host", "127.0.0.1", "--ofp-tcp-listen-port", str(openflow)]
    command += ["--wsapi-host", "127.0.0.1", "--wsapi-port", str(web), "ryu.app.rest_firewall"]
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with process(command, log, ours):
        ground.wipe()
        ground.controlled_by(openflow)
        http = Http(web)
        side = Firewall(ground, http)
        _until_connected(http, ground, log)
        http.request("PUT", f"/firewall/module/enable/{ground.dpid:016x}")
        http.request("PUT", f"/firewall/log/disable/{ground.dpid:016x}")
        http.request("POST", side._rules, {"nw_src": str(ground.plan.prefix), "actions": "ALLOW", "priority": "1"})
        try:
            yield side
        finally:
            http.close()
            ground.controlled_by(None)


def _until_connected(http: Http, ground: Ground, log: Path) -> None:
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        try:
            if f"{ground.dpid:016x}" in http.request("GET", "/firewall/module/status").body.decode():
                return
        except OSError:
            http.close()
        except BenchError:  # it answers, and knows no switch yet
            pass
        time.sleep(0.1)
    raise BenchError(f"rest_firewall does not see the switch: {log.read_text()[-2000:]}")


def _rule_id(answer: Answer) -> str:
    words = str(answer.json()[0]["command_result"][0]["details"])
    found = words.rpartition("rule_id=")[2]
    if not found.isdigit():
        raise BenchError(f"rest_firewall did not take the rule: {answer.body.decode()}")
    return found
