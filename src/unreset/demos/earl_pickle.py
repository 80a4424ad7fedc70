"""The EARL benchmark's released demonstrations, which are pickles, read without running anything.

A pickle is a program for a small machine that may name any function and have it called: never
unpickle what you do not trust. Here Python's own machine is not used at all. Another one does the
few operations that a dictionary of NumPy arrays consists of, in every protocol. It looks no name
up: the few that such a file needs stand for inert records, from which arrays of plain numbers are
made afterwards. Whatever else it meets it refuses, and its work is bounded by the size of the file.

A released folder holds ``forward/demo_data.pkl`` and ``reverse/demo_data.pkl``; each is a
dictionary of flat columns (:mod:`unreset.demos.flat`) with an empty array ``infos``.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from unreset.errors import UnresetError

FILE_NAME = "demo_data.pkl"
_NUMBERS = re.compile(r"[biuf][1248]")  # bool, integers, floats
_ORDERS = ("<", ">", "|", "=")
_NAMES = {
    "numpy.ndarray",
    "numpy.dtype",
    *(f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")),
    *(f"numpy.{core}.numeric._frombuffer" for core in ("core", "_core")),  # protocol 5
    "_codecs.encode",  # bytes, in protocols 0 to 2
    *(f"{module}.bytes" for module in ("builtins", "__builtin__")),  # none of them, there
}
_VALUES = re.compile(  # what puts its own argument on the stack
    "INT|LONG1?|BININT[12]?|UNICODE|(SHORT_)?BINUNICODE|STRING|(SHORT_)?BINSTRING"
    "|(SHORT_)?BINBYTES|BINBYTES8|BYTEARRAY8"
)
_OTHERS = re.compile("PROTO|FRAME|STOP|GLOBAL|(LONG_)?(BIN)?(PUT|GET)|MEMOIZE")
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_MOST_OPERATIONS = 100_000
_MOST_REMEMBERED = 1 << 16


class _Refused(Exception):
    """Something that has no place in a file of plain arrays."""


class _Name:
    """One of the known names; it stands for itself alone."""

    def __init__(self, name: str) -> None:
        if name not in _NAMES:
            raise _Refused(f"the name {name!a}, which a file of plain arrays does not need")
        self.name = name


class _Dtype:
    """What a pickle says of a type of numbers."""

    def __init__(self, code: Any) -> None:
        if not isinstance(code, str) or not _NUMBERS.fullmatch(code):
            told = f"{code!a:.50}" if isinstance(code, str) else _kind(code)
            raise _Refused(f"an array of type {told}, which is not one of numbers")
        self.code, self.order = code, "="

    def build(self, state: Any) -> None:
        """Take the order of its bytes."""
        _, order, *kinds = state
        if order not in _ORDERS or any(kind is not None for kind in kinds[:3]):
            raise _Refused("an array of records, which is not one of numbers")
        self.order = order


class _Array:
    """What a pickle says of an array."""

    def __init__(self, parts: Any = None) -> None:
        self.parts = parts  # content, type, shape, order, and axes of another order

    def build(self, state: Any) -> None:
        """Take its contents."""
        _, shape, dtype, columns_first, content = state
        self.parts = content, dtype, shape, "F" if columns_first is True else "C", None

    def array(self) -> np.ndarray:
        """The array, once everything has been read."""
        if self.parts is None:
            raise _Refused("an array without contents")
        content, dtype, shape, order, axes = self.parts
        if not isinstance(dtype, _Dtype) or not isinstance(content, bytes | bytearray | str):
            raise _Refused("an array whose contents are not plain numbers")
        if isinstance(content, str):  # of Python 2
            content = content.encode("latin1")
        if not all(type(size) is int for numbers in (shape, axes or ()) for size in numbers):
            raise _Refused("an array whose shape is not of whole numbers")
        flat = np.frombuffer(content, np.dtype(dtype.order + dtype.code))
        array = flat.reshape(shape, order="F" if order == "F" else "C")
        array = array if axes is None else array.transpose(axes)
        return np.array(array, array.dtype.newbyteorder("="))


def _operations(data: bytes) -> list[tuple[str, Any]]:
    """The operations and their arguments, if all of them are such as plain arrays consist of."""
    found = []
    for operation, argument, _ in pickletools.genops(data):
        name = operation.name
        if not (name in _CONSTANTS or name in _ACTIONS or _known(name)):
            raise _Refused(f"the operation {name}, which a file of plain arrays does not need")
        found.append((name, argument))
        if len(found) > _MOST_OPERATIONS:
            raise _Refused(f"more than {_MOST_OPERATIONS:,} operations")
    return found


def _known(name: str) -> bool:
    return bool(_VALUES.fullmatch(name) or _OTHERS.fullmatch(name))


class _Machine:
    """Does the operations of one pickle."""

    def __init__(self, data: bytes) -> None:
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # what lies under each mark
        self._memo: dict[int, Any] = {}
        self._room = len(data)  # bytes of text that may become bytes
        for name, argument in _operations(data):
            self._do(name, argument)

    @property
    def found(self) -> Any:
        """What the pickle comes to."""
        return self._stack.pop()

    def _do(self, name: str, argument: Any) -> None:
        if name.endswith(("PUT", "GET")) or name == "MEMOIZE":
            self._remember(name, len(self._memo) if argument is None else argument)
        elif name in _CONSTANTS:
            self._push(_CONSTANTS[name])
        elif _VALUES.fullmatch(name):
            self._push(argument)
        elif name == "GLOBAL":
            self._push(_Name(".".join(argument.split(" ", 1))))
        elif name in _ACTIONS:
            _ACTIONS[name](self)

    def _remember(self, name: str, number: int) -> None:
        if number > _MOST_REMEMBERED:
            raise _Refused(f"a reference numbered {number}")
        if name.endswith("GET"):
            self._push(self._memo[number])
        else:
            self._memo[number] = self._stack[-1]

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _mark(self) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _marked(self) -> list[Any]:
        found, self._stack = self._stack, self._below.pop()
        return found

    def _taken(self, number: int) -> list[Any]:
        if len(self._stack) < number:
            raise ValueError("its stack is empty")
        found = self._stack[-number:]
        del self._stack[-number:]
        return found

    def _extend(self, items: list[Any]) -> None:
        if not isinstance(self._stack[-1], list):
            raise _Refused(f"a longer {_kind(self._stack[-1])}")
        self._stack[-1].extend(items)

    def _fill(self, items: list[Any]) -> None:
        if not isinstance(self._stack[-1], dict):
            raise _Refused(f"items of a {_kind(self._stack[-1])}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str):  # others may take for ever to hash
                told = f"{key!a:.50}" if type(key) is int else "a key"
                raise _Refused(f"{told} of type {_kind(key)} where a name should be")
            self._stack[-1][key] = value

    def _dict(self) -> None:
        items = self._marked()
        self._push({})
        self._fill(items)

    def _stack_global(self) -> None:
        module, name = self._taken(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise _Refused("a name that is no text")
        self._push(_Name(f"{module}.{name}"))

    def _reduce(self) -> None:
        called, arguments = self._taken(2)
        if not isinstance(called, _Name) or not isinstance(arguments, tuple):
            raise _Refused(f"a call of a {_kind(called)}")
        self._push(self._made(called.name, arguments))

    def _made(self, name: str, arguments: tuple[Any, ...]) -> Any:
        if name == "numpy.dtype" and arguments:
            return _Dtype(arguments[0])
        if name.endswith("._reconstruct"):
            return _Array()
        if name.endswith("._frombuffer"):
            content, dtype, shape, order, *axes = arguments
            return _Array((content, dtype, shape, order, axes[0] if axes else None))
        if name.endswith(".bytes") and not arguments:
            return b""
        if name == "_codecs.encode" and arguments[1:] == ("latin1",):
            self._room -= len(arguments[0])
            if self._room < 0:
                raise _Refused("the same text again and again")
            return arguments[0].encode("latin1")
        raise _Refused(f"a call of {name}")

    def _build(self) -> None:
        changed, state = self._taken(2)
        if not isinstance(changed, _Array | _Dtype):
            told = changed.name if isinstance(changed, _Name) else _kind(changed)
            raise _Refused(f"a changed {told}")
        if not isinstance(state, tuple):
            raise _Refused("an array without contents")
        changed.build(state)
        self._push(changed)


_ACTIONS: dict[str, Callable[[_Machine], None]] = {
    "MARK": lambda machine: machine._mark(),
    "TUPLE": lambda machine: machine._push(tuple(machine._marked())),
    "TUPLE1": lambda machine: machine._push(tuple(machine._taken(1))),
    "TUPLE2": lambda machine: machine._push(tuple(machine._taken(2))),
    "TUPLE3": lambda machine: machine._push(tuple(machine._taken(3))),
    "EMPTY_LIST": lambda machine: machine._push([]),
    "LIST": lambda machine: machine._push(machine._marked()),
    "APPEND": lambda machine: machine._extend(machine._taken(1)),
    "APPENDS": lambda machine: machine._extend(machine._marked()),
    "EMPTY_DICT": lambda machine: machine._push({}),
    "DICT": lambda machine: machine._dict(),
    "SETITEM": lambda machine: machine._fill(machine._taken(2)),
    "SETITEMS": lambda machine: machine._fill(machine._marked()),
    "STACK_GLOBAL": lambda machine: machine._stack_global(),
    "REDUCE": lambda machine: machine._reduce(),
    "BUILD": lambda machine: machine._build(),
}


def read_columns(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a pickled dictionary of arrays, in any protocol.

    Raises:
        UnresetError: where it is damaged or holds anything else; nothing of it has run.
    """
    try:
        found = _Machine(data).found
        if not isinstance(found, dict):
            raise _Refused(f"a single {_kind(found)}")
        columns, made = dict[str, np.ndarray](), dict[int, np.ndarray]()
        for name, value in found.items():
            if not isinstance(value, _Array):
                raise _Refused(f"{name!a:.50} of type {_kind(value)}")
            if id(value) not in made:
                made[id(value)] = value.array()
            columns[name] = made[id(value)]
            if sum(array.nbytes for array in made.values()) > len(data):
                raise _Refused("the same contents again and again")
    except _Refused as refused:
        raise UnresetError(
            f"it holds {refused}; only a pickled dictionary of plain NumPy arrays is read. "
            f"If you trust where it comes from, convert it to .npz yourself"
        ) from None
    except Exception as error:
        raise UnresetError(f"it cannot be read as a pickle: {str(error)!a:.200}") from error
    return columns


def read_file(path: Path) -> dict[str, np.ndarray]:
    """The columns of one file, see :func:`read_columns`."""
    try:
        return read_columns(path.read_bytes())
    except OSError as error:
        raise UnresetError(f"it cannot be read: {error.strerror or error}") from error


def _kind(value: Any) -> str:
    return type(value).__name__.strip("_").lower()
