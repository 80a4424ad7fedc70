"""How a deployed policy sees: pictures to features, with NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unreset.deploy.policy_input import numbers as numbers_of
from unreset.errors import UnresetError

Weights = Mapping[str, np.ndarray]
_SAME = 1e-3  # between a goal and one that it has a picture of, at goals of about 1


def seen(
    sight: Mapping[str, Any], weights: Weights, observation: Mapping[str, Any], goal: Any
) -> tuple[np.ndarray, np.ndarray]:
    """What a policy sees: features [F] of pictures, and numbers [n].

    Args:
        sight: of the policy's metadata: ``cameras`` and ``goal_cameras`` in their order, the
            encoder and its sizes.
        weights: of the policy, with the encoder's and the goals' pictures.
        observation: a picture, uint8 [height, width, 3], under each camera's name (of a policy that
            sees several in a row [height, width, 3 stack], the newest first); and
            ``proprioception`` [p], if the policy was taught with it.
        goal: the goal [goal], if the policy pursues one.

    Raises:
        UnresetError: where a picture is missing or of another size or type, proprioception or goal
            are not finite numbers of the right count, or it has no picture of this goal.
    """
    size = sight["image_size"]
    pictures = []
    for camera in sight["cameras"]:
        if camera not in observation:
            raise UnresetError(
                f"the observation holds no picture of camera {camera!r}; this policy needs "
                f"{', '.join(sight['cameras'])}"
            )
        picture = np.asarray(observation[camera])
        wanted = (size, size, 3 * sight["stack"])
        if picture.shape != wanted or picture.dtype != np.uint8:
            raise UnresetError(
                f"the picture of camera {camera!r} is {picture.dtype} of shape {picture.shape}; "
                f"this policy needs uint8 of shape {wanted}"
            )
        pictures.append(picture)
    numbers = []
    if sight["proprioception"]:
        told = numbers_of("proprioception", observation.get("proprioception", ()))
        if told.shape != (sight["proprioception"],):
            raise UnresetError(
                f"proprioception has shape {told.shape}; this policy needs "
                f"{sight['proprioception']} numbers of the robot's own sensors"
            )
        numbers.append(told)
    if sight["goal_view"] != "none":
        missing = " (none is given)" if goal is None else ""
        goal = numbers_of("goal", () if goal is None else goal)
        if goal.shape != weights["goals"].shape[1:]:
            raise UnresetError(
                f"the goal has shape {goal.shape}{missing}; this policy needs "
                f"{weights['goals'].shape[1]} numbers"
            )
    if sight["goal_view"] == "vector":
        numbers.append(goal)
    if sight["goal_view"] == "image":
        which = int(((weights["goals"] - goal) ** 2).sum(axis=1).argmin())
        nearest = weights["goals"][which]
        if (np.abs(nearest - goal) > _SAME * (1 + np.abs(goal))).any():
            raise UnresetError(
                f"this policy has pictures of {len(weights['goals'])} goals, and none of "
                f"({', '.join(f'{number:.4g}' for number in goal)}); the nearest is "
                f"({', '.join(f'{number:.4g}' for number in nearest)})"
            )
        shown = sight["goal_cameras"]
        pictures += [weights[f"goal_pictures/{camera}"][which] for camera in shown]
        if "goal_proprioception" in weights:
            numbers.append(weights["goal_proprioception"][which])
    crop = sight["crop"] // 2
    stop = size - sight["crop"] + crop
    image = np.concatenate(pictures, axis=-1)[crop:stop, crop:stop]
    return _encoded(sight, weights, image), np.concatenate([np.empty(0, np.float32), *numbers])


def _encoded(sight: Mapping[str, Any], weights: Weights, image: np.ndarray) -> np.ndarray:
    """Features [F] of a picture [height, width, C]: `networks.encoders.Encoder` in NumPy."""
    features = image.astype(np.float32) / np.float32(255) - np.float32(0.5)
    if sight["encoder"] in ("patches", "keypoints"):
        side = sight["patch"]
        rows, columns = features.shape[0] // side, features.shape[1] // side
        tiles = features.reshape(rows, side, columns, side, -1).transpose(0, 2, 1, 3, 4)
        features = tiles.reshape(rows * columns, -1)
        for layer in range(sight["layers"]):
            scores = features @ weights[f"encoder/Dense_{layer}/kernel"]
            scores = scores + weights[f"encoder/Dense_{layer}/bias"]
            features = np.maximum(scores, 0.0)
        if sight["encoder"] == "patches":
            return np.asarray(features.reshape(-1))
        return _keypoints(scores * weights["encoder/sharpness"], rows, columns)
    for layer, stride in enumerate(sight["strides"]):
        kernel = weights[f"encoder/Conv_{layer}_kernel"]
        windows = np.lib.stride_tricks.sliding_window_view(features, kernel.shape[:2], (0, 1))
        windows = windows[::stride, ::stride]  # [rows, columns, channels, 3, 3]
        features = np.einsum("rcihw,hwio->rco", windows, kernel, optimize=True)
        features = np.maximum(features + weights[f"encoder/Conv_{layer}_bias"], 0.0)
    return np.asarray(features.reshape(-1))


def _keypoints(scores: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """x, y and presence [3 K] of scores [rows * columns, K]."""
    most = scores.max(axis=0)
    share = np.exp(scores - most)
    whole = share.sum(axis=0)
    grid = (share / whole).reshape(rows, columns, -1)
    x = ((2 * np.arange(columns) + 1) / columns - 1) @ grid.sum(axis=0)
    y = ((2 * np.arange(rows) + 1) / rows - 1) @ grid.sum(axis=1)
    presence = np.tanh((most + np.log(whole) - np.log(rows * columns)) / 4)
    return np.concatenate([x, y, presence]).astype(np.float32)
