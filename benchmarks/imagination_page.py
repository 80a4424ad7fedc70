"""Tables, plots and verdicts of the offline study, from its CSV files alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from unreset.bench.markdown import table
from unreset.errors import UnresetError
from unreset.evaluation.statistics import bootstrap_interval
from unreset.reading import read_json, reading
from unreset.report.drawing import LIGHT, canvas, thousands, to_png
from unreset.runs.files import write_bytes
from unreset.runs.rows import read_rows
from unreset.tasks.pointmass.pointmass_walls import PROTOCOL

NARROW, SHOWN = "narrow", "demonstrations"
SCORES = {"return": "return", "success": "success"}
_MOST_ROWS = 3000  # of each table; five seeds have 90
SMALL = 0.1  # of the starts' effect: what "hardly matters" may be at most

_CAPTION = """\
Mean over seeds, in brackets its 95% interval by bootstrapping over seeds. An episode begins at the
narrow start and ends with its first success, or after {horizon} steps; its return is the sum of the
dense reward, minus the length of the way to the goal at every step. Every policy has practised in
its model alone, with as many updates and as many imagined steps whatever a rollout's length."""
_FINDINGS = """\
Effects are differences between means over cells, seed by seed; "confirmed" says that the 95%
interval of the effect on the return is above 0, "refuted" that it is below, "open" that it holds 0.
The "hardly" of the last lines asks instead whether the whole interval is within a tenth of what the
starts are worth."""
_MODELS = """\
Error by steps ahead, open loop along fresh demonstrations, in deviations of each number; and the
share of one step's changes within the predicted intervals. Mean over seeds."""


class Policies:
    """The study's policies: scores by seed and cell."""

    def __init__(self, rows: Sequence[Mapping[str, str]]) -> None:
        self.seeds, self.sizes, self.lengths = (
            sorted({int(row[name]) for row in rows}) for name in ("seed", "size", "length")
        )
        self._rows = {
            (int(row["seed"]), int(row["size"]), int(row["length"]), row["start"]): row
            for row in rows
        }
        cells = len(self.seeds) * len(self.sizes) * len(self.lengths) * len((NARROW, SHOWN))
        if len(self._rows) != cells or len(rows) != cells:
            raise ValueError(f"policies.csv has {len(rows)} rows for {cells} cells")

    def scores(
        self,
        name: str,
        sizes: Sequence[int] = (),
        lengths: Sequence[int] = (),
        starts: Sequence[str] = (NARROW, SHOWN),
    ) -> np.ndarray:
        """Scores [seeds], each a mean over cells; without sizes or lengths over all of them."""
        cells = [
            (size, length, start)
            for size in sizes or self.sizes
            for length in lengths or self.lengths
            for start in starts
        ]
        return np.array(
            [
                np.mean([_number(self._rows[seed, *cell][name]) for cell in cells])
                for seed in self.seeds
            ]
        )


class Effect(NamedTuple):
    """One claim: what it says, and the differences that speak for it."""

    claim: str
    difference: Callable[[Policies, str], np.ndarray]  # (policies, score) -> [seeds]


def _longer(start: str) -> Callable[[Policies, str], np.ndarray]:
    return lambda p, name: (
        p.scores(name, lengths=p.lengths[-1:], starts=[start])
        - p.scores(name, lengths=p.lengths[:1], starts=[start])
    )


def _larger(start: str) -> Callable[[Policies, str], np.ndarray]:
    return lambda p, name: (
        p.scores(name, sizes=p.sizes[-1:], starts=[start])
        - p.scores(name, sizes=p.sizes[:1], starts=[start])
    )


def _shown(p: Policies, name: str) -> np.ndarray:
    return p.scores(name, starts=[SHOWN]) - p.scores(name, starts=[NARROW])


EFFECTS = (
    Effect("(a) longer rollouts are better, from narrow starts", _longer(NARROW)),
    Effect("(a) longer rollouts are better, from demonstrations", _longer(SHOWN)),
    Effect("(b) demonstrated starts are better than narrow ones", _shown),
    Effect(
        "(b) they matter more than length does from narrow starts",
        lambda p, name: _shown(p, name) - _longer(NARROW)(p, name),
    ),
    Effect("a larger model is better, from narrow starts", _larger(NARROW)),
    Effect(
        "(c) its size, for better or worse, matters less from demonstrations",
        lambda p, name: abs(_larger(NARROW)(p, name)) - abs(_larger(SHOWN)(p, name)),
    ),
)


def write(out: Path) -> list[Path]:
    """Write ``tables.md`` and ``imagination.png`` of a study's folder; returns their paths.

    Raises:
        UnresetError: where the folder holds no study.
    """
    rows = read_rows(out / "policies.csv")
    if not rows or not (out / "study.json").is_file():
        raise UnresetError(f"{out} holds nothing of python benchmarks/imagination_run.py")
    about = read_json(out / "study.json")
    with reading(out, f"{out} is no study of python benchmarks/imagination_run.py"):
        policies = Policies(rows)
        models, planners = (read_rows(out / f"{name}.csv") for name in ("models", "planners"))
        if max(map(len, (rows, models, planners))) > _MOST_ROWS:
            raise ValueError(f"one of its tables has more than {_MOST_ROWS:,} rows")
        page = _page(about, policies, models, planners)
    return [
        write_bytes(out / "tables.md", page.encode()),
        write_bytes(out / "imagination.png", to_png(_figure(policies))),
    ]


def _page(
    about: Mapping[str, Any],
    policies: Policies,
    models: Sequence[Mapping[str, str]],
    planners: Sequence[Mapping[str, str]],
) -> str:
    seeds = ", ".join(map(str, policies.seeds))
    return (
        "\n\n".join(
            [
                "# Imagination: a model's data, the length of rollouts, and their starts",
                f"    {about['called']}",
                f"unreset {about['version']}; {about['machine']}. Seeds {seeds}.",
                "## Policies that practised in a model alone",
                _policies(policies),
                _CAPTION.format(horizon=PROTOCOL.horizon),
                "## What the poster found",
                _effects(policies),
                _FINDINGS,
                "## The models",
                _models(models),
                _MODELS,
                "## Planners alone, without value and policy",
                _planners(planners),
                f"Episodes of {about['study']['planned_steps']} steps; size 0 is the task itself.",
            ]
        )
        + "\n"
    )


def _interval(scores: np.ndarray) -> tuple[float, float, float]:
    """Mean and bounds."""
    low, high = bootstrap_interval([scores], np.random.default_rng(0), np.mean)
    return float(scores.mean()), float(low), float(high)


def _told(scores: np.ndarray, digits: int = 2) -> str:
    mean, low, high = _interval(scores)
    if np.isnan(low):
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _number(text: str) -> float:
    return float(text) if text else float("nan")


def _policies(policies: Policies) -> str:
    head = ["rollouts begin", "length"]
    head += [f"{score}, {size:,}" for score in SCORES for size in policies.sizes]
    rows = []
    for start in (NARROW, SHOWN):
        for length in policies.lengths:
            cells = [
                _told(policies.scores(score, [size], [length], [start]), digits)
                for score, digits in (("return", 1), ("success", 2))
                for size in policies.sizes
            ]
            rows.append([start, str(length), *cells])
    return table(head, rows)


def _effects(policies: Policies) -> str:
    rows = []
    for effect in EFFECTS:
        scores = {name: effect.difference(policies, name) for name in SCORES}
        _, low, high = _interval(scores["return"])
        verdict = "confirmed" if low > 0 else "refuted" if high < 0 else "open"
        rows.append([effect.claim, _told(scores["return"], 1), _told(scores["success"]), verdict])
    most = SMALL * abs(_shown(policies, "return").mean())
    last = policies.sizes[-1:]
    for size in dict.fromkeys((policies.sizes[0], policies.sizes[-2])):
        gains = {
            name: policies.scores(name, last, starts=[SHOWN])
            - policies.scores(name, [size], starts=[SHOWN])
            for name in SCORES
        }
        _, low, high = _interval(gains["return"])
        within, beyond = max(-low, high) <= most, low > most or high < -most
        rows.append(
            [
                f"(c) from demonstrations {last[0]:,} transitions are hardly better than {size:,}",
                _told(gains["return"], 1),
                _told(gains["success"]),
                "confirmed" if within else "refuted" if beyond else "open",
            ]
        )
    return table(["claim", "effect on the return", "on success", "verdict"], rows)


def _mean(rows: Sequence[Mapping[str, str]], name: str) -> np.ndarray:
    return np.array([_number(row[name]) for row in rows])


def _models(rows: Sequence[Mapping[str, str]]) -> str:
    names = [name for name in rows[0] if name.startswith(("error_", "within_"))]
    last = [name for name in rows[0] if name.startswith("unchanged_")]
    head = ["transitions"]
    for name in names:
        kind, number = name.split("_")
        head.append(f"error at {number}" if kind == "error" else f"within {number} %")
    lines = []
    for size in sorted({int(row["size"]) for row in rows}):
        mine = [row for row in rows if int(row["size"]) == size]
        lines.append([f"{size:,}", *(f"{_mean(mine, name).mean():.3f}" for name in names)])
    still = [f"{_mean(rows, name).mean():.3f}" for name in last]
    lines.append(["nothing changes", *still, *[""] * (len(names) - len(still))])
    return table(head, lines)


def _planners(rows: Sequence[Mapping[str, str]]) -> str:
    cells = dict.fromkeys((row["planner"], int(row["size"])) for row in rows)
    lines = []
    for planner, size in cells:
        mine = [r for r in rows if r["planner"] == planner and int(r["size"]) == size]
        steps = _mean([row for row in mine if row["steps"]], "steps")
        lines.append(
            [
                planner,
                f"{size:,}",
                _told(_mean(mine, "success")),
                f"{steps.mean():.1f}" if len(steps) else "-",
                _told(_mean(mine, "return"), 1),
            ]
        )
    return table(["planner", "transitions", "success", "steps of successes", "return"], lines)


def _figure(policies: Policies) -> Figure:
    """Return and success over the length of rollouts, a panel for each kind of start."""
    figure = canvas(10.0, 6.4)
    axes = figure.subplots(2, 2, sharex=True, sharey="row")
    for row, score in enumerate(SCORES):
        for column, start in enumerate((NARROW, SHOWN)):
            panel = axes[row, column]
            for number, size in enumerate(policies.sizes):
                colour = LIGHT.series[number]
                found = [
                    _interval(policies.scores(score, [size], [n], [start]))
                    for n in policies.lengths
                ]
                mean, low, high = np.array(found).T
                panel.fill_between(
                    policies.lengths, low, high, color=colour, alpha=0.16, linewidth=0
                )
                label = f"{thousands(size)} transitions"
                panel.plot(policies.lengths, mean, marker="o", color=colour, label=label)
            for side in ("top", "right", "left"):
                panel.spines[side].set_visible(False)
            panel.spines["bottom"].set_color(LIGHT.line)
            panel.grid(axis="y", color=LIGHT.line, linewidth=0.7)
            panel.tick_params(colors=LIGHT.muted, labelsize=9, length=0)
            panel.set_xticks(policies.lengths)
            title = f"{score}, rollouts from {'narrow starts' if start == NARROW else start}"
            panel.set_title(title, loc="left", color=LIGHT.text, fontsize=11)
            if row:
                below = "steps of an imagined rollout; mean over seeds, 95% interval"
                panel.set_xlabel(below, color=LIGHT.muted, fontsize=9)
    axes[0, 1].legend(frameon=False, labelcolor=LIGHT.text, fontsize=9)
    return figure
