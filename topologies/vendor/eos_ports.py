"""The names by which EOS shows TCP and UDP ports, whatever was typed: `eq 22` is shown as `eq ssh` (User Manual EOS 4.14.3F, 18.5, `permit`
and `deny`; the transcripts of arista.eos.eos_acls show `eq bfd-echo`, `eq www`)."""

from __future__ import annotations

NAMES = {
    "echo": 7, "discard": 9, "daytime": 13, "chargen": 19, "ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "time": 37,
    "whois": 43, "tacacs": 49, "domain": 53, "bootps": 67, "bootpc": 68, "tftp": 69, "gopher": 70, "finger": 79, "www": 80,
    "kerberos": 88, "hostname": 101, "pop2": 109, "pop3": 110, "sunrpc": 111, "ident": 113, "nntp": 119, "ntp": 123, "msrpc": 135,
    "netbios-ns": 137, "netbios-dgm": 138, "netbios-ssn": 139, "snmp": 161, "snmptrap": 162, "bgp": 179, "irc": 194, "ldap": 389,
    "https": 443, "microsoft-ds": 445, "kpasswd": 464, "exec": 512, "login": 513, "cmd": 514, "lpd": 515, "talk": 517, "uucp": 540,
    "klogin": 543, "kshell": 544, "dhcpv6-client": 546, "dhcpv6-server": 547, "rtsp": 554, "submission": 587, "http-rpc-epmap": 593,
    "ldaps": 636, "ldp": 646, "rsync": 873, "ftps-data": 989, "ftps": 990, "imaps": 993, "pop3s": 995, "radius": 1812,
    "radius-acct": 1813, "nfs": 2049, "bfd": 3784, "bfd-echo": 3785,
}  # fmt: skip
