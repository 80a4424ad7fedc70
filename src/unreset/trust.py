"""Whose code is imported: what this user named himself, in the place where he did.

A run names its own method, task or parts as ``module:name``, and anybody can write that into a
``config.json``. What a user names himself (on the command line, in a script) is noted down with the
file that it came from, in ``~/.local/state/unreset/code.jsonl`` (or under ``XDG_STATE_HOME``); what
a run names is imported only if it is noted there, or if the user says so. Nothing in a run's
folder can stand in for that.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from unreset.errors import UnresetError

CLASS = "class"  # the key under which stored settings name the class of a part

#: Packages whose parts are built in: their names may stand in any ``config.json``.
ROOMS = tuple(
    f"unreset.{room}"
    for room in ("data", "goals", "interventions", "learners", "models", "rewards", "switching")
)

_here: set[tuple[str, str]] = set()  # what this process knows, where nothing can be written


class Untrusted(UnresetError):
    """A run names code that its user has not used from there himself."""


def source(place: str) -> str | None:
    """The file that importing ``module:name`` would run first, found without importing anything.

    That of the outermost package; a folder where it has no file; None where there is no such
    module.
    """
    name = place.partition(":")[0].partition(".")[0]
    importlib.invalidate_caches()  # the file may have been written a moment ago
    here = os.getcwd()
    path = sys.path if here in sys.path else [here, *sys.path]
    try:
        if name in sys.modules:
            found = sys.modules[name].__spec__
        else:
            found = PathFinder.find_spec(name, path) or importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    if found is None:  # no module, or the program itself
        file = getattr(sys.modules.get(name), "__file__", None) or "<this program>"
        return os.path.realpath(file) if name in sys.modules else None
    if found.origin is None:
        return os.pathsep.join(map(os.path.realpath, found.submodule_search_locations or ()))
    return os.path.realpath(found.origin) if found.has_location else found.origin


def remember(place: str) -> None:
    """Note that the user himself named ``module:name``, which comes from where it is found now."""
    entry = (place, source(place) or "")
    if place.partition(":")[0] in ROOMS or entry in _noted():
        return
    _here.add(entry)
    try:
        path = _file()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.exists() and not path.is_file():
            return
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n{json.dumps(entry)}\n")  # what a full disk has cut short stays alone
    except (OSError, RuntimeError):  # no home: then it holds for this process
        pass


def check(folder: Path, configuration: Mapping[str, Any], trust: bool = False) -> None:
    """Refuse a run whose method, task or parts are code that its user has not named himself.

    Args:
        folder: the run's.
        configuration: what its ``config.json`` holds.
        trust: whether the user says that this code may run.

    Raises:
        Untrusted: it says what would be imported, and from where.
    """
    named = [(what, configuration.get(what)) for what in ("method", "task")]
    named += [("part", place) for place in classes(configuration.get("settings"))]
    for what, place in named:
        if not isinstance(place, str) or ":" not in place:
            continue
        if trust:
            remember(place)
            continue
        file = source(place)
        if file is not None and not known(place):  # else importing says what is wrong
            raise Untrusted(
                f"{folder} names the {what} {place!r}, which would run {file}: that is neither "
                "built in nor code that you have used from there; if you trust it, say --trust (in "
                "Python trust=True)"
            )


def known(place: str) -> bool:
    """Whether ``module:name`` is built in as a part, or code that the user has named from there."""
    return place.partition(":")[0] in ROOMS or (place, source(place)) in _noted()


def classes(settings: Any) -> Iterator[str]:
    """The places of all classes that stored settings name."""
    if isinstance(settings, Mapping):
        if isinstance(place := settings.get(CLASS), str):
            yield place
        settings = list(settings.values())
    if isinstance(settings, list):
        for inner in settings:
            yield from classes(inner)


def _noted() -> set[tuple[str, str]]:
    known = set(_here)
    try:
        path = _file()
        lines = path.read_bytes().splitlines() if path.is_file() else []
    except (OSError, RuntimeError):
        return known
    for line in lines:
        try:
            place, file = json.loads(line)
        except (ValueError, TypeError, RecursionError):  # cut short by a full disk
            continue
        if isinstance(place, str) and isinstance(file, str):
            known.add((place, file))
    return known


def _file() -> Path:
    home = os.environ.get("XDG_STATE_HOME", "")
    state = Path(home) if os.path.isabs(home) else Path.home() / ".local" / "state"
    return state / "unreset" / "code.jsonl"
