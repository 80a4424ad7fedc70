"""Resets that nobody asked for: they would be counted by nobody."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from unreset.core.types import Task
from unreset.errors import Failure, Notice

#: What ``info`` holds where the observation is the first one after a reset (Gymnasium's vector
#: environments, its older AutoResetWrapper, Stable-Baselines3).
TOLD = ("final_obs", "final_observation", "terminal_observation")

_JUMP = 5.0  # a reset moves some number by more than this times any step before it
_ACQUAINTED = 20  # steps after which it is known how far a step moves each number
_EARLY = 2  # jumps back before that, after which it is known, too


class Unasked:
    """Watches the observations between two resets for one that a step cannot have led to.

    Practice stops where an environment says so itself (its info, MuJoCo's time), or where all of
    the observation is back at a start at once: most of its numbers moved further than ever before.
    Less than that may be an angle that wraps or a contact that ends: there is one warning.
    """

    def __init__(self, task: Task) -> None:
        self._beginnings, self._on = task.beginnings, task.watch_resets
        self.suspected: str | None = None  # what there was a warning of

    def begin(self, observation: np.ndarray, environment: Any, first: bool = True) -> None:
        """Take up an observation; ``first`` says whether it is that of a reset."""
        self._first = observation if first else np.full_like(observation, np.nan)
        self._last, self._steps, self._early = observation, 0, 0
        self._effort = 0.0  # the largest number of an action
        self._largest = np.zeros_like(observation)  # that each number was moved by one step
        self._time = _clock(environment)

    def look(
        self,
        observation: np.ndarray,
        info: Mapping[str, Any],
        environment: Any,
        action: np.ndarray,
    ) -> None:
        """Look at what a step led to.

        Raises:
            Failure: where the environment has reset itself.
        """
        if not self._on:
            return
        time = _clock(environment)
        if keys := [key for key in TOLD if info.get(key) is not None]:
            raise _failure(f"its info has {keys[0]!r}")
        if time < self._time:
            raise _failure(f"MuJoCo's time went back from {self._time:.3g} to {time:.3g} s")
        moved = np.abs(observation - self._last)
        record = moved > self._largest
        jumped = record & (self._largest > 0)
        jumped &= moved * self._usual(action) > _JUMP * self._largest
        if jumped.any() and self._returns(observation):
            changing = int(((self._largest > 0) | record).sum())
            least = 1 if self._is_start(observation) else 2  # a single number may be an angle

            def most(numbers: np.ndarray) -> bool:
                return bool(numbers.sum() >= least and 2 * numbers.sum() > changing)

            text = f"{record.sum()} of {changing} numbers jumped to where practice begins"
            if self._steps < _ACQUAINTED and most(jumped):
                self._early += 1
                record[:] = False  # what may be a reset does not tell how far steps move
            known = self._steps >= _ACQUAINTED and most(record)
            if known or self._early == _EARLY:
                raise _failure(text)
            if self._steps >= _ACQUAINTED:
                self._warn(text)
        self._largest = np.where(record, moved, self._largest)
        self._last, self._time, self._steps = observation, time, self._steps + 1

    def _usual(self, action: np.ndarray) -> float:
        """The share of an action's size that the largest before had; 1 if it is not larger."""
        effort, before = float(np.abs(action).max(initial=0.0)), self._effort
        self._effort = max(effort, before)
        return before / effort if effort > before else 1.0

    def _returns(self, observation: np.ndarray) -> bool:
        return self._begins(observation) and not self._begins(self._last)

    def _begins(self, observation: np.ndarray) -> bool:
        """Whether practice begins with this observation, as far as is known."""
        if self._is_start(observation):
            return True
        if self._beginnings is None:
            return False
        low, high = self._beginnings.min(axis=0), self._beginnings.max(axis=0)
        slack = 0.05 * (high - low)
        return bool(((observation >= low - slack) & (observation <= high + slack)).all())

    def _is_start(self, observation: np.ndarray) -> bool:
        """Whether it is a known start exactly."""
        known = self._first[None]
        if self._beginnings is not None:
            known = np.concatenate([known, self._beginnings])
        return bool((known == observation).all(axis=1).any())

    def _warn(self, text: str) -> None:
        if self.suspected is None:
            self.suspected = text
            warnings.warn(
                f"the environment may have reset itself ({text}); if it did, let it return "
                "truncated=True instead; if not, nothing is wrong (watch_resets=False in "
                "from_environment, or in its Task, says so)",
                category=Notice,
                stacklevel=4,
            )


def _failure(evidence: str) -> Failure:
    return Failure(
        "the environment has reset itself; practice goes on without resets, and every reset must "
        "be counted: remove its automatic resets (and wrappers such as Autoreset), or let it "
        f"return truncated=True and be reset ({evidence}; if it did not reset itself, say "
        "watch_resets=False in from_environment, or in its Task)"
    )


def _clock(environment: Any) -> float:
    """Simulated seconds since the reset, of a MuJoCo environment; else always the same."""
    try:
        data = environment.unwrapped.data
        return float(data.time) if type(data).__name__ == "MjData" else 0.0
    except Exception:  # any: it is the user's, where that name means something else
        return 0.0
