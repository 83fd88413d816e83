"""Where services listen, by the word of whom: what the role profiles keep and close. Data."""

from __future__ import annotations

from typing import NamedTuple

IANA, WINDOWS, ESXI = "IANA", "Microsoft", "VMware"
LINKS = {
    IANA: "https://www.iana.org/assignments/service-names-port-numbers",
    WINDOWS: "https://learn.microsoft.com/en-us/troubleshoot/windows-server/networking/service-overview-and-network-port-requirements",
    ESXI: "https://docs.vmware.com/en/vSphere/6.0/com.vmware.vsphere.upgrade.doc/GUID-5071C86E-FF1E-4E54-A424-A20917401160.html",
}
Ports = tuple[int | tuple[int, int], ...]


class Service(NamedTuple):
    """Where a service listens, and whose word that is."""

    name: str
    tcp: Ports = ()
    udp: Ports = ()
    source: str = IANA


DNS = Service("DNS", (53,), (53,), "RFC 1035, RFC 7766")
DNS_TLS = Service("DNS over TLS", (853,), (), "RFC 7858")
KERBEROS = Service("Kerberos", (88,), (88,), f"RFC 4120, {WINDOWS}")
PASSWORDS = Service("Kerberos password change", (464,), (464,), f"RFC 3244, {WINDOWS}")
LDAP = Service("LDAP", (389,), (389,), WINDOWS)
LDAPS = Service("LDAP over TLS", (636,), (), WINDOWS)
CATALOG = Service("global catalog", ((3268, 3269),), (), WINDOWS)
NTP = Service("time (NTP)", (), (123,), f"RFC 5905, {WINDOWS}")
SMB = Service("SMB", (445,), (), WINDOWS)
NFS = Service("NFS", (111, 2049), (), "RFC 7530, RFC 1833")
AFP = Service("AFP", (548,), ())
DYNAMIC_RPC = Service("RPC at dynamic ports", ((49152, 65535),), (), WINDOWS)
ADWS = Service("AD web services", (9389,), (), WINDOWS)
DHCP = Service("DHCP", (), (67,), "RFC 2131")
DHCPV6 = Service("DHCPv6", (), (547,), "RFC 8415")
FAILOVER = Service("DHCP failover", (647,), (), WINDOWS)
IPP = Service("IPP", (631,), (), "RFC 8011")
JETDIRECT = Service("raw printing", (9100,), ())
LPD = Service("LPD", (515,), (), "RFC 1179")
SNMP = Service("SNMP", (), (161,), "RFC 3411")
WEB = Service("web", (80, 443, 8080, 8443), (), "RFC 9110")
QUIC = Service("web over QUIC", (), (443,), "RFC 9114")
DATABASES = Service("databases", (1433, 1521, 3306, 5432, 27017), ())
CACHES = Service("Redis and Memcached", (6379, 11211), ())
BROWSER = Service("SQL Server Browser", (), (1434,), WINDOWS)
ISCSI = Service("iSCSI", (3260,), (), "RFC 7143")
HEARTBEAT = Service("heartbeat to vCenter", (), (902,), ESXI)
GUESTS = Service("management of guests", (443, 902, 8006, 16509), (), ESXI)
MIGRATION = Service("migration of guests", (8000,), (), ESXI)
RTSP = Service("video (RTSP)", (322, 554, 8554), (), "RFC 7826")
CAMERA_ADMIN = Service("camera administration", (80, 443, 8000, 8080, 37777), ())
SIP = Service("SIP", ((5060, 5061),), ((5060, 5061),), "RFC 3261")
SPEECH = Service("speech (RTP)", (), ((16384, 32767),), "RFC 3550; the range of Cisco's phones")
MAIL = Service("mail", (25, 465, 587), (), "RFC 5321")
