"""A file of alerts, as `alert send` and `alert test` take it: looked at before anything is sent, and cut into requests."""

from __future__ import annotations

import itertools
import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from controller.errors import InvalidInput

MOST = 256 * 1024 * 1024
"""Bytes of one file."""
_AT_ONCE = 4 * 1024 * 1024
_LINES_AT_ONCE = 5000
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_SPACE = re.compile(r"\s*")
_LOOKED_AT = 64 * 1024


def read(file: Path) -> bytes:
    """Its bytes; `-` is standard input. Raises InvalidInput for what cannot be read, is too large, or is no text."""
    try:
        if str(file) == "-":
            body = _at_most(sys.stdin.buffer, "standard input")
        else:
            with file.open("rb") as opened:
                _checked(opened, file)
                body = _at_most(opened, str(file))
    except OSError as error:
        raise InvalidInput(f"{file}: {error.strerror}") from error
    _text(body, "standard input" if str(file) == "-" else str(file))
    return body


def _checked(opened: BinaryIO, file: Path) -> None:
    known = os.fstat(opened.fileno())
    if stat.S_ISREG(known.st_mode) and known.st_size > MOST:
        raise _too_large(str(file))


def _at_most(opened: BinaryIO, name: str) -> bytes:
    body = opened.read(MOST + 1)
    if len(body) > MOST:
        raise _too_large(name)
    return body


def _too_large(name: str) -> InvalidInput:
    return InvalidInput(
        f"{name} is larger than {MOST >> 20} MiB, and nothing of it was sent: send the newest lines"
        " (tail -n 10000 FILE | netcordon alert send - --source SOURCE), or cut it (split -C 200M FILE)"
    )


def _text(body: bytes, name: str) -> None:
    if not body.strip():
        raise InvalidInput(f"{name} is empty: there is nothing to send")
    if body.startswith(_UTF16):
        raise InvalidInput(f"{name} is UTF-16, and alerts are UTF-8: iconv -f UTF-16 -t UTF-8 FILE")
    if b"\0" in body[:_LOOKED_AT]:
        raise InvalidInput(
            f"{name} is no text, so nothing of it was sent: name the file that the sensor writes (unpacked, where it is packed)"
        )


def parts(body: bytes) -> Iterator[bytes]:
    """As one, or, what is too long for one request, as several of whole lines, each under the header that the file begins with (a Zeek
    log's lines of #). What is not a line an event becomes that first: an array that is too long, or indented objects one after another
    (`jq .`). One object stays in one piece."""
    if len(body) <= _AT_ONCE and body.count(b"\n") <= _LINES_AT_ONCE:
        yield body
        return
    documents = _documents(body)
    if len(documents) == 1 and isinstance(documents[0], dict):
        yield body
        return
    if documents:
        events = documents[0] if len(documents) == 1 and isinstance(documents[0], list) else documents
        body = b"\n".join(json.dumps(one).encode() for one in events)
    every = body.splitlines(keepends=True)
    header = list(itertools.takewhile(lambda line: line.startswith(b"#"), every))
    lines, size = [*header], 0
    for line in every[len(header) :]:
        if len(lines) > len(header) and (size + len(line) > _AT_ONCE or len(lines) >= _LINES_AT_ONCE):
            yield b"".join(lines)
            lines, size = [*header], 0
        lines.append(line)
        size += len(line)
    yield b"".join(lines)


def _documents(body: bytes) -> list[Any]:
    """The JSON that all of it is, one document after another; none where it is lines of which the first can be read, or no JSON."""
    text = body.decode("utf-8", "replace").removeprefix("\ufeff").strip()
    if not text.startswith(("{", "[")):
        return []
    found: list[Any] = []
    decoder, at = json.JSONDecoder(), 0
    try:
        while at < len(text):
            document, end = decoder.raw_decode(text, at)
            if not found and end < len(text) and "\n" not in text[:end]:
                return []
            found.append(document)
            between = _SPACE.match(text, end)
            at = end if between is None else between.end()
    except (ValueError, RecursionError):
        return []
    return found
