"""Every command that may be sent to an Arista EOS switch: what `render.py` and `quarantine.py` render, what `eos_device.py` asks,
and what NAPALM's eos driver sends of itself."""

from __future__ import annotations

from drivers.napalm_config.commands import Command

LOOKING = (
    Command("enable", "NAPALM begins every request with it"),
    Command("show version", "model, version, when it was started"),
    Command("show hostname", "its name"),
    Command("show interfaces", "ports, their links and counters"),
    Command("show vlan", "VLANs"),
    Command("show mac address-table", "who is at which port"),
    Command("show arp vrf all", "whose address is whose"),
    Command("show hardware capacity", "room for entries of lists"),
    Command("show running-config", "what there is on ports, of lists and VLANs"),
    Command("show running-config diffs", "whether there is something unsaved"),
    Command("show configuration sessions detail", "commits that wait"),
    Command("show session-config named SESSION diffs", "what a change would change"),
)
COMMITTING = (
    Command("configure session SESSION", "a change begins"),
    Command("configure session SESSION commit", "a commit is confirmed"),
    Command("configure session SESSION commit timer TIME", "a commit that the switch undoes if nobody confirms it"),
    Command("configure session SESSION abort", "a change is thrown away"),
    Command("copy startup-config flash:rollback-0", "NAPALM's, before each commit"),
    Command("write memory", "unless `save: never`"),
    Command("exit", "the end of a section"),
    Command("end", "NAPALM's, after a change"),
)
CHANGING = (
    Command("FAMILY access-list LIST", "a list is made"),
    Command("no FAMILY access-list LIST", "a list goes"),
    Command("remark netcordon rule RULE in FAMILIES", "which rule is in the list"),
    Command("remark netcordon over OTHERS", "whose place the list took"),
    Command("ACTION PROTOCOL END END MORE", "an entry of an IP list"),
    Command("ACTION any any ETHERTYPE", "an entry of a MAC list"),
    Command("ENTRY", "an entry of somebody else's list, below ours"),
    Command("interface INTERFACE", "a port"),
    Command("FAMILY access-group LIST WAY", "a list is bound"),
    Command("no FAMILY access-group LIST WAY", "a list is taken off"),
    Command("FAMILY access-group OTHERS WAY", "somebody else's list is bound again"),
    Command("ip access-list NOTE", "where a port was before it was moved"),
    Command("no ip access-list NOTE", "that is not needed any more"),
    Command("remark netcordon vlan VLAN was VLAN", "the note itself"),
    Command("remark netcordon rule RULE", "by which rule it was moved"),
    Command("remark netcordon bounce due", "the port is shut by us"),
    Command("remark netcordon bounce done", "it was opened again"),
    Command("switchport access vlan VLAN", "a port is moved, or put back"),
    Command("shutdown", "with `quarantine.bounce`"),
    Command("no shutdown", "with `quarantine.bounce`"),
    Command("vlan VLAN", "a quarantine VLAN that was not there"),
    Command("name NETCORDON-QUARANTINE", "its name"),
    Command("no vlan VLAN", "it goes with its last inmate"),
)
COMMANDS = LOOKING + COMMITTING + CHANGING
