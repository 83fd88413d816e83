"""How EOS writes access lists. The names by which it shows TCP and UDP ports are those of the User Manual EOS 4.14.3F, 18.5, `permit`, and
IANA's numbers.

A MAC list may see IP or not: Arista's documents don't say. So every deny goes into the lists of all families that it concerns, and what is
permitted passes each of them. They take the EtherType of IPv6 as a number, and do not say how it is shown.
"""

from __future__ import annotations

from drivers.napalm_config.dialect import ARP, IPV4, IPV6, NEIGHBOURS, Dialect, numbered

_IPV6_TYPES = ("ipv6", "34525", "0x86DD")
PORTS = {
    "acap": 674, "acr-nema": 104, "afpovertcp": 548, "arns": 384, "asf-rmcp": 623, "at-rtmp": 201, "auth": 113, "bfd": 3784,
    "bfd-echo": 3785, "bftp": 152, "bgp": 179, "biff": 512, "bootpc": 68, "bootps": 67, "chargen": 19, "cifs": 3020, "citadel": 504,
    "clearcase": 371, "cmd": 514, "commerce": 542, "courier": 530, "csnet-ns": 105, "daytime": 13, "dhcp-failover2": 847,
    "dhcpv6-client": 546, "dhcpv6-server": 547, "discard": 9, "domain": 53, "dsp": 33, "echo": 7, "efs": 520, "epp": 700,
    "esro-gen": 259, "exec": 512, "finger": 79, "ftp": 21, "ftp-data": 20, "ftps": 990, "ftps-data": 989, "godi": 848, "gopher": 70,
    "gtp-c": 2123, "gtp-prime": 3386, "gtp-u": 2152, "ha-cluster": 694, "hostname": 101, "hp-alarm-mgr": 383, "http-alt": 591,
    "http-mgmt": 280, "http-rpc-epmap": 593, "https": 443, "ident": 113, "ieee-mms-ssl": 695, "imap": 143, "imap3": 220, "imaps": 993,
    "ipp": 631, "ipx": 213, "irc": 194, "iris-beep": 702, "isakmp": 500, "iscsi": 860, "isi-gl": 55, "iso-tsap": 102, "kerberos": 88,
    "kerberos-adm": 749, "klogin": 543, "kpasswd": 464, "kshell": 544, "la-maint": 51, "lanz": 50001, "ldap": 389, "ldaps": 636,
    "ldp": 646, "lmp": 701, "login": 513, "lpd": 515, "lsp-ping": 3503, "mac-srvr-admin": 660, "matip-type-a": 350,
    "matip-type-b": 351, "microsoft-ds": 445, "mlag": 4432, "mpp": 218, "ms-sql-m": 1434, "ms-sql-s": 1433, "msdp": 639,
    "msexch-routing": 691, "msg-icp": 29, "msp": 18, "msrpc": 135, "nas": 991, "nat": 4532, "ncp": 524, "netbios-dgm": 138,
    "netbios-ns": 137, "netbios-ss": 139, "netbios-ssn": 139, "netrjs-1": 71, "netrjs-2": 72, "netrjs-3": 73, "netrjs-4": 74,
    "netwall": 533, "netwnews": 532, "new-rwho": 550, "nfs": 2049, "nntp": 119, "nntps": 563, "non500-isakmp": 4500, "nsw-fe": 27,
    "ntp": 123, "odmr": 366, "olsr": 698, "openvpn": 1194, "pim-auto-rp": 496, "pkix-timestamp": 318, "pop2": 109, "pop3": 110,
    "pop3s": 995, "pptp": 1723, "print-srv": 170, "ptp-event": 319, "ptp-general": 320, "qmtp": 209, "qotd": 17, "radius": 1812,
    "radius-acct": 1813, "re-mail-ck": 50, "realm-rusd": 688, "remotefs": 556, "repcmd": 641, "rip": 520, "rje": 77, "rlp": 39,
    "rlzdbase": 635, "rmc": 657, "rmonitor": 560, "rpc2portmap": 369, "rsync": 873, "rtelnet": 107, "rtsp": 554, "sgmp": 153,
    "silc": 706, "smtp": 25, "smux": 199, "snagas": 108, "snmp": 161, "snmptrap": 162, "snpp": 444, "sqlserv": 118, "sqlsrv": 156,
    "ssh": 22, "submission": 587, "sunrpc": 111, "svrloc": 427, "syslog": 514, "systat": 11, "tacacs": 49, "talk": 517,
    "tbrpf": 712, "tcpmux": 1, "tcpnethaspsrv": 475, "telnet": 23, "tftp": 69, "time": 37, "timed": 525, "ups": 401, "uucp": 540,
    "vmnet": 175, "vxlan": 4789, "who": 513, "whois": 43, "www": 80, "xdmcp": 177, "xns-ch": 54, "xns-mail": 58, "xns-time": 52,
    "z39-50": 210,
}  # fmt: skip


def canonical(entry: str) -> str | None:
    """An entry with numbers for the names that EOS shows in place of ports; None when one of the names is not known."""
    words = entry.split()
    if words[0] == "remark":
        return entry
    if words[-1] in _IPV6_TYPES:
        return " ".join([*words[:-1], "0x86dd"])
    if words[1] not in ("tcp", "udp"):
        return entry
    told = numbered(words, PORTS)
    return None if told is None else " ".join(told)


EOS = Dialect(
    lists={family: f"{family} access-list" for family in ("ip", "ipv6", "mac")},
    binds={family: f"{family} access-group" for family in ("ip", "ipv6", "mac")},
    protocols={
        "ip": {None: "ip", 1: "icmp", 6: "tcp", 17: "udp"},
        "ipv6": {None: "ipv6", 6: "tcp", 17: "udp", 58: "icmpv6"},
    },
    kinds={ARP: "arp", IPV4: "ip", IPV6: "0x86dd"} | {kind: kind for kind in NEIGHBOURS},
    wildcards=False,
    indent="",
    closing=("exit",),
    mac_lists_see_ip=True,
    composes=True,
    canonical=canonical,
)
