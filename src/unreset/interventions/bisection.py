"""Finding the first stuck state of a reset segment with as few questions as possible."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from unreset.core.types import Array


class Bisection(NamedTuple):
    """What is known of the first stuck state of a stretch: that it is in (``low``, ``high``]."""

    low: Array | int  # a state that is not stuck
    high: Array | int  # one that is, or one beyond the last
    asked: Array | int = 0


def bisection(states: Array | int) -> Bisection:
    """Nothing known of a stretch of so many states but that its first one, after help, is free."""
    return Bisection(0, states)


def question(search: Bisection) -> Array | int:
    """The number of the state to ask about next; nothing is left to ask once it is ``low``."""
    return (search.low + search.high) // 2


def answered(search: Bisection, stuck: Array | bool) -> Bisection:
    """What is known after an answer about the state of :func:`question`."""
    middle = question(search)
    low, high = jnp.where(stuck, search.low, middle), jnp.where(stuck, middle, search.high)
    return Bisection(low, high, search.asked + 1)


def first_stuck(stuck_from: Array, states: Array) -> tuple[Array, Array]:
    """The first stuck one of ``states`` and the questions that found it, ceil(log2 states) at most.

    A truthful helper, to whom all states from ``stuck_from`` on are stuck, is asked. Where none
    is, the answer is ``states``.
    """

    def ask(search: Bisection) -> Bisection:
        return answered(search, question(search) >= stuck_from)

    start = jax.tree.map(jnp.int32, bisection(states))
    found = jax.lax.while_loop(lambda search: question(search) > search.low, ask, start)
    return found.high, found.asked
