"""Speed of environments against the public ones they stand for, and of their pictures.

    taskset -c 0 python benchmarks/env_speed.py --output benchmarks/results/env_speed.csv

On one core, the contenders take turns in one process and a ratio is of one turn, since shared
machines drift. Steps: both environments are given the same actions, wandering as a learner's do.
Pictures: frames of 84 x 84 pixels by the environment, and by MuJoCo's renderer with the settings
that the scene's file asks for (shadows and four samples per pixel). MUJOCO_GL=egl or osmesa says
what draws. Rows are appended.
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

import unreset.tasks  # noqa: F401 - registers the environments
from unreset.runs.rows import append_rows

Turn = Callable[[], None]
SIZE = 84  # pixels


def metaworld(name: str) -> Callable[[], Any]:
    """Meta-World's own class, made to draw its starts and to go on for as long as one likes."""

    def make() -> Any:
        from metaworld import envs  # noqa: PLC0415

        environment = getattr(envs, name)()
        environment._freeze_rand_vec = False
        environment._set_task_called = True
        environment.max_path_length = 10**9
        return environment

    return make


def registered(name: str) -> Any:
    """Meta-World's environment as gymnasium.make gives it, with its wrappers."""
    import metaworld  # noqa: F401, PLC0415 - registers it

    return gymnasium.make("Meta-World/MT1", env_name=name.split()[1], seed=0)


#: Environments without a public counterpart: pictures alone.
PICTURES = [
    "unreset/Tabletop-v0",
    "unreset/Kitchen-v0",
    "unreset/Dexterous-v0",
    "unreset/CubeGrasp-v0",
    "unreset/Minitaur-v0",
]

#: Environment: the public one that it is compared with, and how to make that.
PEERS: dict[str, tuple[str, Callable[[], Any]]] = {
    "unreset/SawyerDoor-v0": ("metaworld door-close-v3", metaworld("SawyerDoorCloseEnvV3")),
    "unreset/SawyerPeg-v0": (
        "metaworld peg-insert-side-v3",
        metaworld("SawyerPegInsertionSideEnvV3"),
    ),
}


def wander(size: int, steps: int) -> np.ndarray:
    """Actions [steps, size] that keep a direction for ten steps."""
    generator = np.random.default_rng(0)
    drift = np.repeat(generator.uniform(-1, 1, (steps // 10 + 1, size)), 10, axis=0)[:steps]
    actions = np.clip(drift + generator.normal(0, 0.3, (steps, size)), -1, 1)
    return np.asarray(actions, np.float32)


def stepping(environment: Any, steps: int) -> Turn:
    """From one start, the same actions in every turn."""
    actions = wander(environment.action_space.shape[0], steps)

    def run() -> None:
        environment.reset(seed=0)
        for action in actions:
            environment.step(action)

    return run


def resetting(environment: Any, resets: int) -> Turn:
    """Starts, one after another."""

    def run() -> None:
        for _ in range(resets):
            environment.reset()

    return run


def drawing(environment: Any, frames: int) -> dict[str, Turn]:
    """Pictures of one scene by the environment, and by MuJoCo's renderer as it comes."""
    environment.reset(seed=0)
    camera = environment.camera_names[0]

    def ours() -> None:
        for _ in range(frames):
            environment._picture(camera, SIZE)

    if not hasattr(environment, "model"):
        return {"ours": ours}
    plain = environment.mujoco.Renderer(copy.copy(environment.model), SIZE, SIZE)

    def default() -> None:
        for _ in range(frames):
            plain.update_scene(environment.data, camera=camera)
            plain.render()

    return {"ours": ours, "MuJoCo's default settings": default}


def measure(turns: dict[str, Turn], amount: int, rounds: int) -> dict[str, list[float]]:
    """Amounts per second of every contender and round, after one warm-up each."""
    for run in turns.values():
        run()
    speeds: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, run in turns.items():
            began = time.perf_counter()
            run()
            speeds[name].append(amount / (time.perf_counter() - began))
    return speeds


def row(name: str, what: str, unit: str, speeds: dict[str, list[float]]) -> dict[str, Any]:
    """One line of the table: medians over rounds, and the ratio of each round."""
    ours, (peer, theirs) = speeds["ours"], list(speeds.items())[-1]
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    if len(speeds) == 1:
        peer, theirs, ratios = "", [math.nan], [math.nan]
    result = {
        "environment": name,
        "what": what,
        "unit": unit,
        "ours": round(statistics.median(ours), 1),
        "peer": peer,
        "theirs": round(statistics.median(theirs), 1),
        "ratio": round(statistics.median(ratios), 2),
        "ratios": " ".join(f"{ratio:.2f}" for ratio in ratios),
    }
    print(result, flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environments", nargs="*", default=[*PEERS, *PICTURES])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=400, help="of each contender and round")
    parser.add_argument("--resets", type=int, default=20, help="of each contender and round")
    parser.add_argument("--frames", type=int, default=30, help="of each contender and round")
    parser.add_argument("--no-steps", action="store_true", help="pictures only")
    parser.add_argument("--no-pictures", action="store_true", help="steps only")
    parser.add_argument("--output", type=Path, default=Path("env_speed.csv"))
    options = parser.parse_args()
    rows = []
    for name in options.environments:
        ours = gymnasium.make(name, disable_env_checker=True).unwrapped
        peer, make = PEERS.get(name, ("", None))
        if make is not None and not options.no_steps:
            whole = gymnasium.make(name)
            for what, use, amount, pair in (
                ("step", stepping, options.steps, (ours, make())),
                ("step, by gymnasium.make", stepping, options.steps, (whole, registered(peer))),
                ("reset", resetting, options.resets, (ours, make())),
            ):
                turns = {"ours": use(pair[0], amount), peer: use(pair[1], amount)}
                speeds = measure(turns, amount, options.rounds)
                rows.append(row(name, what, f"{what.split(',')[0]}s/s", speeds))
        if not options.no_pictures:
            what = f"picture {SIZE}x{SIZE}, {os.environ.get('MUJOCO_GL', 'default')}"
            speeds = measure(drawing(ours, options.frames), options.frames, options.rounds)
            rows.append(row(name, what, "frames/s", speeds))
        ours.close()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    append_rows(options.output, rows)


if __name__ == "__main__":
    main()
