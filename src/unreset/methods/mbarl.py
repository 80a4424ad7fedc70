"""MBARL (Charles, Sharma, Dong & Finn, poster): one model of the world for doing and for undoing.

Forward and backward roles have different rewards, but live in one world: one model learns from
everybody's rows, and both learn from what it imagines. The backward reward of MEDAL is computed
from the present discriminator on imagined states as on real ones. Any method can imagine
(``--imagination.share 0.5``); here it is on from the beginning.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from unreset.core.imagination import Imagination
from unreset.core.method import Method
from unreset.core.planning import Planning
from unreset.core.types import Task
from unreset.methods.fbrl import FBRL
from unreset.methods.medal import Medal
from unreset.methods.settings import Settings

_BASES: dict[str, type[Settings]] = {"medal": Medal, "fbrl": FBRL}


@dataclass(frozen=True)
class Mbarl(Settings):
    """MEDAL, or forward-backward practice, that also learns from what one shared model imagines."""

    imagination: Imagination = field(default_factory=lambda: Imagination(share=0.5))
    """How much it learns from what a model imagines, and of what."""
    base: Literal["medal", "fbrl"] = "medal"
    """Whose roles it has; to change what only that method has, say --imagination.share 0.5 with the
    method itself."""

    def method(self, task: Task) -> Method:
        base = _BASES[self.base](practice=self.practice, learner=self.learner)
        return replace(base.method(task), name="mbarl")


PRESETS = {
    "default": Mbarl(),
    "mpc": Mbarl(planning=Planning(horizon=5, samples=128, iterations=3, elites=16)),
}
