"""Rules that choose the goal of a phase."""

from unreset.core.protocols import Beginning, Draws, Fitted, Scope
from unreset.core.rules import GoalRule, Turn
from unreset.goals.curriculum import Curriculum
from unreset.goals.initial import InitialStates
from unreset.goals.task import TaskGoals

__all__ = [
    "Beginning",
    "Curriculum",
    "Draws",
    "Fitted",
    "GoalRule",
    "InitialStates",
    "Scope",
    "TaskGoals",
    "Turn",
]
