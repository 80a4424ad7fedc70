"""A method's settings in words, from the lines below its fields."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import sys
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from unreset.methods.settings import Settings


class Described(NamedTuple):
    """One field: its dotted name, its value by default, others' values, and what it is."""

    name: str
    value: Any
    others: dict[str, Any]  # by preset, where they differ
    about: str


def texts(presets: Mapping[str, Settings]) -> list[str]:
    """What a method's class and file say about it, where they say something."""
    kind = type(presets["default"])
    found = [kind.__doc__ or "", sys.modules[kind.__module__].__doc__ or ""]
    # A dataclass without a docstring is given its signature.
    return [inspect.cleandoc(t) for t in found if t and not t.startswith(f"{kind.__name__}(")]


def fields(presets: Mapping[str, Settings]) -> Iterator[Described]:
    """Every field of a method's settings; those of nested settings follow their own."""
    yield from _fields("", presets)


def _fields(prefix: str, by_preset: Mapping[str, Any]) -> Iterator[Described]:
    kind = type(by_preset["default"])
    about = {name: line for base in reversed(kind.__mro__) for name, line in _lines(base)}
    nested = []
    for field in dataclasses.fields(kind):
        values = {preset: getattr(each, field.name) for preset, each in by_preset.items()}
        default = values["default"]
        if dataclasses.is_dataclass(default):
            nested.append((f"{prefix}{field.name}.", values))
            continue
        others = {preset: value for preset, value in values.items() if value != default}
        yield Described(prefix + field.name, default, others, about.get(field.name, ""))
    for name, values in nested:
        alike = {k: v for k, v in values.items() if type(v) is type(values["default"])}
        yield from _fields(name, alike)


def _lines(kind: type) -> Iterator[tuple[str, str]]:
    """The texts that stand below the fields in a class's source, where that can be read."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    except (OSError, TypeError, SyntaxError):
        return
    body = getattr(tree.body[0], "body", [])
    for field, text in itertools.pairwise(body):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(line))),
            ):
                yield name, " ".join(line.split())
