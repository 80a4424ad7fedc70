"""Writing files so that one is either as before or whole, and nobody's link is followed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unreset.errors import UnresetError

FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # where making room helps


def check_run(folder: Path) -> None:
    """Refuse a folder that is not a run's."""
    if not (folder / "config.json").is_file():
        raise UnresetError(f"{folder} is not a run folder: it has no config.json")


@contextlib.contextmanager
def replacing(path: Path, mark: str = "") -> Iterator[Path]:
    """A name under which to write; what is there at the end is flushed and takes ``path``'s place.

    Where writing fails, ``path`` is as it was. A link at ``path`` is replaced, not followed; a
    folder there is set aside.
    ``mark`` becomes part of that name, where several processes may be writing.
    """
    partial = path.with_name(f".{path.name}.{mark}partial")
    partial.unlink(missing_ok=True)
    try:
        yield partial
        flush(partial)
        if path.is_dir() and not path.is_symlink():
            set_aside(path)
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> Path:
    """Replace a file in one step, whoever else may do so or be reading it; its path."""
    with replacing(path, mark=f"{os.getpid()}.") as partial, partial.open("xb") as file:
        file.write(content)
    return path


def write_json(path: Path, content: Any) -> None:
    """Replace a JSON file in one step."""
    with replacing(path) as partial, partial.open("x", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=1) + "\n")


def flush(path: Path) -> None:
    """Have the system write a file or a folder's entries to disk; entries where it can do so."""
    folder = path.is_dir()
    try:
        descriptor = os.open(path, os.O_RDONLY if folder else os.O_RDWR)  # as Windows wants it
    except OSError:
        if folder:
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError:
        if not folder:
            raise
    finally:
        os.close(descriptor)


def discard(path: Path) -> None:
    """Remove a file, or a folder with all in it, if there is one; of a link the link alone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def set_aside(path: Path) -> None:
    """Give what has the place of something else another name beside it: ``NAME.damaged``."""
    path.rename(free_name(path.with_name(f"{path.name}.damaged")))


def free_name(path: Path) -> Path:
    """The path, or with -2, -3 and so on after its name, where there is nothing yet."""
    number, free = 2, path
    while os.path.lexists(free):
        number, free = number + 1, path.with_name(f"{path.name}-{number}")
    return free


def check_format(path: Path, found: Any, known: int, writer: str) -> None:
    """Refuse a file whose format has another number than the ``known`` one.

    Raises:
        UnresetError: it names the file and both numbers, and which version reads it.
    """
    if found != known:
        raise UnresetError(
            f"{path} has format {found!r:.40}, and this version reads {known}: use {writer}, which "
            "wrote it"
        )
