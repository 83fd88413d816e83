"""A Linux host over a real sshd: who is let in and who is not, what would cut us off, and what nftables makes of random rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from drivers.base import DeviceRefused, DeviceUnreachable, Management, PreState, ReceiptStatus
from drivers.netmiko_cli.driver import NetmikoDriver
from drivers.netmiko_cli.shell import Shell
from drivers.rules import Action, Direction, Match, PortName, Provenance, Rule, RuleSet
from labs.installation import places
from tests.contract.bench import Loop, Traffic
from tests.contract.linux_bench import IN_BAND, LinuxBench, LinuxLab, running_linux
from tests.mininet.served import Netcordon, Words, until
from tests.openflow_lab import wait_for
from tests.ssh_lab import Wire, known_hosts
from tests.strategies import MATCHABLE_ACTIONS, rule_sets

pytestmark = pytest.mark.mininet
SECRET = "s3cret-and-nobody-elses"
NOTHING = RuleSet()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinuxLab]:
    with running_linux(tmp_path_factory.mktemp("host"), SECRET) as lab:
        yield lab


@pytest.fixture
async def bench(lab: LinuxLab) -> AsyncIterator[LinuxBench]:
    async with lab.bench() as bench:
        yield bench


def deny(port: str) -> RuleSet:
    return RuleSet([Rule(Match(Direction.FROM, port=PortName(port)), Action.DENY, Provenance("c1"))])


async def reached(lab: LinuxLab, **changed: object) -> bool:
    """Whether a driver with other options comes in. Raises what it raises."""
    driver = NetmikoDriver("other", lab.options.model_copy(update=changed))
    try:
        return bool(await driver.facts())
    finally:
        await driver.close()


async def test_a_password_lets_in_too(lab: LinuxLab, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.touch(0o600)
    secret.write_text(SECRET + "\n")
    assert await reached(lab, key_file=None, password_file=secret)
    secret.write_text("another\n")
    with pytest.raises(DeviceUnreachable, match="does not accept the user name, key or password") as refused:
        await reached(lab, key_file=None, password_file=secret)
    assert "another" not in str(refused.value)


async def test_a_host_key_that_is_not_known_is_not_believed(lab: LinuxLab, tmp_path: Path) -> None:
    nobody = tmp_path / "known_hosts"
    nobody.write_text("")
    with pytest.raises(DeviceUnreachable, match="host key is not known"):
        await reached(lab, known_hosts=nobody)
    with pytest.raises(DeviceUnreachable, match="host key is not known"):
        await reached(lab, known_hosts=tmp_path / "not-there")
    assert await reached(lab, known_hosts=nobody, verify=False)
    assert lab.options.known_hosts is not None
    known = lab.options.known_hosts.read_text().split()
    other = known[2][:-6] + ("A" if known[2][-6] != "A" else "B") + known[2][-5:]
    nobody.write_text(f"{known[0]} {known[1]} {other}\n")
    with pytest.raises(DeviceUnreachable, match="another one than"):
        await reached(lab, known_hosts=nobody)


async def test_a_session_stays_open_and_is_made_anew_when_the_host_ended_it(lab: LinuxLab, bench: LinuxBench) -> None:
    before = lab.wire.logins
    for _ in range(3):
        await bench.driver.observe()
    assert lab.wire.logins == before
    lab.wire.sever()
    lab.wire.mend()
    wait_for("the end of it", lambda: not bench.driver._session._line.stands)  # type: ignore[attr-defined]  # a NetmikoDriver
    await bench.driver.observe()
    assert lab.wire.logins == before + 1


async def test_the_port_that_the_controller_comes_in_by_is_refused(
    lab: LinuxLab, bench: LinuxBench, tmp_path: Path
) -> None:
    operator = lab.net.get("h5")
    for node in (operator, lab.node):
        node.cmd("sysctl -qw net.ipv4.conf.all.arp_ignore=0")
    with Wire(operator.pid, (IN_BAND, 22)) as wire:
        folder = lab.options.known_hosts.parent  # type: ignore[union-attr]  # it has one
        options = lab.options.model_copy(update={"port": wire.port, "known_hosts": known_hosts(folder, wire.port)})
        driver = NetmikoDriver("in-band", options)
        try:
            assert (await driver.facts()).management is Management.IN_BAND
            change = driver.render(deny(lab.port(5)), await driver.observe(), PreState())
            receipt = await driver.apply(change, 5.0)
            assert receipt.status is ReceiptStatus.REFUSED
            assert "cut itself off" in " ".join(receipt.refused.values())
            assert (await Loop(driver).converge(deny(lab.port(1)))).status is ReceiptStatus.APPLIED
        finally:
            await driver.close()
    for node in (operator, lab.node):
        node.cmd("sysctl -qw net.ipv4.conf.all.arp_ignore=8")


def _has_ended(process: Path) -> bool:
    """It may have nobody who collects it."""
    try:
        return not (process / "cmdline").read_bytes()
    except OSError:
        return True


async def test_of_a_script_that_arrives_in_part_nothing_is_run(lab: LinuxLab) -> None:
    for half in (
        "printf '%s\\n' 'add table bridge half\nadd table bridge",
        "printf '%s\\n' 'add table bridge half\n' | nft -f",
    ):
        shell = Shell("half", lab.options)
        await asyncio.to_thread(shell.open)
        process = Path("/proc") / (await asyncio.to_thread(shell.run, "echo $$")).strip()
        shell._netmiko.write_channel(half)
        await asyncio.sleep(0.1)  # it is read, and what is there is not run
        shell.cut()
        wait_for("the shell's end", partial(_has_ended, process))
        assert "half" not in lab.run("nft", "list", "ruleset")


async def test_what_nft_refuses_is_refused_with_its_words(bench: LinuxBench) -> None:
    from dataclasses import replace

    from drivers.netmiko_cli.messages import Script

    change = await Loop(bench.driver).render(deny(bench.rogue.port))
    wrong = replace(change, messages=(Script(("add table bridge netcordon", "add chain bridge nowhere x")),))
    before = await bench.whole_state()
    with pytest.raises(DeviceRefused, match=r"exit status 1: .*No such file or directory"):
        await bench.driver.apply(wrong, 5.0)
    with pytest.raises(DeviceRefused, match="exit status 1"):
        await bench.driver.preview(wrong)
    assert await bench.whole_state() == before


def test_the_kernel_lists_random_rules_as_what_was_sent(lab: LinuxLab) -> None:
    """From one random set straight to the next; what it lists otherwise than it was sent would be sent again."""
    ports = [PortName(lab.port(number)) for number in (1, 2, 3)]

    @settings(
        max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(rule_sets(MATCHABLE_ACTIONS, ports))
    def converges(rules: RuleSet) -> None:
        running.run(_converge(loop, rules))

    driver = NetmikoDriver("linux-1", lab.options)
    loop = Loop(driver)
    with asyncio.Runner() as running:
        converges()
        running.run(loop.converge(NOTHING))
        running.run(driver.close())
    assert "netcordon" not in lab.run("nft", "list", "ruleset")


async def _converge(loop: Loop, rules: RuleSet) -> None:
    receipt = await loop.converge(rules)
    leftover = await loop.render(rules)
    assert leftover.rule_ids == receipt.refused.keys(), leftover.lines
    assert not leftover.removed
    assert len(leftover.messages) == len(receipt.refused), leftover.lines


def _settings(lab: LinuxLab, folder: Path, openflow_port: int, api_port: int) -> Words:
    options = lab.options.model_dump(mode="json", exclude={"poll"}, exclude_none=True) | {"poll": "0.3"}
    return {
        "store": f"sqlite:///{folder / 'netcordon.db'}",
        "listen": {"address": "127.0.0.1", "port": api_port, "socket": str(folder / "api.sock")},
        "openflow": {
            "speaker": {
                "socket": str(folder / "speaker.sock"),
                "listen": f"127.0.0.1:{openflow_port}",
                "keep": False,
                "log": str(folder / "speaker.log"),
            }
        },
        "devices": [{"id": "bridge-1", "driver": "netmiko", "management": "oob", "options": options}],
        "reconcile": {"deadline": 15, "resync": 2},
    }


def test_a_device_at_a_linux_bridge_is_contained_proven_and_released(lab: LinuxLab) -> None:
    """The deny counts what it drops and a witness what gets past, so that it comes to `proven` without a sensor."""
    bench = LinuxBench(lab)
    rogue, neighbour = bench.rogue, bench.neighbour
    with places() as where:
        served = Netcordon(where, _settings(lab, where.folder, where.openflow_port, where.api_port))
        try:
            served.install()
            served.start()

            def way(backwards: bool = False) -> set[Traffic]:
                ends = (neighbour, rogue) if backwards else (rogue, neighbour)
                return {kind for kind in Traffic if bench.wires.delivers(*ends, kind)}

            def located() -> bool:
                assert way() == set(Traffic)
                return served.cli("locate", rogue.mac).returncode == 0

            until("the rogue to be at a port", located)
            before = lab.run("nft", "-s", "list", "ruleset")
            case = served.contain(rogue.mac, "installed")
            assert [device.device for device in case.devices] == ["bridge-1"]
            assert (way(), way(backwards=True)) == (set(), set())
            until("proof", lambda: not way() and served.operator.containment(case.id).outcome == "proven")
            lab.run("nft", "delete", "table", "bridge", "netcordon")
            until("the table to be back", lambda: (way(), way(backwards=True)) == (set(), set()))
            served.operator.release(case.id, reason="clean again")
            served.outcome(case.id, "removed")
            assert lab.run("nft", "-s", "list", "ruleset") == before
            assert way() == set(Traffic)
            said = served.logs()
            assert "Traceback" not in said, said
        finally:
            bench.wires.close()
            served.close()
