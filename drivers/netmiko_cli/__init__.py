"""Devices with a command line, through the unmodified Netmiko. `driver.py` is the driver, `shell.py` the session; a platform says what it
asks, what the answers mean and what is to be sent, in files of its own that do no I/O (`linux*.py`)."""
