"""Multi-task practice (Gupta et al. 2021, arXiv 2104.11203): tasks that reset one another.

One role for each goal of the task, and one that goes home to the initial state; wherever one role
ends another begins. Which one says a graph of the tasks, or a choice that prefers those that are
being learned: with probability proportional to ``p (1 - p) + floor`` of the running success rate p.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from unreset.core.method import Method, Role
from unreset.core.types import Task
from unreset.errors import UnresetError
from unreset.goals import InitialStates, TaskGoals
from unreset.methods.settings import Settings, published_learner, published_practice
from unreset.switching import Graph


@dataclass(frozen=True)
class Multitask(Settings):
    """A role for each goal, in an order by graph or by what is being learned."""

    order: Graph = field(default_factory=Graph)
    """Which role acts next; the task's goals are numbered from 0, and home comes last."""
    home: bool = True
    """Whether going back to the initial state is one of the tasks, where it can be a goal."""
    each_home: bool = False
    """A role for each initial state, as in a kitchen, instead of one that draws among them."""

    def method(self, task: Task) -> Method:
        if not self.practice.share_learner:
            raise UnresetError(
                "multitask needs share_learner: one policy is evaluated on all goals"
            )
        home = Role("home", InitialStates(), self.ends(task), demonstrations=(0, 1), imitate=(0, 1))
        roles = [
            replace(home, name=f"goal {number}", goals=TaskGoals(number))
            for number in range(len(task.goals))
        ]
        homes = len(task.initial_goals) if self.home else 0
        if self.each_home:
            roles += [
                replace(home, name=f"home {number}", goals=InitialStates(number))
                for number in range(homes)
            ]
        elif homes:
            roles.append(home)
        if len(roles) == 1:
            raise UnresetError(f"task {task.name!r} has one goal and no way home: use naive")
        return Method("multitask", tuple(roles), self.learner, self.practice, order=self.order)


PRESETS = {
    "default": Multitask(),
    "paper": Multitask(
        practice=replace(published_practice(), share_learner=True, teach="everyone"),
        learner=published_learner(),
        order=Graph(choice="uniform"),
    ),
}
