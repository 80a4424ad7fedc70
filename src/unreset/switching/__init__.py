"""Rules that end phases, ask for hard resets, and say which role acts next."""

from unreset.core.rules import Moment, SwitchRule, Verdict
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
    "Confident",
    "Graph",
    "LikeExpert",
    "Moment",
    "NoWayBack",
    "OnSuccess",
    "SwitchRule",
    "Verdict",
]
