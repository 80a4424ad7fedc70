"""Sources of rows for batches, one file each."""

from unreset.core.protocols import Beginning, Drawn, Scope, Source, Steps, Wanted
from unreset.core.replayed import Replayed
from unreset.data.imagined import Imagination

__all__ = ["Beginning", "Drawn", "Imagination", "Replayed", "Scope", "Source", "Steps", "Wanted"]
