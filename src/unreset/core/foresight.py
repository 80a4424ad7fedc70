"""What the acting role's critics foresee: the discounted probability of an event."""

from __future__ import annotations

from typing import Any

import jax

from unreset.core.types import Array, Task, Transition
from unreset.core.view import View

SUCCESS, STUCK = "success", "stuck"  # events, by the column of a batch that says where they are


def of_step(method: Any, task: Task, view: View, event: str, transition: Transition) -> Array:
    """The probability [critics] of an event after the action just taken, by each of its critics."""
    phase = view.phase
    which = method.learner_of(phase.role)
    own = jax.tree.map(lambda x: x[which], view.events[event])
    inputs = method.inputs(task, transition.observation, phase.goal, phase.role, transition.frames)
    return method.learner.foresee(own, inputs, transition.action)
