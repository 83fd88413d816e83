"""Files that a sensor writes are read as they grow: through rotation and restart, with nothing lost and nothing taken twice.

`place.py` says where reading goes on, `written.py` reads one file, `tail.py` follows one path through its files, and `watch.py` brings what
they say to the daemon.
"""
