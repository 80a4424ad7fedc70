"""Discriminators outside of any run: the policy sees numbers, and inputs are given."""

import jax.numpy as jnp

from unreset.core.context import Context
from unreset.core.protocols import Fresh, Scope
from unreset.networks.views import Vision
from unreset.rewards import judge

PLAIN = Vision()
reward, mixed, State = judge.reward, judge.mixed, judge.State


def init(config, key, inputs, vision=PLAIN, encoder=()):
    """A fresh state for inputs such as these, or so many numbers."""
    inputs = jnp.zeros(inputs) if isinstance(inputs, int) else inputs
    return config.teacher(vision).fresh(key, inputs, encoder)


def logits(config, state, inputs, vision=PLAIN):
    return judge.logits(config.teacher(vision).judge, state, inputs)


def update(config, state, expert, own, key, vision=PLAIN, weights=None):
    return config.teacher(vision).update(state, (expert, own), key, weights)


def log_odds(method, task, name, state, transition, goal):
    """What a method's discriminator says of a step towards a goal."""
    scope = Scope(Context(method, task), name, {name: state})
    return method.rewards[name].score(scope, Fresh(jnp.int32(0), goal, transition))
