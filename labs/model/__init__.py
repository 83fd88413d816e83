"""The model as a fabric: a scenario's hosts and switches in this process, for the real daemon and the real OpenFlow speaker."""
