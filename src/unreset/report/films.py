"""Episodes of the policy and stretches of practice, filmed in a Gymnasium environment."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from PIL import Image

from unreset.core import practice
from unreset.core.method import Method
from unreset.core.types import Task
from unreset.core.view import View
from unreset.drivers.world import World
from unreset.evaluation.deployed import Simulated
from unreset.report.gifs import Frames
from unreset.report.stretches import Stretch


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

    def practise(self, view: View, state: Any, steps: int) -> tuple[Stretch, Frames]:
        """Go on practising as a run would if it stopped learning, from the state of its world.

        Also a picture of the scene before every step.
        """
        method, task, world = self._method, self._task, self._world
        observation, pictures = self._placed(world, state)
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
            action = act(view, observation, np.int32(number), pictures)
            after, ends = world.step(np.asarray(action))
            scores = world.scores(after, goal, np.asarray(phase.asked))
            success, then, end, reset, states = judge(
                view,
                observation,
                action,
                after,
                ends,
                scores,
                pictures,
                world.frames,
                np.int32(number),
            )
            seen: Any = (observation, goal, phase.role, phase.steps, success, end, pictures, action)
            rows.append(Stretch(*seen))
            observation = world.reset(number) if reset else after
            pictures = world.frames
            view = view._replace(phase=then, signals=view.signals | states)
        stretch: Stretch = jax.tree.map(lambda *column: np.stack(column), *rows)
        return stretch, frames

    @staticmethod
    def _placed(world: World, state: Any) -> tuple[np.ndarray, Mapping[str, np.ndarray]]:
        """Observation and pictures where practice stands; of a fresh reset, where that fails."""
        seen: np.ndarray = np.asarray(state[0])
        fresh = world.reset(0)
        restored = world.restore(seen, state[1], state[2])
        return seen if restored else fresh, world.frames
