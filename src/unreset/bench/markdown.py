"""``tables.md``: the tables of a bench as a page of Markdown."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from unreset.bench import published
from unreset.bench.manifest import Manifest
from unreset.bench.table_rows import ALL, Row
from unreset.evaluation.statistics import WINDOW
from unreset.report.facts import MISSING

_CAPTION = """\
IQM is the interquartile mean over seeds, without the lowest and the highest quarter; in brackets
its 95% interval, from bootstrapping over seeds (Agarwal et al. 2021, arXiv 2108.13264). Final
success is the mean of the last {window} evaluations, as is success from wide starts. Success is at
any step of an episode; "at the end" is success in its last step, where that was measured. The area
is the mean success, at any step, over the steps of the cell, so compare it where these are equal.
Steps and seconds to {threshold:g}: the end of the first {window} evaluations in a row whose mean
reaches it, at any step; of the mean over seeds, and in brackets the median of the single seeds.
Seconds are of the run, evaluations and compiling included: where a task's seeds are trained at
once, in one process, they are those of all seeds together; {at_once}. Hard resets are the mean over
seeds."""
_ROUNDS = "The steps of `bc` are rounds of updates, in which nothing moves."
_IMPROVEMENT = """\
How likely it is that a run of the row's method has more area than one of the column's on the same
task, ties counted half; over the steps of both, averaged over the tasks of both (Agarwal et al.
2021)."""


def page(
    manifest: Manifest,
    cells: Sequence[Row],
    seeds: Sequence[Row],
    improvement: Mapping[str, Row],
    unfinished: Sequence[str],
) -> str:
    """The whole page, from the rows of the CSV files."""
    parts = [
        f"# Benchmark: {manifest.suite}",
        f"{manifest.summary[:1].upper()}{manifest.summary[1:]}.",
    ]
    parts += ["\n".join(f"    {command}" for command in manifest.commands)]
    parts += [f"unreset {manifest.version}; {manifest.machine}."]
    if unfinished:
        parts += [f"**Not finished:** {', '.join(unfinished)}."]
    if not cells:
        return "\n\n".join([*parts, "No evaluation yet."]) + "\n"
    tasks = list(dict.fromkeys(row["task"] for row in cells))
    for task in tasks:
        mine = [row for row in cells if row["task"] == task]
        parts += ["## All tasks together" if task == ALL else f"## {task}", _cells(mine, manifest)]
        known = [] if task == ALL else published.curves(task)
        if known:
            parts += [
                f"Published on {task}, mean over seeds every 100,000 steps: where it first reaches",
                _published(known),
            ]
    parts += [
        _CAPTION.format(
            window=WINDOW, threshold=manifest.threshold, at_once=_at_once(manifest.jobs)
        )
    ]
    parts += [_ROUNDS] if any(row["method"] == "bc" for row in cells) else []
    parts += ["## Probability of improvement", _improvement(improvement), _IMPROVEMENT]
    parts += ["## Every seed", _seeds(seeds), "## Commands", _commands(manifest)]
    return "\n\n".join(parts) + "\n"


def _at_once(jobs: int) -> str:
    return "one run at a time" if jobs == 1 else f"up to {jobs} runs at once, each on one core"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _share(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}"


def _count(value: float | None) -> str:
    return MISSING if value is None else f"{value:,.0f}"


def _with_interval(row: Row, name: str) -> str:
    middle, low, high = (row.get(f"{name}_{part}") for part in ("iqm", "low", "high"))
    if middle is None or low is None:
        return _share(middle)
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"


def _passage(row: Row, name: str) -> str:
    return f"{_count(row[name])} ({_count(row[f'{name}_median'])})"


Column = tuple[str, Callable[[Row], str], str]
"""A heading, what stands below it, and without what value in any row there is no such column."""


def _columns(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """A table of those columns of which there is something to say."""
    known = [c for c in columns if not c[2] or any(row.get(c[2]) is not None for row in rows)]
    head = [heading for heading, _, _ in known]
    return table(head, [[text(row) for _, text, _ in known] for row in rows])


def _cells(rows: Sequence[Row], manifest: Manifest) -> str:
    def both(name: str) -> Callable[[Row], str]:
        return partial(_with_interval, name=name)

    at = f"to {manifest.threshold:g}"
    columns: list[Column] = [
        ("cell", lambda row: row["cell"], ""),
        ("seeds", lambda row: str(row["seeds"]), ""),
        ("final success at any step, IQM", both("final"), ""),
        ("at the end, IQM", both("final_at_end"), "final_at_end_iqm"),
        ("mean, any step", lambda row: _share(row["final_mean"]), ""),
        ("mean, at the end", lambda row: _share(row.get("final_at_end_mean")), "final_at_end_mean"),
        ("area, IQM", both("area"), ""),
        ("from wide starts at any step, IQM", both("wide"), ""),
        ("from wide starts at the end, IQM", both("wide_at_end"), "wide_at_end_iqm"),
    ]
    if any("steps_to_threshold" in row for row in rows):
        columns += [
            ("steps", lambda row: _count(row["steps"]), ""),
            (f"steps {at}", lambda row: _passage(row, "steps_to_threshold"), ""),
            (f"seconds {at}", lambda row: _passage(row, "seconds_to_threshold"), ""),
            ("hard resets", lambda row: _count(row["hard_resets"]), ""),
        ]
    return _columns(rows, columns)


def _published(known: Sequence[published.Published]) -> str:
    def first(curve: published.Published, level: float) -> str:
        steps = curve.steps_to(level)
        return MISSING if steps == float("inf") else _count(steps)

    return table(
        ["published", *(f"{level:g}" for level in published.LEVELS), "seeds"],
        [
            [curve.method, *(first(curve, level) for level in published.LEVELS), str(curve.seeds)]
            for curve in known
        ],
    )


def _improvement(matrix: Mapping[str, Row]) -> str:
    return table(
        ["", *matrix],
        [[one, *(_share(value) for value in row.values())] for one, row in matrix.items()],
    )


def _seeds(rows: Sequence[Row]) -> str:
    def shared(name: str) -> Callable[[Row], str]:
        return lambda row: _share(row.get(name))

    def counted(name: str) -> Callable[[Row], str]:
        return lambda row: _count(row[name])

    return _columns(
        rows,
        [
            ("cell", lambda row: row["cell"], ""),
            ("task", lambda row: row["task"], ""),
            ("seed", lambda row: str(row["seed"]), ""),
            ("steps", counted("steps"), ""),
            ("final", shared("final"), ""),
            ("final at the end", shared("final_at_end"), "final_at_end"),
            ("area", shared("area"), ""),
            ("wide", shared("wide_success"), ""),
            ("wide at the end", shared("wide_success_at_end"), "wide_success_at_end"),
            ("steps to", counted("steps_to_threshold"), ""),
            ("seconds to", counted("seconds_to_threshold"), ""),
            ("seconds", counted("wall_seconds"), ""),
        ],
    )


def _commands(manifest: Manifest) -> str:
    return table(
        ["cell", "command", "seeds"],
        [
            [
                entry.cell.label,
                f"`{shlex.join(entry.command)}`",
                " ".join(map(str, entry.seeds)),
            ]
            for entry in manifest.entries
        ],
    )
