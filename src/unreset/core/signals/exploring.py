"""Exploring near the expert: novelty, as long as visited states stay like demonstrated ones.

What the poster of MBARL (Charles, Sharma, Dong & Finn) proposes: maximise the entropy of the
visited states rho subject to ``KL(rho || rho*) <= within``, where rho* are the expert's. Novelty
stands for the entropy. The logit of a discriminator between both is ``log rho*(s) / rho(s)``, whose
mean under rho is minus the divergence. Dual ascent on the Lagrangian finds the multiplier m: the
reward is ``(novelty + m logit) / (1 + m)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp

from unreset.core.types import Array
from unreset.errors import UnresetError


@dataclass(frozen=True)
class Exploring:
    """Hyper-parameters of the constraint."""

    within: float = 1.0
    """Largest divergence from the expert's states, in nats (the poster's epsilon; ours)."""
    rate: float = 0.003
    """What a step that is one nat too far adds to the multiplier's logarithm (ours)."""
    limit: float = 100.0
    """The multiplier stays between this and its inverse (ours)."""
    farthest: float = 5.0
    """Most nats that one step counts, either way (ours)."""

    def __post_init__(self) -> None:
        """Refuse what is no constraint."""
        if self.rate <= 0 or self.limit < 1:
            raise UnresetError(
                f"rate={self.rate} must be above 0, and limit={self.limit} at least 1"
            )
        if not 0 <= self.within < self.farthest:
            raise UnresetError(
                f"within={self.within} must be from 0 to below farthest={self.farthest}, or no "
                "step could be too far"
            )


def reward(log_multiplier: Array, novelty: Array, matching: Array) -> Array:
    """What a state is worth [...], of its novelty and of how expert-like it is [...]."""
    multiplier = jnp.exp(log_multiplier)
    return (novelty + multiplier * matching) / (1 + multiplier)


def ascended(config: Exploring, log_multiplier: Array, logit: Array) -> Array:
    """The multiplier's logarithm [] after a step to a state with this logit []."""
    divergence = jnp.clip(-logit, -config.farthest, config.farthest)
    bound = jnp.log(config.limit)
    return jnp.clip(log_multiplier + config.rate * (divergence - config.within), -bound, bound)
