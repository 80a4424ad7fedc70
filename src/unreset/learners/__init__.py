"""Learners, one file each: what policies and critics learn from batches."""

from unreset.learners.cloning import Cloning
from unreset.learners.implicit import ImplicitQLearning
from unreset.learners.sac import SAC

__all__ = ["SAC", "Cloning", "ImplicitQLearning"]
