"""Settings as ``config.json`` holds them: what can be stored, and how it is read back.

A part whose class is not the one that its field says is stored with the place of its class, under
``class``: any part of that kind may stand there, built in or one's own (see :mod:`unreset.trust`).
"""

from __future__ import annotations

import collections.abc
import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from unreset import places, trust
from unreset.errors import UnresetError
from unreset.trust import CLASS

_SCALARS = (bool, int, float, str)


def plain(value: Any, name: str, kind: Any = None) -> Any:
    """A value as JSON holds it: dataclasses and mappings as objects, tuples as arrays.

    Where a dataclass is not what its ``kind`` says, the place of its class is stored with it.

    Raises:
        UnresetError: where JSON cannot hold it; it says which field, by its ``name``.
    """
    inner = typing.get_args(kind)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kinds = _kinds(type(value))
        held = {f: plain(getattr(value, f), _dotted(name, f), kinds[f]) for f in kinds}
        alike = kind is None or type(value) is _dataclass_of(kind)
        return held if alike else {CLASS: _place(type(value)), **held}
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        each = inner[1] if _is_mapping(kind) and inner else None
        return {key: plain(item, _dotted(name, key), each) for key, item in value.items()}
    if isinstance(value, list | tuple):
        kinds_of_items = _of_items(kind, len(value)) or (None,) * len(value)
        return [plain(item, name, k) for item, k in zip(value, kinds_of_items, strict=True)]
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
    if isinstance(value, Mapping) and CLASS in value and kind is not Any and not _is_mapping(kind):
        kind, value = (
            _named(kind, value[CLASS], name),
            {k: v for k, v in value.items() if k != CLASS},
        )
        origin = None
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
        kinds = _kinds(kind)
        unknown = set(value) - set(kinds)
        if unknown:
            raise UnresetError(f"{kind.__name__} has no field {sorted(unknown)[0]!r}")
        return kind(**{k: build(kinds[k], item, _dotted(name, k)) for k, item in value.items()})
    elif kind is tuple or origin in (tuple, collections.abc.Sequence):
        _expect(isinstance(value, list), kind, value, name)
        inner = _of_items(kind, len(value)) or ()
        _expect(len(inner) == len(value), kind, value, name)
        return tuple(build(each, item, name) for each, item in zip(inner, value, strict=True))
    elif origin is list:
        _expect(isinstance(value, list), kind, value, name)
        return [build(inner[0], item, name) for item in value]
    elif _is_mapping(kind):
        _expect(isinstance(value, Mapping), kind, value, name)
        return {k: build(inner[1], item, _dotted(name, k)) for k, item in value.items()}
    elif getattr(kind, "_is_protocol", False):  # what holds no named part is none
        _expect(False, kind, value, name)
    return value


def _build_union(kind: Any, kinds: tuple[Any, ...], value: Any, name: str) -> Any:
    """As the first of the types that fits."""
    if value is None and types.NoneType in kinds:
        return None
    some = [each for each in kinds if each is not types.NoneType]
    if len(some) == 1:
        return build(some[0], value, name)
    part = _dataclass_of(kind)
    if part is not None and isinstance(value, Mapping) and not any(map(_is_mapping, some)):
        return build(part, value, name)
    for each in some:
        try:
            return build(each, value, name)
        except UnresetError:
            continue
    return _expect(False, kind, value, name)


def check(settings: Any, name: str = "") -> None:
    """Raise UnresetError, which says the field, unless JSON gives the same settings back.

    Whoever calls this has made the settings himself: their parts' classes are his own from now on.
    """
    for place in trust.classes(plain(settings, name)):
        trust.remember(place)
    kinds = _kinds(type(settings))
    for field, kind in kinds.items():
        item, path = getattr(settings, field), _dotted(name, field)
        if dataclasses.is_dataclass(item) and _holds(kind, type(item)):
            check(item, path)
        elif build(kind, plain(item, path, kind), path) != item:
            raise UnresetError(
                f"{path}={item!r} would not come back from config.json as the same, since its type "
                f"is given as {_name(kind)}"
            )


def _named(kind: Any, place: Any, name: str) -> type:
    """The class of a part at its place, if it may be imported and is of a ``kind``."""
    _expect(isinstance(place, str) and ":" in place, kind, place, name)
    if not trust.known(place):
        raise trust.Untrusted(f"{name} names {place!r}, which is not code that you have used")
    found = places.imported(place, "part")
    if not _holds(kind, found):
        raise UnresetError(f"{name} should be {_name(kind)}, and {place} is none")
    return typing.cast(type, found)


def _holds(kind: Any, found: Any) -> bool:
    """Whether a field of a ``kind`` may hold a part of a class."""
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        return False
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return any(_holds(each, found) for each in typing.get_args(kind))
    if getattr(kind, "_is_protocol", False):
        says = (name for base in kind.__mro__ for name in vars(base) if not name.startswith("_"))
        fields = {field.name for field in dataclasses.fields(found)}
        return all(hasattr(found, name) or name in fields for name in says)
    return isinstance(kind, type) and issubclass(found, kind)


def _place(kind: type) -> str:
    """The place by which a part's class is stored: of one that is built in, that of its room."""
    room = ".".join(kind.__module__.split(".")[:2])
    return f"{room}:{kind.__name__}" if room in trust.ROOMS else places.of(kind)


def _dataclass_of(kind: Any) -> type | None:
    """The one dataclass that a type names, if there is one."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        found = [each for each in map(_dataclass_of, typing.get_args(kind)) if each is not None]
        return found[0] if len(found) == 1 else None
    return kind if isinstance(kind, type) and dataclasses.is_dataclass(kind) else None


def _of_items(kind: Any, number: int) -> tuple[Any, ...] | None:
    """The types of a list's or tuple's items; None where the type is that of no list or tuple."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind is not tuple and origin not in (tuple, list, collections.abc.Sequence):
        return None
    if origin is not tuple or inner[1:] == (...,):
        return (inner[0] if inner else Any,) * number
    return inner if len(inner) == number else None


def _is_mapping(kind: Any) -> bool:
    return typing.get_origin(kind) in (dict, collections.abc.Mapping)


def _kinds(kind: type) -> dict[str, Any]:
    """The types of a dataclass's fields by name.

    Where a field names a protocol, or a class of parts that is none itself, the class of its
    default is what needs no name.
    """
    hints = _hints(kind)
    return {field.name: _narrowed(hints[field.name], field) for field in dataclasses.fields(kind)}


def _narrowed(hint: Any, field: dataclasses.Field[Any]) -> Any:
    """A field's type, with the class of its default as one more of the types that fit."""
    if _dataclass_of(hint) is not None or not isinstance(hint, type):
        return hint
    factory, default = field.default_factory, field.default
    if factory is not dataclasses.MISSING:
        default = factory()
    usual = type(default)
    return usual | hint if dataclasses.is_dataclass(default) else hint


def _hints(kind: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind)
    except NameError as error:
        raise UnresetError(
            f"the types of the fields of {kind.__name__} cannot be read: {error}; import that "
            "outside of TYPE_CHECKING"
        ) from error


def _dotted(name: str, inner: str) -> str:
    return f"{name}.{inner}" if name else inner


def _name(kind: Any) -> str:
    if isinstance(kind, types.UnionType):
        return " | ".join("None" if k is types.NoneType else _name(k) for k in kind.__args__)
    return kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")


def _expect(fits: bool, kind: Any, value: Any, name: str) -> None:
    if not fits:
        raise UnresetError(f"{name} should be {_name(kind)}, but is {value!r}")
