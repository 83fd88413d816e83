"""Every command that may be sent to a Cisco NX-OS switch: what `nxos_device.py` asks, what NAPALM's nxos_ssh driver and Netmiko send of
themselves, and the lines that are typed in dual-stage mode, as `render.py` and `quarantine.py` render them."""

from __future__ import annotations

from drivers.napalm_config.commands import Command

LOOKING = (
    Command("terminal width 511", "Netmiko's, when a session begins"),
    Command("terminal length 0", "Netmiko's, when a session begins"),
    Command("show version", "model, version, serial number"),
    Command("show system uptime", "when it was started"),
    Command("show hosts", "its domain"),
    Command("show hostname", "its name"),
    Command("show inventory | json", "its serial number"),
    Command("show interface", "ports and their addresses"),
    Command("show interface status", "ports, their links and VLANs"),
    Command("show vlan brief", "VLANs"),
    Command("show vlan brief | json", "VLANs"),
    Command("show mac address-table", "who is at which port"),
    Command("show ip arp vrf all | exc INCOMPLETE", "whose address is whose"),
    Command("show hardware access-list resource utilization", "room for entries of lists"),
    Command("show running-config", "what there is on ports, and of lists"),
    Command("show running-config diff", "whether there is something unsaved"),
)
PUSHING = (
    Command("configure dual-stage", "a change begins, which nothing follows of until it is committed"),
    Command("show configuration", "what a change would change"),
    Command("commit confirmed SECONDS", "the lines count, and the switch undoes them if nobody confirms them"),
    Command("commit", "the change stands for good"),
    Command("abort", "a change that was only looked at, or of which a line was refused"),
    Command("end", "out of the mode"),
    Command("copy running-config startup-config", "unless `save: never`"),
)
CHANGING = (
    Command("FAMILY access-list LIST", "a list is made"),
    Command("no FAMILY access-list LIST", "a list goes"),
    Command("remark netcordon rule RULE in FAMILIES", "which rule is in the list"),
    Command("ACTION PROTOCOL END END TYPE", "an entry of an IP list"),
    Command("ACTION any any FRAMES", "an entry of a MAC list"),
    Command("interface NEXUS", "a port"),
    Command("ip port access-group LIST in", "a list is bound"),
    Command("ipv6 port traffic-filter LIST in", "a list is bound"),
    Command("mac port access-group LIST", "a list is bound"),
    Command("no ip port access-group LIST in", "a list is taken off"),
    Command("no ipv6 port traffic-filter LIST in", "a list is taken off"),
    Command("no mac port access-group LIST", "a list is taken off"),
    Command("ip access-list NOTE", "where a port was before it was moved"),
    Command("no ip access-list NOTE", "that is not needed any more"),
    Command("remark netcordon vlan VLAN was VLAN", "the note itself"),
    Command("remark netcordon rule RULE", "by which rule it was moved"),
    Command("remark netcordon bounce due", "the port is shut by us"),
    Command("remark netcordon bounce done", "it was opened again"),
    Command("shutdown", "with `quarantine.bounce`"),
    Command("no shutdown", "with `quarantine.bounce`"),
    Command("switchport access vlan VLAN", "a port is moved, or put back"),
    Command("vlan VLAN", "a quarantine VLAN that was not there"),
    Command("name NETCORDON-QUARANTINE", "its name"),
    Command("no vlan VLAN", "it goes with its last inmate"),
)
COMMANDS = LOOKING + PUSHING + CHANGING
