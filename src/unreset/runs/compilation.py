"""Compiled programs kept on disk: the next start of the same configuration compiles nothing."""

from __future__ import annotations

import contextlib
import os
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import jax

from unreset.runs.files import write_bytes

SWITCH = "UNRESET_COMPILE_CACHE"  # environment variable; "off" keeps nothing, here and in children
_LEAST_SECONDS = 0.1  # of a compilation whose result is kept
_MOST_BYTES = 2 << 30  # of all that is kept; beyond, the oldest goes


def folder() -> Path:
    """Where compiled programs are kept: ``$XDG_CACHE_HOME/unreset/jax``, by default in ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(home) if os.path.isabs(home) else Path.home() / ".cache"
    return cache / "unreset" / "jax"


def switch_off() -> None:
    """Keep nothing that this process and its children compile from now on."""
    os.environ[SWITCH] = "off"


def keep() -> None:
    """Keep what this process compiles, and use what others kept.

    JAX's own setting (``JAX_COMPILATION_CACHE_DIR``) wins. Where the folder cannot be written,
    nothing is kept.
    """
    if os.environ.get(SWITCH, "").lower() in ("off", "0", "no", "false"):
        return
    settings: Any = jax.config
    if settings.jax_compilation_cache_dir is not None:
        return
    place = folder()
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make_room(place)
    except (OSError, RuntimeError):
        return
    if not os.access(place, os.W_OK):
        return
    _write_in_one_step()
    # It compiles instead, which is no matter for a warning.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")
    settings.update("jax_compilation_cache_dir", str(place))
    settings.update("jax_persistent_cache_min_compile_time_secs", _LEAST_SECONDS)


def _make_room(place: Path) -> None:
    """Remove the oldest files where there is too much."""
    known = []
    for path in place.iterdir():
        with contextlib.suppress(OSError):  # another process has removed it
            status = path.stat()
            known.append((status.st_mtime, status.st_size, path))
    size = sum(each for _, each, _ in known)
    for _, each, path in sorted(known):
        if size <= _MOST_BYTES:
            break
        with contextlib.suppress(OSError):
            path.unlink()
        size -= each


def _write_in_one_step() -> None:
    """Have JAX's cache write whole files, which replace damaged ones.

    By itself, it writes in place and leaves what is there: a process that is killed meanwhile, or a
    full disk, would leave half a program that nobody mends.
    """
    try:
        store: Any = import_module("jax._src.lru_cache").LRUCache
    except (ImportError, AttributeError):  # JAX's own, which may change
        return

    def put(cache: Any, key: str, value: bytes) -> None:
        write_bytes(Path(str(cache.path)) / f"{key}-cache", value)

    store.put = put
