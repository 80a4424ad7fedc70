"""Episodes of the policy and stretches of practice, filmed in a Gymnasium environment."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from PIL import Image

from unreset.core import practice
from unreset.core.method import Method
from unreset.core.phases import View
from unreset.core.types import Task
from unreset.drivers.world import World
from unreset.evaluation.deployed import Simulated

Frames = list[Image.Image]


class Filmed(NamedTuple):
    """A stretch of practice, each [steps, ...], with a picture before every step."""

    role: np.ndarray  # [steps] int32
    number: np.ndarray  # [steps] int32, of the step within its phase
    success: np.ndarray  # [steps] bool, after the step
    end: np.ndarray  # [steps] bool, whether the phase ended with the step
    frames: Frames


class Camera:
    """An environment of its own that draws pictures of ``size`` pixels."""

    def __init__(self, method: Method, task: Task, size: int) -> None:
        self._method, self._task, self._size = method, task, size
        assert task.environment is not None
        self.environment = task.environment(render_mode="rgb_array")
        self._simulated = Simulated(method, task, self.environment)
        self._world = self._simulated.world("initial")

    def shot(self) -> Image.Image:
        """The scene as it is."""
        picture = Image.fromarray(np.asarray(self.environment.render(), np.uint8))
        return picture.resize((self._size, self._size), Image.Resampling.BILINEAR)

    def episode(self, actor: Any, goal: np.ndarray, seed: int) -> tuple[np.ndarray, Frames]:
        """One episode of the deterministic policy: successes [horizon] and pictures."""
        frames: Frames = []
        _, success, _ = self._simulated.rollout(
            self._world, actor, goal, seed, watch=lambda: frames.append(self.shot())
        )
        return success, frames

    def practise(self, view: View, state: Any, steps: int) -> Filmed:
        """Go on practising as a run would if it stopped learning, from the state of its world."""
        method, task, world = self._method, self._task, self._world
        observation = self._placed(world, state)
        act = jax.jit(partial(practice.act, method, task))

        @jax.jit
        def judge(view: View, *seen: Any) -> Any:
            *step, number = seen
            transition = practice.observed(task, view.phase, *step)
            return transition.success, *practice.switch(method, task, view, transition, number)

        rows, frames = [], []
        for number in range(steps):
            phase = view.phase
            goal = np.asarray(phase.goal)
            world.show(goal)
            frames.append(self.shot())
            action = act(view, observation, np.int32(number))
            after, ends = world.step(np.asarray(action))
            scores = world.scores(after, goal, np.asarray(phase.asked))
            success, then, end, reset = judge(
                view, observation, action, after, ends, scores, np.int32(number)
            )
            rows.append((phase.role, phase.steps, success, end))
            observation = world.reset(number) if reset else after
            view = view._replace(phase=then)
        roles, numbers, successes, ends = map(np.array, zip(*rows, strict=True))
        return Filmed(roles, numbers, successes, ends, frames)

    @staticmethod
    def _placed(world: World, state: Any) -> np.ndarray:
        """The observation where practice stands; of a fresh reset, where that cannot be had."""
        seen: np.ndarray = np.asarray(state[0])
        fresh = world.reset(0)
        return seen if world.restore(seen, state[1]) else fresh
