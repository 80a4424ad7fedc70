"""A task small enough to work out by hand, and methods small enough to compile in a second."""

from __future__ import annotations

import csv
import dataclasses
import functools
import operator
import os
import signal
import sys

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from unreset import cli, registry
from unreset.core import practice
from unreset.core.batches import draw_batches
from unreset.core.context import Context
from unreset.core.method import Practice
from unreset.core.types import Task
from unreset.data.imagined import Imagination
from unreset.demos import store
from unreset.demos.store import BACKWARD, FORWARD, Trajectory
from unreset.drivers.fused import Fused
from unreset.evaluation import deployed
from unreset.goals import Curriculum
from unreset.interventions.help import Help
from unreset.interventions.stuck_classifier import StuckClassifier
from unreset.learners.sac import SAC
from unreset.methods.medalpp import MedalPP
from unreset.methods.settings import Settings
from unreset.models.dynamics import Dynamics
from unreset.models.planning import Planning
from unreset.networks.views import Vision
from unreset.rewards import RND, Discriminator
from unreset.runs.configured import with_sight

START, GOAL, SPEED, RADIUS, WALL = -1.0, 1.0, 0.25, 0.2, 1.5
STUCK = 1.3  # beyond it a supervisor thinks that the point is stuck


@functools.cache  # one object: its programs are shared
def point() -> Task:
    """A point on a line that shall go from -1 to +1; an action of 1 moves it by 0.25."""
    return Task(
        name="toy",
        summary="a point on a line",
        observation_size=1,
        action_size=1,
        goals=np.array([[GOAL]], np.float32),
        initial_goals=np.array([[START]], np.float32),
        horizon=10,
        train_reset_every=1000,
        achieved=lambda observation: observation,
        reward=lambda observation, goal: reached(observation, goal).astype(jnp.float32),
        success=reached,
        wide_success=reached,
        stuck=lambda observation: observation[0] > STUCK,
        starts=("initial", "wide"),
        demonstrations=demonstrations,
        reset=reset,
        step=lambda state, action: jnp.clip(state + SPEED * action, -WALL, WALL),
        observe=lambda state: state,
        cameras=("third", "wrist"),
        look=look,
        proprioception=(0,),
        offsets=np.array([[1.0, -1.0], [1.0, 0.0]], np.float32),
        position=(0, 0),
    )


def look(observation, size):
    """A bright column where the point is, seen from far and from near."""
    column = jnp.arange(size) * (2 * WALL / size) - WALL
    return {
        name: jnp.broadcast_to(
            (255 * jnp.exp(-(((column - observation[0]) / width) ** 2))).astype(jnp.uint8)[:, None],
            (size, size, 3),
        )
        for name, width in (("third", 0.3), ("wrist", 0.8))
    }


def reached(observation, goal):
    return jnp.abs(observation[0] - goal[0]) <= RADIUS


def reset(key, start="initial"):
    anywhere = jax.random.uniform(key, (1,), minval=-WALL, maxval=WALL)
    return anywhere if start == "wide" else jnp.full(1, START)


def walk(start: float, goal: float, direction: int) -> Trajectory:
    """Steps of 0.2 until the first success."""
    action = np.float32(np.sign(goal - start) * 0.8)
    seen = [np.float32(start)]
    while abs(seen[-1] - goal) > RADIUS:
        seen.append(np.float32(seen[-1] + SPEED * action))
    observations = np.array(seen, np.float32)[:, None]
    actions = np.full((len(seen) - 1, 1), action, np.float32)
    return Trajectory(observations, actions, np.array([goal], np.float32), direction)


def demonstrations(seed: int = 0) -> list[Trajectory]:
    return [walk(START, GOAL, FORWARD), walk(GOAL, START, BACKWARD)]


def noise_demonstrations(task: Task, steps: int = 6) -> list[Trajectory]:
    """One trajectory each way that fits any task and means nothing."""
    generator = np.random.default_rng(0)

    def uniform(*shape):
        return generator.uniform(-1, 1, shape).astype(np.float32)

    return [
        Trajectory(
            uniform(steps + 1, task.observation_size), uniform(steps, task.action_size), goal, way
        )
        for way, goal in [(FORWARD, task.goals[0]), (BACKWARD, task.initial_goals[0])]
    ]


class PointEnv(gymnasium.Env):
    """The same behind Gymnasium; ``breaks(n)`` may return an observation instead of step n's."""

    def __init__(self, breaks=lambda number: None):
        self.breaks, self.number, self.resets = breaks, 0, 0
        box = spaces.Box(-np.inf, np.inf, (1,), np.float32)
        self.observation_space = spaces.Dict({"observation": box, "desired_goal": box})
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def _seen(self):
        return {"observation": self.at.copy(), "desired_goal": np.array([GOAL], np.float32)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.resets += 1
        self.at = np.array([START], np.float32)
        return self._seen(), {}

    def step(self, action):
        self.number += 1
        self.at = np.clip(self.at + np.float32(SPEED) * action, -WALL, WALL).astype(np.float32)
        broken = self.breaks(self.number)
        seen = self._seen() if broken is None else {"observation": broken}
        return seen, 0.0, False, False, {}


def seeing() -> MedalPP:
    """MEDAL++ at its plainest: two discriminators, every camera, tiles, no hindsight."""
    judge = Discriminator(batch_size=128, spectral_norm=True, scale=0.02, form="log D - log(1-D)")
    return MedalPP(
        practice=Practice(
            updates_per_step=2, boundary="bootstrap", hindsight=0.0, reset_every=10_000
        ),
        learner=SAC(vision=Vision(pixels=True), learning_rate=1e-3, average_tau=0.005),
        classifier=dataclasses.replace(judge, last_states=10),
        matching=judge,
        backward_cloning=True,
    )


def _small(learner, vision):
    """A learner with small networks, which see by ``vision``."""
    sizes = {
        "vision": vision,
        "hidden": (8,),
        "critics_hidden": (8, 8) if getattr(learner, "critics_hidden", ()) else (),
        "trunk": min(learner.trunk, 4),
        "octaves": min(learner.octaves, 1),
        "critics": 2,
        "policy_every": 1,
    }
    known = {field.name for field in dataclasses.fields(learner)}
    return dataclasses.replace(learner, **{k: v for k, v in sizes.items() if k in known})


def tiny(settings: Settings, switch="time", **practice) -> Settings:
    """A method's settings with everything small; other keyword arguments go to its Practice."""
    small = {
        "updates_per_step": 4,
        "batch_size": 12 if getattr(settings, "explore", False) else 8,
        "phase_length": 7,
        "replay_capacity": 100,
        "seed_steps": min(settings.practice.seed_steps, 20),
        "cloning_updates": min(settings.practice.cloning_updates, 3),
        "reset_every": 50 if settings.practice.reset_every is None else 0,
    }
    vision = dataclasses.replace(
        settings.learner.vision,
        image_size=16,
        patch=4,
        patch_widths=(4,),
        channels=2,
        features=4,
        shift=min(settings.learner.vision.shift, 1),
    )
    changes = {
        "switch": switch,
        "practice": dataclasses.replace(settings.practice, **(small | practice)),
        "learner": _small(settings.learner, vision),
    }
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, Discriminator | RND):
            changes[field.name] = dataclasses.replace(value, hidden=(8,), batch_size=16, interval=3)
        if isinstance(value, Discriminator):
            changes[field.name] = dataclasses.replace(changes[field.name], trunk=4)
        if isinstance(value, Help):
            changes[field.name] = dataclasses.replace(
                value, patience=4, visit_after=20, stretches=16, classifier=_classifier()
            )
        if isinstance(value, Dynamics):
            changes[field.name] = dataclasses.replace(
                value, members=2, elites=2, hidden=(8,), octaves=1, batch_size=8
            )
        if isinstance(value, Planning):
            changes[field.name] = dataclasses.replace(
                value, horizon=2, samples=4, elites=2, iterations=1, policy_share=0.25
            )
        if isinstance(value, Imagination):
            changes[field.name] = dataclasses.replace(
                value, last_length=3, growing_from=10, growing_to=30
            )
        if isinstance(value, Curriculum):
            changes[field.name] = Curriculum(
                demonstration_states=9, replay_states=4, within=value.within, interval=5
            )
    return dataclasses.replace(settings, **changes)


def _classifier() -> StuckClassifier:
    return StuckClassifier(hidden=(8,), octaves=2, batch_size=16)


def fused(method, task, seeds=(0,), trajectories=None, capacity=600, learner=None) -> Fused:
    """A driver with the demonstrations of the toy task, unless others are given."""
    given = demonstrations() if trajectories is None else trajectories
    given, task = with_sight(given, task, method)
    rows, last = store.pinned_rows(given, task)
    return Fused(method, task, seeds, rows, last, capacity, learner=learner)


def drawn(method, task, run, roles, updates, key):
    """Batches [updates, B, ...] for the learner of some roles."""
    return draw_batches(Context(method, task), run, roles, updates, (key, jnp.int32(0)))


def leaf_bytes(tree) -> dict[str, bytes]:
    """Every leaf as bytes, by its path; random keys by their data."""
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)

    def raw(leaf):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        return np.asarray(leaf).tobytes()

    return {jax.tree_util.keystr(path): raw(leaf) for path, leaf in flat}


def install(setting=operator.setitem) -> None:
    """Make the toy task known, and every method's presets tiny."""
    setting(registry.TASKS, "toy", point)
    for name, presets in list(registry.METHODS.items()):
        small = {key: tiny(value) for key, value in presets.items()}
        setting(registry.METHODS, name, small)


def disturb(plan: str) -> None:
    """Stop this process at a moment: ``write:3``, ``flush:5``, or from a step on ``kill:70``.

    Or have it compile for minutes: ``compile:act``, ``compile:evaluate``.
    """
    what, number = plan.split(":")
    if what == "compile":
        home, name = {
            "act": (practice, "act"),
            "evaluate": (deployed, "deterministic_action"),
        }[number]
        quick = getattr(home, name)
        setattr(home, name, lambda *given: quick(*given) + 0 * slow_to_compile())
        return
    home, name, sign = {
        "write": (csv.DictWriter, "writerows", signal.SIGKILL),
        "flush": (os, "fsync", signal.SIGKILL),
        "kill": (Fused, "advance", signal.SIGKILL),
        "interrupt": (Fused, "advance", signal.SIGINT),  # as if it came during the compiled loop
    }[what]
    original, calls = getattr(home, name), []

    def watched(*arguments, **named):
        result = original(*arguments, **named)
        calls.append(arguments)
        if (arguments[1] >= int(number)) if home is Fused else (len(calls) == int(number)):
            os.kill(os.getpid(), sign)
        return result

    setattr(home, name, watched)


def slow_to_compile():
    """A number that the compiler works out itself, with much patience."""
    many = jax.lax.iota(jnp.float32, 5_000_000)
    return jax.lax.reduce_window(many, 0.0, jax.lax.add, (300,), (1,), "SAME")[3]


if __name__ == "__main__":  # the command line, with the above
    install()
    if "TOY_DISTURB" in os.environ:
        # A shell's background job is deaf to SIGINT, and so would be this process.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        disturb(os.environ["TOY_DISTURB"])
    sys.exit(cli.main())
