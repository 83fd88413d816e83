"""Containment rehearsals: an attack, what must stop, what must keep flowing."""
