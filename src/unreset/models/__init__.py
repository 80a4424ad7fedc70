"""Models of the world, rollouts in them, and planning."""

from unreset.models.dynamics import MODEL, Dynamics
from unreset.models.planning import Planning

__all__ = ["MODEL", "Dynamics", "Planning"]
