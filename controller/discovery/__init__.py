"""What is asked on the wire: the sensors' protocol (`probes`), the daemon's side of it (`desk`) and the sensor process (`sensor`).

Only `frames`, `wire`, `asking` and `sensor` import Scapy; the daemon needs none of them.
"""
