"""How much memory is free (free of JAX, for deployed policies)."""

from __future__ import annotations

import math
from pathlib import Path


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
