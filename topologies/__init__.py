"""Mininet topologies, one a file, each with a `topos` table that `mn --custom` takes."""
