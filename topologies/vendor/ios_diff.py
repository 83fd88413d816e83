"""`show archive config differences` and `... incremental-diffs`, which compare texts: IOS's "Contextual Configuration Diff Utility".

A plus stands before what only the second file has, a minus before what only the first has, and the line of the mode that they stand in
comes before them. Where two lists have the same entries in another order, both are told, as they would have to be made anew. The
incremental form lists the lines of a file that are not in the running configuration; it checks no syntax.
"""

from __future__ import annotations

from collections.abc import Callable

from topologies.vendor.configuration import Configuration
from topologies.vendor.ios_grammar import opens

Sections = dict[str, list[str]]
"""The lines under each header; "" has those at the top."""


def differences(first: Configuration, second: Configuration, shown: Callable[[Configuration], str]) -> str:
    before, after = sections(shown(first)), sections(shown(second))
    told = _changed("", before.get("", []), after.get("", []))
    for header in [*before, *(name for name in after if name not in before)]:
        if not header:
            continue
        if header not in after:
            told += [f"-{header}", *(f" -{line}" for line in before[header])]
        elif header not in before:
            told += [f"+{header}", *(f" +{line}" for line in after[header])]
        elif inside := _changed(" ", before[header], after[header]):
            told += [header, *inside]
    return "\n".join(["!Contextual Config Diffs:", *(told or ["!No changes were found"])])


def incremental(running: str, file: str) -> str:
    there = sections(running)
    told: list[str] = []
    for header, lines in sections(file).items():
        new = [line for line in lines if _plain(line) not in {_plain(one) for one in there.get(header, [])}]
        if header and (new or header not in there):
            told += [header, *(f" {line}" for line in new)]
        elif not header:
            told += new
    return "\n".join(
        ["!List of Commands:", *told, "end"] if told else ["!List of Commands:", "end", "!No changes were found"]
    )


def sections(text: str) -> Sections:
    """The lines at the top, and those of each mode."""
    found: Sections = {"": []}
    header = ""
    for line in text.splitlines():
        plain = line.strip()
        if not plain or plain.startswith("!") or plain in ("end", "exit"):
            continue
        if line.startswith(" ") and header:
            found[header].append(plain)
        elif opens(plain.split()):
            header = plain
            found.setdefault(header, [])
        else:
            header = ""
            found[""].append(plain)
    return found


def _changed(indent: str, before: list[str], after: list[str]) -> list[str]:
    gone = [f"{indent}-{line}" for line in before if line not in after]
    new = [f"{indent}+{line}" for line in after if line not in before]
    kept, same = [line for line in before if line in after], [line for line in after if line in before]
    if kept != same and indent:
        gone, new = [f"{indent}-{line}" for line in before], [f"{indent}+{line}" for line in after]
    return gone + new


def _plain(line: str) -> str:
    return " ".join(line.split())
