"""Ranges of numbers: annotations of the fields of settings, and the one place that checks them.

A field says its range by its type: ``discount: Share = 0.99``, ``hidden: tuple[Count, ...]``.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import numbers
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, cast

from unreset.errors import UnresetError


@dataclass(frozen=True)
class Range:
    """An interval of numbers; infinity and NaN are in none."""

    least: float = -math.inf
    most: float = math.inf
    above: bool = False
    """Whether ``least`` itself is outside."""
    below: bool = False
    """Whether ``most`` itself is outside."""

    def __contains__(self, number: float) -> bool:
        """Whether a number is in the interval."""
        if not math.isfinite(number) or not self.least <= number <= self.most:
            return False
        return not ((self.above and number == self.least) or (self.below and number == self.most))

    def __str__(self) -> str:
        """The interval in words that follow "must be"."""
        if self.least == -math.inf:
            return "finite"
        if self.most == math.inf:
            return f"{'above' if self.above else 'at least'} {self.least:,}"
        if not self.above and not self.below:
            return f"from {self.least:,} to {self.most:,}"
        least = f"{'above' if self.above else 'at least'} {self.least:,}"
        return f"{least} and {'below' if self.below else 'at most'} {self.most:,}"


Count = Annotated[int, Range(1)]
Whole = Annotated[int, Range(0)]
Pair = Annotated[int, Range(2)]
Seed = Annotated[int, Range(0, (1 << 32) - 1)]
Integer = Annotated[int, Range()]
Share = Annotated[float, Range(0, 1)]
Fraction = Annotated[float, Range(0, 1, above=True)]
Remainder = Annotated[float, Range(0, 1, below=True)]
Inside = Annotated[float, Range(0, 1, above=True, below=True)]
Positive = Annotated[float, Range(0, above=True)]
Rate = Annotated[float, Range(0)]
Factor = Annotated[float, Range(1)]
Finite = Annotated[float, Range()]

Speller = Callable[[str], str]
T = TypeVar("T")


def checked(value: T, name: str = "", spelled: Speller = str) -> T:
    """A dataclass whose numbers are all in their ranges, NumPy's as Python's own.

    Args:
        value: the dataclass; dataclasses within it, within tuples and within mappings count, too.
        name: what is written before the names of its fields.
        spelled: how a message writes the dotted name of a field, for example as a flag.

    Raises:
        UnresetError: where a number is outside of its range; one line says the field, the number
            and the range.
    """
    changed = {}
    known = hints(cast(type, type(value)))
    for field in dataclasses.fields(cast(Any, value)):
        item = getattr(value, field.name)
        path = f"{name}.{field.name}" if name else field.name
        fitting = _checked(known.get(field.name, Any), item, path, spelled)
        if fitting is not item:
            changed[field.name] = fitting
    return cast(T, dataclasses.replace(cast(Any, value), **changed)) if changed else value


@functools.cache
def hints(kind: type) -> dict[str, Any]:
    """The types of a class's fields with their ranges; none where they cannot be read."""
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except NameError:
        return {}


def text(kind: Any) -> str:
    """The range of the numbers in a type, in words; nothing where there is none to speak of."""
    found = [str(part) for part in _ranges(kind) if part != Range()]
    return found[0] if found else ""


def unbounded(kind: Any) -> bool:
    """Whether a type has numbers in it without a range."""
    if typing.get_origin(kind) is Annotated:
        return not _ranges(kind) and unbounded(typing.get_args(kind)[0])
    return kind in (int, float) or any(unbounded(part) for part in _parts(kind))


def _checked(kind: Any, value: Any, name: str, spelled: Speller) -> Any:
    """A value, checked against a type."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return checked(value, name, spelled)
    if isinstance(value, Mapping):
        inner = next((k for k in (kind, *_parts(kind)) if len(typing.get_args(k)) == 2), None)
        each = typing.get_args(inner)[1] if inner is not None else Any
        fitted = {k: _checked(each, item, f"{name}.{k}", spelled) for k, item in value.items()}
        return value if all(fitted[k] is value[k] for k in fitted) else fitted
    if isinstance(value, tuple):
        return _checked_tuple(kind, value, name, spelled)
    number, limits = _numeric(kind)
    if number is None or value is None:
        return value  # its type is checked where settings are stored
    return _checked_number(number, limits, value, spelled(name))


def _checked_tuple(
    kind: Any, value: tuple[Any, ...], name: str, spelled: Speller
) -> tuple[Any, ...]:
    inner = next((k for k in (kind, *_parts(kind)) if typing.get_origin(k) is tuple), None)
    kinds = typing.get_args(inner) if inner is not None else (Any, ...)
    if kinds[1:] == (...,) or len(kinds) != len(value):
        kinds = kinds[:1] * len(value)
    made = [
        _checked(each, item, f"{name}[{at}]" if dataclasses.is_dataclass(item) else name, spelled)
        for at, (each, item) in enumerate(zip(kinds, value, strict=False))
    ]
    return value if all(a is b for a, b in zip(made, value, strict=False)) else tuple(made)


def _checked_number(number: type, limits: Range, value: Any, name: str) -> Any:
    whole = isinstance(value, numbers.Integral)
    if isinstance(value, bool) or not (whole or isinstance(value, numbers.Real)):
        sort = "whole number" if number is int else "number"
        raise UnresetError(f"{name} must be a {sort}, not {value!r:.60}")
    if number is int and not whole:
        raise UnresetError(f"{name} must be a whole number, not {value!r:.60}")
    plain = value
    if type(value) is not int and type(value) is not float:  # NumPy's
        plain = int(value) if whole else float(value)
    if plain not in limits:
        shown = f"{plain:,}" if limits.most > 1 and whole else f"{plain}"
        raise UnresetError(f"{name} must be {limits}, not {shown}")
    return plain


def _numeric(kind: Any) -> tuple[type | None, Range]:
    """The type of number that a type allows, beside None, and its range; no type for others."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        some = [k for k in typing.get_args(kind) if k is not types.NoneType]
        return _numeric(some[0]) if len(some) == 1 else (None, Range())
    base = typing.get_args(kind)[0] if typing.get_origin(kind) is Annotated else kind
    found = _ranges(kind)
    return (base if base in (int, float) else None), (found[0] if found else Range())


def _parts(kind: Any) -> tuple[Any, ...]:
    """The types that a type is made of."""
    if typing.get_origin(kind) is typing.Literal:
        return ()
    return tuple(part for part in typing.get_args(kind) if part is not ...)


def _ranges(kind: Any) -> list[Range]:
    if typing.get_origin(kind) is Annotated:
        own = [part for part in typing.get_args(kind)[1:] if isinstance(part, Range)]
        return own or _ranges(typing.get_args(kind)[0])
    return [found for part in _parts(kind) for found in _ranges(part)]
