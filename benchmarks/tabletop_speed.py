"""Steps per second of many tabletops at once, against one backed by MuJoCo, turn by turn.

    python benchmarks/tabletop_speed.py --out benchmarks/results/tabletop_speed.csv

The MuJoCo-backed one does what the benchmark's own environment does in every step: compute the
positions, write them into the simulator, let it compute its kinematics, and read the observation.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from unreset.runs.rows import append_rows
from unreset.tasks.tabletop import tabletop

TABLES, STEPS, TURNS = 4096, 200, 5

SCENE = """
<mujoco><option timestep="0.01"/><worldbody>
<geom type="plane" size="3.8 3.8 .1"/>
<geom type="box" pos="-3.8 0 .2" size=".1 3.8 .2"/>
<geom type="box" pos="3.8 0 .2" size=".1 3.8 .2"/>
<geom type="box" pos="0 -3.8 .2" size="3.8 .1 .2"/>
<geom type="box" pos="0 3.8 .2" size="3.8 .1 .2"/>
<body><joint type="slide" axis="1 0 0"/><joint type="slide" axis="0 1 0"/>
<body pos=".6 0 0"><geom type="box" size=".25 .25 .09"/></body></body>
<body><joint type="slide" axis="1 0 0"/><joint type="slide" axis="0 1 0"/>
<geom type="cylinder" size=".35 .37" contype="0" conaffinity="0"/></body>
<body pos="-10 -10 -10"><joint type="slide" axis="0 1 0"/>
<geom type="cylinder" size=".2 .2" contype="0" conaffinity="0"/></body>
</worldbody></mujoco>
"""


class Backed:
    """One table whose positions MuJoCo holds."""

    def __init__(self) -> None:
        self.model = mujoco.MjModel.from_xml_string(SCENE)
        self.data = mujoco.MjData(self.model)
        self.data.qpos[:] = (*tabletop.HOME, *tabletop.MUG_START, -10.0)
        self.held = False

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float]:
        gripper, mug = self.data.qpos[:2].copy(), self.data.qpos[2:4].copy()
        near = np.linalg.norm(gripper - mug) < tabletop.GRASP_RADIUS
        self.held = bool(action[2] > 0 and (self.held or near))
        moved = np.clip(
            gripper + tabletop.STEP * np.clip(action[:2], -1, 1), -tabletop.ARENA, tabletop.ARENA
        )
        if self.held:
            mug = np.clip(mug + moved - gripper, -tabletop.ARENA, tabletop.ARENA)
        self.data.qpos[:4] = (*moved, *mug)
        mujoco.mj_forward(self.model, self.data)
        flag = 0.0 if self.held else -1.0
        observation = np.array([*self.data.qpos[:4], flag, flag], np.float32)
        goal = tabletop.GOALS[0]
        return observation, float(np.linalg.norm(observation[:4] - goal[:4]) <= 0.2)


def backed_turn(steps: int) -> float:
    table, generator = Backed(), np.random.default_rng(0)
    actions = generator.uniform(-1, 1, (steps, 3))
    began = time.perf_counter()
    for action in actions:
        table.step(action)
    return steps / (time.perf_counter() - began)


@jax.jit
def many(states: tabletop.State, actions: jax.Array) -> tuple[tabletop.State, jax.Array]:
    goal = jnp.asarray(tabletop.GOALS[0])

    def one(states: tabletop.State, actions: jax.Array) -> tuple[tabletop.State, jax.Array]:
        states = jax.vmap(tabletop.step)(states, actions)
        observations = jax.vmap(tabletop.observe)(states)
        return states, jax.vmap(tabletop.sparse_reward, (0, None))(observations, goal).sum()

    return jax.lax.scan(one, states, actions)


def many_turn() -> float:
    states = jax.vmap(tabletop.reset)(jax.random.split(jax.random.key(0), TABLES))
    shape = (STEPS, TABLES, 3)
    actions = jax.random.uniform(jax.random.key(1), shape, minval=-1.0, maxval=1.0)
    jax.block_until_ready(actions)
    began = time.perf_counter()
    jax.block_until_ready(many(states, actions))
    return TABLES * STEPS / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    many_turn()  # compile
    turns = [(backed_turn(5000), many_turn()) for _ in range(TURNS)]
    backed, vectorised = (statistics.median(column) for column in zip(*turns, strict=True))
    ratio = statistics.median(fast / slow for slow, fast in turns)
    row = {
        "tables": TABLES,
        "steps_per_second": round(vectorised),
        "mujoco_steps_per_second": round(backed),
        "ratio": round(ratio),
        "turns": TURNS,
    }
    print(row)
    if out is not None:
        append_rows(out, [row])


if __name__ == "__main__":
    main()
