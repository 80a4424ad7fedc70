"""Leave No Trace (Eysenbach, Gu, Ibarz & Levine 2018, arXiv 1711.06782): stop while one can return.

FBRL with an early abort: before an action with ``Q_reset(s, a) < q_min`` the forward phase ends and
the backward role takes over. ``q_min`` is the value of getting back within (1 - safety) of a phase,
``gamma^((1 - safety) H)`` times the reward of success. Where the backward role fails, people reset.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from unreset.core.method import Method, Role
from unreset.core.ranges import Inside, Whole
from unreset.core.types import Task
from unreset.goals import InitialStates, TaskGoals
from unreset.methods.settings import Settings, published_learner, published_practice
from unreset.switching import AfterFailures, NoWayBack


@dataclass(frozen=True)
class LeaveNoTrace(Settings):
    """A forward role that stops where the backward role could not return."""

    safety: Inside = 0.3
    """Share of a backward phase held in reserve, in (0, 1) (Leave No Trace: 0.3)."""
    attempts: Whole = 3
    """Failed backward phases in a row after which a hard reset is asked for; 0: never (ours: 3)."""

    def method(self, task: Task) -> Method:
        length = self.practice.length(task)
        within = max(1, round((1 - self.safety) * length))
        forward = Role(
            "forward",
            TaskGoals(),
            (*self.ends(task), NoWayBack(within)),
            demonstrations=(0,),
            imitate=(0,),
        )
        backward = Role(
            "backward",
            InitialStates(),
            self.ends(task),
            (AfterFailures(self.attempts),) if self.attempts else (),
            demonstrations=(1,),
            imitate=(1,),
        )
        return Method("leave_no_trace", (forward, backward), self.learner, self.practice)


PRESETS = {
    "default": LeaveNoTrace(),
    "paper": LeaveNoTrace(
        practice=replace(published_practice(), boundary="terminal_on_success", reset_every=0),
        learner=published_learner(),
        attempts=1,
    ),
}
