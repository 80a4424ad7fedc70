"""What in a run's ``checkpoints`` is the run's own, and what of that goes.

A file is ours by its exact name and by being one, not a link. Everything else is somebody's: it is
neither read nor removed, whatever happens around it.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from unreset.errors import UnresetError
from unreset.runs.files import discard, set_aside

STATE, MANIFEST, REPLAY = "state.safetensors", "manifest.json", "replay"
_STEP = re.compile(r"[0-9]{9,18}")
_SEGMENT = re.compile(r"[0-9]{9,18}(-[0-9]+)?\.safetensors")
_PARTIAL = re.compile(r"\.[0-9]{9,18}\.partial")  # a folder in which a checkpoint is written
_PARTIAL_SEGMENT = re.compile(r"\.[0-9]{9,18}(-[0-9]+)?\.safetensors\.partial")  # before 0.1


def step_name(step: int) -> str:
    """The name of a checkpoint's folder."""
    return f"{step:09d}"


def steps(folder: Path) -> list[int]:
    """The steps of the checkpoints, oldest first, whole or not."""
    if not folder.is_dir():
        return []
    return sorted(int(entry.name) for entry in os.scandir(folder) if _is_checkpoint(entry))


def is_segment(name: object) -> bool:
    """Whether a manifest may name a file so: ``replay/000020000.safetensors``."""
    prefix, _, rest = name.partition("/") if isinstance(name, str) else ("", "", "")
    return prefix == REPLAY and bool(_SEGMENT.fullmatch(rest))


def free_segment(folder: Path, step: int) -> str:
    """A name for a new segment: the same step may be saved again, and what is there must stay."""
    stem, number = f"{REPLAY}/{step_name(step)}", 0
    while os.path.lexists(folder / f"{stem}{f'-{number}' if number else ''}.safetensors"):
        number += 1
    return f"{stem}{f'-{number}' if number else ''}.safetensors"


def refuse_links(folder: Path) -> None:
    """Raise UnresetError where checkpoints would be written, or removed, somewhere else."""
    for place in (folder, folder / REPLAY):
        if place.is_symlink():
            raise UnresetError(
                f"{place} is a link, and a run writes into no folder but its own: put the folder "
                "itself there"
            )


def strangers(folder: Path) -> list[str]:
    """What lies among the checkpoints and is not the run's, by its path within the folder."""
    found = [entry.name for entry in _entries(folder) if not _ours(entry)]
    if not (folder / REPLAY).is_symlink():
        found += [f"{REPLAY}/{e.name}" for e in _entries(folder / REPLAY) if not _our_segment(e)]
    return sorted(found)


def clean(folder: Path, oldest: int, used: Collection[str] | None) -> None:
    """Remove the run's checkpoints before step ``oldest``, halves of some, and segments.

    Segments stay that are in ``used``; all do where it is None. What cannot be removed stays, too.
    """
    for entry in _entries(folder):
        with contextlib.suppress(OSError):
            if entry.is_symlink():
                continue
            if _STEP.fullmatch(entry.name) and int(entry.name) < oldest:
                remove_checkpoint(Path(entry.path))
            elif _PARTIAL.fullmatch(entry.name):
                discard(Path(entry.path))
    for entry in _entries(folder / REPLAY):
        kept = used is None or f"{REPLAY}/{entry.name}" in used
        half = _PARTIAL_SEGMENT.fullmatch(entry.name)
        with contextlib.suppress(OSError):
            if _our_segment(entry) and (half or not kept):
                os.unlink(entry.path)


def remove_checkpoint(place: Path) -> bool:
    """Remove a checkpoint's files, and its folder if it is empty then; whether that is gone.

    What is there instead of a folder, or a folder instead of a file, is somebody's: set aside.
    """
    if place.is_symlink():
        place.unlink()
    if place.exists() and not place.is_dir():
        set_aside(place)
    for name in (MANIFEST, STATE):
        if (place / name).is_dir() and not (place / name).is_symlink():
            set_aside(place / name)
        (place / name).unlink(missing_ok=True)
    try:
        place.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # somebody's files are in it
        return False
    return True


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    if folder.is_dir():
        yield from list(os.scandir(folder))


def _is_checkpoint(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder of that name with something of ours in it."""
    if not _STEP.fullmatch(entry.name):
        return False
    return any(os.path.lexists(Path(entry.path) / name) for name in (MANIFEST, STATE))


def _ours(entry: os.DirEntry[str]) -> bool:
    named = entry.name == REPLAY or _STEP.fullmatch(entry.name) or _PARTIAL.fullmatch(entry.name)
    return bool(named) and entry.is_dir(follow_symlinks=False)


def _our_segment(entry: os.DirEntry[str]) -> bool:
    named = _SEGMENT.fullmatch(entry.name) or _PARTIAL_SEGMENT.fullmatch(entry.name)
    return bool(named) and entry.is_file(follow_symlinks=False)
