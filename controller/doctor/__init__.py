"""`netcordon doctor`: what is missing or misconfigured, and how to mend it. `machine` and `switches` look at this host, `network` at what
a running daemon knows."""
