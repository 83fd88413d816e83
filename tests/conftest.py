"""What holds for every test: no verdict by how long a machine took, and how tests are shared out between workers (`.ci/test`)."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    for item in items:
        if (group := _group(item)) is not None:
            item.add_marker(pytest.mark.xdist_group(group))


def _group(item: pytest.Item) -> str | None:
    """Which tests go to one worker together; None: this one goes anywhere. A lab and a speaker are shared by those that look at them."""
    if item.path.name == "test_labs.py":
        shared = {"rogue_host", "undo"} & set(getattr(item, "fixturenames", ()))
        return f"lab {shared.pop()}" if shared else None
    call = getattr(item, "callspec", None)
    bench = "" if call is None else call.params.get("bench", "")
    return f"{item.path.parent.name}/{item.path.name} {bench}"
