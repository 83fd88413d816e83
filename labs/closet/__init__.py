"""Labs in a wiring closet: switches that are configured by their vendors' command lines, with trunks between them and hosts on them."""
