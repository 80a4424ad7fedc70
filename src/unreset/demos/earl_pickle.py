"""The EARL benchmark's released demonstrations, which are pickles, read without running anything.

A pickle may name any function and have it called. Here no name is ever looked up: the three names
that a pickled NumPy array needs stand for inert records, every other name is refused, and arrays
are made from the records afterwards, of plain numbers only. Operations that such files do not
consist of are refused before anything is read.

A released folder holds ``forward/demo_data.pkl`` and ``reverse/demo_data.pkl``; each is a
dictionary of flat columns (:mod:`unreset.demos.flat`) with an empty array ``infos``.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from pathlib import Path
from typing import Any, Never

import numpy as np

from unreset.errors import UnresetError

FILE_NAME = "demo_data.pkl"
_ARRAY, _DTYPE = ("numpy", "ndarray"), ("numpy", "dtype")
_RECONSTRUCT = [(f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")]
_NUMBERS = re.compile(r"[biuf][1248]")  # bool, integers, floats
_ORDERS = ("<", ">", "|", "=")
_OPERATIONS = re.compile(
    "PROTO|FRAME|STOP|MARK|(STACK_)?GLOBAL|REDUCE|BUILD|EMPTY_DICT|SETITEMS?|EMPTY_LIST|APPENDS?"
    "|EMPTY_TUPLE|TUPLE[123]?|NONE|NEWTRUE|NEWFALSE|BININT[12]?|(SHORT_)?BINUNICODE"
    "|(SHORT_)?BINBYTES|BINBYTES8|(LONG_)?(BIN)?(PUT|GET)|MEMOIZE"
)
_MOST_REMEMBERED = 1 << 16  # entries of the unpickler's memo, which it makes room for


class _Refused(Exception):
    """Something that has no place in a file of plain arrays."""


class _Dtype:
    """What a pickle says of a type of numbers."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any) -> None:
        if not isinstance(code, str) or not _NUMBERS.fullmatch(code):
            raise _Refused(f"an array of type {code!r}, which is not one of numbers")
        self.code, self.order = code, "="

    def __setstate__(self, state: Any) -> None:
        _, order, subtype, names, fields, *_ = state
        if order not in _ORDERS or (subtype, names, fields) != (None, None, None):
            raise _Refused("an array of records, which is not one of numbers")
        self.order = order


class _Array:
    """What a pickle says of an array."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> np.ndarray:
        """The array, once everything has been read."""
        if not isinstance(self.state, tuple) or len(self.state) != 5:
            raise _Refused("an array without contents")
        _, shape, dtype, columns_first, content = self.state
        if not isinstance(dtype, _Dtype) or not isinstance(content, bytes):
            raise _Refused("an array whose contents are not plain numbers")
        numbers = np.frombuffer(content, np.dtype(dtype.order + dtype.code))
        array = numbers.reshape(shape, order="F" if columns_first else "C")
        return np.array(array, array.dtype.newbyteorder("="))


class _Name:
    """An allowed name: it can be called with what arrays are made of, and nothing else."""

    __slots__ = ("_name",)

    def __init__(self, name: tuple[str, str]) -> None:
        self._name = name

    def __call__(self, *arguments: Any) -> _Array | _Dtype:
        if self._name == _DTYPE and arguments:
            return _Dtype(arguments[0])
        if self._name in _RECONSTRUCT:
            return _Array()
        raise _Refused(f"a call of {'.'.join(self._name)}")

    def __setstate__(self, state: Any) -> Never:
        raise _Refused(f"a changed {'.'.join(self._name)}")


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> _Name:
        if (module, name) not in (_ARRAY, _DTYPE, *_RECONSTRUCT):
            asked = f"{module}.{name}"
            raise _Refused(f"the name {asked!a}, which a file of plain arrays does not need")
        return _Name((module, name))

    def persistent_load(self, pid: Any, /) -> Never:
        raise _Refused("a reference to something outside the file")


def read_columns(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a pickled dictionary of arrays.

    Raises:
        UnresetError: where it is damaged or holds anything else; nothing of it has run.
    """
    try:
        for operation, argument, _ in pickletools.genops(data):
            _check(operation.name, argument)
        found = _ArraysOnly(io.BytesIO(data)).load()
        if not isinstance(found, dict):
            raise _Refused(f"a single {type(found).__name__.strip('_').lower()}")
        columns = {}
        for name, value in found.items():
            if not isinstance(name, str) or not isinstance(value, _Array):
                kind = type(value).__name__.strip("_").lower()
                raise _Refused(f"{name!a} of type {kind}")
            columns[name] = value.array()
    except _Refused as refused:
        raise UnresetError(
            f"it holds {refused}; only a pickled dictionary of plain NumPy arrays is read. "
            f"If you trust where it comes from, convert it to .npz yourself"
        ) from None
    except Exception as error:
        raise UnresetError(f"it cannot be read as a pickle: {str(error)!a}") from error
    return columns


def read_file(path: Path) -> dict[str, np.ndarray]:
    """The columns of one file, see :func:`read_columns`."""
    try:
        return read_columns(path.read_bytes())
    except OSError as error:
        raise UnresetError(f"it cannot be read: {error.strerror or error}") from error


def _check(operation: str, argument: Any) -> None:
    if not _OPERATIONS.fullmatch(operation):
        raise _Refused(f"the operation {operation}, which a file of plain arrays does not need")
    if operation.endswith("PUT") and argument > _MOST_REMEMBERED:
        raise _Refused(f"a reference numbered {argument}")
