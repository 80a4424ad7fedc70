"""Files of others, read: whatever one makes its reader raise is one line, and none may grow.

Free of JAX, for deployed policies.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unreset.errors import UnresetError
from unreset.memory import available_memory

UNPACKED = "UNRESET_UNPACKED_GIB"  # environment variable: how much a file may unpack to
_ANY_FILE = 256 << 20  # bytes to which any file may unpack
_TIMES = 100  # and to how many times its size
_MOST_JSON, _DEEPEST = 64 << 20, 50  # bytes; objects and arrays within one another
_MOST_TOLD = 600  # characters of a reader's complaint
_OURS = (NameError, ImportError)  # mistakes of a program, not of a file


@contextmanager
def reading(path: str | Path, wrong: str) -> Iterator[None]:
    """Reads a file: whatever its contents make readers raise becomes an UnresetError.

    It says ``WRONG: what``. This is for the calls that read, not for what is done with the result.

    Raises:
        UnresetError: those of the block as they are; and one for what is neither file nor folder.
    """
    try:
        mode = os.stat(path).st_mode if os.path.lexists(path) else stat.S_IFREG
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a pipe may never end
            raise ValueError("it is no ordinary file")
        yield
    except (UnresetError, *_OURS):
        raise
    except Exception as error:
        raise UnresetError(f"{wrong}: {told(error)}") from error


def told(error: Exception) -> str:
    """A reader's complaint in one line."""
    said = line((error.strerror if isinstance(error, OSError) else None) or str(error))
    plain = isinstance(error, OSError | ValueError) and not isinstance(error, UnicodeError)
    return said if said and plain else f"{type(error).__name__}: {said}".rstrip(": ")


def line(said: str) -> str:
    """What a file may have had a say in, in one line that a terminal shows as it is."""
    said = "".join(c if c.isprintable() else " " for c in said[: 4 * _MOST_TOLD])
    said = " ".join(said.split())
    return said if len(said) <= _MOST_TOLD else f"{said[:_MOST_TOLD]} ..."


def refuse_unpacking(path: str | Path, size: int) -> None:
    """Refuse a file that would take far more memory than a file of its size does, or than is free.

    ``size`` is how many bytes it says that it unpacks to.

    Raises:
        ValueError: it names the limit and how to raise it.
    """
    held = os.path.getsize(path)
    try:
        most = float(os.environ[UNPACKED]) * 2**30
    except (KeyError, ValueError):
        most = max(_ANY_FILE, _TIMES * held)
    if size > most:
        raise ValueError(
            f"it has {_gib(held)} and would unpack to {_gib(size)}, more than {_gib(most)}; if you "
            f"trust it, set {UNPACKED}={math.ceil(size / 2**30)} in the environment"
        )
    free = available_memory() * 2**20
    if size > free:
        raise ValueError(f"it would unpack to {_gib(size)}, and {_gib(free)} of memory are free")


def _gib(size: float) -> str:
    return f"{size / 2**30:.3g} GiB"


def read_json(path: Path, wrong: str = "", kind: type = dict) -> Any:
    """The object in a JSON file, or the list if that is the ``kind``; ``wrong`` as for `reading`.

    Raises:
        UnresetError: where there is none; where it is longer or deeper than anything that is
            written here; and where it says one thing twice.
    """
    with reading(path, wrong or f"{path} cannot be read"):
        if path.stat().st_size > _MOST_JSON:
            raise ValueError(f"it is longer than {_MOST_JSON >> 20} MiB")
        found = parsed(path.read_text(encoding="utf-8"), kind)
    return found


def parsed(text: str, kind: type = dict) -> Any:
    """The object or list in a JSON text; raises ValueError, or RecursionError."""
    found = json.loads(text, object_pairs_hook=_once)
    if not isinstance(found, kind):
        raise ValueError(f"it holds no JSON {'object' if kind is dict else 'list'}")
    level: list[Any] = [found]
    depth = 0
    while level:
        depth += 1
        inner = [v for one in level for v in (one.values() if isinstance(one, dict) else one)]
        level = [value for value in inner if isinstance(value, dict | list)]
        if depth > _DEEPEST:
            raise ValueError(f"it is more than {_DEEPEST} levels deep")
    return found


def _once(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"it says {name[:40]!a} twice")
        found[name] = value
    return found
