"""Which role acts next where roles do not just take turns (multi-task practice)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core.ranges import Positive, Share, Whole
from unreset.core.rules import Order
from unreset.core.types import Array
from unreset.core.view import Phase


@dataclass(frozen=True)
class Graph(Order):
    """A graph of roles, and a choice among those that may follow (Gupta et al. 2021)."""

    edges: tuple[tuple[Whole, Whole], ...] = ()
    """Pairs of roles: after the first the second may act; without any, every other role may."""
    choice: Literal["uniform", "learnable"] = "learnable"
    """Any of them alike, or rather those that succeed now and then: weight p (1 - p) + floor."""
    floor: Positive = 0.05
    """Weight of a role that always fails or always succeeds; the most there is beside it is .25."""
    memory: Share = 0.9
    """Share of the running success rate p of a role that one more phase leaves as it is."""

    def needs(self, method: Any) -> str | None:
        """Edges between its roles, one at least from each."""
        name, number = method.name, len(method.roles)
        for pair in self.edges:
            if not all(0 <= role < number for role in pair):
                return f"edge {pair} of {name}: its roles are numbered 0 to {number - 1}"
        stuck = set(range(number)) - {first for first, _ in self.edges}
        if self.edges and stuck:
            first = min(stuck)
            return (
                f"role {method.roles[first].name!r} of {name} leads nowhere: no edge begins with "
                f"{first}"
            )
        return None

    def follow(self, method: Any, phase: Phase, key: Array) -> Array:
        """Draw one of those that may follow."""
        count = len(method.roles)
        leads = 1.0 - np.eye(count)
        if self.edges:
            leads = np.zeros((count, count))
            leads[tuple(np.array(self.edges).T)] = 1.0
        rate = phase.success_rate
        spread = rate * (1 - rate) if self.choice == "learnable" else 0.0
        weights = jnp.asarray(leads)[phase.role] * (self.floor + spread)
        return jax.random.categorical(key, jnp.log(weights)).astype(phase.role.dtype)
