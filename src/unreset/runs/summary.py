"""What a run cost and reached, in figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from unreset.core.method import Method
from unreset.core.practice import Run
from unreset.evaluation.statistics import WINDOW, first_passage
from unreset.interventions.stuck_labels import asked_of
from unreset.runs.config import RunConfig
from unreset.runs.folder import SUMMARY_FORMAT


def effort(run: Run) -> dict[str, list[float]]:
    """What each seed [seeds] has cost people so far; requests and labels where it asks for help."""
    found = {"hard_resets": run.ledger.hard_resets}
    asked = asked_of(run.signals)
    if asked is not None:
        found |= {"help_requests": asked.requests, "labels": asked.labels}
        found |= {"human_minutes": asked.minutes}
    return {name: np.asarray(counts).tolist() for name, counts in found.items()}


def summarize(
    config: RunConfig,
    method: Method,
    run: Run,
    env_steps: int,
    evaluations: Sequence[dict[str, str]],
) -> dict[str, Any]:
    """The figures of a run that its state and its rows of ``eval.csv`` tell; JSON types only."""
    last = {int(row["seed"]): row for row in evaluations}
    cost = effort(run)
    phases, successes = np.asarray(run.ledger.phases), np.asarray(run.ledger.successes)

    def each(column: str) -> list[float]:
        return [float(row[column]) for row in last.values() if row.get(column)]

    def mean(column: str) -> float | None:
        return round(float(np.mean(each(column))), 4) if each(column) else None

    episodes = [int(number) for number in each("episodes") if np.isfinite(number)]

    return {
        "format": SUMMARY_FORMAT,
        "method": config.method,
        "task": config.task,
        "preset": config.preset,
        "seeds": [config.seed + i for i in range(config.seeds)],
        "updates": int(np.asarray(method.learner.updates(run.learners))[0].sum()),
        "final_success": mean("success"),
        "final_success_per_seed": each("success"),
        "final_success_at_end": mean("success_at_end"),
        "final_success_at_end_per_seed": each("success_at_end"),
        "evaluation_episodes": episodes[0] if episodes else None,
        "continuing_reward": mean("continuing_reward"),
        "robustness": mean("wide_success"),
        "robustness_at_end": mean("wide_success_at_end"),
        "robustness_object": mean("wide_object_success"),
        "robustness_object_at_end": mean("wide_object_success_at_end"),
        "steps_to_095": steps_to(evaluations, 0.95),
        "steps_to_095_at_end": steps_to(evaluations, 0.95, "success_at_end"),
        **cost,
        "interventions": cost["hard_resets"],
        "steps_per_reset": [round(env_steps / max(n, 1)) for n in cost["hard_resets"]],
        "phase_switches": [int(n) for n in phases.sum(axis=1)],
        "phases": {
            role.name: {
                "ended": int(phases[:, i].sum()),
                "successful": int(successes[:, i].sum()),
            }
            for i, role in enumerate(method.roles)
        },
    }


def steps_to(
    rows: Sequence[dict[str, str]], threshold: float, column: str = "success"
) -> int | None:
    """The first step whose trailing window of evaluations, averaged over seeds, passes.

    None where none does, and where it is not known: earlier versions did not measure all columns.
    """
    lacking = [row for row in rows if row.get("success") and not row.get(column)]
    unknown = min((int(row["env_steps"]) for row in lacking), default=math.inf)
    rows = [row for row in rows if row.get(column)]
    steps = sorted({int(row["env_steps"]) for row in rows})
    means = [
        np.mean([float(r[column]) for r in rows if int(r["env_steps"]) == step]) for step in steps
    ]
    end = first_passage(np.array(means), threshold, WINDOW)
    return None if end is None or unknown < steps[end] else steps[end]
