"""What may replace an action, ask for help, or say what rows are worth: one file each."""

from unreset.core.protocols import (
    Beginning,
    Draws,
    Fitted,
    Fresh,
    Intervention,
    Now,
    Recorded,
    Scope,
)
from unreset.core.types import Measurement, Metrics, Transition, when
from unreset.core.view import Phase, View
from unreset.interventions.help import Help
from unreset.interventions.planner import Planner
from unreset.interventions.stuck_classifier import StuckClassifier

__all__ = [
    "Beginning",
    "Draws",
    "Fitted",
    "Fresh",
    "Help",
    "Intervention",
    "Measurement",
    "Metrics",
    "Now",
    "Phase",
    "Planner",
    "Recorded",
    "Scope",
    "StuckClassifier",
    "Transition",
    "View",
    "when",
]
