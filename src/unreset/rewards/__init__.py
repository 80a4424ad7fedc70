"""Rewards: one file each. A role is rewarded by one of them, or by a combination."""

from unreset.core.context import Context
from unreset.core.environment import ENVIRONMENT, Environment
from unreset.core.protocols import (
    Beginning,
    Discriminates,
    Draws,
    Fitted,
    Fresh,
    Reward,
    Scope,
    Steps,
)
from unreset.core.types import Measurement, Metrics, when
from unreset.rewards.combined import Sum
from unreset.rewards.constrained import Constrained, Constraint
from unreset.rewards.discriminator import Discriminator
from unreset.rewards.rnd import RND

__all__ = [
    "ENVIRONMENT",
    "RND",
    "Beginning",
    "Constrained",
    "Constraint",
    "Context",
    "Discriminates",
    "Discriminator",
    "Draws",
    "Environment",
    "Fitted",
    "Fresh",
    "Measurement",
    "Metrics",
    "Reward",
    "Scope",
    "Steps",
    "Sum",
    "when",
]
