"""Checkpoints: atomic, checksummed, without pickle; the replay as append-only segments.

``checkpoints/000020000/`` holds ``state.safetensors`` (everything but the replay's rows) and
``manifest.json`` (checksums, the segments it needs). ``checkpoints/replay/`` holds the segments,
each the rows since the one before, so that saving costs what is new. A checkpoint is written beside
and renamed when complete; the last two are kept, and the segments that they need.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from unreset.core.replay import Replay, columns, from_columns
from unreset.errors import UnresetError

KEPT = 2
_FORMAT = 1


class Damaged(UnresetError):
    """A checkpoint that is incomplete or does not match its checksums."""


class Saved(NamedTuple):
    """How far the replay is on disk, so that the next checkpoint appends."""

    counts: list[int]  # rows per seed
    heads: list[list[int]]  # index entries per seed and role
    segments: list[dict[str, Any]]  # file, sha256 and the counts it reaches, oldest first


NOTHING = Saved([], [], [])


def _is_key(leaf: Any) -> bool:
    return bool(jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key))


def _leaves(tree: Any) -> dict[str, Any]:
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path): leaf for path, leaf in flat}


def _split(carry: Any) -> tuple[Any, Replay]:
    """The carry without what the segments hold, and its replay."""
    replay: Replay = carry.run.replay
    small = replay._replace(rows=(), owned=(), pinned_index=(), pinned_last=(), pinned_count=())  # type: ignore[arg-type]
    return carry._replace(run=carry.run._replace(replay=small)), replay


def _write(path: Path, arrays: dict[str, np.ndarray]) -> str:
    """Write arrays under a temporary name, flush, rename; the file's checksum."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        save_file({name: np.asarray(array, order="C") for name, array in arrays.items()}, partial)
    except SafetensorError as error:  # a full disk, most likely
        raise OSError(str(error)) from error
    _flush(partial)
    digest = _checksum(partial)
    partial.replace(path)
    return digest


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _new_rows(replay: Replay, saved: Saved) -> dict[str, np.ndarray]:
    """Rows and index entries written since ``saved``, the open row included."""
    arrays: dict[str, np.ndarray] = {}
    counts, heads = np.asarray(replay.written), np.asarray(replay.heads)
    pinned, capacity = replay.pinned, replay.capacity
    for seed, count in enumerate(counts):
        start = saved.counts[seed] if saved.counts else 0
        ids = np.arange(max(start, count - capacity + 1), count + 1)
        arrays[f"{seed}/ids"] = ids
        at = pinned + ids % capacity
        for name, column in columns(replay.rows).items():
            arrays[f"{seed}/{name}"] = np.asarray(column[seed, at])
        for role, head in enumerate(heads[seed]):
            start = saved.heads[seed][role] if saved.heads else 0
            slots = np.arange(max(start, head - capacity), head)
            arrays[f"{seed}/slots/{role}"] = slots
            arrays[f"{seed}/index/{role}"] = np.asarray(replay.owned[seed, role, slots % capacity])
    return arrays


def save(folder: Path, step: int, carry: Any, saved: Saved, configuration: str) -> Saved:
    """Write the checkpoint of ``step``; raises OSError (disk) and leaves the older ones alone.

    ``configuration`` is a digest that :func:`load` compares.
    """
    small, replay = _split(carry)
    (folder / "replay").mkdir(parents=True, exist_ok=True)
    # The same step may be saved again: its earlier segment, which holds other rows, must stay.
    again = sum(s["file"].startswith(f"replay/{step:09d}") for s in saved.segments)
    segment = f"replay/{step:09d}{f'-{again}' if again else ''}.safetensors"
    reach = [int(count) for count in np.asarray(replay.written)]
    segments = [s for s in saved.segments if _needed(s, reach, replay.capacity)]
    digest = _write(folder / segment, _new_rows(replay, saved))
    segments = [*segments, {"file": segment, "sha256": digest, "counts": reach}]
    final = folder / f"{step:09d}"
    partial = folder / f".{step:09d}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    state = {
        name: np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)
        for name, leaf in _leaves(small).items()
    }
    manifest = {
        "format": _FORMAT,
        "step": step,
        "configuration": configuration,
        "state_sha256": _write(partial / "state.safetensors", state),
        "segments": segments,
    }
    (partial / "manifest.json").write_text(json.dumps(manifest, indent=1))
    _flush(partial / "manifest.json")
    _flush(partial)
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
    _flush(folder)
    _prune(folder)
    heads = [[int(head) for head in row] for row in np.asarray(replay.heads)]
    return Saved(reach, heads, segments)


def _needed(segment: dict[str, Any], counts: list[int], capacity: int) -> bool:
    return any(
        reach >= count - capacity for reach, count in zip(segment["counts"], counts, strict=True)
    )


def _prune(folder: Path) -> None:
    """Keep the last checkpoints, and the segments that they name."""
    for old in steps(folder)[:-KEPT]:
        shutil.rmtree(folder / f"{old:09d}")
    kept = steps(folder)
    try:
        manifests = [json.loads((folder / f"{s:09d}" / "manifest.json").read_text()) for s in kept]
        used = {segment["file"] for manifest in manifests for segment in manifest["segments"]}
    except (OSError, ValueError, KeyError):
        return  # one of them is damaged: rather keep too much
    for file in (folder / "replay").iterdir():
        if f"replay/{file.name}" not in used:
            file.unlink()


def steps(folder: Path) -> list[int]:
    """The steps of the complete checkpoints, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(int(entry.name) for entry in folder.iterdir() if entry.name.isdigit())


def load(folder: Path, step: int, carry: Any, configuration: str) -> tuple[Any, Saved]:
    """The carry saved at ``step``, in the shape of a freshly made ``carry`` (which is consumed).

    Raises :class:`Damaged` where a file is missing, cut short or altered, and
    :class:`UnresetError` where the checkpoint belongs to another configuration.
    """
    place = folder / f"{step:09d}"
    try:
        manifest = json.loads((place / "manifest.json").read_text())
        if manifest["configuration"] != configuration:
            raise UnresetError(
                f"checkpoint {place} was made with another configuration than the run's config.json"
            )
        arrays = _read(place / "state.safetensors", manifest["state_sha256"])
        segments = manifest["segments"]
        parts = [_read(folder / part["file"], part["sha256"]) for part in segments]
    except (OSError, ValueError, KeyError, SafetensorError, Damaged) as error:
        raise Damaged(f"checkpoint {place} is damaged: {error}") from error
    small, replay = _split(carry)
    leaves, structure = jax.tree_util.tree_flatten(small)
    restored = []
    for name, leaf in zip(_leaves(small), leaves, strict=True):
        wanted = jax.random.key_data(leaf) if _is_key(leaf) else leaf
        if name not in arrays or arrays[name].shape != wanted.shape:
            raise UnresetError(
                f"checkpoint {place} does not fit this version of the method: "
                f"{name} should have shape {wanted.shape}"
            )
        array: Any = arrays[name]
        if not isinstance(leaf, np.ndarray):  # an environment's state keeps its 64 bits
            array = jnp.asarray(array)
        restored.append(jax.random.wrap_key_data(array) if _is_key(leaf) else array)
    small = jax.tree_util.tree_unflatten(structure, restored)
    filled = _refill(replay, parts)._replace(
        **{name: getattr(small.run.replay, name) for name in ("written", "heads", "tails")}
    )
    heads = [[int(head) for head in row] for row in np.asarray(filled.heads)]
    saved = Saved([int(c) for c in np.asarray(filled.written)], heads, segments)
    return small._replace(run=small.run._replace(replay=filled)), saved


def _read(path: Path, digest: str) -> dict[str, np.ndarray]:
    if _checksum(path) != digest:
        raise Damaged(f"{path.name} does not match its checksum")
    arrays: dict[str, np.ndarray] = load_file(path)
    return arrays


def _refill(replay: Replay, parts: list[dict[str, np.ndarray]]) -> Replay:
    """A fresh replay with the segments' rows written into it, oldest first."""
    filled = {name: np.array(column) for name, column in columns(replay.rows).items()}
    index = np.array(replay.owned)
    for part in parts:
        for seed in range(len(index)):
            at = replay.pinned + part[f"{seed}/ids"] % replay.capacity
            for name, column in filled.items():
                column[seed, at] = part[f"{seed}/{name}"]
            for role in range(index.shape[1]):
                slots = part[f"{seed}/slots/{role}"] % replay.capacity
                index[seed, role, slots] = part[f"{seed}/index/{role}"]
    rows = from_columns({name: jnp.asarray(column) for name, column in filled.items()})
    return replay._replace(rows=rows, owned=jnp.asarray(index))
