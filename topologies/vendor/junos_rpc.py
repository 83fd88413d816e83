"""What a Junos switch answers over NETCONF: the requests that PyEZ and NAPALM's junos driver make ("NETCONF XML Management Protocol
Developer Guide" and "Junos XML API Operational Developer Reference", Juniper). Its errors are `rpc-error` elements with a severity, a
message and, where a statement is wrong, its path and the bad element."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from topologies.vendor.junos import JunosSwitch, Rejected
from topologies.vendor.junos_forwarding import CheckFailed
from topologies.vendor.junos_grammar import ROOT
from topologies.vendor.junos_show import SHOWN, Element, element
from topologies.vendor.junos_tree import BadStatement, Edit, as_set, as_xml, compared, from_set, from_text, from_xml
from topologies.vendor.ssh_front import SshFront

BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
CAPABILITIES = (
    BASE,
    *(f"urn:ietf:params:netconf:{name}:1.0" for name in ("base", "capability:candidate", "capability:validate")),
    "urn:ietf:params:netconf:capability:confirmed-commit:1.0",
    "http://xml.juniper.net/netconf/junos/1.0",
    "http://xml.juniper.net/dmi/system/1.0",
)
_CHANGING = frozenset({"load-configuration", "commit-configuration", "lock-configuration", "unlock-configuration"})


def served_over_netconf(
    switch: JunosSwitch, users: Mapping[str, str], address: tuple[str, int] = ("127.0.0.1", 0)
) -> SshFront:
    """The switch's `netconf` subsystem over SSH; its host key lies in its flash. Every line that is loaded is among what was heard."""
    numbers, guard = count(1), threading.Lock()

    def session(user: str) -> Session:
        with guard:
            return Session(switch, user, next(numbers), front.heard)

    front = SshFront(None, None, users, Path(switch.flash), switch.faults, address, netconf=session)
    return front


class Session:
    """One client's; `heard` gets the names of its requests and the lines that it loads."""

    def __init__(self, switch: JunosSwitch, user: str, number: int, heard: set[str]) -> None:
        self._switch, self._user, self._number, self._heard = switch, user, number, heard
        self.over = False
        self._requests: dict[str, Callable[[Element], list[Element]]] = {
            "lock-configuration": self._lock,
            "unlock-configuration": self._unlock,
            "load-configuration": self._load,
            "get-configuration": self._get,
            "commit-configuration": self._commit,
            "command": self._command,
        }

    def hello(self) -> str:
        said = "".join(f"<capability>{one}</capability>" for one in CAPABILITIES)
        return (
            f'<hello xmlns="{BASE}"><capabilities>{said}</capabilities><session-id>{self._number}</session-id></hello>'
        )

    def answer(self, message: str) -> str:
        try:
            root = ElementTree.fromstring(message)  # noqa: S314 - a lab's switch, heard by who logged in to it
        except ElementTree.ParseError:
            return self._reply("", _error("syntax error, could not parse the request"))
        if _name(root) == "hello":
            return ""
        for one in root.iter():
            one.tag = _name(one)
        attributes = "".join(f" {key}={quoteattr(text)}" for key, text in root.attrib.items() if "{" not in key)
        if len(root) != 1:
            return self._reply(attributes, _error("syntax error"))
        if root[0].tag == "close-session":
            self.over = True
            return self._reply(attributes, "")
        return self._reply(attributes, self._run(root[0]))

    def close(self) -> None:
        with self._switch.lock:
            if self._switch.held is not None and self._switch.held.session == self._number:
                self._switch.give_lock(self._number)

    def _reply(self, attributes: str, body: str) -> str:
        spaces = f'xmlns="{BASE}" xmlns:junos="http://xml.juniper.net/junos/20.4R3/junos"'
        return f"<rpc-reply {spaces}{attributes}>\n{body or '<ok/>'}\n</rpc-reply>"

    def _run(self, request: Element) -> str:
        self._heard.add(request.tag)
        shown = SHOWN.get(request.tag)
        with self._switch.lock:
            try:
                if self._user in self._switch.faults.read_only and request.tag in _CHANGING:
                    raise Rejected("permission denied")
                if shown is not None:
                    found = shown(self._switch, request)
                elif request.tag in self._requests:
                    found = self._requests[request.tag](request)
                else:
                    return _error("syntax error", bad=request.tag)
            except BadStatement as error:
                return _error(str(error), error.path, error.word)
            except CheckFailed as error:
                return _error(str(error), error.path) + _error("configuration check-out failed")
            except Rejected as error:
                return _error(str(error))
        return "\n".join(ElementTree.tostring(one, encoding="unicode") for one in found)

    # --- requests ---------------------------------------------------------------------------------------------------------

    def _lock(self, _: Element) -> list[Element]:
        self._switch.take_lock(self._number, self._user)
        return []

    def _unlock(self, _: Element) -> list[Element]:
        self._switch.give_lock(self._number)
        return []

    def _load(self, request: Element) -> list[Element]:
        switch = self._switch
        switch.require_lock(self._number)
        if (number := request.get("rollback")) is not None:
            switch.roll_back(int(number))
            return [element("load-configuration-results", element("ok"))]
        wrong = switch.load(self._edits(request), override=request.get("action") == "override")
        if not wrong:
            return [element("load-configuration-results", element("ok"))]
        errors = "".join(_error(str(one), one.path, one.word) for one in wrong)
        told = f"<r>{errors}<load-error-count>{len(wrong)}</load-error-count></r>"
        results = ElementTree.fromstring(told)  # noqa: S314 - made right here
        results.tag = "load-configuration-results"
        return [results]

    def _edits(self, request: Element) -> list[Edit]:
        lines = request.findtext("configuration-set")
        if lines is not None:
            typed = [one.strip() for one in lines.splitlines() if one.strip() and not one.strip().startswith("#")]
            self._heard.update(typed)
            return [from_set(line) for line in typed]
        text = request.findtext("configuration-text")
        if text is not None:
            self._heard.update(line.strip() for line in text.splitlines())
            return list(from_text(text))
        inside = request.find("configuration")
        if inside is None:
            raise BadStatement("syntax error, missing configuration", (), request.get("format") or "")
        return list(from_xml(inside, ROOT))

    def _get(self, request: Element) -> list[Element]:
        switch = self._switch
        if request.get("compare") == "rollback":
            number = int(request.get("rollback") or 0)
            if number >= len(switch.history):
                raise Rejected(f"could not open configuration file: rollback {number}")
            lines = compared(switch.history[number].tree, switch.candidate, ROOT)
            told = "\n".join(["", *lines, ""]) if lines else "\n"
            return [element("configuration-information", element("configuration-output", text=told))]
        tree = switch.committed if request.get("database") == "committed" else switch.candidate
        match request.get("format"):
            case "text":
                return [element("configuration-text", text="\n" + switch.text(tree))]
            case "set":
                return [element("configuration-set", text="\n".join(["", *as_set(tree, ROOT), ""]))]
        return [element("configuration", *as_xml(tree, ROOT, request.find("configuration")))]

    def _commit(self, request: Element) -> list[Element]:
        switch = self._switch
        switch.require_lock(self._number)
        if request.find("check") is not None:
            switch.check()
        else:
            minutes = int(request.findtext("confirm-timeout") or 10) if request.find("confirmed") is not None else None
            switch.commit(self._user, request.findtext("log"), minutes)
        done = element("commit-check-success" if request.find("check") is not None else "commit-success")
        return [element("commit-results", element("routing-engine", element("name", text="re0"), done))]

    def _command(self, request: Element) -> list[Element]:
        """The only ones that PyEZ gives as text."""
        typed = " ".join((request.text or "").split())
        if typed.startswith("show version"):
            return SHOWN["get-software-information"](self._switch, request)
        raise BadStatement("syntax error", (), typed.split()[-1] if typed else "")


def _error(message: str, path: str = "", bad: str = "") -> str:
    told = (
        "<error-type>protocol</error-type><error-tag>operation-failed</error-tag><error-severity>error</error-severity>"
    )
    if path:
        told += f"<error-path>{escape(path if path.startswith('[') else f'[edit {path}]')}</error-path>"
    told += f"<error-message>{escape(message)}</error-message>"
    if bad:
        told += f"<error-info><bad-element>{escape(bad)}</bad-element></error-info>"
    return f"<rpc-error>{told}</rpc-error>"


def _name(one: Element) -> str:
    return re.sub(r"^\{.*\}", "", one.tag)
