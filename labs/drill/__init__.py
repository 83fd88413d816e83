"""Labs with a course of their own on a Mininet network: a list of checks, and figures."""
