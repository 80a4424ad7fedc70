"""What this machine has to offer: cores and memory."""

from __future__ import annotations

import math
import os
import platform
import sys

import jax

from unreset.memory import available_memory

__all__ = ["available_memory", "cores", "description", "replay_memory"]


def cores() -> list[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def replay_memory() -> float:
    """MiB that are free where arrays live: on an accelerator, or else :func:`available_memory`."""
    device = jax.devices()[0]
    if device.platform == "cpu":
        return available_memory()
    known = device.memory_stats() or {}
    return float(known.get("bytes_limit", math.inf) - known.get("bytes_in_use", 0)) / 2**20


def peak_memory() -> float | None:
    """MiB, the most that this process has held so far; None where the system does not say."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def description() -> str:
    """The platform and the number of cores."""
    return f"{platform.platform()}, {len(cores())} core(s)"
