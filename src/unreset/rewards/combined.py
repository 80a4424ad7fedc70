"""A sum of rewards as one reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from unreset.core.context import Context
from unreset.core.protocols import Reward, Scope, Steps
from unreset.core.types import Array


@dataclass(frozen=True)
class Sum(Reward):
    """The sum of some of a method's rewards.

    Only a success that the first one sees ends the bootstrap, since the others go on after it.
    """

    terms: tuple[str, ...]
    """Their names."""

    @property
    def uses(self) -> tuple[str, ...]:
        return self.terms

    def needs(self, method: Any, name: str) -> str | None:
        lost = [term for term in self.terms if term not in method.rewards]
        if self.terms and not lost:
            return None
        return f"{name} of {method.name} is a sum of {self.terms}, which must be rewards of it"

    def relabels(self, context: Context) -> bool:
        return all(context.method.rewards[term].relabels(context) for term in self.terms)

    def reward(self, scope: Scope, steps: Steps) -> tuple[Array, Array]:
        total, ends = jnp.float32(0), None
        for number, name in enumerate(self.terms):
            part, place = scope.of(name)
            found, over = part.reward(place, steps)
            total, ends = (total + found, ends) if number else (found, over)
        return total, jnp.asarray(ends)
