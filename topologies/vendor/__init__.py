"""Switches of a vendor: its management plane in front of a real Open vSwitch. `node.py` is the Mininet switch; start reading there."""
