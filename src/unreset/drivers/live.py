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
from unreset.core.method import Method
from unreset.core.practice import Run
from unreset.core.replay import Rows
from unreset.core.types import Array, Task
from unreset.drivers.fused import Carry
from unreset.errors import Failure, UnresetError


class Live:
    """Drives one seed of a method in an environment with a dictionary observation.

    Each step makes two jitted calls: one to act, one to record, learn and switch. The functions are
    the fused driver's.
    """

    def __init__(
        self,
        method: Method,
        task: Task,
        seeds: Sequence[int],
        pinned: Rows,
        pinned_last: np.ndarray,
        capacity: int,
        environment: gymnasium.Env[Any, Any] | None = None,
    ) -> None:
        if len(seeds) != 1:
            raise UnresetError(f"the live driver practises one seed at a time, not {len(seeds)}")
        (seed,) = seeds
        self.environment = environment or gymnasium.make(task.environment_id)
        self._task = task

        def begin(key: Array) -> Run:
            return practice.init(method, task, key, pinned, pinned_last, capacity)

        self._run = jax.jit(begin)(jax.random.key(seed))  # every leaf its own buffer, to donate
        self._act = jax.jit(partial(practice.act, method, task))

        def advance(
            run: Run, observation: Array, action: Array, after: Array, ends: Array, step: Array
        ) -> tuple[Run, Array]:
            transition = practice.observed(
                task, run.phase, observation, action, after, ends[0], ends[1]
            )
            return practice.advance(method, task, run, transition, step)

        self._advance = jax.jit(advance, donate_argnums=0)
        self._segment = 0
        self.done = 0  # steps that are recorded, also where the environment breaks
        self._observation = self._reset(seed)
        self._show_goal()

    @property
    def carry(self) -> Carry:
        """The run and the last observation, with an axis of one seed."""
        return jax.tree.map(lambda x: x[None], Carry(self._run, jnp.asarray(self._observation)))

    @carry.setter
    def carry(self, carry: Carry) -> None:
        """Continue from a saved carry; see :meth:`exact` for what the environment does."""
        self._run, state = jax.tree.map(lambda x: x[0], carry)
        if self._task.restore is not None:
            self._observation = np.asarray(state)
            goal = np.asarray(self._run.phase.goal)
            self._task.restore(self.environment, self._observation, goal)
        else:
            ledger = self._run.ledger
            self._run = self._run._replace(
                ledger=ledger._replace(hard_resets=ledger.hard_resets + 1)
            )
            self._observation = self._reset(int(ledger.hard_resets))
        self._show_goal()

    def forget_totals(self) -> None:
        """Begin the running sums of the metrics anew."""
        zeros = jax.tree.map(jnp.zeros_like, self._run.totals)
        self._run = self._run._replace(totals=zeros)

    @property
    def exact(self) -> bool:
        """Whether a restored run goes on exactly; if not, it begins with a counted reset."""
        return self._task.restore is not None

    def advance(self, start: int, stop: int) -> None:
        """Practise steps ``start`` to ``stop`` - 1."""
        for number in range(start, stop):
            self.done = number
            step = np.int32(number)
            action = self._act(practice.view(self._run), self._observation, step)
            after, terminated, truncated = self._step(np.asarray(action))
            self._run, reset = self._advance(
                self._run,
                self._observation,
                action,
                after,
                np.array([terminated, truncated]),
                step,
            )
            self._observation = after
            if reset:
                key = practice.reset_key(self._run, jnp.int32(number))
                self._observation = self._reset(int(jax.random.bits(key) >> 1))
            self._show_goal()

    def _reset(self, seed: int) -> np.ndarray:
        observation, _ = self.environment.reset(seed=seed)
        return self._checked(observation)

    def _step(self, action: np.ndarray) -> tuple[np.ndarray, bool, bool]:
        try:
            observation, _, terminated, truncated, _ = self.environment.step(action)
        except Exception as error:
            raise Failure(f"the environment's step failed: {error!r}") from error
        return self._checked(observation), bool(terminated), bool(truncated)

    def _checked(self, observation: Any) -> np.ndarray:
        array = np.asarray(observation["observation"], np.float32)
        if array.shape != (self._task.observation_size,):
            raise Failure(
                f"the environment's observation has shape {array.shape}, "
                f"but the task says ({self._task.observation_size},)"
            )
        if not np.isfinite(array).all():
            bad = int(np.flatnonzero(~np.isfinite(array))[0])
            raise Failure(f"the environment's observation[{bad}] is {array[bad]}")
        return array

    def _show_goal(self) -> None:
        """Tell an environment that shows its goal when the goal has changed."""
        segment = int(self._run.phase.segment)
        if segment != self._segment or segment == 0:
            self._segment = segment
            set_goal = getattr(self.environment.unwrapped, "set_goal", None)
            if set_goal is not None:
                set_goal(np.asarray(self._run.phase.goal))
