"""Rules that end phases, ask for hard resets, and say which role acts next."""

from unreset.core.protocols import Beginning, Draws, Fitted, Scope
from unreset.core.rules import Moment, Order, SwitchRule, Verdict
from unreset.core.view import Phase, View
from unreset.switching.confidence import Confident
from unreset.switching.expert import LikeExpert
from unreset.switching.no_way_back import NoWayBack
from unreset.switching.on_success import OnSuccess
from unreset.switching.order import Graph
from unreset.switching.resets import AfterFailures, AtEnd
from unreset.switching.time import After

__all__ = [
    "After",
    "AfterFailures",
    "AtEnd",
    "Beginning",
    "Confident",
    "Draws",
    "Fitted",
    "Graph",
    "LikeExpert",
    "Moment",
    "NoWayBack",
    "OnSuccess",
    "Order",
    "Phase",
    "Scope",
    "SwitchRule",
    "Verdict",
    "View",
]
