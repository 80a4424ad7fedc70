"""The tables of runs whose logs were written by hand hold the numbers worked out by hand."""

import csv
import json

import pytest

from unreset import bench
from unreset.bench import manifest, published
from unreset.bench.plan import Job
from unreset.bench.suites import Cell, Suite
from unreset.errors import UnresetError

EARLY = [1.0, 1.0, 1.0, 1.0, 1.0, 0.0]  # of six evaluations
LATE = [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
ALWAYS = [1.0] * 6
FIRST = Cell("first", "medal", "tabletop")
SECOND = Cell("second", "fbrl", "tabletop", ("--reset-every", "200"))
THIRD = Cell("third", "fbrl", "tabletop", ("--reset-every", "0"))


def write_run(folder, curves, hard_resets=1):
    """A run whose seed s needed s seconds more than a second for each ten steps."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"method": "x", "task": "tabletop"}))
    lines = ["seed,env_steps,success,wide_success,wall_seconds"]
    for seed, curve in curves.items():
        for number, success in enumerate(curve):
            step = 10 * number + 10
            lines.append(f"{seed},{step},{success},{0.1 * number:g},{step / 10 + seed}")
    (folder / "eval.csv").write_text("\n".join(lines) + "\n")
    facts = {"seeds": list(curves), "hard_resets": [hard_resets for _ in curves]}
    (folder / "summary.json").write_text(json.dumps(facts | {"env_steps": 60}))


def write_manifest(out, *cells, seed=0, threshold=0.8, **more):
    jobs = [Job(cell, out / cell.name, seed, 2, 60) for cell in cells]
    suite = Suite("mine", "what was written by hand", cells)
    manifest.write(out, suite, jobs, "unreset bench mine --seeds 2", threshold, **more)


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def out(tmp_path):
    write_run(tmp_path / "first-tabletop", {0: LATE, 1: EARLY}, hard_resets=3)
    write_run(tmp_path / "second-tabletop" / "seed-0", {0: ALWAYS})
    write_run(tmp_path / "second-tabletop" / "seed-1", {1: LATE})
    write_run(tmp_path / "third-tabletop", {0: ALWAYS, 1: ALWAYS})
    write_manifest(tmp_path, FIRST, SECOND, THIRD)
    return tmp_path


def test_one_row_for_each_seed(out):
    bench.tables(out)
    rows = read(out / "results.csv")
    assert [(row["cell"], row["seed"]) for row in rows] == [
        (label, seed) for label in ("first", "second", "third") for seed in "01"
    ]
    assert rows[0] == {
        "method": "medal",
        "task": "tabletop",
        "cell": "first",
        "seed": "0",
        "steps": "60",
        "final": "0.8",
        "area": "0.666667",
        "steps_to_threshold": "60",  # five of which four succeed
        "seconds_to_threshold": "6",
        "wide_success": "0.3",  # mean of .1 to .5
        "hard_resets": "3",
        "wall_seconds": "6",
    }
    assert rows[1]["area"] == "0.833333"
    assert (rows[1]["steps_to_threshold"], rows[1]["seconds_to_threshold"]) == ("50", "6")


def test_one_row_for_each_cell(out):
    bench.tables(out)
    first, second, third = read(out / "summary.csv")
    assert (first["seeds"], first["steps"], first["hard_resets"]) == ("2", "60", "3")
    assert (first["area_iqm"], first["area_low"], first["area_high"]) == (
        "0.75",
        "0.666667",
        "0.833333",
    )
    assert (first["final_iqm"], first["final_low"], first["final_high"]) == ("0.8", "0.8", "0.8")
    # The mean curve is .5 .5 1 1 1 .5: the first five have the mean .8, at 5 and 6 seconds.
    assert (first["steps_to_threshold"], first["seconds_to_threshold"]) == ("50", "5.5")
    assert first["steps_to_threshold_median"] == "55"
    assert first["seconds_to_threshold_median"] == "6"
    assert second["final_mean"] == "0.9"
    assert third["final_low"] == third["final_high"] == "1"


def test_success_at_the_end_stands_beside_success_at_any_step(out):
    """Of the third cell alone, whose runs are of a later version than the others'."""
    path = out / "third-tabletop" / "eval.csv"
    rows = read(path)
    for number, row in enumerate(rows):
        row |= {"success_at_end": 0.25 * (number % 6 > 1), "wide_success_at_end": 0.125}
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    bench.tables(out)
    seeds, cells = read(out / "results.csv"), read(out / "summary.csv")
    assert [row["final_at_end"] for row in seeds] == [""] * 4 + ["0.2"] * 2
    assert [row["wide_success_at_end"] for row in seeds] == [""] * 4 + ["0.125"] * 2
    assert [row["final_at_end_iqm"] for row in cells] == ["", "", "0.2"]
    assert (cells[2]["final_iqm"], cells[2]["wide_at_end_mean"]) == ("1", "0.125")
    text = (out / "tables.md").read_text()
    assert "| final success at any step, IQM | at the end, IQM | mean, any step | mean, at" in text
    assert "| third | 2 | 1.00 [1.00, 1.00] | 0.20 [0.20, 0.20] | 1.00 | 0.20 | 1.00 [" in text
    assert "| first | 2 | 0.80 [0.80, 0.80] | \u2013 | 0.80 | \u2013 | 0.75 [0.67, 0.83]" in text
    assert "| third | tabletop | 0 | 60 | 1.00 | 0.20 | 1.00 | 0.30 | 0.12 |" in text


def test_the_threshold_can_be_changed_afterwards(out):
    bench.tables(out, threshold=0.95)
    first, second, third = read(out / "summary.csv")
    assert first["steps_to_threshold"] == ""
    assert first["steps_to_threshold_median"] == ""  # one of the two seeds only
    assert second["steps_to_threshold"] == ""  # .5 .5 1 1 1 1: .9 at most
    assert third["steps_to_threshold"] == "50"


def test_the_matrix_of_improvement(out):
    bench.tables(out)
    rows = {row.pop("cell"): row for row in read(out / "improvement.csv")}
    # .667 and .833 against 1 and .667: worse, as good, worse, better.
    assert rows["first"] == {"first": "0.5", "second": "0.375", "third": "0"}
    assert rows["second"] == {"first": "0.625", "second": "0.5", "third": "0.25"}


def test_the_page(out):
    files = bench.tables(out)
    assert [path.name for path in files] == [
        "results.csv",
        "summary.csv",
        "improvement.csv",
        "tables.md",
        "curves.png",
        "intervals.png",
        "time.png",
        "reset-every.png",
    ]
    text = (out / "tables.md").read_text()
    for line in (
        "    unreset bench mine --seeds 2",
        "| first | 2 | 0.80 [0.80, 0.80] | 0.80 | 0.75 [0.67, 0.83] | 0.30 [0.30, 0.30] | 60 "
        "| 50 (55) | 6 (6) | 3 |",
        "| fbrl | 900,000 | 1,600,000 | 2,100,000 | 5 |",  # published
        "| second | 0.62 | 0.50 | 0.25 |",
        "| second | `unreset train fbrl tabletop --preset default --seed 0 --seeds 2 --steps 60 "
        "--reset-every 200` | 0 1 |",
    ):
        assert line in text
    assert "Not finished" not in text
    assert "core(s)" in text


def test_a_bench_under_way_has_tables_of_what_is_there(out):
    write_manifest(out, Cell("to come", "medal", "tabletop"))
    path = out / "second-tabletop" / "seed-1" / "eval.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], lines[4][:5]]))  # cut short in its fourth evaluation
    bench.tables(out)
    row = read(out / "summary.csv")[1]
    assert (row["steps"], row["seeds"], row["steps_to_threshold"]) == ("30", "2", "")
    # Up to step 30: 1 1 1 and 0 0 1. The others' first three: 0 0 1 and 1 1 1; 1 and 1.
    assert row["area_mean"] == row["final_mean"] == f"{4 / 6:.6g}"
    matrix = {row.pop("cell"): row for row in read(out / "improvement.csv")}
    assert matrix["second"] == {"first": "0.5", "second": "0.5", "third": "0.25"}
    assert matrix["first"]["third"] == "0"  # both whole: .667 and .833 against 1 and 1
    text = (out / "tables.md").read_text()
    assert "**Not finished:** second-tabletop, to.come-tabletop." in text


def test_what_was_on_record_stays(out):
    before = manifest.read(out)
    write_manifest(out, SECOND, seed=2, threshold=None, at_once=3)
    after = manifest.read(out)
    assert [entry.seeds for entry in after.entries] == [(0, 1), (0, 1, 2, 3), (0, 1)]
    assert (after.threshold, after.jobs, after.commands) == (0.8, 3, before.commands)
    write_manifest(out, SECOND, seed=2, threshold=0.9, at_once=None)  # nothing was run
    again = manifest.read(out)
    assert (again.threshold, again.jobs) == (0.9, 3)


def test_the_command_of_a_cell_trains_its_seeds(tmp_path):
    job = Job(SECOND, tmp_path, 3, 2, 60, "paper", 20)
    manifest.write(tmp_path, Suite("mine", "", (SECOND,)), [job], "bench")
    (entry,) = manifest.read(tmp_path).entries
    assert " ".join(entry.command) == (
        "unreset train fbrl tabletop --preset paper --seed 3 --seeds 2 --steps 60 --eval-every 20 "
        "--reset-every 200"
    )


def test_a_threshold_is_a_share(out):
    for threshold in (0.0, 95.0, float("nan")):
        with pytest.raises(UnresetError, match=r"threshold must lie in \(0, 1\]"):
            bench.tables(out, threshold)


def test_nothing_is_there_yet(tmp_path):
    write_manifest(tmp_path, FIRST)
    assert [path.suffix for path in bench.tables(tmp_path)] == [".csv"] * 3 + [".md"]
    assert "No evaluation yet." in (tmp_path / "tables.md").read_text()
    with pytest.raises(UnresetError, match="not a bench folder"):
        bench.tables(tmp_path / "elsewhere")


def test_several_tasks_have_rows_together(tmp_path):
    cells = [
        Cell(label, "fbrl", task)
        for task in ("tabletop", "sawyer_door")
        for label in ("ours", "theirs")
    ]
    for cell, curve in zip(cells[:3], (LATE, ALWAYS, EARLY), strict=True):  # the last is to come
        write_run(tmp_path / cell.name, {0: curve, 1: curve})
    write_manifest(tmp_path, *cells)
    bench.tables(tmp_path)
    rows = read(tmp_path / "summary.csv")
    assert [(row["cell"], row["task"]) for row in rows] == [
        ("ours", "tabletop"),
        ("theirs", "tabletop"),
        ("ours", "sawyer_door"),
        ("ours", "all"),
    ]
    # Each task's two seeds are equal, and seeds are drawn within their task: no uncertainty.
    assert (rows[3]["area_iqm"], rows[3]["area_low"], rows[3]["area_high"]) == ("0.75",) * 3
    matrix = {row.pop("cell"): row for row in read(tmp_path / "improvement.csv")}
    assert matrix["theirs"]["ours"] == "1"  # on the task of both


def test_published_curves_leave_out_points_of_few_seeds():
    oracle = next(curve for curve in published.curves("tabletop") if curve.method == "oracle")
    assert oracle.steps_to(0.5) == 600_000
    assert oracle.steps_to(0.9) == float("inf")  # two of its five seeds are, at 3.7 million
    assert published.curves("kitchen") == []
