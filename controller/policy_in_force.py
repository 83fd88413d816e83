"""The policy that decides now: one place where it is kept, so that a changed one takes effect everywhere at once, between two alerts."""

from __future__ import annotations

from controller.policy import PolicyFile


class PolicyInForce:
    """Who decides by it reads `policy` once for each alert, and keeps to that until the alert is answered."""

    def __init__(self, policy: PolicyFile) -> None:
        self._policy = policy

    @property
    def policy(self) -> PolicyFile:
        return self._policy

    def replace(self, policy: PolicyFile) -> None:
        """From the next alert on. It was read and found whole: see `policy_file`."""
        self._policy = policy
