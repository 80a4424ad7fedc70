"""Views of the world: which cameras are looked through, and how their pictures are varied.

Pictures are uint8 and are stored once; they become numbers when a batch is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core.ranges import Count, Whole
from unreset.core.types import Array, Task
from unreset.errors import Failure, UnresetError

Frames = Mapping[str, Array]
"""Pictures by camera, uint8 [..., height, width, 3]."""
Shapes = dict[str, tuple[int, int, int]]
"""The shape of one picture by camera: height, width, 3."""
EncoderName = Literal["patches", "keypoints", "drq", "strided"]
LEAST = {"drq": 15, "strided": 7}  # pixels of a side


class Seen(NamedTuple):
    """What a network sees of pictures and of numbers."""

    image: Array  # [..., height, width, channels] uint8; the features [..., F] once encoded
    vector: Array  # [..., n], put beside the features after the trunk


Inputs = Array | Seen
"""Numbers [..., input], or pictures and numbers."""


@dataclass(frozen=True)
class Vision:
    """Hyper-parameters of seeing."""

    pixels: bool = False
    """Learn from pictures instead of the task's observation."""
    cameras: tuple[str, ...] = ()
    """Cameras to look through, by name; none: all that the task has."""
    image_size: Count = 48
    """Side of the pictures, in pixels (MEDAL++: 84; on the robot 100)."""
    stack: Count = 1
    """How many pictures in a row policies and critics see, the newest first; discriminators see
    that alone (MEDAL++: 1)."""
    proprioception: bool = False
    """Whether to see, beside them, what the robot's own sensors tell (MEDAL++: on the robot)."""
    goal_view: Literal["image", "vector", "none"] = "image"
    """How the goal is seen: as a further picture (MEDAL++), as its numbers, or not at all."""
    goal_cameras: tuple[str, ...] = ()
    """Cameras that took the goal's picture; none: the same as ``cameras``."""
    goal_proprioception: bool = False
    """Whether to see, beside the goal's picture, what the robot's own sensors told there (ours)."""
    encoder: EncoderName = "patches"
    """"patches": dense layers on tiles (ours, for CPUs); "keypoints": the same, and of each output
    where in the picture it is largest (Finn et al. 2016, arXiv 1509.06113); "drq": DrQ-v2's
    convolutions; "strided": two convolutions of stride 2 (MEDAL++'s discriminators)."""
    patch: Count = 6
    """Side of a tile, in pixels."""
    patch_widths: tuple[Count, ...] = (64, 32)
    """Widths of the dense layers on each tile; the last is what a tile puts out, or the number of
    keypoints."""
    channels: Count = 32
    """Channels of convolutions (DrQ-v2: 32)."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """What the encoder computes in; its parameters, and all after it, stay float32."""
    features: Whole = 50
    """Width of the dense-LayerNorm-tanh bottleneck after the encoder; 0 for none (DrQ-v2: 50)."""
    shift: Whole = 0
    """Random shift of pictures in batches, in pixels at most (DrQ-v2: 4)."""
    crop: Whole = 0
    """Pixels that a random crop takes off height and width in batches, the middle one else."""

    def __post_init__(self) -> None:
        """Refuse sizes that do not go together."""
        side, least = self.image_size - self.crop, LEAST.get(self.encoder, self.patch)
        if self.pixels and side < least:
            raise UnresetError(
                f"pictures of {side} pixels (image_size - crop) are too small for the encoder "
                f"{self.encoder!r}, which needs {least}"
            )
        if self.goal_proprioception and not (self.proprioception and self.goal_view == "image"):
            raise UnresetError("goal_proprioception takes proprioception and goal_view='image'")
        if self.pixels and self.encoder in ("patches", "keypoints") and side % max(self.patch, 1):
            raise UnresetError(
                f"pictures of {side} pixels (image_size - crop) cannot be cut into tiles of "
                f"patch={self.patch}: give a multiple of it"
            )

    def looking(self, task: Task) -> Shapes:
        """The shapes of the pictures that are looked at, by camera; none where none are."""
        names = (self.cameras or task.cameras) if self.pixels else ()
        return dict.fromkeys(names, (self.image_size, self.image_size, 3))

    def showing(self, task: Task) -> tuple[str, ...]:
        """The cameras whose pictures of the goal are looked at; none where none are."""
        if self.goal_view != "image":
            return ()
        return self.goal_cameras or tuple(self.looking(task))


def augment(config: Vision, image: Array, key: Array | None) -> Array:
    """Pictures [..., height, width, C] with random crop and shift; without a key the middle crop.

    A shift of at most ``shift`` pixels repeats the border (DrQ-v2, Yarats et al. 2021, arXiv
    2107.09645); all channels of a picture, its goal's among them, move alike.
    """
    height, width, channels = image.shape[-3:]
    crop, shift = config.crop, config.shift
    if key is None or not (crop or shift):
        begin = crop // 2
        return image[..., begin : height - crop + begin, begin : width - crop + begin, :]
    lead = image.shape[:-3]
    image = image.reshape(-1, height, width, channels)
    number = len(image)
    crop_key, shift_key = jax.random.split(key)
    # Both are one look-up of rows and columns: the crop's origin, moved and cut at its border.
    origin = jax.random.randint(crop_key, (2, number, 1), 0, crop + 1)
    moved = jax.random.randint(shift_key, (2, number, 1), -shift, shift + 1)

    def places(axis: int, size: int) -> Array:
        kept = size - crop
        return origin[axis] + jnp.clip(jnp.arange(kept) + moved[axis], 0, kept - 1)

    rows = jax.vmap(lambda picture, at: picture[at])(image, places(0, height))
    made = jax.vmap(lambda picture, at: picture[:, at])(rows, places(1, width))
    return made.reshape(*lead, *made.shape[1:])


class Shown(NamedTuple):
    """Goals as they were seen in practice, instead of as the task's."""

    other: Array  # [...] bool: which ones
    frames: Frames
    observation: Array  # [..., observation], where the frames were taken


def looked_at(
    config: Vision,
    task: Task,
    observation: Array,
    goal: Array,
    frames: Frames,
    key: Array | None,
    shown: Shown | None = None,
) -> Seen:
    """What is seen of observations and goals [..., n], and of frames [..., height, width, 3 k].

    Cameras, and the goal's pictures, are channels of one picture; with a ``key`` it is varied at
    random (:func:`augment`).
    """
    pictures = [frames[name][..., : 3 * config.stack] for name in config.looking(task)]
    lead = observation.shape[:-1]
    if names := config.showing(task):
        assert task.goal_pictures is not None
        known = jnp.concatenate([jnp.asarray(task.goals), jnp.asarray(task.initial_goals)])
        goals = jnp.broadcast_to(goal, (*lead, task.goal_size))
        which = ((goals[..., None, :] - known) ** 2).sum(-1).argmin(axis=-1)
        goal_pictures = {name: jnp.asarray(task.goal_pictures[name])[which] for name in names}
        if shown is not None:
            goal_pictures = {
                name: jnp.where(shown.other[..., None, None, None], shown.frames[name], picture)
                for name, picture in goal_pictures.items()
            }
        pictures += goal_pictures.values()
    image = augment(config, jnp.concatenate(pictures, axis=-1), key)
    numbers = [jnp.zeros((*lead, 0))]
    if config.proprioception:
        numbers.append(observation[..., jnp.array(task.proprioception)])
    if config.goal_proprioception:
        assert task.goal_observations is not None
        told = jnp.asarray(task.goal_observations)[which]
        if shown is not None:
            told = jnp.where(shown.other[..., None], shown.observation, told)
        numbers.append(told[..., jnp.array(task.proprioception)])
    if config.goal_view == "vector":
        numbers.append(jnp.broadcast_to(goal, (*lead, task.goal_size)))
    return Seen(image, jnp.concatenate(numbers, axis=-1))


def stacked(
    before: Mapping[str, Any] | None, now: Mapping[str, Any], number: int
) -> dict[str, Any]:
    """``number`` pictures in a row, newest first, [..., height, width, 3 number] by camera.

    ``before`` are those of the step before, or None where nothing was before: then it is the newest
    throughout.
    """
    if number == 1:
        return dict(now)
    if before is None:
        return {name: np.concatenate([picture] * number, -1) for name, picture in now.items()}
    return {
        name: np.concatenate([picture, before[name][..., : 3 * (number - 1)]], axis=-1)
        for name, picture in now.items()
    }


def taken(observation: Any, shapes: Shapes) -> dict[str, np.ndarray]:
    """Copies of the pictures in an environment's observation: it may draw into its own again.

    Raises:
        Failure: where one is missing, or is of another type or shape.
    """
    held = list(observation) if isinstance(observation, Mapping) else []
    pictures = {}
    for camera, shape in shapes.items():
        if camera not in held:
            raise Failure(
                f"the environment's observation has no picture of camera {camera!r}; "
                f"it has: {', '.join(map(str, held)) or 'no names'}"
            )
        pictures[camera] = picture = np.array(observation[camera])
        if picture.dtype != np.uint8 or picture.shape != shape:
            raise Failure(
                f"the environment's picture of camera {camera!r} is {picture.dtype} of shape "
                f"{picture.shape}, but must be uint8 of shape {shape} (image_size={shape[0]})"
            )
    return pictures


def coarse(image: Array, side: int = 12) -> Array:
    """Pictures [..., height, width, C] as few numbers: means of side x side fields, in [0, 1]."""
    height, width, channels = image.shape[-3:]
    rows, columns = height // side, width // side
    cut = image[..., : rows * side, : columns * side, :].astype(jnp.float32) / 255
    fields = cut.reshape(*image.shape[:-3], side, rows, side, columns, channels)
    return fields.mean(axis=(-4, -2)).reshape(*image.shape[:-3], -1)
