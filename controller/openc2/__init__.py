"""OpenC2: the Stateless Packet Filter profile (SLPF), as commands that the API carries out."""
