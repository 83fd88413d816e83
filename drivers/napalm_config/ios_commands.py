"""Every command that may be sent to a Cisco IOS switch: what `ios_device.py` asks, what NAPALM's ios driver and Netmiko send of themselves,
and the lines of the file that is merged, as `render.py` and `quarantine.py` render them."""

from __future__ import annotations

from drivers.napalm_config.commands import Command

LOOKING = (
    Command("terminal width 511", "Netmiko's, when a session begins"),
    Command("terminal length 0", "Netmiko's, when a session begins"),
    Command("show version", "model, version"),
    Command("show version | include uptime is|System restarted|Processor board", "when it was started"),
    Command("show hosts", "its domain"),
    Command("show ip interface brief", "ports"),
    Command("show interfaces", "ports and their addresses"),
    Command("show interfaces status", "ports and their links"),
    Command("show vlan all-ports", "VLANs"),
    Command("show vlan brief", "VLANs"),
    Command("show vlan id VLAN", "VLANs"),
    Command("show mac-address-table", "who is at which port, in older words"),
    Command("show mac address-table", "who is at which port"),
    Command("show arp | exclude Incomplete", "whose address is whose"),
    Command("show platform tcam utilization", "room for entries of lists"),
    Command(
        "show platform hardware fed switch active fwd-asic resource tcam utilization",
        "the same, where the former is not known",
    ),
    Command("show running-config", "what there is on ports, and of lists"),
    Command("show archive config rollback timer", "changes that wait for their confirmation"),
    Command(
        "show archive config differences nvram:startup-config system:running-config",
        "whether there is something unsaved",
    ),
    Command("show archive config incremental-diffs FILE ignorecase", "what a change would change"),
)
PUSHING = (
    Command("dir FILE", "the file that will be merged, which comes by SCP"),
    Command("dir FLASH", "room for it"),
    Command("verify /md5 FILE", "whether it arrived"),
    Command("show running-config | inc ip scp server enable", "whether it can be put there"),
    Command("configure terminal revert timer MINUTES", "a change that the switch undoes if nobody confirms it"),
    Command("end", "out of the mode that this opens"),
    Command("copy FILE running-config", "the lines of the file count"),
    Command("configure confirm", "the change stands for good"),
    Command("configure revert now", "a change of which a line was refused"),
    Command("write memory", "unless `save: never`"),
)
CHANGING = (
    Command("KIND LIST", "in the file: a list is made"),
    Command("no KIND LIST", "in the file: a list goes"),
    Command("remark netcordon rule RULE in FAMILIES", "in the file: which rule is in the list"),
    Command("ACTION PROTOCOL END END TYPE", "in the file: an entry of an IP list"),
    Command("ACTION any any WILD", "in the file: an entry of a MAC list"),
    Command("interface PORT", "in the file: a port"),
    Command("BIND LIST WAY", "in the file: a list is bound"),
    Command("no BIND LIST WAY", "in the file: a list is taken off"),
    Command("ip access-list extended NOTE", "in the file: where a port was before it was moved"),
    Command("no ip access-list extended NOTE", "in the file: that is not needed any more"),
    Command("remark netcordon vlan VLAN was VLAN", "in the file: the note itself"),
    Command("remark netcordon rule RULE", "in the file: by which rule it was moved"),
    Command("remark netcordon bounce due", "in the file: the port is shut by us"),
    Command("remark netcordon bounce done", "in the file: it was opened again"),
    Command("shutdown", "in the file, with `quarantine.bounce`"),
    Command("no shutdown", "in the file, with `quarantine.bounce`"),
    Command("switchport access vlan VLAN", "in the file: a port is moved, or put back"),
    Command("vlan VLAN", "in the file: a quarantine VLAN that was not there"),
    Command("name NETCORDON-QUARANTINE", "in the file: its name"),
    Command("no vlan VLAN", "in the file: it goes with its last inmate"),
)
COMMANDS = LOOKING + PUSHING + CHANGING
