"""Rules that choose the goal of a phase."""

from unreset.core.rules import GoalRule, Turn
from unreset.goals.curriculum import Curriculum
from unreset.goals.initial import InitialStates
from unreset.goals.task import TaskGoals

__all__ = ["Curriculum", "GoalRule", "InitialStates", "TaskGoals", "Turn"]
