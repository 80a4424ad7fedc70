"""Checkpoints: atomic, checksummed, without pickle; the replay as append-only segments.

``checkpoints/000020000/`` holds ``state.safetensors`` (everything but the replay's rows) and
``manifest.json`` (checksums, the segments it needs). ``checkpoints/replay/`` holds the segments,
each the rows since the one before, so that saving costs what is new. A checkpoint is written beside
and renamed when complete; the last two are kept, and the segments that they need.
"""

from __future__ import annotations

import ast
import hashlib
import json
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from unreset.core.replay import Replay, columns, from_columns
from unreset.errors import UnresetError
from unreset.interventions.stuck_labels import ASKING, asked_of
from unreset.reading import read_json, told
from unreset.runs import housekeeping, salvage
from unreset.runs.files import discard, flush, set_aside
from unreset.runs.housekeeping import MANIFEST, REPLAY, STATE, step_name, steps
from unreset.runs.salvage import Part
from unreset.serialization import save_file

__all__ = ["Damaged", "Saved", "load", "load_parts", "save", "steps"]

KEPT = 2
_FORMAT = 2  # 1: before random numbers came from named streams


class Damaged(UnresetError):
    """A checkpoint that is incomplete or does not match its checksums."""


class Saved(NamedTuple):
    """How far the replay is on disk, so that the next checkpoint appends."""

    counts: list[int]  # rows per seed
    heads: list[list[int]]  # index entries per seed and role
    segments: list[dict[str, Any]]  # file, sha256 and the counts it reaches, oldest first
    whole: tuple[int, ...] = ()  # steps of checkpoints read or written whole, oldest first


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


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    """Write and flush arrays; the file's checksum."""
    save_file(arrays, path)
    flush(path)
    return checksum(path)


def checksum(path: Path) -> str:
    """Of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _new_rows(replay: Replay, saved: Saved) -> Part:
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


def save(
    folder: Path,
    step: int,
    carry: Any,
    saved: Saved,
    configuration: str,
    files: Mapping[str, str] | None = None,
) -> Saved:
    """Write the checkpoint of ``step``; raises OSError (disk) and leaves the older ones alone.

    ``configuration`` is a digest that :func:`load` compares, and ``files`` are the checksums of
    what the run began from (:func:`begun_from`). Where segments are gone that were
    there, the replay is written whole again.
    """
    housekeeping.refuse_links(folder)
    if not all((folder / segment["file"]).is_file() for segment in saved.segments):
        saved = NOTHING
    if (folder / REPLAY).exists() and not (folder / REPLAY).is_dir():
        set_aside(folder / REPLAY)
    folder.mkdir(exist_ok=True)  # in a run's folder, which is not made anew
    (folder / REPLAY).mkdir(exist_ok=True)
    partial, segment = (
        folder / f".{step_name(step)}.partial",
        housekeeping.free_segment(folder, step),
    )
    discard(partial)
    try:
        told = {"step": step, "configuration": configuration, "files": dict(files or {})}
        kept = _write_beside(folder, partial, segment, carry, saved, told)
    except BaseException:
        housekeeping.clean(folder, 0, None)  # the half of a checkpoint
        raise
    _move(partial, folder / step_name(step))
    flush(folder)
    _prune(folder, kept.whole)
    return kept


def _write_beside(
    folder: Path,
    partial: Path,
    segment: str,
    carry: Any,
    saved: Saved,
    told: dict[str, Any],
) -> Saved:
    """Write the segment, and in the folder ``partial`` the rest; what is saved then.

    ``told`` is what the manifest says beside that.
    """
    step = told["step"]
    small, replay = _split(carry)
    reach = [int(count) for count in np.asarray(replay.written)]
    segments = [s for s in saved.segments if _needed(s, reach, replay.capacity)]
    partial.mkdir()
    written = partial / Path(segment).name
    digest = _write(written, _new_rows(replay, saved))
    size = written.stat().st_size
    segments = [*segments, {"file": segment, "sha256": digest, "bytes": size, "counts": reach}]
    state = {
        name: np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)
        for name, leaf in _leaves(small).items()
    }
    manifest = {
        "format": _FORMAT,
        **told,
        "state_sha256": _write(partial / STATE, state),
        "state_bytes": (partial / STATE).stat().st_size,
        "segments": segments,
    }
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=1))
    flush(partial / MANIFEST)
    written.rename(folder / segment)
    flush(folder / REPLAY)
    flush(partial)
    heads = [[int(head) for head in row] for row in np.asarray(replay.heads)]
    whole = (*(s for s in saved.whole if s < step), step)[-KEPT:]
    return Saved(reach, heads, segments, whole)


def _move(partial: Path, final: Path) -> None:
    """Give a complete checkpoint its name, in place of an earlier one of the same step."""
    if housekeeping.remove_checkpoint(final):
        partial.rename(final)
        return
    for name in (STATE, MANIFEST):  # beside somebody's files
        (partial / name).replace(final / name)
    flush(final)
    partial.rmdir()


def _needed(segment: dict[str, Any], counts: list[int], capacity: int) -> bool:
    return any(
        reach >= count - capacity for reach, count in zip(segment["counts"], counts, strict=True)
    )


def _prune(folder: Path, whole: tuple[int, ...]) -> None:
    """Remove what is older than the last whole checkpoints, and segments that none names.

    Nothing goes for being damaged, nor before there are as many whole ones as are kept.
    """
    oldest = whole[0] if len(whole) == KEPT else 0
    housekeeping.clean(folder, oldest, None)
    try:
        manifests = [_manifest(folder / step_name(step)) for step in steps(folder)]
    except UnresetError:  # damaged, or of another version
        return  # rather keep too much
    used = {segment["file"] for manifest in manifests for segment in manifest["segments"]}
    housekeeping.clean(folder, oldest, used)


def _manifest(place: Path) -> dict[str, Any]:
    """A checkpoint's manifest; raises Damaged where it says something that none of ours does."""
    try:
        found = read_json(place / MANIFEST)
        whole = isinstance(found["configuration"], str) and isinstance(found["state_sha256"], str)
        whole &= isinstance(found.get("state_bytes", 0), int)
        whole &= all(isinstance(digest, str) for digest in found.get("files", {}).values())
        for part in found["segments"]:
            whole &= housekeeping.is_segment(part["file"]) and isinstance(part["sha256"], str)
            whole &= all(isinstance(count, int) for count in part["counts"])
            whole &= isinstance(part.get("bytes", 0), int)
        if not whole or not isinstance(found["segments"], list):
            raise ValueError("it does not say what one of a run says")
    except (UnresetError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(f"checkpoint {place} is damaged: {MANIFEST}: {told(error)}") from error
    if found.get("format") != _FORMAT:
        raise UnresetError(
            f"checkpoint {place} has format {found.get('format')!r}, and this version reads "
            f"{_FORMAT}: use the version of unreset that config.json names"
        )
    return dict(found)


def begun_from(folder: Path) -> dict[str, str]:
    """Checksums, by name, of the files from which the run began; those of before 0.1 say none."""
    for step in steps(folder)[::-1]:
        try:
            return dict(_manifest(folder / step_name(step)).get("files", {}))
        except UnresetError:
            continue
    return {}


def load(
    folder: Path, step: int, carry: Any, configuration: str, *, loose: bool = False
) -> tuple[Any, Saved]:
    """The carry saved at ``step``, in the shape of a freshly made ``carry`` (which is consumed).

    ``loose`` takes the states of parts in whatever sizes they have: those of some depend on the
    number of demonstrations.

    Raises :class:`Damaged` where a file is missing, cut short or altered, and
    :class:`UnresetError` where the checkpoint belongs to another configuration.
    """
    place = folder / step_name(step)
    small, manifest = _state(place, carry, configuration, loose)
    parts, damage = _parts(folder, manifest)
    if damage:
        raise Damaged(f"checkpoint {place} is damaged: {damage[0]}")
    _, replay = _split(carry)
    filled = _fitting(place, lambda: _refill(replay, parts))._replace(
        **{name: getattr(small.run.replay, name) for name in ("written", "heads", "tails", "cuts")}
    )
    heads = [[int(head) for head in row] for row in np.asarray(filled.heads)]
    counts = [int(count) for count in np.asarray(filled.written)]
    saved = Saved(counts, heads, manifest["segments"], (step,))
    return small._replace(run=small.run._replace(replay=filled)), saved


class Salvaged(NamedTuple):
    """What could be read of a checkpoint whose replay is damaged."""

    carry: Any
    damage: list[str]  # of each segment that is not whole
    lost: int  # transitions of all seeds that are no longer in the replay
    kept: int  # transitions that are


def load_parts(
    folder: Path, step: int, carry: Any, configuration: str, *, loose: bool = False
) -> Salvaged:
    """The same with those rows of the replay that are whole; the others are as if never made.

    Raises:
        Damaged: where the state or the manifest is damaged, too.
        UnresetError: as :func:`load`.
    """
    place = folder / step_name(step)
    small, manifest = _state(place, carry, configuration, loose)
    parts, damage = _parts(folder, manifest)
    _, replay = _split(carry)
    replay = replay._replace(
        **{name: getattr(small.run.replay, name) for name in ("written", "heads", "tails", "cuts")}
    )
    had = int((np.asarray(replay.heads) - np.asarray(replay.tails)).sum())
    asked = asked_of(small.run.signals)
    mended, asked = _fitting(place, lambda: salvage.joined(replay, parts, asked))
    kept = int((np.asarray(mended.heads) - np.asarray(mended.tails)).sum())
    signals = small.run.signals if asked is None else {**small.run.signals, ASKING: asked}
    run = small.run._replace(replay=mended, signals=signals)
    return Salvaged(small._replace(run=run), damage, max(0, had - kept), kept)


def _state(place: Path, carry: Any, configuration: str, loose: bool) -> tuple[Any, dict[str, Any]]:
    """A checkpoint's carry without its replay's rows, and its manifest."""
    manifest = _manifest(place)
    if manifest["configuration"] != configuration:
        raise UnresetError(
            f"checkpoint {place} was made with another configuration than the run's config.json"
        )
    try:
        arrays = _read(place / STATE, manifest["state_sha256"], manifest.get("state_bytes"))
    except Damaged as damage:
        raise Damaged(f"checkpoint {place} is damaged: {damage}") from damage
    small, _ = _split(carry)
    small = _as_stored(small, arrays)
    leaves, structure = jax.tree_util.tree_flatten(small)
    restored = []
    for name, leaf in zip(_leaves(small), leaves, strict=True):
        wanted = jax.random.key_data(leaf) if _is_key(leaf) else leaf
        sizes = not (loose and name.startswith(".run.signals"))
        if name not in arrays or not _alike(arrays[name], wanted, sizes):
            raise UnresetError(
                f"checkpoint {place} does not fit this version of the method: "
                f"{name} should have shape {wanted.shape} and type {wanted.dtype}"
            )
        array: Any = arrays[name]
        learned = name.startswith(".run.learners") and array.dtype.kind == "f"
        if learned and not np.isfinite(array).all():
            raise Damaged(f"checkpoint {place} is damaged: {STATE}: {name} is not finite")
        if not isinstance(leaf, np.ndarray):  # an environment's state keeps its 64 bits
            array = jnp.asarray(array)
        restored.append(jax.random.wrap_key_data(array) if _is_key(leaf) else array)
    return jax.tree_util.tree_unflatten(structure, restored), manifest


def _alike(array: np.ndarray, wanted: Any, sizes: bool) -> bool:
    """Whether an array is of the shape of another and its type, which an environment may change.

    Without ``sizes`` it only has as many axes.
    """
    typed = isinstance(wanted, np.ndarray) or array.dtype == wanted.dtype
    return typed and (array.shape == wanted.shape if sizes else array.ndim == wanted.ndim)


def _as_stored(small: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The carry with an environment's state as it is stored: its keys and shapes are its own."""
    place = ".state[1]["
    if not (isinstance(small.state, tuple) and len(small.state) == 3):  # a JAX task's
        return small
    observation, world, frames = small.state
    if not isinstance(world, dict):
        return small
    names = [name for name in arrays if name.startswith(place)]
    found = {ast.literal_eval(name[len(place) : -1]): arrays[name] for name in names}
    return small._replace(state=(observation, found, frames))


def _parts(folder: Path, manifest: dict[str, Any]) -> tuple[list[Part], list[str]]:
    """The segments that are whole, oldest first, and what is wrong with the others."""
    parts, damage = [], []
    for part in manifest["segments"]:
        try:
            parts.append(_read(folder / part["file"], part["sha256"], part.get("bytes")))
        except Damaged as error:
            damage.append(str(error))
    return parts, damage


def _read(path: Path, digest: str, size: int | None) -> Part:
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):  # a pipe may never end
            raise Damaged(f"{path.name} is no ordinary file")
        if size is not None and about.st_size != size:
            raise Damaged(f"{path.name} has {about.st_size:,} bytes, not {size:,}")
        if checksum(path) != digest:
            raise Damaged(f"{path.name} does not match its checksum")
        arrays: Part = load_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise Damaged(f"{path.name}: {told(error)}") from error
    return arrays


def _fitting(place: Path, make: Callable[[], Any]) -> Any:
    """What is made of segments; UnresetError where they are of another version."""
    try:
        return make()
    except (KeyError, ValueError, IndexError) as error:
        raise UnresetError(
            f"checkpoint {place} does not fit this version of the method: its replay has other "
            f"columns ({error})"
        ) from error


def _refill(replay: Replay, parts: list[Part]) -> Replay:
    """A fresh replay with the segments' rows written into it, oldest first."""
    filled = {name: np.array(column) for name, column in columns(replay.rows).items()}
    index = np.array(replay.owned)
    for part in parts:
        for seed in range(len(index)):
            at = replay.pinned + part[f"{seed}/ids"] % replay.capacity
            for name, column in filled.items():
                fresh, there = column[seed, at], part[f"{seed}/{name}"]
                if (fresh.shape, fresh.dtype) != (there.shape, there.dtype):
                    raise ValueError(f"{seed}/{name}")
                column[seed, at] = there
            for role in range(index.shape[1]):
                slots = part[f"{seed}/slots/{role}"] % replay.capacity
                index[seed, role, slots] = part[f"{seed}/index/{role}"]
    rows = from_columns({name: jnp.asarray(column) for name, column in filled.items()})
    return replay._replace(rows=rows, owned=jnp.asarray(index))
