"""A few hundred damaged inputs for every loader; ``benchmarks/fuzz.py`` has thousands."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import unreset

WELL = (["refused"], ["loaded"])
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_whatever_is_damaged_is_refused_in_one_line_or_valid(tmp_path):
    pytest.importorskip("minari")
    words = [sys.executable, str(ROOT / "benchmarks" / "fuzz.py"), "--number", "300", "--seed", "t"]
    paths = [str(Path(unreset.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [*words, "--scratch", str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counts = [line.split() for line in done.stdout.splitlines() if line.split()[1:2] in WELL]
    assert sum(int(count) for *_, count in counts) == 300
    assert len({name for name, *_ in counts}) == 14
