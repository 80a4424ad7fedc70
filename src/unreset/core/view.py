"""What acting and switching see of a run: the phase, and the parameters that act and judge."""

from __future__ import annotations

from typing import Any, NamedTuple

from unreset.core.types import Array


class Phase(NamedTuple):
    """Who is acting, for which goal, since when; and how each role's phases went lately."""

    role: Array  # [] int32
    goal: Array  # [goal]
    source: Array  # [] int32, an index into the method's ``goal_sources``
    steps: Array  # [] int32, in this phase
    since_reset: Array  # [] int32
    segment: Array  # [] int32, the phase's number
    asked: Array  # [goal], what the task asks for meanwhile (continuing evaluation, a life)
    since_asked: Array  # [] int32
    next_goal: Array  # [goal] of the task, for the next role that keeps one
    success_rate: Array  # [roles], running
    failures: Array  # [roles] int32, failed phases in a row


class View(NamedTuple):
    """What acting and switching need of a run."""

    key: Array
    actor: Any  # what acts (``Learner.actor``), stacked [learners]
    critics: Any  # what values actions (``Learner.target``), stacked [learners]
    events: dict[str, Any]  # what foresees each event (``Learner.foresight``), stacked [learners]
    signals: dict[str, Any]
    phase: Phase
