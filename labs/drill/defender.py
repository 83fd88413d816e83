"""The lab `defender-contain-ip`: Microsoft's story of Contain IP, told from the network's side.

Defender accuses an address that none of its own devices has. The device is incriminated, what it is there for is known from what it does,
and only what that role does not need is closed; a person looks at it, and undoes it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any

from labs.drill.stage import Stage
from labs.frames import Phase
from labs.octets import udp4
from labs.suricata import mirror
from topologies.plan import Host, Role

VIDEO, PAGE, SMB = 554, 80, 445
LISTENS = 8
"""Seconds for which the sensor listens: what it hears is sent to the daemon then."""
EVERY = 0.02
SSDP, SSDP_MAC = IPv4Address("239.255.255.250"), "01:00:5e:7f:ff:fa"
NOTIFY = (
    "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNT: urn:schemas-upnp-org:device:DigitalSecurityCamera:1\r\n"
    "NTS: ssdp:alive\r\nSERVER: Linux UPnP/1.0 camera\r\nCACHE-CONTROL: max-age=1800\r\n"
    "USN: uuid:5e5e::urn:schemas-upnp-org:device:DigitalSecurityCamera:1\r\nLOCATION: http://{ip}/desc.xml\r\n\r\n"
)
POLICY = {
    "incriminate": [{"name": "whom Defender saw", "match": {"source": "defender"}, "culprit": "source"}],
    "rules": [
        {
            "name": "what Defender does not manage, by its role",
            "match": {"source": "defender", "managed": ["unmanaged", "undiscovered"], "technique": "T1021"},
            "profile": "role",
            "mode": "contain",
            "for": "4h",
        }
    ],
}


def play(stage: Stage) -> None:
    plan = stage.plan
    camera, recorder, files = (plan.actor(role) for role in (Role.ROGUE, Role.VICTIM, Role.FILE_SERVER))
    neighbour = plan.actor(Role.NEIGHBOUR)
    ports = {camera.name: [VIDEO, PAGE, SMB], recorder.name: [SMB], files.name: [SMB]}
    stage.standing.crew.ask_all("listen", {name: {"tcp": some, "udp": []} for name, some in ports.items()})
    stage.everyone_known()
    stage.stream(neighbour, files, EVERY)
    stage.stream(files, neighbour, EVERY)
    stage.streams_go_on_as(Phase.DURING)
    _looked_at(stage, camera, recorder)
    before = stage.switches()
    _reached(stage, camera, recorder, files, everything=True)
    case = _accused(stage, camera)
    _reached(stage, camera, recorder, files, everything=False)
    _reviewed(stage, case)
    stage.netcordon.command("release", case, "--reason", "INC-7: cleaned and updated", "--wait")
    _reached(stage, camera, recorder, files, everything=True)
    lost = stage.lost(Phase.DURING)
    flowing = all(sent > 100 and not gone for sent, gone in lost.values())
    stage.figures["innocent_frames"] = sum(sent for sent, _ in lost.values())
    stage.holds(f"not one frame between {neighbour.name} and {files.name} was lost", flowing, lost)
    stage.unchanged(before)


@contextmanager
def _sensor(stage: Stage, interface: str) -> Iterator[None]:
    """`netcordon discover` for a while, at a mirror port; what it heard is with the daemon in the end."""
    words = ("discover", "--interface", interface, "--send", "--for", f"{LISTENS}s")
    told: list[BaseException] = []

    def listen() -> None:
        try:
            stage.netcordon.command(*words, role="intake")
        except Exception as error:  # noqa: BLE001 (it is raised again by who waits)
            told.append(error)

    listening = threading.Thread(target=listen, name="discover")
    listening.start()
    try:
        yield
    finally:
        listening.join()
    if told:
        raise told[0]


def _looked_at(stage: Stage, camera: Host, recorder: Host) -> None:
    """What it does says what it is: it serves video, and announces itself."""
    said = udp4((camera.mac, SSDP_MAC), (camera.ip, SSDP), NOTIFY.format(ip=camera.ip).encode(), port=1900)
    with (
        stage.story.step(
            f"A passive sensor listens at {camera.switch} for {LISTENS} s, while {recorder.name} fetches video"
        ),
        mirror(camera.switch) as interface,
        _sensor(stage, interface),
    ):
        for _ in range(LISTENS // 2):
            stage.reaches([recorder], camera, VIDEO)
            stage.standing.crew.ask(camera, "send", frames=[said.hex()], gap=1.0)
    endpoint = stage.netcordon.command("locate", str(camera.ip))["endpoint"]
    looks = endpoint["looks"] or {}
    stage.story.say(f"it is {endpoint['managed']}, and looks like: {looks.get('role')} ({looks.get('confidence')})")
    stage.holds("nobody manages it, and no inventory has it", endpoint["managed"] == "undiscovered", endpoint)
    stage.holds("what it does shows what it is", looks.get("role") == "camera", looks)


def _accused(stage: Stage, camera: Host) -> str:
    with stage.story.step(f"Defender, on a machine of its own, accuses {camera.ip}"):
        answer = stage.netcordon.request("POST", "/api/v1/alerts/defender", "intake", json=_alert(camera))
    (taken,) = answer["results"]
    stage.holds("the alert contains it by itself", taken["disposition"] == "contained", taken["reason"])
    case = str(taken["containment"])

    def stands() -> bool:
        return bool(stage.netcordon.get(f"/api/v1/containments/{case}")["outcome"] in ("installed", "proven"))

    stage.until("its rules stand at its switch port", stands)
    return case


def _alert(camera: Host) -> Mapping[str, Any]:
    """As the API for alerts of Defender for Endpoint has it, the evidence of type Ip alone
    (https://learn.microsoft.com/en-us/defender-endpoint/api/get-alerts)."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return {
        "id": "da637472900382838869_1364969609",
        "severity": "High",
        "status": "New",
        "detectionSource": "WindowsDefenderAtp",
        "detectorId": "17e10bbc-3a68-474a-8aad-faef14d43952",
        "category": "LateralMovement",
        "title": "Suspicious remote activity from an undiscovered device",
        "description": "A device that is not onboarded tried to run code on this machine over SMB.",
        "alertCreationTime": now,
        "firstEventTime": now,
        "lastEventTime": now,
        "lastUpdateTime": now,
        "machineId": "111e6dd8c833c8a052ea231ec1b19adaf497b625",
        "computerDnsName": "pc1.example.net",
        "mitreTechniques": ["T1021.002", "T1570"],
        "evidence": [{"entityType": "Ip", "evidenceCreationTime": now, "ipAddress": str(camera.ip)}],
    }


def _reached(stage: Stage, camera: Host, recorder: Host, files: Host, *, everything: bool) -> None:
    """What its role needs passes in any case; the rest only before and after."""
    stage.holds("its video is served", stage.reaches([recorder], camera, VIDEO)[recorder.name])
    rest = {
        "its web page": stage.reaches([recorder], camera, PAGE)[recorder.name],
        "SMB to it": stage.reaches([recorder], camera, SMB)[recorder.name],
        "SMB from it to a PC": stage.reaches([camera], recorder, SMB)[camera.name],
        "SMB from it to the file server": stage.reaches([camera], files, SMB)[camera.name],
    }
    said = "everything else passes too" if everything else "its web page is closed, and it opens nothing any more"
    stage.holds(said, set(rest.values()) == {everything}, rest)


def _reviewed(stage: Stage, case: str) -> None:
    """What a person reads: which role, by whose word, and why policy did it."""
    shown = stage.netcordon.command("show", case)
    stage.story.say(f"netcordon show: {shown['profile']}: {shown['reason']}")
    stage.holds("the case says by which role it is held", shown["profile"] == "role:camera", shown["profile"])
    detail = stage.netcordon.command("alert", "show", shown["alerts"][0])["explanation"]
    matched = [one["rule"] for one in detail["rules"] if not one["against"]]
    stage.holds("and which rule of policy did it", matched == [POLICY["rules"][0]["name"]], detail)
