"""Syslog: frames off the wire, their bodies to the alert sources' own readers."""
