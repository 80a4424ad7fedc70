"""The policy of a run, as one that acts with NumPy alone."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from unreset.core.types import Task
from unreset.deploy import policy_file
from unreset.deploy.policy import Policy
from unreset.networks.encoders import STRIDES
from unreset.networks.views import Vision
from unreset.runs.training import Training


def export(training: Training, seed_number: int) -> Policy:
    """The policy of one seed, counted from 0."""
    actor = jax.tree.map(lambda x: np.asarray(x[seed_number]), training.actors)
    weights = _named(actor["params"])
    method, task = training.method, training.task
    if not method.vision.pixels and method.learner.relative and task.offsets is not None:
        weights["offsets"] = task.offsets
    metadata = {
        "format": policy_file.FORMAT,
        "method": training.configuration.method,
        "task": task.name,
        "seed": training.seeds[seed_number],
        "env_steps": training.step,
        "observation_size": task.observation_size,
        "goal_size": task.goal_size,
        "action_size": task.action_size,
        "octaves": method.learner.octaves,
        "told_roles": method.told_roles,
    }
    if method.vision.pixels:
        metadata["sight"] = _sight(method.vision, task)
        weights |= _named(actor["encoder"]["params"], "encoder/")
        weights["goals"] = np.concatenate([task.goals, task.initial_goals])
        for camera, shown in (task.goal_pictures or {}).items():
            weights[f"goal_pictures/{camera}"] = shown
        if method.vision.goal_proprioception:
            assert task.goal_observations is not None
            told = task.goal_observations[:, task.proprioception]
            weights["goal_proprioception"] = told.astype(np.float32)
    return Policy(weights, metadata)


def _named(params: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """Parameters by their paths."""
    flat = jax.tree_util.tree_flatten_with_path(params)[0]
    return {prefix + "/".join(str(part.key) for part in path): leaf for path, leaf in flat}


def _sight(vision: Vision, task: Task) -> dict[str, Any]:
    """What a policy's file says of how it sees."""
    return {
        "cameras": list(vision.looking(task)),
        "goal_cameras": list(vision.showing(task)),
        "image_size": vision.image_size,
        "stack": vision.stack,
        "crop": vision.crop,
        "proprioception": len(task.proprioception) if vision.proprioception else 0,
        "goal_view": vision.goal_view,
        "encoder": vision.encoder,
        "patch": vision.patch,
        "layers": len(vision.patch_widths),
        "strides": list(STRIDES.get(vision.encoder, ())),
    }
