"""Speed as ratios, in one run: bare update, both drivers, and two public SAC implementations.

    pip install '.[benchmarks]' && python benchmarks/speed.py --output benchmarks/results/speed.csv

Every contender does SAC updates with two 256-256 networks and batches of 256 on the tabletop. They
take turns several times and each ratio is a median over turns, since shared machines drift.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

from unreset import registry
from unreset.core.method import Practice
from unreset.core.types import Batch
from unreset.demos import store
from unreset.drivers.fused import Fused
from unreset.drivers.live import Live
from unreset.learners.sac import SAC
from unreset.runs.rows import append_rows

HIDDEN, BATCH = (256, 256), 256
LEARNER = SAC(
    hidden=HIDDEN,
    relative=False,
    octaves=0,
    layer_norm=False,
    average_tau=1.0,
    cloning_start=0.0,
    cloning_end=0.0,
    self_cloning=0.0,
)
UPDATES = 400  # of each contender and turn


def bare() -> Callable[[], None]:
    """Nothing but the update, on batches that are there already."""
    task = registry.task("tabletop")
    size = task.observation_size + task.goal_size
    learner = LEARNER.init(jax.random.key(0), jnp.zeros(size), task.action_size)
    key = jax.random.key(1)
    inputs = jax.random.normal(key, (1, BATCH, size))
    batch = Batch(
        inputs,
        jnp.tanh(inputs[..., :3]),
        inputs[..., ::-1],
        inputs[..., 0],
        jnp.ones((1, BATCH)),
        jnp.zeros((1, BATCH)),
        jnp.zeros((1, BATCH)),
    )

    def one(number: jax.Array, learner: Any) -> Any:
        return LEARNER.update(learner, batch, number, jax.random.fold_in(key, number))[0]

    run = jax.jit(lambda learner: jax.lax.fori_loop(0, UPDATES, one, learner))
    return lambda: jax.block_until_ready(run(learner))


def _parts() -> tuple[Any, ...]:
    task = registry.task("tabletop")
    practice = Practice(
        updates_per_step=1,
        batch_size=BATCH,
        hindsight=0.0,
        other_goals=0.0,
        demonstration_share=0.0,
    )
    method = replace(registry.settings("fbrl"), learner=LEARNER, practice=practice).method(task)
    rows, last = store.pinned_rows(task.demonstrations(), task)
    return method, task, [0], rows, last, 100_000


def driven(kind: Callable[..., Any]) -> Callable[[], None]:
    """Practice with one update per step, through a driver."""
    driver = kind(*_parts())
    at = 0

    def run() -> None:
        nonlocal at
        driver.advance(at, at + UPDATES)
        at += UPDATES

    return run


def live_overhead() -> Callable[[], None]:
    """The live driver with an update of next to nothing: what a step costs besides learning."""
    method, *rest = _parts()
    tiny = replace(LEARNER, hidden=(8, 8))
    method = replace(method, learner=tiny, practice=replace(method.practice, batch_size=8))
    driver = Live(method, *rest)
    return lambda: driver.advance(0, UPDATES)


def environment_only() -> Callable[[], None]:
    """The Gymnasium environment alone, to be taken off the live driver's step."""
    environment = gymnasium.make("unreset/Tabletop-v0")
    environment.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (UPDATES, 3)).astype(np.float32)

    def run() -> None:
        for action in actions:
            environment.step(action)

    return run


def peer(algorithm: Any) -> Callable[[], None]:
    """A public implementation's own training loop on a filled replay buffer."""
    environment = gymnasium.wrappers.FlattenObservation(
        gymnasium.wrappers.FilterObservation(
            gymnasium.make("unreset/Tabletop-v0"), ["observation", "desired_goal"]
        )
    )
    model = algorithm(
        "MlpPolicy",
        environment,
        batch_size=BATCH,
        learning_starts=2_000,
        train_freq=1,
        policy_kwargs={"net_arch": list(HIDDEN)},
        seed=0,
    )
    model.learn(2_010)
    return lambda: model.train(gradient_steps=UPDATES, batch_size=BATCH)


def measure(
    contenders: dict[str, Callable[[], None]], turns: int, updates: int = UPDATES
) -> dict[str, list[float]]:
    """Seconds per update, of which each has ``updates``, of every contender and turn; warmed up."""
    for run in contenders.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(turns):
        for name, run in contenders.items():
            began = time.perf_counter()
            run()
            seconds[name].append((time.perf_counter() - began) / updates)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--output", type=Path, default=Path("speed.csv"))
    options = parser.parse_args()
    contenders = {
        "bare": bare(),
        "fused": driven(Fused),
        "live": driven(Live),
        "live_overhead": live_overhead(),
        "environment_only": environment_only(),
    }
    try:
        import sbx  # noqa: PLC0415
        import stable_baselines3  # noqa: PLC0415
    except ImportError:
        print("peers left out: pip install '.[benchmarks]'")
    else:
        contenders |= {"sb3": peer(stable_baselines3.SAC), "sbx": peer(sbx.SAC)}
    seconds = measure(contenders, options.turns)
    rows = []
    for name, values in seconds.items():
        ratios = [base / own for base, own in zip(seconds["bare"], values, strict=True)]
        rows.append(
            {
                "contender": name,
                "per_second_median": round(1 / statistics.median(values), 1),
                "milliseconds_median": round(1e3 * statistics.median(values), 4),
                "milliseconds_min": round(1e3 * min(values), 4),
                "milliseconds_max": round(1e3 * max(values), 4),
                "speed_relative_to_bare": round(statistics.median(ratios), 3),
                "turns": options.turns,
            }
        )
        print(rows[-1])
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.unlink(missing_ok=True)
    append_rows(options.output, rows)


if __name__ == "__main__":
    main()
