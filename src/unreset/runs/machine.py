"""What this machine has to offer: cores and memory."""

from __future__ import annotations

import math
import os
import platform
from pathlib import Path

import jax


def cores() -> list[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def available_memory() -> float:
    """MiB that are free now, within the limits of a container; infinity where nobody says."""
    free = math.inf
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        kilobytes = {name: text.split()[0] for name, text in (line.split(":") for line in lines)}
        free = int(kilobytes["MemAvailable"]) / 1024
    except (OSError, ValueError, KeyError, IndexError):
        pass
    try:
        names = ("max", "current", "stat")
        most, used, shares = (Path(f"/sys/fs/cgroup/memory.{name}").read_text() for name in names)
        files = dict(line.split() for line in shares.splitlines())["inactive_file"]  # given back
        free = min(free, (int(most) - int(used) + int(files)) / 2**20)
    except (OSError, ValueError, KeyError):  # no such group, or no limit
        pass
    return free


def replay_memory() -> float:
    """MiB that are free where arrays live: on an accelerator, or else :func:`available_memory`."""
    device = jax.devices()[0]
    if device.platform == "cpu":
        return available_memory()
    known = device.memory_stats() or {}
    return float(known.get("bytes_limit", math.inf) - known.get("bytes_in_use", 0)) / 2**20


def description() -> str:
    """The platform and the number of cores."""
    return f"{platform.platform()}, {len(cores())} core(s)"
