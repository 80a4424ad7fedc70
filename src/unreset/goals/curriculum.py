"""VaPRL's curriculum (Sharma, Gupta et al. 2021, arXiv 2107.12931): where to practise from next.

Of the states from which the value function says that the goal can be reached, the one nearest to
the initial states; so the starts drift back towards the initial states as the policy improves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core import replay as replays
from unreset.core.context import Context
from unreset.core.method import uncountable
from unreset.core.protocols import Beginning, Draws, Fitted, Scope
from unreset.core.ranges import Count, Positive, Whole
from unreset.core.rules import GoalRule, Turn
from unreset.core.types import Array, Metrics, when


@dataclass(frozen=True)
class Curriculum(GoalRule):
    """The demonstrated or visited state from which to practise next."""

    demonstration_states: Count = 500
    """Most states of demonstrations among the candidates, evenly thinned."""
    replay_states: Whole = 100
    """States of the replay among the candidates, drawn anew at every refresh."""
    within: Positive = 0.5
    """A goal counts as reachable if it is worth a success within this share of a phase (ours)."""
    interval: Count = 50
    """Environment steps between refreshes of the candidates' values (ours)."""
    waits = False

    @property
    def source(self) -> str:
        """Demonstrated states."""
        return "demonstrations"

    @property
    def asks_critics(self) -> bool:
        """Yes."""
        return True

    def needs(self, method: Any, name: str) -> str | None:
        """Practice with one learner, on numbers."""
        name = method.name
        if method.vision.pixels:
            return (
                f"the curriculum of {name} chooses among states, not among pictures: it cannot "
                "practise with pixels"
            )
        if method.practice.offline:
            return f"{name} has to act for its curriculum: it cannot be offline"
        if not method.shared:
            return f"the curriculum of {name} needs one learner for all roles"
        return None

    @property
    def from_states(self) -> bool:
        """Yes."""
        return True

    def misfit(self, context: Context) -> str | None:
        """Steps are counted by values."""
        return uncountable(context)

    def init(self, scope: Scope, start: Beginning, key: Array) -> Candidates:
        """Demonstrated states, none of which is thought to lead to a goal yet."""
        pinned, last = start.pinned, start.pinned_last
        # Forward demonstrations lead away from the initial states, backward ones towards them.
        row = np.arange(len(last))
        begin = np.searchsorted(last, last)
        distances = np.where(np.asarray(pinned.source) == 0, row - begin, last - row)
        return fresh(
            self,
            jnp.asarray(pinned.observation),
            jnp.asarray(distances, jnp.float32),
            len(scope.task.goals),
            self.replay_states,
        )

    def reach(self, method: Any) -> float:
        """The value from which on a goal is taken for reachable."""
        return float(method.worth(self.within * method.roles[0].length))

    def choose(self, scope: Scope, turn: Turn) -> tuple[Array, Array]:
        """The start chosen for the task's goal that is drawn."""
        task, candidates = scope.task, scope.state
        which = ((jnp.asarray(task.goals) - turn.drawn) ** 2).sum(-1).argmin()
        chosen = choose(candidates, which, self.reach(scope.method))
        return task.achieved(candidates.observations[chosen]), turn.drawn

    def draw(self, scope: Scope, number: int, key: Array) -> Array:
        """Any of the candidates."""
        shown = scope.state.observations
        which = jax.random.randint(key, (number,), 0, len(shown))
        return jax.vmap(scope.task.achieved)(shown[which])

    def fit(self, scope: Scope, draws: Draws, due: Array, key: Array) -> Fitted:
        """New candidates and their values V(s, g) = min_j Q'_j(s, pi(s, g), g)."""
        method, task = scope.method, scope.task
        everyone = tuple(range(len(method.roles)))
        recent = replays.sample(draws.replay, everyone, self.replay_states, key)
        observations = draws.replay.rows.observation[recent]
        learner = method.learner
        own = jax.tree.map(lambda x: x[0], draws.learners)
        actor, target = learner.actor(own), learner.target(own)

        def value(seen: Array) -> Array:
            def of_goal(goal: Array) -> Array:
                goals = jnp.broadcast_to(goal, (len(seen), len(goal)))
                inputs = method.inputs(task, seen, goals, 0)
                return learner.value(target, inputs, learner.act(actor, inputs, None)).min(axis=0)

            return jax.vmap(of_goal)(jnp.asarray(task.goals))

        def update(state: Candidates) -> tuple[Candidates, Metrics]:
            found = refresh(state, observations, task.achieved, value)
            return found, {"reachable": (found.values >= self.reach(method)).mean()}

        state, metrics = when(due, update, scope.state)
        return Fitted(state, draws.learners, metrics)


class Candidates(NamedTuple):
    """States to start from, N of them: first those of demonstrations, then those of the replay."""

    observations: Array  # [N, observation]
    distances: Array  # [N]: steps of a demonstration from the initial states
    values: Array  # [goals, N]: of reaching each goal of the task from each state


def fresh(
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
