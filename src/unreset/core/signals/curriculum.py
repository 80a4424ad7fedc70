"""VaPRL's curriculum (Sharma, Gupta et al. 2021, arXiv 2107.12931): where to practise from next.

Of the states from which the value function says that the goal can be reached, the one nearest to
the initial states; so the starts drift back towards the initial states as the policy improves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from unreset.core.ranges import Count, Positive, Whole
from unreset.core.types import Array


@dataclass(frozen=True)
class Curriculum:
    """Hyper-parameters of the curriculum."""

    demonstration_states: Count = 500
    """Most states of demonstrations among the candidates, evenly thinned."""
    replay_states: Whole = 100
    """States of the replay among the candidates, drawn anew at every refresh."""
    within: Positive = 0.5
    """A goal counts as reachable if it is worth a success within this share of a phase (ours)."""
    interval: Count = 50
    """Environment steps between refreshes of the candidates' values (ours)."""


class Candidates(NamedTuple):
    """States to start from, N of them: first those of demonstrations, then those of the replay."""

    observations: Array  # [N, observation]
    distances: Array  # [N]: steps of a demonstration from the initial states
    values: Array  # [goals, N]: of reaching each goal of the task from each state


def init(
    config: Curriculum, observations: Array, distances: Array, goals: int, fill: int
) -> Candidates:
    """Candidates from demonstrated observations [D, observation] and their distances [D].

    The ``fill`` places of replay states hold copies until the first refresh; no goal of the
    ``goals`` is thought reachable yet.
    """
    keep = jnp.linspace(
        0, len(observations) - 1, min(len(observations), config.demonstration_states)
    )
    places = jnp.concatenate([keep.astype(jnp.int32), jnp.zeros(fill, jnp.int32)])
    return Candidates(
        observations[places], distances[places], jnp.zeros((goals, len(places)), jnp.float32)
    )


def refresh(
    candidates: Candidates,
    recent: Array,
    achieved: Callable[[Array], Array],
    value: Callable[[Array], Array],
) -> Candidates:
    """New replay states [R, observation] and new values.

    A replay state is as far from the initial states as the demonstrated state whose achieved goal
    is nearest to its own. ``value`` maps observations [N, observation] to values [goals, N].
    """
    shown = len(candidates.distances) - len(recent)
    demonstrated = candidates.observations[:shown]
    observations = jnp.concatenate([demonstrated, recent])
    reached = jax.vmap(achieved)(observations)
    apart = ((reached[shown:, None] - reached[None, :shown]) ** 2).sum(-1)  # [R, shown]
    distances = jnp.concatenate(
        [candidates.distances[:shown], candidates.distances[:shown][apart.argmin(axis=1)]]
    )
    return Candidates(observations, distances, value(observations))


def choose(candidates: Candidates, goal: Array, threshold: Array | float) -> Array:
    """The index [] of the start for a goal [] of the task.

    ``argmin distance(s) subject to V(s, g) >= threshold``; where no state qualifies, ``argmax V``.
    """
    values = candidates.values[goal]
    reachable = values >= threshold
    nearest = jnp.where(reachable, candidates.distances, jnp.inf).argmin()
    return jnp.where(reachable.any(), nearest, values.argmax())
