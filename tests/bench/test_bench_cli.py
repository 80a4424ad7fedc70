"""Suites, how they are narrowed, and the command."""

import re
import shlex
from pathlib import Path

import pytest

from unreset import bench, cli
from unreset.bench import plan, suites
from unreset.bench.grid import State
from unreset.bench.suites import Cell, Suite, narrowed

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
GRID = Suite("grid", "", tuple(Cell(m, m, task) for task in ("a", "b") for m in ("x", "y")), 10)


@pytest.mark.slow
@pytest.mark.parametrize("suite", suites.suites().values(), ids=lambda suite: suite.name)
def test_every_flag_of_a_suite_is_one_of_train(suite):
    suites.check(suite.cells)
    for cell in suite.cells:
        plan.parsed(cell, "default")


def test_the_variants_differ():
    for name in ("boundary", "episode-length"):
        cells = suites.find(name).cells
        settings = [plan.parsed(cell, "default")[0] for cell in cells]
        assert all(one not in settings[:number] for number, one in enumerate(settings))


@pytest.mark.parametrize(
    ("methods", "tasks", "names"),
    [
        ((), (), ["x-a", "y-a", "x-b", "y-b"]),
        (("y",), (), ["y-a", "y-b"]),
        ((), ("b",), ["x-b", "y-b"]),
        (("z", "x"), ("a",), ["x-a", "z-a"]),
        ((), ("b", "c", "d"), ["x-b", "y-b", "x-c", "y-c", "x-d", "y-d"]),
        (("my:Mine", "y"), ("c",), ["y-c", "my.Mine-c"]),
    ],
)
def test_a_suite_is_narrowed_or_extended(methods, tasks, names):
    assert [cell.name for cell in narrowed(GRID, methods, tasks).cells] == names


def test_a_new_method_takes_over_the_variants_of_a_suite_of_one_method():
    variants = Suite("one", "", tuple(Cell(s, "x", "a", (f"--{s}",)) for s in ("slow", "fast")))
    assert narrowed(variants, ["x"]).cells == variants.cells
    assert [(c.label, c.method, c.flags) for c in narrowed(variants, ["y", "slow"]).cells] == [
        ("slow", "x", ("--slow",)),
        ("y, slow", "y", ("--slow",)),
        ("y, fast", "y", ("--fast",)),
    ]
    assert [cell.label for cell in narrowed(suites.find("tabletop"), ["fbrl"]).cells] == ["fbrl"]


def test_without_a_suite_they_are_listed(capsys):
    assert cli.main(["bench"]) == cli.OK
    listed = capsys.readouterr().out
    listed_names = [line.split()[0] for line in listed.splitlines()]
    assert listed_names == [*suites.suites()]
    assert cli.main(["bench", "tabeltop"]) == cli.USAGE
    assert "there are: tabletop, earl" in capsys.readouterr().err


@pytest.fixture
def calls(monkeypatch):
    """What the command asks for; one job fails."""
    made = []

    def run(suite, out, **options):
        made.append((suite, out, options))
        job = plan.Job(Cell("x", "fbrl", "tabletop"), Path(out) / "x", 0, 1, 10)
        states = [State(job, None, "failed", message="no luck"), State(job, None, "done")]
        options["observer"](states)
        return states

    monkeypatch.setattr(bench, "run", run)
    return made


def test_a_failure_is_named_and_is_the_exit_code(calls, capsys):
    words = ["bench", "boundary", "--methods", "fbrl", "my:Mine", "--jobs", "3", "--out", "here"]
    assert cli.main(words) == cli.FAILED
    printed = capsys.readouterr()
    assert "x-tabletop seed 0 failed: no luck (here/x.log)" in printed.err
    assert "[2/2] x-tabletop seed 0: failed: no luck" in printed.out
    suite, out, options = calls[0]
    assert (suite, out, options["methods"]) == ("boundary", Path("here"), ("fbrl", "my:Mine"))
    assert options["called"] == f"unreset {shlex.join(words)}"
    assert options["threshold"] is None and options["jobs"] == 3


def test_the_commands_of_the_page_are_understood(calls, monkeypatch):
    monkeypatch.setattr(bench, "tables", lambda *_: [])
    commands = re.findall(r"^unreset (bench .*)$", PAGE.read_text(), re.MULTILINE)
    assert len(commands) > 4
    for command in commands:
        expected = cli.OK if "--tables-only" in command else cli.FAILED
        assert cli.main(shlex.split(command)) == expected, command
    assert calls[0][:2] == ("tabletop", Path("bench/tabletop"))
