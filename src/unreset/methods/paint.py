"""PAINT (Xie, Tajwar, Sharma & Finn 2022, arXiv 2210.10765): ask for help when stuck.

Whatever way of practising is taken, the agent learns from few labels which states nobody leaves
without help, keeps away from them, and asks for a reset once it is in one. All of that is
:class:`unreset.core.asking.Asking`, which every method has (``--asking.rule classifier``); here it
is on from the beginning.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from unreset.core.asking import Asking
from unreset.core.method import Method
from unreset.core.signals.reversibility import Reversibility
from unreset.core.types import Task
from unreset.methods.fbrl import FBRL
from unreset.methods.medal import Medal
from unreset.methods.naive import Naive
from unreset.methods.oracle import Oracle
from unreset.methods.settings import Settings, published_learner, published_practice

_BASES: dict[str, type[Settings]] = {
    "fbrl": FBRL,
    "medal": Medal,
    "naive": Naive,
    "oracle": Oracle,
}


@dataclass(frozen=True)
class Paint(Settings):
    """A method that asks for help when it is stuck, and keeps away from where it would be."""

    asking: Asking = field(default_factory=lambda: Asking(rule="classifier"))
    """When to ask for help."""
    base: Literal["fbrl", "medal", "naive", "oracle"] = "fbrl"
    """How it practises otherwise; to change what only that method has, say --asking.rule
    classifier with the method itself."""

    def method(self, task: Task) -> Method:
        base = _BASES[self.base](practice=self.practice, learner=self.learner)
        return replace(base.method(task), name="paint", asking=self.asking)


PRESETS = {
    "default": Paint(),
    "safety": Paint(asking=Asking(rule="safety")),
    "paper": Paint(
        base="medal",
        practice=replace(published_practice(), seed_steps=1_000, phase_length=300),
        learner=published_learner(),
        asking=Asking(
            rule="classifier",
            patience=300,
            withdraw=False,
            visit_after=100_000,
            visit_growth=1.0,
            classifier=Reversibility(octaves=0, batch_size=64),
        ),
    ),
}
