"""The offline study: its pages from rows that are known, and the whole of it, very small."""

import json
from itertools import product

import numpy as np
import pytest

from unreset import cli
from unreset.bench import imagination_page, imagination_run
from unreset.bench.imagination import Study
from unreset.bench.output import write_csv
from unreset.errors import UnresetError
from unreset.learners.sac import SAC
from unreset.models.dynamics import Dynamics
from unreset.models.planning import Planning

TINY = Study(
    sizes=(30, 60),
    lengths=(2, 4),
    model_updates=3,
    updates=4,
    round_updates=2,
    turns=6,
    worlds=2,
    rounds_kept=2,
    batch_size=4,
    episodes=2,
    planned_episodes=1,
    planned_steps=3,
    dynamics=Dynamics(members=2, elites=1, hidden=(4,), batch_size=4),
    learner=SAC(hidden=(4,), cloning_start=0.0, cloning_end=0.0, self_cloning=0.0),
    planning=Planning(horizon=2, samples=4, elites=2, iterations=1),
    others=(),
)


def test_the_study_runs_and_goes_on_where_it_stopped(tmp_path):
    said = []
    paths = imagination_run.run(tmp_path, 1, study=TINY, say=said.append)
    assert [path.name for path in paths] == ["tables.md", "imagination.png"]
    policies = (tmp_path / "policies.csv").read_text().splitlines()
    assert policies[0] == "seed,size,length,start,success,steps,return"
    assert len(policies) == 1 + 2 * 2 * 2
    assert len((tmp_path / "models.csv").read_text().splitlines()) == 1 + 2
    assert len((tmp_path / "planners.csv").read_text().splitlines()) == 1 + 3
    said.clear()
    imagination_run.run(tmp_path, 1, study=TINY, say=said.append)
    assert said == ["seed 0 is there already"]
    assert (tmp_path / "policies.csv").read_text().splitlines() == policies
    with pytest.raises(UnresetError, match="other settings"):
        imagination_run.run(tmp_path, 1)


def known(out, value):
    """A study whose returns are ``value(seed, size, length, start)``."""
    cells = product((0, 1, 2), (1000, 50000), (20, 50), ("narrow", "demonstrations"))
    rows = [
        {
            "seed": seed,
            "size": size,
            "length": length,
            "start": start,
            "success": 0.5,
            "steps": "",
            "return": float(value(seed, size, length, start)),
        }
        for seed, size, length, start in cells
    ]
    write_csv(out / "policies.csv", rows)
    model = {"seed": 0, "size": 1000, "error_1": 0.1, "unchanged_1": 0.3, "within_50": 0.6}
    write_csv(out / "models.csv", [model])
    planner = {"seed": 0, "planner": "cem", "size": 1000, "success": 1.0, "steps": 30.0}
    write_csv(out / "planners.csv", [planner | {"return": -40.0}])
    about = {"called": "it", "version": "0", "machine": "one", "study": {"planned_steps": 60}}
    (out / "study.json").write_text(json.dumps(about))
    page = imagination_page.write(out)[0].read_text()
    lines = [line.split(" | ") for line in page.splitlines() if line.startswith("| (")]
    return page, {words[0].removeprefix("| "): words[-1].removesuffix(" |") for words in lines}


def test_verdicts_follow_the_intervals(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.01, 1000)

    def value(seed, size, length, start):
        shown, large, long = start == "demonstrations", size > 1000, length > 20
        return 20 * shown + (not shown) * (4 * long + 3 * large) + noise[seed + length]

    page, verdicts = known(tmp_path, value)
    assert list(verdicts.values()) == ["confirmed", "open"] + ["confirmed"] * 4
    assert "(c) from demonstrations 50,000 transitions are hardly better than 1,000" in verdicts
    # Starts: 20 - (4 + 3) / 2 over both lengths and sizes.
    row = next(line for line in page.splitlines() if line.startswith("| (b) demonstrated"))
    assert "| 16.5 [16.5, 16.5] |" in row


def test_what_the_rows_contradict_is_refuted(tmp_path):
    def value(seed, size, length, start):
        return -(length > 20) + 5 * (size > 1000) * (start == "demonstrations")

    verdicts = known(tmp_path, value)[1]
    claims = list(verdicts.values())
    assert claims[0] == "refuted" and claims[2] == "confirmed" and claims[-1] == "refuted"


def test_the_command_refuses_what_is_of_other_suites(capsys, tmp_path):
    assert cli.main(["bench", "imagination", "--methods", "fbrl"]) == cli.USAGE
    assert "--methods is of suites that train" in capsys.readouterr().err
    assert cli.main(["bench", "imagination", "--tables-only", "--out", str(tmp_path)]) == cli.USAGE
    assert "holds nothing of unreset bench imagination" in capsys.readouterr().err
    assert cli.main(["bench"]) == cli.OK
    assert "imagination" in capsys.readouterr().out
