"""A Junos configuration as a tree of statements, and how it is read and shown: in curly braces, as `set` commands, as XML, and as the
difference of two ("CLI User Guide for Junos OS", juniper.net/documentation: "Junos OS Configuration Statement Hierarchy", "load",
"show | compare"). What statements there are is the `Node` that it is read by; here is only how they are taken and shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

Parser = Callable[[str], str]
"""A word's canonical form; ValueError when it is none of its kind."""
Key = tuple[str, ...]
Tree = dict[Key, Any]
"""Statements by their words (`unit 0`, `vlan-id 10`, `discard`), each with the tree inside of it; {} in a leaf."""
Edit = tuple[str, list[str]]
"""What is done (`set`, `delete`, `replace`), and the whole path of the statement."""
_TOKENS = re.compile(r'/\*.*?\*/|#[^\n]*|"[^"\n]*"|[{};\[\]]|[^\s{};\[\]"]+', re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z0-9._:/*<>-]+")


class BadStatement(Exception):
    """A statement that is none of this device's. `path` is where it stands, `word` what is wrong there."""

    def __init__(self, message: str, path: Iterable[str] = (), word: str = "") -> None:
        super().__init__(message)
        self.path, self.word = " ".join(path), word


@dataclass(frozen=True)
class Node:
    """A kind of statement. `word` reads what follows its name: the key of one of several, or a leaf's value. `children` by name, of one
    word or two (`family inet`); `each` are children without a name of their own, by what XML calls them. `many`: a leaf with several
    values, which is shown as a block where `block` says so. `ordered`: they stand in the order in which they were made. `instead`: what
    it takes the place of beside its own former value. `one_line`: the only statement in it that is shown on its line. `presence`: it says
    something although nothing is in it."""

    word: Parser | None = None
    children: Mapping[str, Node] = field(default_factory=dict)
    each: tuple[str, Node] | None = None
    many: bool = False
    block: bool = False
    ordered: bool = False
    instead: frozenset[str] = frozenset()
    one_line: str = ""
    presence: bool = False

    def child(self, name: str) -> Node | None:
        """`apply-macro` may stand anywhere ("apply-macro", Automation Scripting User Guide: "Hierarchy Level: all")."""
        return MACRO if name == "apply-macro" else self.children.get(name)

    @property
    def stands(self) -> bool:
        return self.presence or self.is_leaf or self.word is not None

    @property
    def is_leaf(self) -> bool:
        return not self.children and self.each is None


def _macro_word(word: str) -> str:
    if not re.fullmatch(r"[!-~]{1,255}", word):
        raise ValueError(word)
    return word


MACRO = Node(_macro_word, each=("data", Node(_macro_word, block=True)))


def step(node: Node, words: list[str], at: int) -> tuple[Key, Node]:
    """The statement that begins with the word at `at`. Raises BadStatement."""
    two = " ".join(words[at : at + 2])
    name = two if two in node.children else words[at]
    kind = node.child(name)
    try:
        if kind is None and node.each is not None and node.each[1].word is not None:
            return (node.each[1].word(words[at]),), node.each[1]
        if kind is not None:
            key = tuple(name.split())
            if kind.word is None:
                return key, kind
            if at + len(key) < len(words):
                return (*key, kind.word(words[at + len(key)])), kind
            raise BadStatement("missing argument", words[:at], name)
    except ValueError:
        wrong = words[at + 1] if kind is not None else words[at]
        raise BadStatement(f"invalid value '{wrong}'", words[:at], words[at]) from None
    raise BadStatement("syntax error", words[:at], words[at])


def edit(tree: Tree, node: Node, done: str, words: list[str]) -> None:
    """Raises BadStatement; then nothing is done."""
    if done != "set":
        try:
            _delete(tree, node, words)
        except BadStatement:
            if done == "delete":
                raise
        if done == "delete":
            return
    path, at, kind = [], 0, node
    while at < len(words):
        key, kind = step(kind, words, at)
        path.append((key, kind))
        at += len(key)
    for key, kind in path:
        _make_room(tree, key, kind)
        tree = tree.setdefault(key, {})


def _make_room(tree: Tree, key: Key, kind: Node) -> None:
    single = kind.is_leaf and kind.word is not None and not kind.many and len(key) > 1
    gone = [one for one in tree if one != key and ((single and one[:-1] == key[:-1]) or " ".join(one) in kind.instead)]
    for one in gone:
        del tree[one]


def _delete(tree: Tree, node: Node, words: list[str]) -> None:
    """A statement, or all of a name. What is left empty by it goes too, unless it stands for itself."""
    at, above = 0, list[tuple[Tree, Key, Node]]()
    while at < len(words):
        try:
            key, kind = step(node, words, at)
        except BadStatement as error:
            if str(error) != "missing argument":
                raise
            named = [one for one in tree if one[0] == words[at]]
            for one in named:
                del tree[one]
            if not named:
                raise BadStatement("statement not found", words[:at], words[at]) from None
            break
        if key not in tree:
            raise BadStatement("statement not found", words[:at], words[at])
        at += len(key)
        above.append((tree, key, kind))
        tree, node = tree[key], kind
    else:
        last, key, _ = above.pop()
        del last[key]
    for outer, key, kind in reversed(above):
        if not outer[key] and not kind.stands:
            del outer[key]


# --- what was sent --------------------------------------------------------------------------------------------------------


def from_set(line: str) -> Edit:
    """Raises BadStatement."""
    words = [word.strip('"') for word in _TOKENS.findall(line)]
    if words[:1] not in (["set"], ["delete"]) or len(words) < 2:
        raise BadStatement("unknown command", (), words[0] if words else "")
    return words[0], [word for word in words[1:] if word not in "[]"]


def from_text(text: str) -> Iterator[Edit]:
    """Of curly braces. Raises BadStatement where they do not match."""
    above: list[list[str]] = []
    words: list[str] = []
    opened = False  # nothing stood in the braces yet
    for sign in (one for one in _TOKENS.findall(text) if not one.startswith(("#", "/*"))):
        if sign == "{":
            if words[:1] == ["replace:"]:
                yield "replace", [word for outer in above for word in outer] + words[1:]
                words = words[1:]
            above.append(words)
            words, opened = [], True
        elif sign == ";":
            yield from _leaf([word for outer in above for word in outer], words)
            words, opened = [], False
        elif sign == "}":
            if not above or words:
                raise BadStatement("syntax error", [w for outer in above for w in outer], words[0] if words else "}")
            inner = above.pop()
            if opened and inner:
                yield "set", [word for outer in above for word in outer] + inner
            opened = False
        else:
            words.append(sign.strip('"'))
    if above or words:
        raise BadStatement("syntax error, missing '}' or ';'", [w for outer in above for w in outer], "EOF")


def _leaf(path: list[str], words: list[str]) -> Iterator[Edit]:
    done = "set"
    if words[:1] in (["replace:"], ["delete:"]):
        done, words = words[0].rstrip(":"), words[1:]
    if "[" in words and words[-1] == "]":
        start = words.index("[")
        yield from ((done, [*path, *words[:start], value]) for value in words[start + 1 : -1])
    elif words:
        yield done, [*path, *words]


def from_xml(element: ElementTree.Element, node: Node, path: tuple[str, ...] = ()) -> Iterator[Edit]:
    """Of what stands in `element`. Raises BadStatement."""
    for child in element:
        name, below, inner, words = _local(child), node, child, list[str]()
        if node.each is not None and name == node.each[0]:
            kind = node.each[1]
        elif (found := node.child(name)) is not None:
            kind, words = found, [name]
        else:
            inner, name = next(((one, f"{name} {_local(one)}") for one in child), (child, name))
            if name not in below.children:
                raise BadStatement("syntax error", path, name.split()[-1])
            kind, words = below.children[name], name.split()
        if kind.word is not None:
            said = next((one.text for one in inner if _local(one) == "name"), inner.text)
            words = [*words, *([said.strip()] if said and said.strip() else [])]
        done = inner.get("operation") or ("delete" if "delete" in inner.attrib else "set")
        full = (*path, *words)
        if done in ("delete", "replace"):
            yield done, list(full)
        if done != "delete":
            yield "set", list(full)
            rest = [one for one in inner if _local(one) != "name"] if kind.word is not None else list(inner)
            holder = ElementTree.Element("inside")
            holder.extend(rest)
            yield from from_xml(holder, kind, full)


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


# --- what is shown --------------------------------------------------------------------------------------------------------


def in_order(tree: Tree, node: Node) -> list[tuple[Key, Node, Tree]]:
    """The statements of a level as they are shown: by the grammar's order, then by name; terms as they were made."""
    names = list(node.children)

    def kind_of(key: Key) -> tuple[int, Node]:
        if key[0] == "apply-macro" and len(key) > 1:
            return -1, MACRO
        for name in (" ".join(key[:2]), key[0]):
            if name in node.children:
                return names.index(name), node.children[name]
        assert node.each is not None  # noqa: S101 - it was read by this grammar
        return len(names), node.each[1]

    found = [(kind_of(key), key) for key in tree]
    ordered = sorted(found, key=lambda one: (one[0][0], () if one[0][1].ordered else natural(" ".join(one[1]))))
    return [(key, kind, tree[key]) for (_, kind), key in ordered]


def as_text(tree: Tree, node: Node, depth: int = 0) -> list[str]:
    indent, told, at = "    " * depth, list[str](), 0
    level = in_order(tree, node)
    while at < len(level):
        key, kind, inner = level[at]
        same = [one for one, other, _ in level if other is kind] if kind.many else [key]
        at += len(same)
        values = [quoted(one[-1]) for one in same]
        if kind.many and kind.block:
            told += [f"{indent}{key[0]} {{", *(f"{indent}    {value};" for value in values), f"{indent}}}"]
        elif len(same) > 1:
            told.append(f"{indent}{key[0]} [ {' '.join(values)} ];")
        elif list(inner) == [(kind.one_line,)]:
            told.append(f"{indent}{_said(key)} {kind.one_line};")
        elif inner:
            told += [f"{indent}{_said(key)} {{", *as_text(inner, kind, depth + 1), f"{indent}}}"]
        elif kind.stands:
            told.append(f"{indent}{_said(key)};")
    return told


def as_set(tree: Tree, node: Node, path: tuple[str, ...] = ()) -> Iterator[str]:
    for key, kind, inner in in_order(tree, node):
        full = (*path, *(quoted(word) for word in key))
        if inner:
            yield from as_set(inner, kind, full)
        elif kind.stands:
            yield " ".join(["set", *full])


def as_xml(tree: Tree, node: Node, wanted: ElementTree.Element | None = None) -> Iterator[ElementTree.Element]:
    """`wanted` has the elements that are asked for; without any inside of it, everything is."""
    asked = {} if wanted is None else {_local(one): one for one in wanted}
    for key, kind, inner in in_order(tree, node):
        is_each = node.each is not None and kind is node.each[1]
        tag = node.each[0] if is_each and node.each is not None else key[0]
        if asked and tag not in asked:
            continue
        outer = element = ElementTree.Element(tag)
        if not is_each and f"{key[0]} {key[1] if len(key) > 1 else ''}" in node.children:
            element = ElementTree.SubElement(outer, key[1])
        elif kind.word is not None and (not kind.is_leaf or kind.block):
            ElementTree.SubElement(element, "name").text = key[-1]
        elif kind.word is not None:
            element.text = key[-1]
        element.extend(as_xml(inner, kind, asked.get(tag) if element is outer else None))
        yield outer


def compared(old: Tree, new: Tree, node: Node, path: tuple[str, ...] = ()) -> list[str]:
    """As `show | compare` prints it: under the path of each level what is gone from it and what is new."""
    here, deeper = list[str](), list[str]()
    merged = dict.fromkeys([*(key for key, _, _ in in_order(old, node)), *(key for key, _, _ in in_order(new, node))])
    for key, kind, _ in in_order({key: {} for key in merged}, node):
        if key in old and key in new:
            deeper += compared(old[key], new[key], kind, (*path, *key))
            continue
        sign, tree = ("-", old) if key in old else ("+", new)
        changed = kind.is_leaf and any(one[:-1] == key[:-1] for one in (new if sign == "-" else old))
        pad = "  " if changed else "   "
        here += [f"{sign}{pad}{line}" for line in as_text({key: tree[key]}, node)]
    kept_old = [key for key, kind, _ in in_order(old, node) if kind.ordered and key in new]
    kept_new = [key for key, kind, _ in in_order(new, node) if kind.ordered and key in old]
    here += [f"!   {_said(key)} {{ ... }}" for key, was in zip(kept_new, kept_old, strict=True) if key != was]
    heading = [f"[edit{''.join(' ' + word for word in path)}]"] if here else []
    return [*heading, *here, *deeper]


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """ge-0/0/2 comes before ge-0/0/10."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text))


def quoted(word: str) -> str:
    return word if _PLAIN.fullmatch(word) else f'"{word}"'


def _said(key: Key) -> str:
    return " ".join(quoted(word) for word in key)
