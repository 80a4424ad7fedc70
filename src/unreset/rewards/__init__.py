"""Rewards: one file each. A role is rewarded by one of them, or by a combination."""

from unreset.core.environment import Environment
from unreset.core.protocols import Discriminates, Reward, Scope, Steps
from unreset.rewards.combined import Sum
from unreset.rewards.constrained import Constrained, Constraint
from unreset.rewards.discriminator import Discriminator
from unreset.rewards.rnd import RND

__all__ = [
    "RND",
    "Constrained",
    "Constraint",
    "Discriminates",
    "Discriminator",
    "Environment",
    "Reward",
    "Scope",
    "Steps",
    "Sum",
]
