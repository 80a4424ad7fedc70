"""The live driver: practice around any Gymnasium environment or robot, one step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

from unreset.core import practice
from unreset.core.context import Context
from unreset.core.method import Method
from unreset.core.phases import asked_for
from unreset.core.practice import Run
from unreset.core.replay import Rows
from unreset.core.teaching import clone
from unreset.core.types import Array, Task
from unreset.drivers.fused import Carry
from unreset.drivers.helping import Helping
from unreset.drivers.supervisor import Supervisor, Terminal
from unreset.drivers.world import World
from unreset.errors import UnresetError
from unreset.networks.views import Frames


class Live:
    """Drives one seed of a method in an environment.

    Each step makes two jitted calls: one to act, one to record, learn and switch. The functions are
    the fused driver's. A method that asks a person for help asks ``supervisor``, or else at the
    terminal. ``once``: stop at the step that reaches what the task asks for (a life's goal).
    """

    def __init__(
        self,
        method: Method,
        task: Task,
        seeds: Sequence[int],
        pinned: Rows,
        pinned_last: np.ndarray,
        capacity: int,
        start: str = "initial",
        environment: gymnasium.Env[Any, Any] | None = None,
        learner: Any = None,
        supervisor: Supervisor | None = None,
        once: bool = False,
    ) -> None:
        if len(seeds) != 1:
            raise UnresetError(f"the live driver practises one seed at a time, not {len(seeds)}")
        (seed,) = seeds
        self.world = World(task, environment, start, vision=method.watched)

        def begin(key: Array, frames: Frames, learner: Any) -> Run:
            shown = pinned._replace(frames=frames)
            return practice.init(method, task, key, shown, pinned_last, capacity, learner)

        # Every leaf its own buffer, to donate.
        self._run = jax.jit(begin)(jax.random.key(seed), dict(pinned.frames), learner)
        self._act = jax.jit(partial(practice.act, method, task))

        def advance(
            run: Run,
            observation: Array,
            action: Array,
            after: Array,
            ends: Array,
            scores: Array | None,
            frames: Frames,
            next_frames: Frames,
            step: Array,
        ) -> tuple[Run, Array, Array]:
            transition = practice.observed(
                task, run.phase, observation, action, after, ends, scores, frames, next_frames
            )
            done = transition.success & asked_for(run.phase)
            return *practice.advance(method, task, run, transition, step), done

        self._advance = jax.jit(advance, donate_argnums=0)
        self._study = jax.jit(partial(practice.study, method, task), donate_argnums=0)
        self._method, self._task, self._once = method, task, once
        self.restored = True
        self._helping: Helping | None = None
        if any(one.of_the_host for one in method.interventions.values()):
            self._helping = Helping(method, supervisor or Terminal())
        self._segment = -1
        self.done = 0  # steps that are recorded, also where the environment breaks
        self._seed = seed
        self._interrupted = False  # a reset from outside is due, and not yet counted
        self._observation: np.ndarray | None = None  # before the first reset
        self._frames = self.world.frames  # of that observation
        if self.exact and not method.practice.offline:
            self._reset()
            self.world.try_saving()

    @property
    def run(self) -> Run:
        """The run without its replay, with an axis of one seed."""
        run = self._run._replace(replay=None)
        return jax.tree.map(lambda x: x[None], run)

    @property
    def carry(self) -> Carry:
        """The run, the last observation, the environment's state and the last pictures.

        All with an axis of one seed.
        """
        blank = np.zeros(self._task.observation_size, np.float32)
        world = {} if self._method.practice.offline else self.world.save()
        state = (blank if self._observation is None else self._observation, world, self._frames)
        return jax.tree.map(lambda x: x[None], Carry(self._run, state))

    @carry.setter
    def carry(self, carry: Carry) -> None:
        """Continue from a saved carry, with a counted reset where the world cannot be restored.

        That is before the next step: a run that is done, or only looked at, is not reset.
        """
        self._run, (observation, state, frames) = jax.tree.map(lambda x: x[0], carry)
        self._segment = -1
        if self._method.practice.offline:
            return
        self.restored = self.world.restore(np.asarray(observation), state, frames)
        self._interrupted = not self.restored
        if self.restored:
            self._observation = np.asarray(observation)
            self._frames = self.world.frames
            self._show_goal()
        else:
            self._observation = None

    def forget_totals(self) -> None:
        """Begin the running sums of the metrics anew."""
        zeros = jax.tree.map(jnp.zeros_like, self._run.totals)
        self._run = self._run._replace(totals=zeros)

    @property
    def exact(self) -> bool:
        """Whether the environment can be saved and restored."""
        return self.world.exact

    def clone(self) -> None:
        """The updates of behaviour cloning that come before the first step."""
        learners = jax.jit(lambda run: clone(Context(self._method, self._task), run).learners)(
            self._run
        )
        self._run = self._run._replace(learners=learners)

    def advance(self, start: int, stop: int) -> None:
        """Practise steps ``start`` to ``stop`` - 1, or to a life's end: see ``done``."""
        self.done = start
        if self._method.practice.offline:
            for number in range(start, stop):
                self._run, self.done = self._study(self._run, np.int32(number)), number + 1
            return
        if self._interrupted and start < stop:
            self._interrupted = False
            self._seed = int(self._run.ledger.hard_resets)
            # In one program: the operations one by one take seconds to compile.
            self._run = jax.jit(partial(practice.interrupted, self._method, self._task))(self._run)
        if self._observation is None:
            self._reset()
        for number in range(start, stop):
            step = np.int32(number)
            view = practice.view(self._method, self._run)
            action = self._act(view, self._observation, step, self._frames)
            after, ends = self.world.step(np.asarray(action))
            if self._helping is not None:
                self._run, helped = self._helping.hear(self._run)
                ends[1] |= helped
            scores = None if self._task.pure else self.world.scores(after, self._goal, self._asked)
            seen = (self._observation, action, after, ends, scores, self._frames, self.world.frames)
            self._run, reset, reached = self._advance(self._run, *seen, step)
            self._observation, self._frames = after, self.world.frames
            self.done = number + 1
            if reset:
                key = practice.reset_key(self._run, jnp.int32(number))
                self._seed = int(jax.random.bits(key) >> 1)
                self._reset()
            if self._helping is not None:
                if reset:
                    self._helping.ended(self._run)
                self._helping.call(self._run, number + 1)
            self._show_goal()
            if self._once and reached:
                return

    def _reset(self) -> None:
        """Reset the environment; it is counted already."""
        self._observation = self.world.reset(self._seed)
        self._frames = self.world.frames
        self._segment = -1
        self._show_goal()

    def _show_goal(self) -> None:
        """Tell the environment when the goal has changed, and keep the goals for its scores."""
        segment = int(self._run.phase.segment)
        if not self._task.pure:  # else nobody wants to know, and reading it costs time
            self._asked = np.asarray(self._run.phase.asked)
        if segment != self._segment:
            self._segment = segment
            self._goal = np.asarray(self._run.phase.goal)
            self.world.show(self._goal)
