"""Settings as ``config.json`` holds them: what can be stored, and how it is read back."""

from __future__ import annotations

import collections.abc
import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from unreset.errors import UnresetError

_SCALARS = (bool, int, float, str)


def plain(value: Any, name: str) -> Any:
    """A value as JSON holds it: dataclasses and mappings as objects, tuples as arrays.

    Raises:
        UnresetError: where JSON cannot hold it; it says which field, by its ``name``.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name), _dotted(name, f.name)) for f in _all(value)}
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: plain(item, _dotted(name, key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, name) for item in value]
    endless = isinstance(value, float) and not math.isfinite(value)
    if value is None or (isinstance(value, _SCALARS) and not endless):
        return value
    what = value if endless else type(value).__name__
    raise UnresetError(
        f"{name} is or holds a {what}, which config.json cannot: use finite numbers, text, None, "
        "tuples, dictionaries with text as keys, and dataclasses of those"
    )


def build(kind: Any, value: Any, name: str = "") -> Any:
    """A value of type ``kind`` from JSON: dataclasses, tuples and what they hold are rebuilt.

    Raises:
        UnresetError: where the value is not of that type; it says which field, by its ``name``.
    """
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _build_union(kind, inner, value, name)
    if origin is Literal:
        _expect(value in inner, kind, value, name)
    elif kind in (None, types.NoneType):
        _expect(value is None, kind, value, name)
    elif kind in _SCALARS:
        fits = (int, float) if kind is float else kind
        _expect(isinstance(value, fits), kind, value, name)
        _expect(kind is bool or not isinstance(value, bool), kind, value, name)
        _expect(kind is not float or math.isfinite(value), kind, value, name)
    elif dataclasses.is_dataclass(kind) and isinstance(kind, type):
        _expect(isinstance(value, Mapping), kind, value, name)
        hints = _hints(kind)
        unknown = set(value) - set(hints)
        if unknown:
            raise UnresetError(f"{kind.__name__} has no field {sorted(unknown)[0]!r}")
        return kind(**{k: build(hints[k], item, _dotted(name, k)) for k, item in value.items()})
    elif kind is tuple or origin in (tuple, collections.abc.Sequence):
        _expect(isinstance(value, list), kind, value, name)
        if origin is not tuple or inner[1:] == (...,):
            inner = (inner[0] if inner else Any,) * len(value)
        _expect(len(inner) == len(value), kind, value, name)
        return tuple(build(each, item, name) for each, item in zip(inner, value, strict=True))
    elif origin is list:
        _expect(isinstance(value, list), kind, value, name)
        return [build(inner[0], item, name) for item in value]
    elif origin in (dict, collections.abc.Mapping):
        _expect(isinstance(value, Mapping), kind, value, name)
        return {k: build(inner[1], item, _dotted(name, k)) for k, item in value.items()}
    return value


def _build_union(kind: Any, kinds: tuple[Any, ...], value: Any, name: str) -> Any:
    """As the first of the types that fits."""
    if value is None and types.NoneType in kinds:
        return None
    some = [each for each in kinds if each is not types.NoneType]
    if len(some) == 1:
        return build(some[0], value, name)
    for each in some:
        try:
            return build(each, value, name)
        except UnresetError:
            continue
    return _expect(False, kind, value, name)


def check(settings: Any, name: str = "") -> None:
    """Raise UnresetError, which says the field, unless JSON gives the same settings back."""
    hints = _hints(type(settings))
    for field in _all(settings):
        item, path = getattr(settings, field.name), _dotted(name, field.name)
        if dataclasses.is_dataclass(item) and type(item) is hints[field.name]:
            check(item, path)
        elif build(hints[field.name], plain(item, path), path) != item:
            raise UnresetError(
                f"{path}={item!r} would not come back from config.json as the same, since its type "
                f"is given as {_name(hints[field.name])}"
            )


def _hints(kind: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind)
    except NameError as error:
        raise UnresetError(
            f"the types of the fields of {kind.__name__} cannot be read: {error}; import that "
            "outside of TYPE_CHECKING"
        ) from error


def _all(value: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(value)


def _dotted(name: str, inner: str) -> str:
    return f"{name}.{inner}" if name else inner


def _name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")


def _expect(fits: bool, kind: Any, value: Any, name: str) -> None:
    if not fits:
        raise UnresetError(f"{name} should be {_name(kind)}, but is {value!r}")
