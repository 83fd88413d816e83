"""A YAML file read into a pydantic model, with errors that name the file, the line and the key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from controller.errors import ConfigError
from controller.misfits import in_words

Model = TypeVar("Model", bound=BaseModel)
Key = str | int
_DEEPEST = 40


class LocatedError(ValueError):
    """What is wrong with one place of a model, found by looking at more than that place: raised by a validator of the whole."""

    def __init__(self, where: tuple[Key, ...], problem: str) -> None:
        super().__init__(problem)
        self.where = where


class _Loader(yaml.SafeLoader):
    """YAML 1.1 without its traps: 52:54:00:12:34:56 is a MAC and no number to the base 60, and 2026-01-31 is text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, shape) for tag, shape in resolvers if not tag.endswith((":int", ":float", ":timestamp"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"(?:[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+)$"), list("-+0123456789")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+\.[0-9]+$"), list("-+0123456789"))


def _fits(read: object) -> Iterable[LocatedError]:
    return ()


def read_model(path: Path, model: type[Model], misfits: Callable[[Model], Iterable[LocatedError]] = _fits) -> Model:
    """The file as `model`. `misfits` says what is wrong with what was read, beyond the model itself. Raises ConfigError for a file that is
    missing, is not YAML, repeats a key, or does not fit."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text, from byte {error.start} on") from error
    return parse_model(text, model, str(path), misfits)


def parse_model(
    text: str, model: type[Model], name: str, misfits: Callable[[Model], Iterable[LocatedError]] = _fits
) -> Model:
    """`text` as `model`; `name` is how errors call it. An empty text is an empty mapping."""
    try:
        node = yaml.compose(text, Loader=_Loader)
        lines = {} if node is None else dict(_lines(node, ()))
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{name}: {_yaml_problem(error)}") from error
    try:
        read = model.model_validate({} if data is None else data)
    except ValidationError as error:
        problems = [_problem(lines, (*item["loc"], *_further(item)), in_words(item, model)) for item in error.errors()]
        raise _refused(name, problems) from error
    if problems := [_problem(lines, one.where, str(one)) for one in misfits(read)]:
        raise _refused(name, problems)
    return read


def _refused(name: str, problems: Iterable[tuple[int, str]]) -> ConfigError:
    return ConfigError("\n".join(f"{name}:{line}: {what}" for line, what in sorted(problems)))


def _lines(node: yaml.Node, path: tuple[Key, ...]) -> Iterator[tuple[tuple[Key, ...], int]]:
    yield path, node.start_mark.line + 1
    if len(path) > _DEEPEST:
        raise yaml.MarkedYAMLError(problem="nested too deep, or within itself", problem_mark=node.start_mark)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key is one word", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key.value!r} is there twice", problem_mark=key.start_mark)
            seen.add(key.value)
            yield (*path, key.value), key.start_mark.line + 1
            yield from ((at, line) for at, line in _lines(value, (*path, key.value)) if at != (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _lines(value, (*path, index))


def _further(item: Mapping[str, Any]) -> tuple[Key, ...]:
    """Where below the model that complains the trouble is."""
    error = item.get("ctx", {}).get("error")
    return error.where if isinstance(error, LocatedError) else ()


def _problem(lines: dict[tuple[Key, ...], int], where: tuple[Key, ...], message: str) -> tuple[int, str]:
    known = next((where[:n] for n in range(len(where), -1, -1) if where[:n] in lines), ())
    dotted = ".".join(str(key) for key in where) or "(whole file)"
    return lines.get(known, 1), f"{dotted}: {message}"


def _yaml_problem(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        tab = "; indent with spaces, YAML takes no tabs" if "'\\t'" in str(error.problem) else ""
        return f"line {error.problem_mark.line + 1}: {error.problem}{tab}"
    return str(error)
