"""Videos of a run as GIFs: the deployed policy for every goal, and practice in every role."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from unreset.core import practice
from unreset.core.environment import ENVIRONMENT
from unreset.core.method import Method
from unreset.core.types import Task
from unreset.drivers.fused import Carry
from unreset.errors import UnresetError
from unreset.evaluation import deployed
from unreset.evaluation.blocks import in_blocks
from unreset.report import gifs, reward_films, stretches
from unreset.report.drawing import LIGHT
from unreset.report.films import Camera
from unreset.report.gifs import Frames
from unreset.report.stretches import Stretch
from unreset.runs.files import write_bytes

_LINGER = 10  # frames after the first success
_MOST_GOALS = 4  # of a task in a Gymnasium environment, where an episode takes seconds to film
_BATCH = 32  # frames rendered at once


def _renderer(task: Task, size: int) -> Callable[[np.ndarray, np.ndarray], Frames]:
    """Pictures of observations [frames, observation] with their goals [frames, goal]."""
    assert task.render is not None
    draw = task.render
    render = jax.jit(jax.vmap(lambda observation, goal: draw(observation, goal, size)))

    def pictures(observations: np.ndarray, goals: np.ndarray) -> Frames:
        images = in_blocks(render, observations, np.asarray(goals), size=_BATCH)
        return [Image.fromarray(image) for image in images]

    return pictures


def _policy_videos(
    folder: Path, method: Method, task: Task, actor: Any, size: int
) -> list[dict[str, str]]:
    assert task.reset is not None
    start, goals = task.reset(jax.random.key(0), "initial"), jnp.asarray(task.goals)
    every = jax.vmap(lambda goal: deployed.rollout(method, task, actor, start, goal))
    evaluation, observations = jax.jit(every)(goals)
    among = jax.vmap(jax.vmap(task.success, in_axes=(0, None)))(observations, goals)
    pictures, entries = _renderer(task, size), []
    for number, goal in enumerate(np.asarray(goals)):
        reached = bool(evaluation.success[number])
        seen = np.flatnonzero(among[number])
        stop = int(seen[0]) + 1 + _LINGER if len(seen) else task.horizon
        rows = np.asarray(observations[number])[:stop]
        frames = pictures(rows, np.broadcast_to(goal, (len(rows), len(goal))))
        first = int(seen[0]) if len(seen) else task.horizon if reached else None
        kept = bool(evaluation.success_at_end[number])
        entries.append(_policy_video(folder, task, number, frames, first, kept))
    return entries


def _policy_video(
    folder: Path, task: Task, number: int, frames: Frames, first: int | None, kept: bool
) -> dict[str, str]:
    """Write an episode whose first success came after ``first`` steps, if it came.

    ``kept``: whether there was success at its end, too.
    """
    name = f"policy_goal{number}.gif"
    stride = gifs.save(folder / name, frames)
    outcome = "not reached" if first is None else f"reached after {first} steps"
    outcome = "reached with the last step" if first == task.horizon else outcome
    outcome += ", lost by the end" if first is not None and not kept else ""
    return {"file": name, "caption": f"Policy, goal {number}: {outcome}{gifs.faster(stride)}"}


def _filmed(
    folder: Path, method: Method, task: Task, actor: Any, carry: Carry | None, size: int
) -> list[dict[str, str]]:
    """The same videos of a task that is stepped through its Gymnasium environment."""
    camera, entries = Camera(method, task, size), []
    try:
        for number, goal in enumerate(task.goals[:_MOST_GOALS]):
            success, frames = camera.episode(actor, np.asarray(goal, np.float32), number)
            seen = np.flatnonzero(success)
            first = int(seen[0]) + 1 if len(seen) else None
            shown = frames if first is None else frames[: first + 1 + _LINGER]
            kept = bool(success[-1])
            entries.append(_policy_video(folder, task, number, shown, first, kept))
        if carry is not None:
            filmed, frames = camera.practise(
                practice.view(method, carry.run), carry.state, stretches.longest(method)
            )
            part = stretches.one_of_each(filmed, len(method.roles))
            filmed = jax.tree.map(lambda column: column[part], filmed)
            entries += _practice_videos(folder, method, task, carry, filmed, frames[part])
    finally:
        camera.environment.close()
    return entries


def _practice_videos(
    folder: Path, method: Method, task: Task, carry: Carry, stretch: Stretch, frames: Frames
) -> list[dict[str, str]]:
    """A stretch of practice from outside; and as its cameras saw it, with rewards, if learned."""
    entries = [_practice_video(folder, method, stretch, frames)]
    if reward_films.learned(method):
        entries.append(reward_films.film(folder, method, task, carry.run, stretch, frames))
    return entries


def _practice_video(
    folder: Path, method: Method, stretch: Stretch, frames: Frames
) -> dict[str, str]:
    """Write a stretch of practice, every picture with its role's name."""
    captioned, won = [], []
    for place, frame in enumerate(frames):
        role, success = int(stretch.role[place]), bool(stretch.success[place])
        name, colour = method.roles[role].name, LIGHT.series[role % len(LIGHT.series)]
        text = f"{name} · {int(stretch.number[place]) + 1}" + (
            " · reached" if success and stretch.end[place] else ""
        )
        captioned.append(gifs.with_strip(frame, text, colour))
        if stretch.end[place]:
            judged = method.roles[role].reward == ENVIRONMENT  # else there is no goal to reach
            outcome = f" {'reached' if success else 'did not reach'} its goal" if judged else ""
            won.append(name + outcome)
    stride = gifs.save(folder / "practice.gif", captioned)
    caption = (
        f"Practice: {', then '.join(won) or 'a phase that has not ended'}{gifs.faster(stride)}"
    )
    return {"file": "practice.gif", "caption": caption}


def write_videos(
    folder: Path,
    method: Method,
    task: Task,
    actor: Any,
    run_carry: Carry | None = None,
    *,
    size: int = 160,
    live: bool = False,
) -> Sequence[Path]:
    """Write GIFs and ``videos.json`` into ``videos/`` of a run folder; returns the GIFs' paths.

    One video for each goal shows the deterministic policy ``actor`` (the first role's parameters of
    one seed) from an initial state. With ``run_carry``, the driver's carry of ONE seed (leaves
    without the axis of seeds), another shows one phase of every role as the run would practise
    next. ``size`` is the pictures' width and height in pixels. What is practised ``live``, and any
    task that is not in JAX, is filmed in its Gymnasium environment. Nothing is written, and nothing
    returned, for a task that cannot be rendered.
    """
    live = live or task.step is None
    if (task.environment if live else task.render) is None:
        return []
    videos = Path(folder) / "videos"
    if videos.is_symlink():
        raise UnresetError(f"{videos} is a link, and a run writes into no folder but its own")
    videos.mkdir(parents=True, exist_ok=True)
    if live:
        entries = _filmed(videos, method, task, actor, run_carry, size)
    else:
        entries = _policy_videos(videos, method, task, actor, size)
        if run_carry is not None:
            stretch = stretches.simulated(method, task, run_carry)
            frames = _renderer(task, size)(stretch.observation, stretch.goal)
            entries += _practice_videos(videos, method, task, run_carry, stretch, frames)
    write_bytes(videos / "videos.json", (json.dumps(entries, indent=1) + "\n").encode())
    return [videos / entry["file"] for entry in entries]
