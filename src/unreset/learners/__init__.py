"""Learners, one file each: what policies and critics learn from batches."""

from unreset.core.context import Context
from unreset.core.protocols import Learner
from unreset.core.types import Batch, Metrics
from unreset.learners.acting import Acting
from unreset.learners.actor_critic import ActorCritic, State
from unreset.learners.cloning import Cloning
from unreset.learners.implicit import ImplicitQLearning
from unreset.learners.sac import SAC
from unreset.networks.encoders import encode
from unreset.networks.tanh_normal import sample_tanh_normal, tanh_normal_log_density
from unreset.networks.views import Inputs, Vision

__all__ = [
    "SAC",
    "Acting",
    "ActorCritic",
    "Batch",
    "Cloning",
    "Context",
    "ImplicitQLearning",
    "Inputs",
    "Learner",
    "Metrics",
    "State",
    "Vision",
    "encode",
    "sample_tanh_normal",
    "tanh_normal_log_density",
]
