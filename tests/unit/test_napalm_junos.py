"""The NAPALM driver's platform junos against a virtual switch over real NETCONF: timers, locks, refusals, and whom it trusts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import ncclient.transport.session
import pytest
from pydantic import ValidationError

from drivers.base import DeviceRefused, DeviceUnreachable, OutcomeUnknown, PreState, Receipt, ReceiptStatus
from drivers.napalm_config.commands import unknown
from drivers.napalm_config.driver import NapalmDriver
from drivers.napalm_config.junos_commands import COMMANDS
from drivers.napalm_config.messages import Refusal
from drivers.napalm_config.options import JunosOptions
from drivers.napalm_config.platforms import options_from
from drivers.rules import Action, Direction, Match, PortName, Provenance, Rule, RuleSet
from topologies.vendor.faults import Sever
from topologies.vendor.forwarding import NoHardware
from topologies.vendor.junos import JunosSwitch, factory
from topologies.vendor.junos_rpc import served_over_netconf
from topologies.vendor.ssh_front import SshFront

SECRET = "s3cret-and-nobody-elses"
PORT = PortName("ge-0/0/1")
ONE, TWO = (f"set interfaces ge-0/0/{number} unit 0 family ethernet-switching" for number in (1, 2))
FULL = RuleSet(Rule(Match(way, port=PORT), Action.DENY, Provenance("c1")) for way in Direction)
BOUND = f"{ONE} filter input NETCORDON-"


def moved(vlan: int = 666, *, bounce: bool = False, port: PortName = PORT) -> RuleSet:
    return RuleSet(
        [Rule(Match(Direction.FROM, port=port), Action.MOVE_VLAN, Provenance("c1"), vlan=vlan, bounce=bounce)]
    )


@dataclass
class Bench:
    switch: JunosSwitch
    front: SshFront
    options: JunosOptions
    driver: NapalmDriver

    @property
    def denied(self) -> bool:
        return "input NETCORDON-" in self.switch.text()

    async def push(self, desired: RuleSet = FULL, deadline: float = 20.0) -> Receipt:
        change = self.driver.render(desired, await self.driver.observe(), PreState())
        return await self.driver.apply(change, deadline)

    async def converge(self, desired: RuleSet = FULL) -> Receipt:
        return await self.driver.confirm(await self.push(desired))

    async def refusals(self, desired: RuleSet = FULL) -> str:
        receipt = await self.push(desired)
        assert receipt.status is ReceiptStatus.REFUSED
        return "; ".join(sorted(set(receipt.refused.values())))


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each request waits up to a tenth of a second until ncclient looks at what it is to send."""
    monkeypatch.setattr(ncclient.transport.session, "TICK", 0.005)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[JunosSwitch, SshFront, JunosOptions]]:
    secret = tmp_path / "password"
    secret.touch(0o600)
    secret.write_text(SECRET + "\n")
    (tmp_path / "flash").mkdir()
    (tmp_path / "flash" / "juniper.conf").write_text(factory("access-2", (1, 2, 3)))
    switch = JunosSwitch(NoHardware(), tmp_path / "flash", minute=60.0)
    switch.edit(["set vlans users vlan-id 20", f"{ONE} vlan members users"])
    with served_over_netconf(switch, {"netcordon": SECRET}) as front:
        options = JunosOptions(
            host="127.0.0.1",
            port=front.port,
            username="netcordon",
            password_file=secret,
            known_hosts=front.write_known_hosts(tmp_path / "known_hosts"),
            bounce_for=0.2,
        )
        yield switch, front, options
    switch.close()


@pytest.fixture
async def bench(served: tuple[JunosSwitch, SshFront, JunosOptions]) -> AsyncIterator[Bench]:
    made = Bench(*served, NapalmDriver("sw1", served[2]))
    yield made
    await made.driver.close()


async def test_a_push_waits_for_its_confirmation_and_goes_without_a_trace(bench: Bench) -> None:
    before = bench.switch.text()
    receipt = await bench.push()
    assert receipt.status is ReceiptStatus.UNCONFIRMED
    assert (bench.denied, bench.switch.before is not None, bench.switch.held) == (True, True, None)
    assert (await bench.driver.confirm(receipt)).status is ReceiptStatus.APPLIED
    assert bench.switch.before is None
    bench.switch.reload()
    assert bench.denied, "what was confirmed outlives a power cut"
    assert {rule.rule_id for rule in (await bench.driver.observe()).rules} == {rule.id for rule in FULL}
    assert bench.driver.render(FULL, await bench.driver.observe(), PreState()).empty
    await bench.converge(RuleSet())
    assert bench.switch.text() == before
    assert not unknown(sorted(bench.front.heard), COMMANDS)


async def test_what_nobody_confirmed_in_time_is_gone_and_not_claimed(bench: Bench) -> None:
    before, receipt = bench.switch.text(), await bench.push()
    bench.switch.expire(bench.switch.before)
    assert bench.switch.text() == before
    with pytest.raises(DeviceRefused, match="not confirmed in time"):
        await bench.driver.confirm(receipt)


async def test_a_controller_that_crashed_before_the_confirmation_confirms_what_it_reads_back(bench: Bench) -> None:
    await bench.push()
    await bench.driver.close()
    bench.driver = NapalmDriver("sw1", bench.options)
    receipt = await bench.push()
    assert receipt.status is ReceiptStatus.APPLIED
    assert (bench.denied, bench.switch.before) == (True, None)


async def test_a_port_is_moved_with_a_note_of_where_it_was(bench: Bench) -> None:
    before = bench.switch.text()
    await bench.converge(moved())
    text = bench.switch.text()
    assert "members NETCORDON-QUARANTINE-666;" in text
    assert "former-users;" in text
    assert bench.driver.render(moved(), await bench.driver.observe(), PreState()).empty
    await bench.converge(moved(667))
    await bench.converge(RuleSet())
    assert bench.switch.text() == before
    bench.switch.edit(["set vlans jail vlan-id 666"])
    other = PortName("ge-0/0/2")
    before = bench.switch.text()
    await bench.converge(moved(port=other))
    assert "members jail;" in bench.switch.text()
    await bench.converge(RuleSet())
    assert bench.switch.text() == before, "a port that named no VLAN names none again"


async def test_a_bounce_ends_with_the_confirmation_and_so_does_its_way_back(bench: Bench) -> None:
    before = bench.switch.text()
    receipt = await bench.push(moved(bounce=True))
    assert "disable;" in bench.switch.text()
    await bench.driver.confirm(receipt)
    assert "disable;" not in bench.switch.text()
    receipt = await bench.push(RuleSet())
    assert "disable;" in bench.switch.text()
    await bench.driver.confirm(receipt)
    assert bench.switch.text() == before
    assert not unknown(sorted(bench.front.heard), COMMANDS)


async def test_somebody_elses_work_is_in_the_way_and_left_alone(bench: Bench) -> None:
    bench.switch.load([("set", ["system", "host-name", "unfinished"])])
    with pytest.raises(DeviceRefused, match="configuration database modified"):
        await bench.push()
    assert bench.switch.is_changed
    assert not bench.denied
    bench.switch.commit("colleague", minutes=5)
    with pytest.raises(DeviceRefused, match="somebody else's waits"):
        await bench.push()
    assert bench.switch.before is not None
    bench.switch.check()
    receipt = await bench.push()
    bench.switch.load([("set", ["system", "host-name", "again"])])
    await bench.driver.confirm(receipt)
    assert (bench.denied, bench.switch.hostname, bench.switch.is_changed) == (True, "unfinished", True)


async def test_ports_that_are_not_ours_to_touch_say_why(bench: Bench) -> None:
    term = "set firewall family ethernet-switching filter THEIRS term a then accept"
    bench.switch.edit([term, f"{ONE} filter input THEIRS"])
    assert "the list 'THEIRS' (filter in) is bound there already" in "; ".join((await bench.push()).refused.values())
    await bench.converge(RuleSet())
    for lines, desired, said in (
        (["set interfaces ge-0/0/1 ether-options 802.3ad ae0"], FULL, "member of ae0"),
        ([f"{ONE} interface-mode trunk"], FULL, "no access port"),
        (["delete interfaces ge-0/0/1 unit 0 family ethernet-switching"], FULL, "does not switch"),
        (["set protocols dot1x authenticator interface ge-0/0/1.0 supplicant multiple"], moved(), "802.1X decides"),
        (["set switch-options voip interface ge-0/0/1.0 vlan users"], moved(), "a phone is on this port"),
    ):
        before = bench.switch.history[0].tree
        bench.switch.edit(lines)
        assert said in await bench.refusals(desired)
        bench.switch.candidate = before
        bench.switch.commit("colleague")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("set protocols dot1x authenticator interface ge-0/0/1.0 supplicant multiple", "802.1X decides"),
        ("set switch-options voip interface ge-0/0/1.0 vlan users", None),
        (f"{ONE} interface-mode trunk", "no access port"),
    ],
)
async def test_what_is_typed_on_a_quarantined_port_does_not_free_it(bench: Bench, line: str, said: str | None) -> None:
    await bench.converge(moved())
    bench.switch.edit([line])
    typed = bench.switch.text()
    change = bench.driver.render(moved(), await bench.driver.observe(), PreState())
    told = [one for one in change.messages if isinstance(one, Refusal)]
    assert [one for one in change.messages if not isinstance(one, Refusal)] == []
    assert (len(told) == 1 and said in told[0].reason) if said else not told
    assert bench.switch.text() == typed
    await bench.converge(RuleSet())
    assert "NETCORDON" not in bench.switch.text()


async def test_a_refused_line_leaves_nothing(bench: Bench) -> None:
    before = bench.switch.text()
    change = bench.driver.render(FULL, await bench.driver.observe(), PreState())
    bench.switch.edit(["delete interfaces ge-0/0/1", "delete vlans users"])
    gone = bench.switch.text()
    bench.switch.faults.read_only = frozenset({"netcordon"})
    with pytest.raises(DeviceRefused, match="permission denied"):
        await bench.driver.apply(change, 20.0)
    assert bench.switch.text() == gone != before
    assert not bench.switch.is_changed
    assert bench.switch.held is None


async def test_preview_is_the_devices_own_diff(bench: Bench) -> None:
    before = bench.switch.text()
    change = bench.driver.render(FULL, await bench.driver.observe(), PreState())
    diff = await bench.driver.preview(change)
    assert ("+", "+   filter {") in {(line.sign, line.text) for line in diff}
    assert (bench.switch.text(), bench.switch.is_changed, bench.switch.held) == (before, False, None)


async def test_a_host_key_is_verified_unless_it_is_said_otherwise(bench: Bench, tmp_path: Path) -> None:
    empty = tmp_path / "nobody"
    empty.touch()
    await bench.driver.close()
    bench.driver = NapalmDriver("sw1", bench.options.model_copy(update={"known_hosts": empty}))
    with pytest.raises(DeviceUnreachable):
        await bench.driver.facts()
    bench.driver = NapalmDriver("sw1", bench.options.model_copy(update={"verify": False}))
    facts = await bench.driver.facts()
    assert facts.description == "access-2 (EX3400-24T, Junos 20.4R3.8)"
    assert [one.name for one in facts.interfaces] == ["ge-0/0/1", "ge-0/0/2", "ge-0/0/3"]
    assert facts.vlans == (1, 20)


async def test_a_connection_that_is_lost_leaves_it_unknown(bench: Bench) -> None:
    change = bench.driver.render(FULL, await bench.driver.observe(), PreState())
    bench.switch.faults.sever = (3, Sever.AFTER)
    with pytest.raises(OutcomeUnknown):
        await bench.driver.apply(change, 20.0)
    bench.switch.faults.unreachable = False
    await bench.converge()
    assert bench.denied


async def test_a_push_that_is_late_is_given_up(bench: Bench) -> None:
    change = bench.driver.render(FULL, await bench.driver.observe(), PreState())
    bench.switch.faults.delay = 1.0
    with pytest.raises(OutcomeUnknown):
        await bench.driver.apply(change, 2.5)
    bench.switch.faults.delay = 0.0
    assert {rule.rule_id for rule in (await bench.driver.observe()).rules} in (set(), {rule.id for rule in FULL})


@pytest.mark.parametrize("wrong", [{"revert_in": 90}, {"revert_in": 30}, {"ca": "x"}, {"username": "a:b"}])
def test_options_are_checked(wrong: dict[str, object]) -> None:
    given = {"platform": "junos", "host": "sw", "username": "netcordon"}
    assert isinstance(options_from(given), JunosOptions)
    with pytest.raises(ValidationError):
        options_from(given | wrong)
