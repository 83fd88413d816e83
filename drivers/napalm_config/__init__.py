"""Switches that are configured, through unmodified NAPALM drivers. `driver.py` is the driver; what a platform is, `platform.py` says."""
