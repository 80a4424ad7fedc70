"""Videos of a run as GIFs: the deployed policy for every goal, and practice in every role."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from unreset.core import practice
from unreset.core.method import ENVIRONMENT, Method
from unreset.core.phases import Phase, View
from unreset.core.types import Array, Task
from unreset.drivers.fused import Carry
from unreset.evaluation import deployed
from unreset.runs.drawing import LIGHT
from unreset.runs.films import Camera, Frames

FRAMES_PER_SECOND = 20
MOST_BYTES = 400_000  # of one GIF
_LINGER = 10  # frames after the first success
_LONG = 120  # steps from which only every other one is shown
_LONGEST = 2_000  # steps of practice simulated for its video
_MOST_GOALS = 4  # of a task in a Gymnasium environment, where an episode takes seconds to film
_BATCH = 32  # frames rendered at once
_STRIP = 0.12  # height of the strip with the role's name, in heights of the picture


class Practised(NamedTuple):
    """A stretch of practice, each [steps, ...]; nothing was recorded or learned in it."""

    observation: Array  # [steps, observation], before the step
    goal: Array  # [steps, goal]
    role: Array  # [steps] int32
    number: Array  # [steps] int32, of the step within its phase
    success: Array  # [steps] bool, after the step
    end: Array  # [steps] bool, whether the phase ended with the step


def practise(method: Method, task: Task, view: View, state: Any, steps: int) -> Practised:
    """Go on practising for ``steps`` steps as a run would if it stopped learning.

    ``view`` and the task's ``state`` are those of one seed (no leading axis).
    """
    assert task.step is not None
    assert task.observe is not None
    assert task.reset is not None
    step, observe, reset_task = task.step, task.observe, task.reset

    def body(now: tuple[Phase, Any], number: Array) -> tuple[tuple[Phase, Any], Practised]:
        phase, world = now
        acting = view._replace(phase=phase)
        observation = observe(world)
        action = practice.act(method, task, acting, observation, number)
        world = step(world, action)
        transition = practice.observed(task, phase, observation, action, observe(world))
        then, end, reset = practice.switch(method, task, acting, transition, number)
        key = practice.reset_key(acting, number)
        world = jax.tree.map(partial(jnp.where, reset), reset_task(key, "initial"), world)
        seen = Practised(observation, phase.goal, phase.role, phase.steps, transition.success, end)
        return (then, world), seen

    return jax.lax.scan(body, (view.phase, state), jnp.arange(steps))[1]


def _stretch(method: Method) -> int:
    """Steps of practice simulated for its video."""
    return min(2 * sum(role.length for role in method.roles), _LONGEST)


def _one_of_each(role: np.ndarray, number: np.ndarray, end: np.ndarray, roles: int) -> slice:
    """From the beginning of a phase of the first role to the end of the last role's next phase.

    Where the stretch holds no such thing, as much of it as there is.
    """
    begins = np.flatnonzero((role == 0) & (number == 0))
    start = int(begins[0]) if len(begins) else 0
    ends = np.flatnonzero((role == roles - 1) & end)
    ends = ends[ends >= start]
    return slice(start, int(ends[0]) + 1 if len(ends) else len(role))


def _renderer(task: Task, size: int) -> Callable[[np.ndarray, np.ndarray], Frames]:
    """Pictures of observations [frames, observation] with their goals [frames, goal]."""
    assert task.render is not None
    draw = task.render
    render = jax.jit(jax.vmap(lambda observation, goal: draw(observation, goal, size)))

    def pictures(observations: np.ndarray, goals: np.ndarray) -> Frames:
        frames: Frames = []
        for at in range(0, len(observations), _BATCH):
            some, wanted = observations[at : at + _BATCH], goals[at : at + _BATCH]
            # One shape, one compilation: the last batch is filled up with copies of its last row.
            fill = ((0, _BATCH - len(some)), (0, 0))
            images = render(np.pad(some, fill, "edge"), np.pad(wanted, fill, "edge"))
            frames += [Image.fromarray(image) for image in np.asarray(images)[: len(some)]]
        return frames

    return pictures


def _with_strip(frame: Image.Image, text: str, colour: str) -> Image.Image:
    """The picture above a coloured strip with a caption."""
    width, height = frame.size
    strip = round(_STRIP * height)
    whole = Image.new("RGB", (width, height + strip), ImageColor.getrgb(colour))
    whole.paste(frame, (0, 0))
    font = ImageFont.load_default(size=max(8, round(0.62 * strip)))
    middle = (round(0.04 * width), height + strip // 2)
    ImageDraw.Draw(whole).text(middle, text, fill="white", font=font, anchor="lm")
    return whole


def _gif(frames: Frames) -> bytes:
    """An endlessly repeated GIF; all frames share one palette, made from some of them."""
    samples = [frames[i] for i in np.linspace(0, len(frames) - 1, min(6, len(frames))).astype(int)]
    width, height = frames[0].size
    together = Image.new("RGB", (width, height * len(samples)))
    for number, sample in enumerate(samples):
        together.paste(sample, (0, height * number))
    palette = together.quantize(128, method=Image.Quantize.MAXCOVERAGE)
    drawn = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    buffer = io.BytesIO()
    drawn[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=drawn[1:],
        duration=1000 // FRAMES_PER_SECOND,
        loop=0,
        optimize=False,
    )
    return buffer.getvalue()


def _save(path: Path, frames: Frames) -> int:
    """Write a GIF that is small enough; returns how many steps lie between its frames."""
    stride = 2 if len(frames) > _LONG else 1
    while True:
        chosen = frames[::stride]
        if (len(frames) - 1) % stride:
            chosen.append(frames[-1])
        content = _gif(chosen)
        if len(content) <= MOST_BYTES or len(chosen) <= 2:
            path.write_bytes(content)
            return stride
        stride += 1


def _faster(stride: int) -> str:
    return f" ({stride} times as fast)" if stride > 1 else ""


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
        entries.append(_policy_video(folder, task, number, frames, first))
    return entries


def _policy_video(
    folder: Path, task: Task, number: int, frames: Frames, first: int | None
) -> dict[str, str]:
    """Write an episode whose first success came after ``first`` steps, if it came."""
    name = f"policy_goal{number}.gif"
    stride = _save(folder / name, frames)
    outcome = "not reached" if first is None else f"reached after {first} steps"
    outcome = "reached with the last step" if first == task.horizon else outcome
    return {"file": name, "caption": f"Policy, goal {number}: {outcome}{_faster(stride)}"}


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
            entries.append(_policy_video(folder, task, number, shown, first))
        if carry is not None:
            filmed = camera.practise(practice.view(carry.run), carry.state, _stretch(method))
            part = _one_of_each(filmed.role, filmed.number, filmed.end, len(method.roles))
            part_of: Any = (column[part] for column in filmed)
            entries.append(_practice_video(folder, method, *part_of))
    finally:
        camera.environment.close()
    return entries


def _simulated_practice(
    folder: Path, method: Method, task: Task, carry: Carry, size: int
) -> dict[str, str]:
    compiled = jax.jit(partial(practise, method, task, steps=_stretch(method)))
    practised = jax.tree.map(np.asarray, compiled(practice.view(carry.run), carry.state))
    part = _one_of_each(practised.role, practised.number, practised.end, len(method.roles))
    observation, goal, roles, numbers, successes, ends = (column[part] for column in practised)
    frames = _renderer(task, size)(observation, goal)
    return _practice_video(folder, method, roles, numbers, successes, ends, frames)


def _practice_video(
    folder: Path,
    method: Method,
    roles: np.ndarray,
    numbers: np.ndarray,
    successes: np.ndarray,
    ends: np.ndarray,
    frames: Frames,
) -> dict[str, str]:
    """Write a stretch of practice, every picture with its role's name."""
    captioned, won = [], []
    for place, frame in enumerate(frames):
        role, success = int(roles[place]), bool(successes[place])
        name, colour = method.roles[role].name, LIGHT.series[role % len(LIGHT.series)]
        text = f"{name} · {int(numbers[place]) + 1}" + (
            " · reached" if success and ends[place] else ""
        )
        captioned.append(_with_strip(frame, text, colour))
        if ends[place]:
            judged = method.roles[role].reward == ENVIRONMENT  # else there is no goal to reach
            outcome = f" {'reached' if success else 'did not reach'} its goal" if judged else ""
            won.append(name + outcome)
    stride = _save(folder / "practice.gif", captioned)
    caption = f"Practice: {', then '.join(won) or 'a phase that has not ended'}{_faster(stride)}"
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
    videos.mkdir(parents=True, exist_ok=True)
    if live:
        entries = _filmed(videos, method, task, actor, run_carry, size)
    else:
        entries = _policy_videos(videos, method, task, actor, size)
        if run_carry is not None:
            entries.append(_simulated_practice(videos, method, task, run_carry, size))
    (videos / "videos.json").write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    return [videos / entry["file"] for entry in entries]
