"""What a life begins with: rows of an earlier run as trajectories, and what that run learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors.numpy import load_file

from unreset.core import practice
from unreset.core.method import Method
from unreset.core.replay import Replay
from unreset.core.types import Task, Trajectory
from unreset.errors import UnresetError
from unreset.evaluation import deployed
from unreset.reading import reading
from unreset.runs.folder import read_summary
from unreset.serialization import save_file

FILE = "prior.safetensors"
KNOWN = 0.5  # share of success from which on a prior run is taken to know its task


def trajectories(replay: Replay, number: int) -> list[Trajectory]:
    """The last ``number`` rows of practice of one seed's replay, cut where phases and resets did.

    The goals are those that were pursued then.
    """
    written, capacity = int(replay.written), replay.capacity
    ids = np.arange(max(0, written - min(number, capacity - 1)), written + 1)
    at = replay.pinned + ids % capacity
    rows = jax.tree.map(lambda column: np.asarray(column)[at], replay.rows)
    acted = rows.role >= 0  # not so of the open row, which is the last
    joined = acted[1:] & acted[:-1] & (rows.segment[1:] == rows.segment[:-1])
    begins = np.flatnonzero(acted & ~np.append(False, joined))
    ends = np.flatnonzero(acted & ~np.append(joined, False))
    return [
        Trajectory(
            rows.observation[begin : end + 2],
            rows.action[begin : end + 1],
            rows.goal[begin],
            int(rows.source[begin] == 1),
            rows.reward[begin : end + 1],
            {name: frames[begin : end + 2] for name, frames in rows.frames.items()},
        )
        for begin, end in zip(begins, ends, strict=True)
    ]


def doubts(folder: Path, task: Task, evaluate: Callable[[], Mapping[str, Any]]) -> list[str]:
    """Why a life should perhaps not begin from a run: that the run does not know its own task.

    A run of an earlier version, whose last evaluation may rest on a single start of many, is
    evaluated anew by ``evaluate``.
    """
    summary = read_summary(folder)
    success = (summary.get("final_success_per_seed") or [None])[0]
    if not isinstance(success, int | float):
        return []
    episodes = summary.get("evaluation_episodes")
    if episodes is None and task.step is not None and deployed.varies(task):
        found = evaluate()
        success, episodes = float(found["success"][0]), int(found["episodes"][0])
    if success >= KNOWN:
        return []
    rests = "" if episodes is None else f" ({episodes:,} episodes)"
    return [
        f"the prior run's policy succeeded in {success:.0%} of its last evaluation{rests}: where "
        "it does not know its own task yet a life seldom succeeds either, so let it practise for "
        "longer"
    ]


def named(learner: Any) -> dict[str, np.ndarray]:
    """What one learner knows, by name."""
    flat, _ = jax.tree_util.tree_flatten_with_path(learner)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in flat}


def save(path: Path, learner: Mapping[str, np.ndarray]) -> None:
    """Write what a learner knows; raises OSError where that cannot be."""
    save_file(learner, path)


def load(path: Path) -> dict[str, np.ndarray]:
    """What :func:`save` wrote, by name; raises UnresetError where it cannot be read."""
    with reading(path, f"{path} holds no learner of a prior run"):
        arrays: dict[str, np.ndarray] = load_file(path)
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise ValueError(f"{name[:80]!a} is not finite")
    return arrays


def fitted(known: dict[str, np.ndarray], method: Method, task: Task, frames: Any) -> Any:
    """The learner of a prior run in the shape of a method's own.

    Raises:
        UnresetError: where they do not fit each other.
    """
    wanted = jax.eval_shape(lambda: practice.fresh_learner(method, task, jax.random.key(0), frames))
    flat, structure = jax.tree_util.tree_flatten_with_path(wanted)
    leaves = []
    for path, leaf in flat:
        name = jax.tree_util.keystr(path)
        if name not in known or known[name].shape != leaf.shape:
            has = known[name].shape if name in known else "nothing"
            raise UnresetError(
                f"the prior run's learner does not fit {method.name} on {task.name}: {name} has "
                f"shape {has} there and {leaf.shape} here; tasks must have the same observations, "
                "goals and actions, and learners the same networks and inputs"
            )
        leaves.append(known[name].astype(leaf.dtype))
    return jax.tree_util.tree_unflatten(structure, leaves)
