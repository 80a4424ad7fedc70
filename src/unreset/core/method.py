"""A method as a value: who the roles are, what teaches them, when they take turns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import jax
import jax.numpy as jnp

from unreset.core import sac
from unreset.core.networks import octaves
from unreset.core.replay import GOAL_SOURCES
from unreset.core.signals.matching import Matching
from unreset.core.types import Array, Boundary, Task
from unreset.errors import UnresetError


@dataclass(frozen=True)
class Role:
    """One of the policies that take turns, for example forward and backward."""

    name: str
    goals: Literal["task", "initial"] = "task"
    """Where its goals come from: the task's goals, or the initial states."""
    other_goals: tuple[Literal["task", "initial"], ...] = ()
    """Further goals that its learner is taught to reach, beside its own."""
    keep_goal: bool = False
    """Go on with the previous role's goal instead of drawing one (MEDAL's forward role)."""
    reward: Literal["environment", "matching"] = "environment"
    length: int = 200
    """Steps after which its phase ends."""
    end_on_success: bool = True
    """Whether reaching the goal ends its phase early."""
    end_when_expert: float = 1.0
    """End its phase once the discriminator takes the state for an expert's with more than this."""
    reset_at_end: bool = False
    """Ask for a hard reset whenever a phase ends (oracle)."""
    imitate: tuple[int, ...] = ()
    """Directions of demonstrations (0 forward, 1 backward) that its policy clones."""
    demonstrations: tuple[int, ...] = ()
    """Directions of demonstrations among its rows."""


@dataclass(frozen=True)
class Practice:
    """Hyper-parameters of the loop, the same for every method."""

    updates_per_step: int = 4
    """Learner updates for each environment step, in all (REDQ: up to 20; MEDAL code: 1)."""
    batch_size: int = 128
    """Rows of one update (MEDAL code: 256)."""
    demonstration_share: float | None = 0.5
    """Share of a batch that is demonstrations (RLPD: 0.5); None for their share of all rows."""
    teach: Literal["everyone", "acting"] = "everyone"
    """Everyone in turn from everybody's rows (ours), or the acting role from its own (MEDAL)."""
    share_learner: bool = True
    """One learner for all roles (RISC); it is told who acts where their rewards differ."""
    hindsight: float = 0.3
    """Share of a batch whose goal becomes a state reached later (HER, Andrychowicz et al. 2017)."""
    other_goals: float = 0.1
    """Share of a batch whose goal is drawn anew from the role's own goals."""
    boundary: Boundary = "terminal_on_success"
    """What ends the bootstrap: nothing, success, or success and every end of a phase."""
    phase_length: int | None = None
    """Steps after which a phase ends; None for three quarters of an evaluation episode (ours)."""
    seed_steps: int = 0
    """Steps before the first update (MEDAL code: 10,000)."""
    reset_every: int | None = 0
    """Steps between hard resets, 0 for never; None for the benchmark's period of the task."""
    goal_change_every: int = 0
    """Steps for which the task asks for one goal (continuing evaluation); 0: for one phase."""
    replay_capacity: int = 1_000_000
    """Most rows of practice kept (MEDAL code: 10 million)."""

    def length(self, task: Task) -> int:
        """Steps of a phase on a task."""
        return self.phase_length or max(1, 3 * task.horizon // 4)


@dataclass(frozen=True)
class Method:
    """What distinguishes one way of practising from another."""

    name: str
    roles: tuple[Role, ...]
    learner: sac.SAC
    practice: Practice
    matching: Matching | None = None

    def __post_init__(self) -> None:
        """Refuse parts that do not go together."""
        learned = [r for r in self.roles if r.reward == "matching" or r.end_when_expert < 1]
        if learned and self.matching is None:
            raise UnresetError(f"role {learned[0].name!r} of {self.name} needs a discriminator")
        updates, learners = self.practice.updates_per_step, len(self.learners)
        if self.practice.teach == "everyone" and updates % learners:
            raise UnresetError(
                f"updates_per_step={updates} must be a multiple of {learners}, so that the "
                f"learners of {self.name} can take turns"
            )
        if self.told_roles and self.practice.batch_size % self.told_roles:
            raise UnresetError(
                f"batch_size={self.practice.batch_size} must be a multiple of {self.told_roles}, "
                f"so that the roles of {self.name} can share a batch"
            )

    @property
    def shared(self) -> bool:
        """Whether all roles have one learner."""
        return self.practice.share_learner or len(self.roles) == 1

    @property
    def told_roles(self) -> int:
        """How many numbers tell a shared learner who acts: none if all roles have one reward."""
        alike = len({role.reward for role in self.roles}) == 1
        return 0 if alike or not self.shared else len(self.roles)

    @property
    def learners(self) -> tuple[tuple[int, ...], ...]:
        """The roles of each learner."""
        everyone = tuple(range(len(self.roles)))
        return (everyone,) if self.shared else tuple((role,) for role in everyone)

    def sources(self, roles: tuple[int, ...]) -> list[int]:
        """Where the goals that some roles are taught come from, as indices into GOAL_SOURCES."""
        named = [name for r in roles for name in (self.roles[r].goals, *self.roles[r].other_goals)]
        return [GOAL_SOURCES.index(name) for name in dict.fromkeys(named)]

    def inputs(self, task: Task, observation: Array, goal: Array, role: Array | int) -> Array:
        """What policies and critics see [..., input] of observations and goals in a role []."""
        waves = octaves(task.seen(observation, goal, self.learner.relative), self.learner.octaves)
        if not self.told_roles:
            return waves
        told = jax.nn.one_hot(role, self.told_roles)
        told = jnp.broadcast_to(told, (*waves.shape[:-1], self.told_roles))
        return jnp.concatenate([waves, told], axis=-1)

    def judged(self, task: Task, observation: Array, goal: Array) -> Array:
        """What the discriminator sees [..., input] of observations and goals."""
        if self.matching is not None and not self.matching.see_goal:
            return observation
        return task.seen(observation, goal, self.learner.relative)


def without_relabelling(method: Method) -> Method:
    """The method for a task whose rewards are observed: no row is taught with another goal."""
    practice = method.practice
    teach = practice.teach if method.shared else "acting"
    practice = replace(practice, hindsight=0.0, other_goals=0.0, teach=teach)
    return replace(method, practice=practice)


def draw_goal(task: Task, source: Array, key: Array) -> Array:
    """Goals [..., goal]: for each source, one of the task's goals (0) or initial states (1)."""
    goals = jnp.asarray(task.goals)
    initial = jnp.asarray(task.initial_goals if len(task.initial_goals) else task.goals)
    task_key, initial_key = jax.random.split(key)
    wanted = goals[jax.random.randint(task_key, source.shape, 0, len(goals))]
    start = initial[jax.random.randint(initial_key, source.shape, 0, len(initial))]
    return jnp.where((source == 0)[..., None], wanted, start)
