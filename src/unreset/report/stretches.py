"""Stretches of practice for videos: a run goes on as if it stopped learning."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core import practice
from unreset.core.method import Method
from unreset.core.types import Array, Task
from unreset.core.view import Phase, View
from unreset.drivers.fused import Carry, look

_LONGEST = 2_000  # steps of practice simulated for its video


class Stretch(NamedTuple):
    """A stretch of practice, each [steps, ...]; nothing was recorded or learned in it."""

    observation: np.ndarray  # [steps, observation], before the step
    goal: np.ndarray  # [steps, goal]
    role: np.ndarray  # [steps] int32
    number: np.ndarray  # [steps] int32, of the step within its phase
    success: np.ndarray  # [steps] bool, after the step
    end: np.ndarray  # [steps] bool, whether the phase ended with the step
    frames: Mapping[str, np.ndarray]  # by camera [steps, height, width, 3], where the method sees
    action: np.ndarray  # [steps, action]


def practise(method: Method, task: Task, view: View, state: Any, steps: int) -> Stretch:
    """Go on practising for ``steps`` steps as a run would if it stopped learning.

    ``view`` and the task's ``state`` are those of one seed (no leading axis).
    """
    assert task.step is not None
    assert task.observe is not None
    assert task.reset is not None
    step, observe, reset_task = task.step, task.observe, task.reset

    def body(now: tuple[Phase, Any, Any], number: Array) -> tuple[tuple[Phase, Any, Any], Stretch]:
        phase, states, world = now
        acting = view._replace(phase=phase, signals=view.signals | states)
        observation = observe(world)
        frames = look(method, task, world)
        action = practice.act(method, task, acting, observation, number, frames)
        world = step(world, action)
        after = observe(world)
        transition = practice.observed(
            task,
            phase,
            observation,
            action,
            after,
            frames=frames,
            next_frames=look(method, task, world),
        )
        then, end, reset, states = practice.switch(method, task, acting, transition, number)
        key = practice.reset_key(acting, number)
        world = jax.tree.map(partial(jnp.where, reset), reset_task(key, "initial"), world)
        ended = (transition.success, end)
        seen: Any = (observation, phase.goal, phase.role, phase.steps, *ended, frames, action)
        return (then, states, world), Stretch(*seen)

    begin = (view.phase, {name: view.signals[name] for name in method.switch_rules}, state)
    practised: Stretch = jax.lax.scan(body, begin, jnp.arange(steps))[1]
    return practised


def simulated(method: Method, task: Task, carry: Carry) -> Stretch:
    """One phase of every role, as a run of one seed would practise a JAX task next."""
    compiled = jax.jit(partial(practise, method, task, steps=longest(method)))
    practised: Stretch = jax.tree.map(
        np.asarray, compiled(practice.view(method, carry.run), carry.state)
    )
    part = one_of_each(practised, len(method.roles))
    chosen: Stretch = jax.tree.map(lambda column: column[part], practised)
    return chosen


def longest(method: Method) -> int:
    """Steps of practice that hold one phase of every role, as a rule."""
    return min(2 * sum(role.length for role in method.roles), _LONGEST)


def one_of_each(stretch: Stretch, roles: int) -> slice:
    """From the beginning of a phase of the first role to the end of the last role's next phase.

    Where the stretch holds no such thing, as much of it as there is.
    """
    begins = np.flatnonzero((stretch.role == 0) & (stretch.number == 0))
    start = int(begins[0]) if len(begins) else 0
    ends = np.flatnonzero((stretch.role == roles - 1) & stretch.end)
    ends = ends[ends >= start]
    return slice(start, int(ends[0]) + 1 if len(ends) else len(stretch.role))
