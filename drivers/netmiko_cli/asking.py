"""Questions to a host with a shell, all in one command: one way there and back."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from drivers.warm_session import Refused

if TYPE_CHECKING:
    from drivers.netmiko_cli.shell import Shell

PLAIN_NAME = re.compile(r"[A-Za-z0-9_.@+-]{1,15}")
"""The interfaces that we name in a command. The kernel allows nearly every character."""


class NotUnderstood(ValueError):
    """The host answered something that is no answer to what was asked. The message says what."""


def ask(shell: Shell, questions: Mapping[str, str], sudo: bool) -> dict[str, str]:
    """What each of the commands printed, by its name. Raises Lost, or Refused when one of them failed."""
    mark = f"--nc-{secrets.token_hex(12)}--"
    commands = [as_root(one, sudo) for one in questions.values()]
    answers = shell.run(f' && printf "\\n{mark}\\n" && '.join(commands)).split(f"\n{mark}\n")
    if len(answers) != len(questions):
        raise Refused("it gave fewer answers than it was asked for")
    return dict(zip(questions, answers, strict=True))


def as_root(command: str, sudo: bool) -> str:
    return command.replace("{sudo}", "sudo -n " if sudo else "")


def fed(lines: tuple[str, ...], command: str) -> str:
    """The command that gives the lines to another one's standard input. The quotation ends with them: of a text that arrives in part, the
    shell runs nothing. Raises Refused for lines that hold what none of ours does."""
    script = "\n".join(lines)
    plain = script.replace("\n", "")
    if "'" in script or "\\" in script or not plain.isascii() or not plain.isprintable():
        raise Refused("the script has characters that belong into none: nothing was sent")
    return f"printf '%s\\n' '{script}' | {command}"
