"""A network of modelled OpenFlow switches in one process: real OpenFlow 1.3 to the controller, and frames that are handed on as octets."""
