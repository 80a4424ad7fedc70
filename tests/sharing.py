"""Equal programs are traced once in a test process, however many runs are made of them.

Most of a short run's time goes into tracing and compiling. What ``unreset`` hands to ``jax.jit`` is
determined by the function's code and by what it closes over: a method and a task, as a rule. Where
both are what they were before, the compiled function from before is given back.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import unreset

MOST = 32  # programs that are kept, the latest used
DEPTH = 40  # of what a function closes over; beyond it nothing is said
_OURS = (str(Path(unreset.__file__).parent), str(Path(jax.__file__).parent))
_plain_jit = jax.jit
_programs: dict[Any, Any] = {}
_alone = False


class Unsaid(Exception):
    """Nothing can be said about what a function closes over."""


class Same:
    """Equal to what holds the same object."""

    def __init__(self, held: object) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.held is other.held

    def __hash__(self) -> int:
        return id(self.held)


def content(value: Any, depth: int = 0) -> Any:  # noqa: PLR0911 - one for each kind
    """Hashable, and equal for two values only if a program cannot tell them apart."""
    if depth > DEPTH or isinstance(value, jax.core.Tracer):
        raise Unsaid
    inner = functools.partial(content, depth=depth + 1)
    kind = type(value)
    if value is None or kind in (bool, int, float, str, bytes):
        return kind, repr(value)
    if kind in (np.ndarray, *np.sctypeDict.values()) and value.dtype != object:
        return kind, str(value.dtype), value.shape, value.tobytes()
    if isinstance(value, jax.Array):
        if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
            return "key", inner(jax.random.key_data(value))
        return "array", value.weak_type, inner(np.asarray(value))
    if isinstance(value, tuple):
        return kind, *map(inner, value)
    if kind in (dict, types.MappingProxyType):
        return kind, *((inner(name), inner(held)) for name, held in value.items())
    if kind is functools.partial:
        return kind, inner(value.func), inner(value.args), inner(value.keywords)
    if kind is types.MethodType:
        return kind, inner(value.__func__), inner(value.__self__)
    if kind is types.FunctionType and value.__code__.co_filename.startswith(_OURS):
        try:
            cells = tuple(cell.cell_contents for cell in value.__closure__ or ())
        except ValueError:  # one that is not filled yet
            raise Unsaid from None
        more = inner(value.__defaults__), inner(value.__kwdefaults__), inner(cells)
        return kind, Same(value.__code__), *more
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if not kind.__dataclass_params__.frozen:
            return Same(value)
        return kind, *(inner(getattr(value, one.name)) for one in dataclasses.fields(value))
    return Same(value)  # also a test's own functions, which may keep what they were called with


def jit(*function: Any, **options: Any) -> Any:
    """``jax.jit``, or what it made of an equal function of ``unreset`` before."""
    if _alone or len(function) != 1 or not _of_unreset(function[0]):
        return _plain_jit(*function, **options)
    try:
        name = content((function[0], options))
    except Unsaid:
        return _plain_jit(*function, **options)
    program = _programs.pop(name, None) or _plain_jit(*function, **options)
    _programs[name] = program
    while len(_programs) > MOST:
        del _programs[next(iter(_programs))]
    return program


def _of_unreset(function: Any) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code: Mapping[str, Any] | Any = getattr(function, "__code__", None)
    return code is not None and code.co_filename.startswith(_OURS[0])


@contextmanager
def alone() -> Iterator[None]:
    """What is compiled within is compiled anew, for tests that count or exchange functions."""
    global _alone  # noqa: PLW0603 - it is what this is for
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def install() -> None:
    """Share from now on."""
    jax.jit = jit
