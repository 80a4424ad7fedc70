"""What a goal classifier takes for the goal, by what it sees and what it is shown.

    python benchmarks/classifier.py OUT.csv

On the tabletop, without practice: positives are the last two states of the demonstrations; own
rows are random walks from demonstrated states, and contrasts (``Discriminator.contrast``). Asked
are states of which the truth is known.
"""

from __future__ import annotations

import csv
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core.types import Array, Task
from unreset.demos import pictures
from unreset.networks.views import Seen, Vision, looked_at
from unreset.rewards import Discriminator, judge
from unreset.tasks.tabletop import tabletop, tabletop_task
from unreset.tasks.tabletop.tabletop_render import CAMERAS

SEED, UPDATES, HALF, LAST, EARLIER, WALK = 0, 1_000, 128, 2, 6, 50
KNOWN = np.concatenate([tabletop.GOALS, tabletop.INITIAL])
#: camera, how the goal is seen, and shares of own rows: earlier states, wrong goals, walks.
SETTINGS = [
    ("wrist", "vector", (0.3, 0.3, 0.4)),
    ("wrist", "image", (0.3, 0.3, 0.4)),
    ("above", "image", (0.3, 0.3, 0.4)),
    ("wrist", "image", (0.0, 0.0, 1.0)),
]


def walks(starts: np.ndarray, key: Array) -> np.ndarray:
    """Observations of random walks of 50 steps from observations [N, 6]."""
    state = jax.vmap(tabletop.from_observation)(jnp.asarray(starts))

    def body(carry: Any, key: Array) -> Any:
        state, action = carry
        action = jnp.clip(0.8 * action + 0.6 * jax.random.normal(key, action.shape), -1, 1)
        state = jax.vmap(tabletop.step)(state, action)
        return (state, action), jax.vmap(tabletop.observe)(state)

    begin = (state, jnp.zeros((len(starts), 3)))
    return np.asarray(jax.lax.scan(body, begin, jax.random.split(key, WALK))[1]).reshape(-1, 6)


def near(goal: np.ndarray, generator: np.random.Generator, number: int) -> np.ndarray:
    """States that reach a goal: gripper and mug together within 0.2 of it, nothing held."""
    way = generator.normal(size=(number, 4))
    length = tabletop.PROTOCOL.success_radius * generator.uniform(size=(number, 1)) ** 0.25
    seen = np.repeat(goal[None], number, axis=0)
    seen[:, :4] += way * length / np.linalg.norm(way, axis=1, keepdims=True)
    return seen


def asked() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By what they show, states [N, 6] and goals [N, 6]."""
    generator = np.random.default_rng(99)
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for goal in KNOWN:
        anywhere = np.repeat(goal[None], 100, axis=0)
        anywhere[:, 2:4] = generator.uniform(-2.5, 2.5, (100, 2))
        anywhere = anywhere[np.linalg.norm(anywhere[:, 2:4] - goal[2:4], axis=1) > 0.6]
        off = np.repeat(goal[None], 100, axis=0)
        angle, away = generator.uniform(0, 2 * np.pi, 100), generator.uniform(0.25, 0.6, 100)
        off[:, 2:4] += (away * np.array([np.cos(angle), np.sin(angle)])).T
        others = [near(other, generator, 25) for other in KNOWN if (other != goal).any()]
        kinds = {"success": near(goal, generator, 100), "mug .25 to .6 off": off}
        kinds |= {"gripper home, mug elsewhere": anywhere, "another goal": np.concatenate(others)}
        for name, seen in kinds.items():
            found.setdefault(name, []).append((seen, np.repeat(goal[None], len(seen), axis=0)))
    return {name: tuple(map(np.concatenate, zip(*p, strict=True))) for name, p in found.items()}  # type: ignore[misc]


def measured(camera: str, goal_view: Any, shares: tuple[float, ...]) -> dict[str, float]:
    vision = Vision(pixels=True, cameras=(camera,), image_size=32, patch=4, goal_view=goal_view)
    task: Task = tabletop_task.tabletop()
    demonstrations = pictures.seen(tabletop_task._demonstrations(SEED), task, vision)
    task = pictures.with_goals(demonstrations, task)
    teacher = Discriminator(spectral_norm=True).teacher(vision)
    draw = jax.jit(jax.vmap(lambda o: {camera: CAMERAS[camera](o, vision.image_size)}))

    def column(parts: Any) -> tuple[Array, Array, Any]:
        seen, goals = (jnp.concatenate(list(map(jnp.asarray, x))) for x in zip(*parts, strict=True))
        blocks = [draw(seen[at : at + 2_000]) for at in range(0, len(seen), 2_000)]
        return seen, goals, jax.tree.map(lambda *x: jnp.concatenate(x), *blocks)

    def told(one: Any, part: slice) -> tuple[np.ndarray, np.ndarray]:
        seen = one.observations[part]
        return seen, np.repeat(one.goal[None], len(seen), axis=0)

    key = jax.random.key(SEED)
    last = column([told(one, slice(-LAST, None)) for one in demonstrations])
    early = column([told(one, slice(None, -EARLIER)) for one in demonstrations])
    starts = jax.random.choice(key, early[0], (400,))
    walked = walks(np.asarray(starts), jax.random.fold_in(key, 1))
    goals = KNOWN[np.random.default_rng(SEED).integers(len(KNOWN), size=len(walked))]
    strayed = column([(walked, goals)])

    def see(rows: Any, goal: Array | None = None) -> Seen:
        seen, own, frames = rows
        return looked_at(vision, task, seen, own if goal is None else goal, frames, None)

    def drawn(rows: Any, key: Array, number: int) -> Any:
        at = jax.random.randint(key, (number,), 0, len(rows[0]))
        return jax.tree.map(lambda x: x[at], rows)

    numbers = [int(share * HALF) for share in shares[:2]]
    numbers.append(HALF - sum(numbers))
    known = jnp.asarray(KNOWN)

    @jax.jit
    def one(state: Any, key: Array) -> Any:
        keys = jax.random.split(key, 6)
        wrong = drawn(last, keys[2], numbers[1])
        own = ((wrong[1][:, None] - known) ** 2).sum(-1).argmin(-1)
        further = jax.random.randint(keys[3], own.shape, 1, len(known))
        parts = [
            see(drawn(early, keys[1], numbers[0])),
            see(wrong, known[(own + further) % len(known)]),
            see(drawn(strayed, keys[4], numbers[2])),
        ]
        others = jax.tree.map(lambda *x: jnp.concatenate(x), *parts)
        return teacher.update(state, (see(drawn(last, keys[0], HALF)), others), keys[5])

    state = teacher.fresh(key, jax.tree.map(lambda x: x[0], see(last)))
    for number in range(UPDATES):
        state = one(state, jax.random.fold_in(key, 10 + number))[0]
    says = jax.jit(lambda seen: judge.logits(teacher.judge, state, seen) > 0)
    return {
        name: round(float(says(see(column([rows]))).mean()), 3) for name, rows in asked().items()
    }


if __name__ == "__main__":
    rows = []
    for camera, goal_view, shares in SETTINGS:
        about = {"camera": camera, "goal": goal_view, "shares": " ".join(map(str, shares))}
        about |= {"seed": str(SEED), "updates": str(UPDATES)}
        rows.append(about | measured(camera, goal_view, shares))
        print(rows[-1], flush=True)
    with open(sys.argv[1], "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
