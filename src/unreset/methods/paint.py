"""PAINT (Xie, Tajwar, Sharma & Finn 2022, arXiv 2210.10765): ask for help when stuck.

Whatever way of practising is taken, the agent learns from few labels which states nobody leaves
without help, keeps away from them, and asks for a reset once it is in one. All of that is
:class:`unreset.interventions.help.Help`, which every method may have (``--asking.rule
classifier``); here it is on from the beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from unreset.core.method import Method
from unreset.core.types import Task
from unreset.interventions.help import Help
from unreset.interventions.stuck_classifier import StuckClassifier
from unreset.methods import fbrl, medal, naive, oracle
from unreset.methods.settings import Settings, published_learner, published_practice

_BASES: Mapping[str, Mapping[str, Settings]] = {
    "fbrl": fbrl.PRESETS,
    "medal": medal.PRESETS,
    "naive": naive.PRESETS,
    "oracle": oracle.PRESETS,
}

#: Steps of an evaluation in the released code, where they are not those of the task.
_HORIZONS = {"tabletop_edge": 1000}


@dataclass(frozen=True)
class Paint(Settings):
    """A method that asks for help when it is stuck, and keeps away from where it would be."""

    asking: Help = field(default_factory=lambda: Help(rule="classifier"))
    """When to ask for help."""
    base: Literal["fbrl", "medal", "naive", "oracle"] = "fbrl"
    """How it practises otherwise; to change what only that method has, say --asking.rule
    classifier with the method itself."""
    published: bool = False
    """Whether what only that method has, and how long an evaluation lasts at the tabletop's edge,
    are as published (PAINT)."""

    def horizon_of(self, task: Task) -> int:
        return _HORIZONS.get(task.name, task.horizon) if self.published else task.horizon

    def method(self, task: Task) -> Method:
        base = _BASES[self.base]["paper" if self.published else "default"]
        base = replace(base, practice=self.practice, learner=self.learner)
        return replace(base.method(task), name="paint")


PRESETS = {
    "default": Paint(),
    "safety": Paint(asking=Help(rule="safety")),
    "paper": Paint(
        base="medal",
        published=True,
        practice=replace(
            published_practice(),
            seed_steps=1_000,
            seed_actions="uniform",
            seed_reset=True,
            phase_length=300,
        ),
        learner=published_learner(),
        asking=Help(
            rule="classifier",
            patience=300,
            withdraw=False,
            visit_after=0,
            visit_growth=1.0,
            examples=1_000,
            classifier=StuckClassifier(octaves=0, batch_size=64),
        ),
        steps=3_000_000,
    ),
}
