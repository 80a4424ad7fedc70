"""Exploring near the expert: novelty, as long as visited states stay like demonstrated ones.

What the poster of MBARL (Charles, Sharma, Dong & Finn) proposes: maximise the entropy of the
visited states rho subject to ``KL(rho || rho*) <= within``, where rho* are the expert's. Novelty
stands for the entropy. The logit of a discriminator between both is ``log rho*(s) / rho(s)``, whose
mean under rho is minus the divergence. Dual ascent on the Lagrangian finds the multiplier m: the
reward is ``(novelty + m logit) / (1 + m)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from unreset.core.protocols import Beginning, Discriminates, Fresh, Reward, Scope, Steps
from unreset.core.ranges import Factor, Positive, Rate
from unreset.core.types import Array, Measurement
from unreset.errors import UnresetError


@dataclass(frozen=True)
class Constraint:
    """How far from an expert's states a role may be, and how fast that is enforced."""

    within: Rate = 1.0
    """Largest divergence from the expert's states, in nats (the poster's epsilon; ours)."""
    rate: Positive = 0.003
    """What a step that is one nat too far adds to the multiplier's logarithm (ours)."""
    limit: Factor = 100.0
    """The multiplier stays between this and its inverse (ours)."""
    farthest: Positive = 5.0
    """Most nats that one step counts, either way (ours)."""

    def __post_init__(self) -> None:
        """Refuse what is no constraint."""
        if self.within >= self.farthest:
            raise UnresetError(
                f"within={self.within} must be below farthest={self.farthest}, or no step could "
                "be too far"
            )


@dataclass(frozen=True)
class Constrained(Reward):
    """A reward for novelty, while a discriminator says that states are still like an expert's.

    Its state is the logarithm [] of the constraint's multiplier.
    """

    novelty: str
    """The method's reward that says what is new."""
    nearness: str
    """The method's discriminator that says how far off it is."""
    constraint: Constraint = Constraint()
    """How far that may be."""

    @property
    def uses(self) -> tuple[str, ...]:
        return (self.novelty, self.nearness)

    def needs(self, method: Any, name: str) -> str | None:
        judge = method.rewards.get(self.nearness)
        form = getattr(judge, "form", None)
        fits = isinstance(judge, Discriminates) and not judge.sees_action
        if self.novelty in method.rewards and fits and form == "log D - log(1-D)":
            return None
        return (
            f"{name} of {method.name} explores for {self.novelty!r}, which must be one of its "
            f"rewards; {self.nearness!r} must be a discriminator of the form 'log D - log(1-D)' "
            "that sees no actions"
        )

    def init(self, scope: Scope, start: Beginning, key: Array) -> Array:
        return jnp.float32(0)

    def reward(self, scope: Scope, steps: Steps) -> tuple[Array, Array]:
        """``(novelty + m nearness) / (1 + m)``."""
        found = []
        for name in self.uses:
            part, place = scope.of(name)
            found.append(part.reward(place, steps)[0])
        total = combined(scope.state, *found)
        return total, jnp.zeros(total.shape, bool)

    def observe(self, scope: Scope, fresh: Fresh) -> Array:
        """The multiplier's logarithm after a step, which moves it where its role has acted."""
        moved = ascended(self.constraint, scope.state, self._logit(scope, fresh))
        return jnp.where(self._acting(scope, fresh), moved, scope.state)

    def measured(self, scope: Scope, fresh: Fresh) -> dict[str, Measurement]:
        now = self._acting(scope, fresh).astype(jnp.float32)
        return {
            "divergence": Measurement(-self._logit(scope, fresh), now),
            "multiplier": Measurement(jnp.exp(scope.state), now),
        }

    def _logit(self, scope: Scope, fresh: Fresh) -> Array:
        judge, place = scope.of(self.nearness)
        assert isinstance(judge, Discriminates)
        return judge.score(place, fresh)

    def _acting(self, scope: Scope, fresh: Fresh) -> Array:
        return jnp.isin(fresh.role, jnp.array(scope.method.rewarded(scope.name)))


def combined(log_multiplier: Array, novelty: Array, nearness: Array) -> Array:
    """The reward [...] of novelty and nearness [...] at a multiplier's logarithm []."""
    multiplier = jnp.exp(log_multiplier)
    return (novelty + multiplier * nearness) / (1 + multiplier)


def ascended(config: Constraint, log_multiplier: Array, logit: Array) -> Array:
    """The multiplier's logarithm [] after a step to a state with this logit []."""
    divergence = jnp.clip(-logit, -config.farthest, config.farthest)
    bound = jnp.log(config.limit)
    return jnp.clip(log_multiplier + config.rate * (divergence - config.within), -bound, bound)
