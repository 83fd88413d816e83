"""What IOS writes otherwise than it was told: names of ports. They are those of a router's own help (`permit udp any eq ?`), as
public transcripts have it."""

from __future__ import annotations

TCP = {
    "bgp": 179, "chargen": 19, "cmd": 514, "daytime": 13, "discard": 9, "domain": 53, "drip": 3949, "echo": 7, "exec": 512,
    "finger": 79, "ftp": 21, "ftp-data": 20, "gopher": 70, "hostname": 101, "ident": 113, "irc": 194, "klogin": 543, "kshell": 544,
    "login": 513, "lpd": 515, "nntp": 119, "pim-auto-rp": 496, "pop2": 109, "pop3": 110, "smtp": 25, "sunrpc": 111, "tacacs": 49,
    "talk": 517, "telnet": 23, "time": 37, "uucp": 540, "whois": 43, "www": 80,
}  # fmt: skip
UDP = {
    "biff": 512, "bootpc": 68, "bootps": 67, "discard": 9, "dnsix": 195, "domain": 53, "echo": 7, "isakmp": 500, "mobile-ip": 434,
    "nameserver": 42, "netbios-dgm": 138, "netbios-ns": 137, "netbios-ss": 139, "non500-isakmp": 4500, "ntp": 123, "pim-auto-rp": 496,
    "rip": 520, "snmp": 161, "snmptrap": 162, "sunrpc": 111, "syslog": 514, "tacacs": 49, "talk": 517, "tftp": 69, "time": 37,
    "who": 513, "xdmcp": 177,
}  # fmt: skip


def canonical(entry: str) -> str | None:
    """An entry of a list as it was sent: with numbers for names of ports, and single blanks. None when one of the names is not known."""
    words = entry.split()
    if words[0] == "remark" or words[1] not in ("tcp", "udp"):
        return " ".join(words)
    names = TCP if words[1] == "tcp" else UDP
    for index, word in enumerate(words[:-1]):
        ports = {"eq": 1, "range": 2}.get(word, 0)
        for at in range(index + 1, index + 1 + ports):
            if not words[at].isdigit():
                if words[at] not in names:
                    return None
                words[at] = str(names[words[at]])
    return " ".join(words)
