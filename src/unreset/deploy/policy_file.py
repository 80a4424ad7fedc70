"""What a policy's file must say before its weights are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

FORMAT = 1  # of a policy's file
_MOST = 1 << 20  # numbers of an observation, a goal or an action
_FEW = 64  # octaves, roles, cameras, pictures in a row, layers
_LARGEST = 1 << 12  # pixels along a side
_MOST_SEEN = 1 << 24  # numbers of all pictures of an observation
_COUNTS = {
    "observation_size": (1, _MOST),
    "goal_size": (0, _MOST),
    "action_size": (1, _MOST),
    "octaves": (0, _FEW),
    "told_roles": (0, _FEW),
}
_SIGHT = {
    "image_size": (1, _LARGEST),
    "stack": (1, _FEW),
    "crop": (0, _LARGEST),
    "proprioception": (0, _MOST),
    "patch": (1, _LARGEST),
    "layers": (0, _FEW),
}


def check(metadata: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> None:
    """Refuse another format, absurd sizes, and weights that are not finite numbers.

    Raises:
        ValueError: it names the entry; KeyError where one is missing.
    """
    if (found := metadata.get("format", FORMAT)) != FORMAT:  # files of before 0.1 say none
        raise ValueError(f"its format is {found!r:.40}, and this version reads {FORMAT}")
    _counts(metadata, _COUNTS)
    for name in ("method", "task"):
        said = metadata.get(name, "")
        if not isinstance(said, str) or not said.isprintable():  # errors show it on a terminal
            raise ValueError(f"{name} is {said!a:.80}, not a name")
    if "sight" in metadata:
        sight = metadata["sight"]
        if not isinstance(sight, dict):
            raise ValueError("its sight is no object")
        _see(sight)
    for name, array in weights.items():
        if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
            raise ValueError(f"{name[:80]!a} does not hold finite numbers")


def _see(sight: Mapping[str, Any]) -> None:
    _counts(sight, _SIGHT)
    for name, kind in (("cameras", str), ("goal_cameras", str), ("strides", int)):
        listed = sight[name]
        if not isinstance(listed, list) or {type(each) for each in listed} - {kind}:
            raise ValueError(f"{name} is {listed!r:.80}, not a list of {kind.__name__}")
    if any(stride < 1 for stride in sight["strides"]):
        raise ValueError("a stride is not positive")
    size, crop, cameras = sight["image_size"], sight["crop"], sight["cameras"]
    if crop >= size:
        raise ValueError(f"it crops {crop} of {size} pixels")
    numbers = size**2 * 3 * sight["stack"] * (len(cameras) + len(sight["goal_cameras"]))
    if numbers > _MOST_SEEN:
        raise ValueError(f"it sees {numbers:,} numbers at once, and at most {_MOST_SEEN:,} are")


def sizes(metadata: Mapping[str, Any]) -> dict[str, tuple[tuple[int, ...], Any]]:
    """The shape and type of every part of an observation that the policy takes."""
    found: dict[str, tuple[tuple[int, ...], Any]] = {
        "desired_goal": ((metadata["goal_size"],), np.float32)
    }
    if "sight" not in metadata:
        return found | {"observation": ((metadata["observation_size"],), np.float32)}
    sight = metadata["sight"]
    shape = (sight["image_size"], sight["image_size"], 3 * sight["stack"])
    found |= dict.fromkeys(sight["cameras"], (shape, np.uint8))
    return found | {"proprioception": ((sight["proprioception"],), np.float32)}


def _counts(found: Mapping[str, Any], wanted: Mapping[str, tuple[int, int]]) -> None:
    for name, (least, most) in wanted.items():
        value = found[name]
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"{name} is {value!r:.80}, not a whole number {least} to {most}")
