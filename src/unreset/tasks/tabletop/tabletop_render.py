"""A picture of the tabletop from above, in JAX: for videos and as the input of a policy.

Everything that moves is a signed distance (negative inside a shape) turned into a soft mask, so
one call is a handful of array operations that jit and vmap. Colours and sizes are chosen so that
the whole observation and goal can be read off a picture of 64 x 64 pixels: the mug shows around
the gripper, the closed gripper has its own colour and shape, and the goal has its own ring.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from unreset.core.types import Array
from unreset.tasks.tabletop.tabletop import COASTERS

VIEW = 3.4  # the picture shows [-VIEW, VIEW] in both directions, in table units
WALL = 3.2  # inner edge of the walls; the mug at the arena's limit just touches it
COASTER = 0.3  # half a coaster's side
MUG = 0.38  # radius
RING = 0.53  # radius of the ring around the goal: outside the mug, so that it is never hidden
LENS = (2.0, 3.8)  # of the camera on the gripper: near and far
OPEN, CLOSED = 0.23, 0.17  # radius of the gripper's claw

WOOD, SEAM, WALL_WOOD = (206, 165, 116), (176, 134, 88), (92, 60, 38)
COASTER_RGB = ((205, 48, 48), (46, 150, 70), (48, 92, 205), (52, 52, 58))  # as tabletop.COASTERS
CHINA, CHINA_INSIDE, CHINA_EDGE = (250, 250, 246), (212, 220, 228), (128, 128, 134)
IRON, HOLDING, OUTLINE = (28, 30, 38), (232, 48, 160), (240, 240, 240)
GOAL, GOAL_EDGE = (255, 226, 40), (88, 62, 10)

Colour = tuple[int, int, int]


def _disc(x: Array, y: Array, radius: float) -> Array:
    """Distance to a disc around the origin."""
    return jnp.sqrt(x**2 + y**2) - radius


def _ring(x: Array, y: Array, radius: float, thickness: float) -> Array:
    return jnp.abs(_disc(x, y, radius)) - thickness / 2


def _box(x: Array, y: Array, half: float, corner: float) -> Array:
    """Distance to a square with rounded corners around the origin."""
    across, along = jnp.abs(x) - half + corner, jnp.abs(y) - half + corner
    outside = jnp.sqrt(jnp.maximum(across, 0) ** 2 + jnp.maximum(along, 0) ** 2)
    return outside + jnp.minimum(jnp.maximum(across, along), 0) - corner


def _claw(x: Array, y: Array, held: Array) -> Array:
    """Distance to the gripper: a horseshoe open at the top, or a closed ring around a held mug."""
    radius = jnp.where(held, CLOSED, OPEN)
    gap = jnp.where(held, 0.0, 0.75)  # radians on either side of the top
    across, tip_x, tip_y = jnp.abs(x), jnp.sin(gap), jnp.cos(gap)
    in_gap = (across * tip_y < y * tip_x) & ~held
    to_tip = jnp.sqrt((across - radius * tip_x) ** 2 + (y - radius * tip_y) ** 2)
    claw = jnp.where(in_gap, to_tip, jnp.abs(jnp.sqrt(x**2 + y**2) - radius)) - 0.07
    return jnp.minimum(claw, _disc(x, y + radius + 0.03, 0.13))


def _pixel(picture: Array) -> float:
    """The side of one pixel in table units."""
    return float(2 * VIEW / picture.shape[0])


def _paint(picture: Array, distance: Array, colour: Colour | Array, opacity: float = 1.0) -> Array:
    """Cover the inside of a shape, with an edge one pixel wide."""
    cover = opacity * jnp.clip(0.5 - distance / _pixel(picture), 0, 1)[..., None]
    return picture + cover * (jnp.array(colour, jnp.float32) - picture)


def _shade(picture: Array, distance: Array) -> Array:
    """A soft shadow that fades over 0.16 around the shape's edge."""
    return picture * (1 - 0.35 * jnp.clip(0.5 - distance / 0.16, 0, 1)[..., None])


@jax.jit
def _table(x: Array, y: Array) -> Array:
    """Everything that never moves: planks, walls and coasters; float [size, size, 3]."""
    plank = jnp.floor((y + VIEW) / 0.85)
    tone = 1 + 0.035 * jnp.sin(2.4 * plank + 0.6)
    grain = 1 + 0.022 * jnp.sin(1.3 * x + 17 * y + 2 * jnp.sin(0.9 * x + 3 * plank))
    picture = (tone * grain)[..., None] * jnp.array(WOOD, jnp.float32)
    seam = 0.85 * jnp.abs((y + VIEW) / 0.85 - jnp.round((y + VIEW) / 0.85)) - 0.012
    picture = _paint(picture, seam, SEAM)
    for (at_x, at_y), colour in zip(COASTERS, COASTER_RGB, strict=True):
        here_x, here_y = x - at_x, y - at_y
        picture = _shade(picture, _box(here_x - 0.03, here_y + 0.04, COASTER, 0.08))
        picture = _paint(picture, _box(here_x, here_y, COASTER, 0.08), colour)
        if _pixel(picture) < 0.06:  # in coarser pictures a groove only washes the colour out
            groove = jnp.abs(_box(here_x, here_y, COASTER - 0.08, 0.04)) - 0.012
            picture = _paint(picture, groove, OUTLINE, 0.45)
    inside = _box(x, y, WALL, 0.0)
    picture = _shade(picture, -inside - 0.02)
    return _paint(picture, -inside, WALL_WOOD)


def _draw_goal(picture: Array, x: Array, y: Array, goal: Array) -> Array:
    """A ring where the mug should go and a small cross where the gripper should go."""
    width = max(0.1, 1.5 * _pixel(picture))  # thinner lines would break up in small pictures
    ring = _ring(x - goal[2], y - goal[3], RING, width)
    across, along = jnp.abs(x - goal[0]), jnp.abs(y - goal[1])
    bar, reach = jnp.minimum(across, along) - 0.35 * width, jnp.maximum(across, along) - 0.2
    for shape in (ring, jnp.maximum(bar, reach)):
        picture = _paint(picture, shape - 0.035, GOAL_EDGE, 0.8)
        picture = _paint(picture, shape, GOAL)
    return picture


def _draw_mug(picture: Array, x: Array, y: Array, mug: Array) -> Array:
    x, y = x - mug[0], y - mug[1]
    picture = _shade(picture, _disc(x - 0.06, y + 0.08, MUG + 0.03))
    handle = _ring(x + MUG + 0.05, y, 0.12, 0.08)
    china = jnp.minimum(handle, _disc(x, y, MUG))
    picture = _paint(picture, china - 0.025, CHINA_EDGE)
    picture = _paint(picture, china, CHINA)
    return _paint(picture, _disc(x, y, MUG - 0.08), CHINA_INSIDE)


def _draw_gripper(picture: Array, x: Array, y: Array, gripper: Array, held: Array) -> Array:
    x, y = x - gripper[0], y - gripper[1]
    claw = _claw(x, y, held)
    picture = _shade(picture, _claw(x - 0.04, y + 0.06, held))
    picture = _paint(picture, claw - 0.03, OUTLINE, 0.7)
    return _paint(picture, claw, jnp.where(held, jnp.array(HOLDING), jnp.array(IRON)))


@partial(jax.jit, static_argnames="size")
def render(observation: Array, goal: Array, size: int = 64) -> Array:
    """The scene from above, x to the right and y upwards.

    ``observation`` [6] and ``goal`` [6] are laid out as in :mod:`unreset.tasks.tabletop.tabletop`,
    in table units; ``size`` is the side of the picture in pixels and static. Returns uint8 [size,
    size, 3]. A yellow ring marks the goal's mug position and a yellow cross the goal's gripper
    position; the claw is open and dark, or closed and pink while it holds the mug.
    """
    x, y, table = _empty(size)
    return _with_things(_draw_goal(table, x, y, goal), x, y, observation)


@partial(jax.jit, static_argnames="size")
def look(observation: Array, size: int = 64) -> Array:
    """What a camera above the table sees: the same scene without a goal drawn into it."""
    x, y, table = _empty(size)
    return _with_things(table, x, y, observation)


@partial(jax.jit, static_argnames="size")
def look_from_wrist(observation: Array, size: int = 64) -> Array:
    """What a camera on the gripper sees: itself in the middle, the whole table in a wide lens.

    A picture's coordinate u in [-1, 1] shows what is ``2 u + 3.8 u^3`` away, so it is sharp where
    the gripper is and shows a mug in any corner of the table from any other.
    """
    u = (2 * jnp.arange(size) + 1) / size - 1
    away = LENS[0] * u + LENS[1] * u**3
    across, along = jnp.meshgrid(away, -away)
    x, y = observation[0] + across, observation[1] + along
    return _with_things(_table(x, y), x, y, observation)


def _empty(size: int) -> tuple[Array, Array, Array]:
    """Where the pixels are, and the picture of a table with nothing on it; computed once."""
    with jax.ensure_compile_time_eval():
        centres = VIEW * ((2 * jnp.arange(size) + 1) / size - 1)
        x, y = jnp.meshgrid(centres, -centres)
        return x, y, _table(x, y)


def _with_things(picture: Array, x: Array, y: Array, observation: Array) -> Array:
    picture = _draw_mug(picture, x, y, observation[2:4])
    picture = _draw_gripper(picture, x, y, observation[0:2], observation[4] > -0.5)
    return jnp.round(jnp.clip(picture, 0, 255)).astype(jnp.uint8)


CAMERAS = {"above": look, "wrist": look_from_wrist}


def looks(observation: Array, size: int) -> dict[str, Array]:
    """What each camera sees, uint8 [size, size, 3]."""
    return {name: camera(observation, size) for name, camera in CAMERAS.items()}
