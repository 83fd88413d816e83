"""Switches that are configured, through the unmodified NAPALM drivers. `driver.py` is the driver; a platform is two pure files, what its
configuration says (`eos_config.py`) and what is to be sent (`eos_render.py`)."""
