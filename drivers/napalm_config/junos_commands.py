"""Every request that is made of a Juniper switch, and every statement that may be loaded there: what `junos_device.py` asks, what NAPALM's
junos driver and PyEZ send of themselves, and what `junos_dialect.py` renders. For the `allow-configuration` of a login class."""

from __future__ import annotations

from drivers.napalm_config.commands import Command

LOOKING = (
    Command("get-configuration", "what there is on ports, of filters and VLANs, and what a change would change"),
    Command("get-interface-information", "ports, their links and counters"),
    Command("get-ethernet-switching-table-information", "who is at which port"),
    Command("get-arp-table-information", "whose address is whose"),
    Command("get-vlan-information", "VLANs"),
    Command("get-system-uptime-information", "when it was started"),
    Command("get-commit-revision-information", "commits that wait"),
    Command("get-software-information", "PyEZ's: model, version, name"),
    Command("get-chassis-inventory", "PyEZ's: serial number"),
    Command("command", "PyEZ's: show version"),
    Command("file-show", "PyEZ's: its domain, where none is configured"),
)
COMMITTING = (
    Command("lock-configuration", "a change begins: nobody else edits meanwhile"),
    Command("load-configuration", "its statements, or rollback 0"),
    Command("commit-configuration", "confirmed within minutes; or a check, which confirms"),
    Command("unlock-configuration", "a change ends"),
)
_UNIT = "interfaces EX unit 0"
_FILTER = "firewall family ethernet-switching filter LIST"
CHANGING = (
    Command(f"set {_FILTER} apply-macro NETCORDON TAG", "which rule is in the filter"),
    Command(f"set {_FILTER} term NUMBER then VERDICT", "a term of a filter"),
    Command(f"delete {_FILTER}", "a filter goes"),
    Command(f"set {_UNIT} family ethernet-switching filter PUT LIST", "a filter is bound"),
    Command(f"delete {_UNIT} family ethernet-switching filter PUT", "a filter is taken off"),
    Command(f"set {_UNIT} apply-macro NETCORDON-VLAN SAID", "where a port was before it was moved, and why it was"),
    Command(f"delete {_UNIT} apply-macro NETCORDON-VLAN", "that is not needed any more"),
    Command(f"set {_UNIT} family ethernet-switching vlan members MEMBER", "a port is moved, or put back"),
    Command(f"delete {_UNIT} family ethernet-switching vlan members", "it leaves the VLAN where it was"),
    Command("set interfaces EX disable", "with `quarantine.bounce`"),
    Command("delete interfaces EX disable", "with `quarantine.bounce`"),
    Command("set vlans INMATES vlan-id VLAN", "a quarantine VLAN that was not there"),
    Command("delete vlans INMATES", "it goes with its last inmate"),
)
COMMANDS = LOOKING + COMMITTING + CHANGING
