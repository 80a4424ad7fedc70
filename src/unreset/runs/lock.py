"""One writer at a time in a folder. Readers take no lock and are never kept waiting."""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from unreset.errors import Failure, UnresetError

FILE = ".lock"
CLAIM = ".lock-claim"  # where the file system has no locks: it is there while somebody writes
_BEYOND = 1 << 30  # Windows locks bytes against reading, too: one that nobody reads
_NO_LOCKS = {
    getattr(errno, name)
    for name in ("ENOLCK", "ENOSYS", "EOPNOTSUPP", "ENOTSUP", "EINVAL")
    if hasattr(errno, name)
}


class _Held(NamedTuple):
    thread: int
    descriptor: int


_held: dict[Path, _Held] = {}
_closed: set[Path] = set()


@contextlib.contextmanager
def locked(folder: Path, also: str = "") -> Iterator[int]:
    """Hold the folder's ``.lock``, which names this process; yields a descriptor for children.

    The system gives the lock up with the last process that has the descriptor, however that ends,
    so what a killed process leaves is taken over. A thread that holds it already may enter again.
    Where the file system knows no locks, the process named in ``.lock-claim`` holds it for as long
    as it lives; one of another machine until that file is removed.

    Args:
        folder: an existing folder.
        also: who else may be in it, for the message: ``", or by runs that it started"``.

    Raises:
        UnresetError: where another process or thread holds it, with its number and machine; or this
            one, and has :func:`closed` it.
        Failure: where something else has the lock's name.
        OSError: where the folder cannot be written to.
    """
    place = Path(os.path.realpath(folder))
    held = _held.get(place)
    if held is not None and held.thread == threading.get_ident():
        if place in _closed:
            raise UnresetError(
                f"{folder} is practising, and what it calls cannot resume it, too: do that once it "
                "has ended"
            )
        yield held.descriptor
        return
    descriptor, claimed = _open(place / FILE), False
    try:
        while True:
            try:
                _lock(descriptor)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise _refusal(folder, _read(place / FILE), also) from None
                if not claimed:
                    _claim(folder, place / CLAIM, also)
                claimed = True
            if _is_own(descriptor, place / FILE):
                break
            stale, descriptor = descriptor, _open(place / FILE)
            os.close(stale)
        with contextlib.suppress(OSError):  # on a full disk it holds without saying who does
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, _record())
        _held[place] = _Held(threading.get_ident(), descriptor)
        yield descriptor
    finally:
        if _held.get(place, _Held(0, -1)).descriptor == descriptor:
            del _held[place]
        if claimed:
            (place / CLAIM).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            os.close(descriptor)


@contextlib.contextmanager
def closed(folder: Path) -> Iterator[None]:
    """Let nobody in while this lasts, not even the thread that holds the folder's lock."""
    place = Path(os.path.realpath(folder))
    _closed.add(place)
    try:
        yield
    finally:
        _closed.discard(place)


def _is_own(descriptor: int, path: Path) -> bool:
    """Whether a locked file still has its name, and no other one; its name is free otherwise.

    It may have been removed before it was locked. A copy of hard links (``cp -al``) has the file
    of another folder, which is left to that one.
    """
    if os.name != "posix":
        return True
    try:
        about = os.lstat(path)
    except FileNotFoundError:
        return False
    if not os.path.samestat(about, os.fstat(descriptor)):
        return False
    if about.st_nlink > 1:
        path.unlink()
    return about.st_nlink == 1


def _open(path: Path) -> int:
    """Opens the file, or makes it; a link is not followed, and nothing else is taken for it."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise Failure(f"{path} is no ordinary file, and no run makes it so: move it away")
    return os.open(path, flags, 0o666)


def _lock(descriptor: int) -> None:
    """Take the system's lock or raise OSError at once."""
    with contextlib.suppress(ImportError):
        unix: Any = importlib.import_module("fcntl")
        unix.flock(descriptor, unix.LOCK_EX | unix.LOCK_NB)
        return
    with contextlib.suppress(ImportError):
        windows: Any = importlib.import_module("msvcrt")
        os.lseek(descriptor, _BEYOND, os.SEEK_SET)
        windows.locking(descriptor, windows.LK_NBLCK, 1)
        return
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def _record() -> bytes:
    mine = {"process": os.getpid(), "host": socket.gethostname(), "began": _began(os.getpid())}
    return (json.dumps(mine | {"since": time.strftime("%Y-%m-%d %H:%M:%S")}) + "\n").encode()


def _read(path: Path) -> dict[str, Any]:
    """The record in a file; empty where there is none."""
    try:
        found = json.loads(path.read_bytes()[:1000])
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _refusal(folder: Path, owner: dict[str, Any], also: str, advice: str = "") -> UnresetError:
    known = f"process {owner.get('process')} on {owner.get('host')} since {owner.get('since')}"
    who = known if owner else "another process"
    return UnresetError(
        f"{folder} is being written to by {who}{also}: {advice or 'wait for it, or stop it first'}"
    )


def _claim(folder: Path, path: Path, also: str) -> None:
    """Hold a folder without locks by a file that only one process can make."""
    for _ in range(2):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            owner = _read(path)
            if not _dead(owner):
                raise _refusal(
                    folder,
                    owner,
                    also,
                    f"wait for it, or remove {folder / path.name} if it is no more",
                ) from None
            aside = path.with_name(f"{path.name}-{os.getpid()}")
            with contextlib.suppress(FileNotFoundError):
                path.rename(aside)
                if _read(aside) != owner:  # somebody was faster, and it is theirs now
                    aside.rename(path)
                aside.unlink(missing_ok=True)
            continue
        try:
            with open(descriptor, "wb") as file:
                file.write(_record())
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return
    raise _refusal(folder, _read(path), also)


def _dead(owner: dict[str, Any]) -> bool:
    """Whether it is certain that a process is no more; one of another machine never is."""
    number = owner.get("process")
    if owner.get("host") != socket.gethostname() or os.name != "posix":
        return False
    if not isinstance(number, int) or number <= 0:
        return False
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return _began(number) != owner.get("began")  # numbers are used again


def _began(number: int) -> str:
    """When a process began, in a word that no other of its number has; empty where unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        after_name = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2]
    except OSError:
        return ""
    return f"{boot} {after_name.split()[19]}"


def _forked() -> None:
    """A forked child holds nothing, and keeps nothing held once its parent is gone."""
    for held in _held.values():
        with contextlib.suppress(OSError):
            os.close(held.descriptor)
    _held.clear()
    _closed.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
