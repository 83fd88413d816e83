"""`show diff rollback-patch`: the commands that make one configuration into another, with which NX-OS rolls back. Pure."""

from __future__ import annotations

from topologies.vendor.configuration import Configuration


def patch(first: Configuration, second: Configuration) -> list[str]:
    """The lines, those of a mode under its header and set in."""
    told = _changed("", first.lines, second.lines)
    for header in [*first.sections, *(name for name in second.sections if name not in first.sections)]:
        if header not in second.sections:
            told.append(f"no {header}")
            continue
        before, after = first.section(header), second.section(header)
        if inside := _changed("  ", before, after):
            told += [header, *inside]
        elif header not in first.sections:
            told.append(header)
    return told


def _changed(indent: str, before: list[str], after: list[str]) -> list[str]:
    """An entry of a list goes by its number."""
    gone = [line for line in before if line not in after]
    new = [line for line in after if line not in before]
    return [f"{indent}{_without(line)}" for line in gone] + [f"{indent}{line}" for line in new]


def _without(line: str) -> str:
    if line.startswith("no "):
        return line.removeprefix("no ")
    return f"no {line.split()[0]}" if line[0].isdigit() else f"no {line}"
