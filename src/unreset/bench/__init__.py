"""Benchmarks: a grid of runs over seeds, each in its own process, and what they come to.

>>> from unreset import bench
>>> bench.run("boundary", "bench/boundary", seeds=2)  # doctest: +SKIP
>>> bench.tables("bench/boundary")  # doctest: +SKIP
"""

from unreset.bench.output import tables
from unreset.bench.runner import run
from unreset.bench.suites import Cell, Suite

__all__ = ["Cell", "Suite", "run", "tables"]
