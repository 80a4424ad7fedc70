"""What the methods' settings have in common, and the published values they share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from unreset.core.method import Method, Practice
from unreset.core.protocols import Learner
from unreset.core.ranges import Count
from unreset.core.types import Task
from unreset.data.imagined import Imagination
from unreset.interventions.help import Help
from unreset.interventions.planner import Planner
from unreset.learners.sac import SAC
from unreset.models.dynamics import MODEL, Dynamics
from unreset.models.planning import Planning
from unreset.switching import After, Confident, LikeExpert, OnSuccess, SwitchRule


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters of one method; :meth:`method` turns them into the method's value."""

    practice: Practice = field(default_factory=Practice)
    """The loop."""
    learner: Learner = field(default_factory=SAC)
    """The learner."""
    steps: Count = 30_000
    """Environment steps of each seed."""
    switch: Literal["time", "confidence"] = "time"
    """What ends a phase besides its role's rules: its time, or also a sure success (RISC)."""
    confidence: Confident = field(default_factory=Confident)
    """When a success counts as sure."""
    asking: Help = field(default_factory=Help)
    """Whether, when and whom to ask for help."""
    imagination: Imagination = field(default_factory=Imagination)
    """How much it learns from what a model imagines, and of what."""
    model: Dynamics = field(default_factory=Dynamics)
    """That model of the world."""
    planning: Planning = field(default_factory=lambda: Planning(planner="none"))
    """Whether roles act by planning in it (MPC) instead of by their policies."""

    def method(self, task: Task) -> Method:
        """The method for a task."""
        raise NotImplementedError

    def completed(self, method: Method) -> Method:
        """A method with confidence, help, imagination and planning as these settings have them.

        What the method has already under their names stays as it is.
        """
        help_, models, sources = {}, {}, {}
        if self.asking.asks_anybody:
            help_["asking"] = self.asking
        plans = self.planning.planner != "none"
        planner = {"planning": Planner(self.planning)} if plans else {}
        if self.imagination.share:
            sources["imagination"] = self.imagination
        if self.imagination.share or plans:
            models[MODEL] = self.model
        sure = (self.confidence,) if self.switch == "confidence" else ()
        return replace(
            method,
            switch=(*method.switch, *sure),
            models={**models, **method.models},
            sources={**sources, **method.sources},
            interventions={**planner, **help_, **method.interventions},
        )

    def ends(
        self, task: Task, success: bool = True, like: tuple[str, float] | None = None
    ) -> tuple[SwitchRule, ...]:
        """Rules that end phases: by their time, perhaps on success, and perhaps by a discriminator.

        Args:
            task: whose episodes phases are measured by.
            success: whether reaching the goal ends them.
            like: a discriminator among the rewards, and the probability above which it ends them;
                1 for never.
        """
        rules: list[SwitchRule] = [After(self.practice.length(task))]
        if success:
            rules.append(OnSuccess())
        if like is not None and like[1] < 1:
            rules.append(LikeExpert(*like))
        return tuple(rules)

    def resets_to(self, task: Task) -> str:
        """Where hard resets put a task, one of its ``starts``, unless somebody says otherwise."""
        return "initial"

    def horizon_of(self, task: Task) -> int:
        """Steps of an evaluation episode of a task, unless somebody says otherwise."""
        return task.horizon

    def protocol(
        self, task: Task, start: str | None, horizon: int | None, evaluation: str
    ) -> tuple[str, int | None]:
        """Start and horizon as asked for, or else as these settings have them; None: the task's."""
        if start is None:
            start = "initial" if evaluation == "life" else self.resets_to(task)
        if horizon is None and self.horizon_of(task) != task.horizon:
            horizon = self.horizon_of(task)
        return start, horizon


def published_practice() -> Practice:
    """The loop of the released MEDAL code, on EARL's reset period.

    Its phases are as long as EARL's episodes (tabletop and peg 200 steps, door 300), as in RISC's
    runs of it: its own configuration has 300 and is that of the door.
    """
    return Practice(
        updates_per_step=1,
        batch_size=256,
        demonstration_share=None,
        teach="acting",
        share_learner=False,
        hindsight=0.0,
        other_goals=0.0,
        boundary="terminal",
        phase_share=1.0,
        seed_steps=10_000,
        reset_every=None,
        replay_capacity=10_000_000,
    )


def published_learner() -> SAC:
    """The learner of the released MEDAL code."""
    return SAC(
        hidden=(256, 256),
        trunk=50,
        average_tau=1.0,
        relative=False,
        octaves=0,
        layer_norm=False,
        initial_temperature=1.0,
        target_entropy=-0.5,
        cloning_start=0.0,
        cloning_end=0.0,
        self_cloning=0.0,
    )


def offline_practice(batch_size: int, updates: int) -> Practice:
    """The loop of methods that learn from demonstrations and never act."""
    return Practice(
        updates_per_step=updates,
        batch_size=batch_size,
        demonstration_share=1.0,
        hindsight=0.0,
        other_goals=0.0,
        offline=True,
        replay_capacity=1,
    )


def life_practice() -> Practice:
    """The loop of a life: nothing is reset, prior data is in every batch.

    Two things are not as in the released QWALE code (benchmarks/log.md). That code ends the
    bootstrap every 100 steps. Here ``boundary="terminal"`` does so, and ends it where prior data
    ends, too, at the goal: with a reward for every further step the goal is then to be avoided. And
    there batches are of all rows alike, nearly all of them a prior's at first, whose actions were
    right in another world; here three quarters of a batch are the life's own.
    """
    return Practice(
        updates_per_step=1,
        batch_size=256,
        demonstration_share=0.25,
        hindsight=0.0,
        other_goals=0.0,
        phase_length=100,
        seed_steps=1_000,
    )


def life_learner() -> SAC:
    """The learner of the released QWALE code."""
    return replace(published_learner(), trunk=0, target_entropy=-1.0)
