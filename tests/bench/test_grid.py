"""A grid runs, is skipped when it is done, goes on when it was stopped, and refuses the rest."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

import toy
from unreset import bench, registry
from unreset.bench import output, plan
from unreset.bench.plan import make_jobs
from unreset.bench.suites import Cell
from unreset.errors import Failure, UnresetError
from unreset.runs.config import RunConfig
from unreset.runs.lock import locked

TOY = (sys.executable, str(Path(toy.__file__)))
FAKE = (sys.executable, str(Path(__file__).with_name("fake_train.py")))
PLOTS = output._plots
NOTHING = ("/nowhere/unreset",)  # fails if anything is started
FLAGS = ("--checkpoint-every", "20", "--wide-starts", "2")


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path_factory):
    toy.install(monkeypatch.setitem)
    monkeypatch.setattr(output, "_plots", lambda *_: [])  # they take longer than the fake runs
    templates = tmp_path_factory.mktemp("templates")
    for method in registry.METHODS:
        settings = registry.settings(method)
        common = {"eval_every": 20, "wide_starts": 2, "checkpoint_every": 20, "driver": "fused"}
        made = RunConfig(method, "toy", "default", 0, 1, 100, settings=settings, **common)
        (templates / f"{method}.json").write_text(json.dumps(made.dictionary()))
    monkeypatch.setenv("FAKE_TEMPLATES", str(templates))


def cell(method="naive", label=None, flags=FLAGS):
    return Cell(label or method, method, "toy", flags)


def run(out, *cells, command=FAKE, **options):
    options = {"seeds": 2, "steps": 100, "eval_every": 20, "jobs": 1} | options
    return bench.run(cells, out, command=command, **options)


def statuses(states):
    return [state.status for state in states]


@pytest.mark.slow
def test_a_killed_run_is_resumed_and_what_is_done_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr(output, "_plots", PLOTS)
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "true")  # compiles sooner
    monkeypatch.setenv("TOY_DISTURB", "kill:60")
    killed = run(tmp_path, cell(), command=TOY)
    assert [(state.status, state.message) for state in killed] == [("failed", "killed by SIGKILL")]
    assert "**Not finished:** naive-toy" in (tmp_path / "tables.md").read_text()
    monkeypatch.delenv("TOY_DISTURB")
    cells = [cell(), cell(label="alike")]  # of one program: compiled once
    done = run(tmp_path, *cells, command=TOY)
    assert [(state.status, state.words[0], state.env_steps) for state in done] == [
        ("done", "resume", 100),
        ("done", "train", 100),
    ], [state.message for state in done]
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["cell"], row["seed"], row["steps"]) for row in rows] == [
        (label, seed, "100") for label in ("naive", "alike") for seed in "01"
    ]
    assert rows[0]["area"] == rows[2]["area"]  # as if it had never been killed
    for name in ("summary.csv", "improvement.csv", "curves.png", "intervals.png", "time.png"):
        assert (tmp_path / name).stat().st_size > 40
    assert statuses(run(tmp_path, *cells, command=NOTHING)) == ["done before"] * 2


def test_a_failed_run_is_named_and_the_others_finish(tmp_path):
    states = run(tmp_path, cell("oracle"), cell(), cell("fbrl"))
    assert statuses(states) == ["failed", "done", "done"]
    assert states[0].message == "unreset: no oracle today"
    assert "some words before" in (tmp_path / "oracle-toy.log").read_text()
    text = (tmp_path / "tables.md").read_text()
    assert "**Not finished:** oracle-toy." in text and "| fbrl | 2 | 0.50 " in text


def test_more_steps_extend_what_is_there(tmp_path):
    run(tmp_path, cell())
    (state,) = run(tmp_path, cell(), steps=160)
    assert state.status == "done" and state.words[-2:] == ["--steps", "160"]
    assert state.env_steps == 160


def test_cells_of_an_earlier_call_stay_in_the_tables(tmp_path):
    run(tmp_path, cell())
    run(tmp_path, cell("fbrl"))
    rows = (tmp_path / "summary.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["cell", "naive", "fbrl"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (
            {"flags": (*FLAGS, "--reset-every", "30")},
            {},
            "trained with practice.reset_every 0, not 30",
        ),
        ({"flags": (*FLAGS, "--hidden", "8", "8")}, {}, "learner.hidden 8, not 8 8"),
        ({"flags": (*FLAGS, "--no-layer-norm")}, {}, "learner.layer_norm yes, not no"),
        ({"flags": (*FLAGS, "--start", "wide")}, {}, "start initial, not wide"),
        ({"flags": ("--wide-starts", "3")}, {}, "wide_starts 2, not 3"),
        ({"method": "fbrl", "label": "naive"}, {}, "method naive, not fbrl"),
        ({}, {"seeds": 3}, "seeds 2, not 3"),
        ({}, {"first_seed": 1}, "seed 0, not 1"),
        ({}, {"steps": 50}, "steps 100, not 50"),
        ({}, {"eval_every": 50}, "eval_every 20, not 50"),
    ],
)
def test_a_run_of_another_configuration_is_refused(tmp_path, change, options, message):
    run(tmp_path, cell())
    with pytest.raises(UnresetError, match=r"choose another --out") as caught:
        run(tmp_path, replace(cell(), **change), command=NOTHING, **options)
    assert message in str(caught.value) and str(tmp_path / "naive-toy") in str(caught.value)


def test_flags_that_say_what_is_there_are_not_refused(tmp_path):
    run(tmp_path, cell())
    same = cell(flags=("--reset-every=0", "--hidden", "8", "--layer-norm"))
    assert statuses(run(tmp_path, same, command=NOTHING)) == ["done before"]


def test_what_a_crash_left_is_begun_again_but_no_other_files_are_touched(tmp_path):
    folder = tmp_path / "naive-toy"
    folder.mkdir()
    (folder / ".config.json.partial").write_text("{")
    assert statuses(run(tmp_path, cell())) == ["done"]
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(UnresetError, match="holds files but no run"):
        run(tmp_path, cell())
    assert (folder / "thesis.txt").read_text() == "mine"
    (folder / "thesis.txt").rename(folder / "demonstrations.safetensors")  # of a run being made
    assert statuses(run(tmp_path, cell())) == ["done"]


def test_a_run_that_cannot_begin_fails_alone(tmp_path):
    (tmp_path / "naive-toy.log").mkdir()  # in place of its output
    states = run(tmp_path, cell(), cell("fbrl"))
    assert statuses(states) == ["failed", "done"] and "naive-toy.log" in states[0].message


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / ".bench.json.partial").mkdir()
    with pytest.raises(Failure, match=f"cannot write to {tmp_path}"):
        run(tmp_path, cell(), command=NOTHING)


@pytest.mark.parametrize(
    ("cells", "options", "message"),
    [
        ([], {}, "no cell is left"),
        ([cell(), cell()], {}, "two cells would be written to naive-toy"),
        ([cell(flags=("--batch-sizes", "3"))], {}, "did you mean --batch-size"),
        ([cell(flags=("--seed=3",))], {}, "--seed is the same for all cells"),
        ([cell(method="nave")], {}, "did you mean 'naive'"),
        ([replace(cell(), task="tou")], {}, "did you mean 'toy'"),
        ([cell()], {"preset": "papre"}, "did you mean 'paper'"),
        ([cell()], {"jobs": 0}, "jobs must be at least 1, not 0"),
        ([cell()], {"eval_every": 0}, "eval_every must be at least 1, not 0"),
        ([cell()], {"memory_gb": -1}, "memory_gb must be above 0, not -1"),
    ],
)
def test_a_mistake_is_found_before_anything_runs(tmp_path, cells, options, message):
    with pytest.raises(UnresetError) as caught:
        run(tmp_path / "new", *cells, command=NOTHING, **options)
    assert message in str(caught.value)


def test_jobs_run_at_once_on_cores_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_TOGETHER", "2")
    cores = os.sched_getaffinity(0)
    assert statuses(run(tmp_path, cell(), cell("fbrl"), jobs=2)) == ["done", "done"]
    assert os.sched_getaffinity(0) == cores
    places = [set(map(int, f.read_text().split())) for f in (tmp_path / "begun").iterdir()]
    assert [len(place) for place in places] == [1, 1]
    assert len(set.union(*places)) == min(2, len(cores))


def test_jobs_wait_for_memory_as_much_as_their_cell_has_taken(tmp_path):
    most = []

    def watch(states):
        most.append(sum(state.status == "running" for state in states))

    run(tmp_path, cell(), cell("fbrl"), jobs=2, memory_gb=2, observer=watch)
    assert max(most) == 1  # two of two seeds take 2.6 GiB, as far as one knows
    run(tmp_path, cell(), cell("fbrl"), jobs=2, memory_gb=2, steps=120, observer=watch)
    assert max(most) == 2  # measured: 100 MiB


def test_ctrl_c_lets_the_runs_save(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_HANG", "1")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # to which a background job is deaf
    told = []

    def interrupt(states):
        if not told and (tmp_path / "naive-toy" / "hangs").exists():
            told.append([state.status for state in states])
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        run(tmp_path, cell(), cell("fbrl"), observer=interrupt)
    assert told == [["running", "waiting"]]
    assert plan.practised(tmp_path / "naive-toy") == 50
    assert not (tmp_path / "fbrl-toy").exists()
    monkeypatch.delenv("FAKE_HANG")
    states = run(tmp_path, cell(), cell("fbrl"))
    assert [(state.words[0], state.status) for state in states] == [
        ("resume", "done"),
        ("train", "done"),
    ]


def test_a_folder_is_locked_by_one_bench_and_taken_over_from_the_dead(tmp_path):
    (tmp_path / ".lock").write_text('{"process": 999999}\n')  # of one that is no more
    with ThreadPoolExecutor(1) as other, locked(tmp_path):
        refused = f"written to by process {os.getpid()} on .*, or by runs that it started"
        with pytest.raises(UnresetError, match=refused):
            other.submit(run, tmp_path, cell(), command=NOTHING).result()
    assert statuses(run(tmp_path, cell())) == ["done"]


def test_a_run_whose_bench_died_keeps_the_folder_locked(tmp_path):
    started = ", or by runs that it started"
    with locked(tmp_path, started) as descriptor:
        orphan = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[descriptor]
        )
    with orphan, pytest.raises(UnresetError, match=started), locked(tmp_path, started):
        pass
    with locked(tmp_path):
        pass


def test_a_simulated_task_has_a_job_for_each_seed(tmp_path):
    cells = [Cell("fbrl", "fbrl", "sawyer_door"), cell(), cell("medal", "live", ("--driver=live",))]
    jobs = make_jobs(cells, tmp_path, seeds=2, first_seed=3)
    assert [(job.name, job.seed, job.seeds) for job in jobs] == [
        ("fbrl-sawyer_door seed 3", 3, 1),
        ("fbrl-sawyer_door seed 4", 4, 1),
        ("naive-toy", 3, 2),
        ("live-toy seed 3", 3, 1),
        ("live-toy seed 4", 4, 1),
    ]
    assert jobs[0].folder == tmp_path / "fbrl-sawyer_door" / "seed-3"
    assert jobs[0].log == tmp_path / "fbrl-sawyer_door" / "seed-3.log"
    assert {job.steps for job in jobs[:2]} == {registry.settings("fbrl").steps}
