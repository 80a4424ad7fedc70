"""A method as a value: who the roles are, what teaches them, when they take turns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import jax
import jax.numpy as jnp

from unreset.core import ranges, refusals
from unreset.core.context import Context
from unreset.core.environment import ENVIRONMENT, Environment
from unreset.core.protocols import (
    Intervention,
    Learner,
    Part,
    Reward,
    Source,
)
from unreset.core.ranges import Count, Positive, Share, Whole
from unreset.core.rules import GoalRule, Order, SwitchRule, in_one_order, named
from unreset.core.schedule import Schedule
from unreset.core.types import Array, Boundary, Task
from unreset.errors import UnresetError
from unreset.networks.mlp import octaves
from unreset.networks.views import Frames, Inputs, Shown, Vision, looked_at


@dataclass(frozen=True)
class Role:
    """One of the policies that take turns, for example forward and backward."""

    name: str
    goals: GoalRule
    """What its phases are for."""
    switch: tuple[SwitchRule, ...]
    """What ends its phases; one of them by time."""
    resets: tuple[SwitchRule, ...] = ()
    """What asks for hard resets, once it is known whether a phase ends."""
    other_goals: tuple[Literal["task", "initial"], ...] = ()
    """Further goals that its learner is taught to reach, beside its own."""
    reward: str = ENVIRONMENT
    """The name of its reward: the environment's for its goal, or another one of the method's."""
    imitate: tuple[Whole, ...] = ()
    """Directions of demonstrations (0 forward, 1 backward) that its policy clones."""
    demonstrations: tuple[Whole, ...] = ()
    """Directions of demonstrations among its rows."""

    @property
    def length(self) -> int:
        """Steps after which its phases end at the latest; 0 where no rule says so."""
        return min((rule.most_steps for rule in self.switch if rule.most_steps), default=0)

    @property
    def ends_on_success(self) -> bool:
        """Whether reaching the goal ends its phases."""
        return any(rule.ends_on_success for rule in self.switch)


@dataclass(frozen=True)
class Practice:
    """Hyper-parameters of the loop, the same for every method."""

    updates_per_step: Count = 4
    """Learner updates for each environment step, in all (REDQ: up to 20; MEDAL code: 1)."""
    batch_size: Count = 128
    """Rows of one update (MEDAL code: 256)."""
    demonstration_share: Share | None = 0.5
    """Share of a batch that is demonstrations (RLPD: 0.5); None for their share of all rows."""
    teach: Literal["everyone", "acting"] = "everyone"
    """Everyone in turn from everybody's rows (ours), or the acting role from its own (MEDAL)."""
    share_learner: bool = True
    """One learner for all roles (RISC); it is told who acts where their rewards differ."""
    hindsight: Share = 0.3
    """Share of a batch whose goal becomes a state reached later (HER, Andrychowicz et al. 2017)."""
    other_goals: Share = 0.1
    """Share of a batch whose goal is drawn anew from the role's own goals."""
    goals_per_row: Count = 1
    """Goals with which each drawn row is taught, its own and others drawn anew (VaPRL)."""
    boundary: Boundary = "terminal_on_success"
    """What ends the bootstrap: nothing, success, or success and every end of a phase."""
    phase_length: Count | None = None
    """Steps after which a phase ends; None for ``phase_share`` of an evaluation episode."""
    phase_share: Positive = 0.75
    """That share (ours: 3/4; published, as far as it is known: all of it)."""
    cloning_updates: Whole = 0
    """Updates of behaviour cloning before the first step."""
    offline: bool = False
    """Learn from the demonstrations without ever acting: a step is one round of updates."""
    seed_steps: Whole = 0
    """Steps before the first update (MEDAL code: 10,000)."""
    seed_actions: Literal["policy", "uniform"] = "policy"
    """Who acts in them: the fresh policy (MEDAL code), or chance (MEDAL++)."""
    seed_reset: bool = False
    """Whether a hard reset follows them (PAINT)."""
    reset_every: Whole | None = 0
    """Steps between hard resets, 0 for never; None for the benchmark's period of the task."""
    goal_change_every: Whole = 0
    """Steps for which the task asks for one goal (continuing evaluation); 0: for one phase."""
    replay_capacity: Count = 1_000_000
    """Most rows of practice kept (MEDAL code: 10 million)."""

    def length(self, task: Task) -> int:
        """Steps of a phase on a task."""
        return self.phase_length or max(1, int(self.phase_share * task.horizon))


@dataclass(frozen=True, eq=False)
class Method:
    """What distinguishes one way of practising from another."""

    name: str
    roles: tuple[Role, ...]
    learner: Learner
    practice: Practice
    rewards: Mapping[str, Reward] = field(default_factory=dict)
    """Rewards by name, beside the environment's, which every method has."""
    switch: tuple[SwitchRule, ...] = ()
    """Rules of all roles, which are asked after those that end a role's phases by themselves."""
    order: Order | None = None
    """Which role acts next; None: they take turns."""
    models: Mapping[str, Part] = field(default_factory=dict)
    """What predicts the world, by name; all roles share it."""
    sources: Mapping[str, Source] = field(default_factory=dict)
    """Where rows of batches come from beside the replay, by name."""
    interventions: Mapping[str, Intervention] = field(default_factory=dict)
    """What may replace actions, ask for help, or say what rows are worth, by name."""
    one_goal: bool = False
    """Whether the task asks for one of its goals for good, as in a life, whatever is reset."""

    def __post_init__(self) -> None:
        """Add the environment's reward; refuse parts that do not go together."""
        ranges.checked(self, self.name)
        rewards = {ENVIRONMENT: Environment(), **self.rewards}
        object.__setattr__(self, "rewards", rewards)
        if reason := refusals.incoherent(self):
            raise UnresetError(reason)

    @property
    def switch_rules(self) -> dict[str, SwitchRule]:
        """The rules of all roles by name, in the order in which they are asked."""
        found = in_one_order([self.rules_of(role) for role in range(len(self.roles))])
        assert found is not None, "refused before"
        return named("switching", found)

    def rules_of(self, role: int) -> tuple[SwitchRule, ...]:
        """The rules of a role, in the order in which they are asked."""
        own = self.roles[role]
        return (*own.switch, *self.switch, *own.resets, Schedule())

    @property
    def goal_rules(self) -> dict[str, GoalRule]:
        """The rules of the roles' goals by name."""
        return named("goals", list(dict.fromkeys(role.goals for role in self.roles)))

    @property
    def goal_sources(self) -> tuple[str, ...]:
        """Where goals come from; rows and phases hold the index of theirs."""
        return tuple(dict.fromkeys(["task", "initial", *(r.goals.source for r in self.roles)]))

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

    @property
    def updates_each(self) -> int:
        """Updates of a learner whose turn it is, in one step."""
        if self.practice.teach == "acting":
            return self.practice.updates_per_step
        return self.practice.updates_per_step // len(self.learners)

    @property
    def events(self) -> tuple[str, ...]:
        """Events that its learners shall foresee."""
        wanted = [event for part in self.parts.values() for event in part.foresees]
        return tuple(dict.fromkeys(wanted))

    def learner_of(self, role: Array | int) -> Array | int:
        """The number of the learner that acts in a role []."""
        return 0 if self.shared else role

    @property
    def parts(self) -> dict[str, Part]:
        """All parts that have a state, by name."""
        named_ones = {**self.rewards, **self.interventions, **self.models, **self.sources}
        return {**named_ones, **self.goal_rules, **self.switch_rules}

    def reward_of(self, role: int) -> Reward:
        """A role's reward."""
        return self.rewards[self.roles[role].reward]

    def relabels(self, context: Context, role: int) -> bool:
        """Whether rows may teach a role in hindsight: a goal that was reached can be judged."""
        return self.reward_of(role).relabels(context)

    def rewarded(self, name: str) -> tuple[int, ...]:
        """The roles that a reward serves, by itself or as a part of theirs."""

        roles = enumerate(self.roles)
        return tuple(i for i, role in roles if name in self.made_of(role.reward))

    def made_of(self, reward: str) -> set[str]:
        """The names of a reward and of all that it is made of."""
        parts = self.rewards[reward].uses if reward in self.rewards else ()
        return {reward}.union(*(self.made_of(part) for part in parts))

    def encoder_of(self, name: str) -> int:
        """The learner whose encoder a reward may share: that of the first role it serves."""
        return 0 if self.shared else self.rewarded(name)[0]

    def sources_of(self, roles: tuple[int, ...]) -> list[int]:
        """Where the goals that some roles are taught come from, as indices into goal_sources."""
        chosen = [self.roles[role] for role in roles]
        words = [word for role in chosen for word in (role.goals.source, *role.other_goals)]
        return [self.goal_sources.index(word) for word in dict.fromkeys(words)]

    @property
    def vision(self) -> Vision:
        """How its policies see."""
        return self.learner.vision

    @property
    def watched(self) -> Vision:
        """The same, through every camera that they or its rewards look through, goals too."""
        own = self.vision.cameras
        all_sights = [reward.sight(self.vision) for reward in self.rewards.values()]
        sights = [sight for sight in all_sights if sight is not None]
        more = [name for sight in sights for name in sight.cameras] + [*self.vision.goal_cameras]
        pictured = any(sight.goal_view == "image" for sight in sights)
        return replace(
            self.vision,
            cameras=tuple(dict.fromkeys([*own, *more])) if own else (),
            goal_view="image" if pictured else self.vision.goal_view,
        )

    def inputs(
        self,
        task: Task,
        observation: Array,
        goal: Array,
        role: Array | int,
        frames: Frames | None = None,
        key: Array | None = None,
        shown: Shown | None = None,
    ) -> Inputs:
        """What policies and critics see of observations and goals in a role [].

        Numbers [..., input]; or, of a method that sees, pictures from ``frames`` and some numbers:
        with a ``key`` varied at random, as in batches. ``shown`` says which goals are seen as
        other pictures than the task's, and has those.
        """
        told = jax.nn.one_hot(role, self.told_roles)
        if self.vision.pixels:
            seen = looked_at(self.vision, task, observation, goal, frames or {}, key, shown)
            seen = seen._replace(vector=octaves(seen.vector, self.learner.octaves))
            told = jnp.broadcast_to(told, (*seen.vector.shape[:-1], self.told_roles))
            return seen._replace(vector=jnp.concatenate([seen.vector, told], axis=-1))
        waves = octaves(task.seen(observation, goal, self.learner.relative), self.learner.octaves)
        if not self.told_roles:
            return waves
        told = jnp.broadcast_to(told, (*waves.shape[:-1], self.told_roles))
        return jnp.concatenate([waves, told], axis=-1)

    def worth(self, steps: float) -> float:
        """The value of a success in so many steps, where success is all that is rewarded."""
        value = self.learner.reward_scale * self.learner.discount**steps
        return (
            value / (1 - self.learner.discount) if self.practice.boundary == "bootstrap" else value
        )


def uncountable(context: Context) -> str | None:
    """The reason why steps to a success cannot be counted by values; None where they can."""
    if context.task.sparse:
        return None
    return (
        f"{context.method.name} counts steps by the value of a reward of 1 on success, and that of "
        f"task {context.task.name!r} is another one"
    )


def without_relabelling(method: Method) -> Method:
    """The method for a task whose rewards are observed: no row is taught with another goal."""
    practice = method.practice
    teach = practice.teach if method.shared else "acting"
    practice = replace(practice, hindsight=0.0, other_goals=0.0, goals_per_row=1, teach=teach)
    return replace(method, practice=practice)


def draw_goal(task: Task, source: Array, key: Array) -> Array:
    """Goals [..., goal]: for each source, one of the task's goals (0) or initial states (1)."""
    goals = jnp.asarray(task.goals)
    initial = jnp.asarray(task.initial_goals if len(task.initial_goals) else task.goals)
    task_key, initial_key = jax.random.split(key)
    wanted = goals[jax.random.randint(task_key, source.shape, 0, len(goals))]
    start = initial[jax.random.randint(initial_key, source.shape, 0, len(initial))]
    return jnp.where((source == 0)[..., None], wanted, start)
