"""`discover`: who is on a link, from what passes there, and what is wrong on it."""

from __future__ import annotations

import itertools
import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli import arguments, output
from controller.cli.discover_probe import prepared
from controller.cli.exit_codes import ExitCode
from controller.cli.options import Config, Json, connect
from controller.cli.tables import Form
from controller.errors import InvalidInput
from controller.model import DEFAULT_REALM

if TYPE_CHECKING:
    from controller.discovery.alarms import Alarm, Known
    from controller.discovery.listener import Device, Listener

_Interface = Annotated[str | None, typer.Option("--interface", "-i", help="Where to listen, until Ctrl-C or --for.")]
_Inventory = Annotated[
    list[Path] | None, typer.Option("--inventory", help="Who is onboarded, as CSV or JSON; may be given several times.")
]
_Write = Annotated[
    Path | None, typer.Option("--write", help="Add each alarm to this file, which the daemon may follow.")
]


def discover(
    file: Annotated[Path | None, typer.Argument(help="A capture (pcap, pcapng) instead of an interface.")] = None,
    interface: _Interface = None,
    span: Annotated[str | None, typer.Option("--for", help="How long to listen: 90s, 15m.")] = None,
    inventory: _Inventory = None,
    send: Annotated[
        bool,
        typer.Option(
            "--send", help="Send each alarm to the daemon as an alert, and tell it what the devices look like."
        ),
    ] = False,
    write: _Write = None,
    name: Annotated[str, typer.Option(help="What this sensor is called in its alarms.")] = socket.gethostname()[:63],
    realm: Annotated[str, typer.Option(help="With --send: the realm whose link this is.")] = DEFAULT_REALM,
    probe: Annotated[
        bool,
        typer.Option("--probe", help="Ask as well, within discovery.probe.ranges and its rate: ARP, ND, echo, SYN."),
    ] = False,
    within: Annotated[list[str] | None, typer.Option(help="With --probe: only this prefix or address.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List the devices that are heard, what each is by what it does and says, and whether it is onboarded. Without
    --probe it listens only, and sends nothing into the network. Alarms: devices that are not in the inventory, DHCP servers and routers
    that are none of ours, ARP spoofing, MAC flooding.

    Example: netcordon discover capture.pcap --inventory devices.csv
    """
    if (file is None) == (interface is None):
        raise InvalidInput("name a capture to read, or --interface to listen on: one of them")
    if span is not None and file is not None:
        raise InvalidInput("--for is how long to listen: a capture is read to its end")
    if probe and interface is None:
        raise InvalidInput("--probe asks on a link: name its --interface")
    if within and not probe:
        raise InvalidInput("--within says what to probe: it goes with --probe")
    from controller.discovery.listener import Listener  # with Scapy, which costs more than most commands

    listener = Listener(_known(config, inventory or []))
    tell = _Teller(name, send=send, write=write)
    report = _Reporter(listener, name, realm) if send else None
    with _Ending(None if span is None else arguments.seconds(span, "--for")) as ending:
        asking = prepared(config, interface, within or [], ending) if probe and interface is not None else None
        if asking is not None:
            begin = asking.begin  # first called when there is somebody to hear the answers
            ending.also(lambda: begin() and span is None)
        for frame, at in _frames(file, interface, ending):
            if asking is not None:
                asking.hear(frame)
            for alarm in listener.hear(frame, at):
                tell(alarm)
            if report is not None:
                report.when_due()
    if asking is not None:
        output.note(
            f"{asking.sent} questions were sent" + (f", and no more: {asking.trouble}" if asking.trouble else "")
        )
    if report is not None:
        report()
    if as_json:
        output.print_json(_as_json(listener, tell.told))
    else:
        _show(listener)
    failed = tell.failed or (report is not None and report.failed) or (asking is not None and asking.trouble)
    raise typer.Exit(ExitCode.PARTIAL if failed else ExitCode.OK)


def _frames(file: Path | None, interface: str | None, ending: Callable[[], bool]) -> Iterator[tuple[bytes, float]]:
    from controller.discovery.capture import from_file, from_interface

    if file is not None:
        return itertools.takewhile(lambda _: not ending(), from_file(file))
    return from_interface(interface or "", ending)


def _known(config: Path | None, inventory: list[Path]) -> Known:
    """The configuration's assets and routers, where there is one, and these files'."""
    from controller.config import NetBox, load_config
    from controller.discovery.alarms import Known
    from controller.inventory_file import read_inventory

    read = load_config(config)
    assets = [*read.assets, *(asset for path in inventory for asset in read_inventory(path))]
    for source in read.inventory:
        if isinstance(source, NetBox):
            from controller.netbox import read_netbox

            assets += read_netbox(source).assets
    return Known(tuple(assets), read.network.routers)


class _Ending:
    """True once the time is over, or SIGINT or SIGTERM came: what was heard until then is shown all the same."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._until: float | None = None
        self._asked = False
        self._over: Callable[[], bool] = lambda: False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Ending:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def also(self, over: Callable[[], bool]) -> None:
        """It ends by that as well, which is asked from the first moment of listening on."""
        self._over = over

    def __call__(self) -> bool:
        if self._until is None and self._seconds is not None:
            self._until = (
                time.monotonic() + self._seconds
            )  # from the first moment of listening, and not of this program
        return self._asked or self._over() or (self._until is not None and time.monotonic() >= self._until)

    def _ask(self, *_: object) -> None:
        self._asked = True


class _Teller:
    """Says each alarm at once: to the person, the file, and the daemon. `failed` counts those that the daemon did not take."""

    def __init__(self, name: str, *, send: bool, write: Path | None) -> None:
        self._name = name
        self._client = connect() if send else None
        self._file = None if write is None else _opened(write)
        self.told: list[dict[str, str]] = []
        self.failed = 0

    def __call__(self, alarm: Alarm) -> None:
        from controller.intake.discovery import event_of

        event = event_of(alarm, self._name)
        if len(self.told) < _ALARMS_MOST:
            self.told.append(event)
        output.note(f"{event['observed_at']} {alarm.kind}: {alarm.text}")
        line = json.dumps(event) + "\n"
        if self._file is not None:
            self._file.write(line)
            self._file.flush()
        if self._client is not None:
            self._send(line.encode())

    def _send(self, line: bytes) -> None:
        from controller.connection import ApiError

        try:
            for result in self._client.send_alerts("discovery", line).results if self._client else ():
                output.note(f"  {result.disposition or result.status}: {result.reason}")
                self.failed += result.status in ("malformed", "failed")
        except ApiError as error:  # the listening goes on: the daemon may be back for the next one
            self.failed += 1
            output.note(f"  not sent: {error}")


class _Reporter:
    """Tells the daemon what devices look like, now and then and at the end. `failed`: the last time it could not."""

    def __init__(self, listener: Listener, name: str, realm: str) -> None:
        from controller.discovery.reports import Reporting

        self._listener, self._name, self._realm = listener, name, realm
        self._client = connect()
        self._reporting = Reporting()
        self._due = time.monotonic() + _REPORT_EVERY
        self.failed = False

    def when_due(self) -> None:
        if time.monotonic() >= self._due:
            self()

    def __call__(self) -> None:
        from controller.connection import ApiError
        from controller.discovery.reports import in_batches

        news = self._reporting.news(self._listener.devices())
        try:
            for batch in in_batches(news, self._realm):
                self._client.report_devices(self._name, batch)
                self._reporting.told(batch.devices)
            self.failed = False
        except ApiError as error:  # as for alarms: the next time tells what this one could not
            if not self.failed:
                output.note(f"  what devices look like was not sent: {error}")
            self.failed = True
        self._due = time.monotonic() + _REPORT_EVERY


_REPORT_EVERY = 10.0
_ALARMS_MOST = 10_000


def _opened(path: Path) -> Any:
    try:
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from error


def _show(listener: Listener) -> None:
    found = listener.devices()
    output.table(
        Form(
            ("MAC", "ADDRESSES", "VENDOR", "ROLE", "SURE", "STATE", "BECAUSE"),
            folds=("ADDRESSES", "BECAUSE"),
            spare=("VENDOR", "BECAUSE"),
        ),
        (
            (
                one.seen.mac,
                ", ".join(str(ip) for ip in sorted(one.seen.ips, key=lambda ip: (ip.version, int(ip)))),
                "(random MAC)" if one.looks.random_mac else one.looks.vendor,
                one.looks.role,
                f"{one.looks.confidence:.2f}" if one.looks.confidence else "",
                one.managed,
                "; ".join(one.looks.evidence),
            )
            for one in found
        ),
        "nobody was heard",
    )
    words = f"{listener.frames} frames of {len(found)} devices; {listener.unreadable} could not be read"
    if listener.table.crowded_out or listener.alarms.unsaid:
        words += f"; {listener.table.crowded_out} crowded out, {listener.alarms.unsaid} new devices not told of"
    output.note(words)


def _as_json(listener: Listener, alarms: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "frames": listener.frames,
        "unreadable": listener.unreadable,
        "crowded_out": listener.table.crowded_out,
        "unsaid": listener.alarms.unsaid,
        "devices": [_device(one) for one in listener.devices()],
        "alarms": alarms,
    }


def _device(one: Device) -> dict[str, Any]:
    return {
        "mac": one.seen.mac,
        "ips": sorted(map(str, one.seen.ips)),
        "first_seen": one.seen.first_seen,
        "last_seen": one.seen.last_seen,
        "frames": one.seen.frames,
        "vendor": one.looks.vendor,
        "random_mac": one.looks.random_mac,
        "type": one.looks.type,
        "role": one.looks.role,
        "confidence": one.looks.confidence,
        "evidence": list(one.looks.evidence),
        "managed": one.managed.value,
        "said": [{"clue": word.clue.value, "value": word.value} for word in one.seen.words],
    }
