"""What the commands say of a run: its notes, and what came of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unreset import api


def load(folder: Path, trust: bool = False) -> api.Run:
    """Load a run and print its notes."""
    run = api.load(folder, trust=trust)
    tell(run)
    return run


def tell(run: api.Run, told: Sequence[str] = ()) -> None:
    """Print the notes of a run that were not told yet."""
    for note in run.notes:
        if note not in told:
            print(f"note: {note}", file=sys.stderr)


def summary(run: api.Run) -> str:
    """Lines that say what a run came to."""
    figures = run.summary
    resets = max(figures["hard_resets"])
    return "\n".join(
        [
            f"{figures['method']} on {figures['task']}: {figures['env_steps']:,} steps of "
            f"{len(figures['seeds'])} seed(s) in {figures['wall_seconds']:.0f} s",
            *(_of_lives(figures) if "life_steps" in figures else _of_policies(figures)),
            f"  effort   {resets} hard reset(s)"
            + (f", one in {min(figures['steps_per_reset']):,} steps" if resets else "")
            + f"; {figures['demonstrations']} demonstrations"
            + (
                f"; {max(figures['help_requests'])} call(s) for help, "
                f"{max(figures['labels'])} label(s)"
                if "labels" in figures
                else ""
            ),
            f"  folder   {run.folder}",
        ]
    )


def _of_policies(figures: dict[str, Any]) -> list[str]:
    def shares(name: str) -> str:
        both = figures[name], figures[f"{name}_at_end"]
        reached, kept = ("-" if value is None else f"{value:.2f}" for value in both)
        return f"{reached} at any step, {kept} at the end"

    episodes, rate = figures["evaluation_episodes"], figures["continuing_reward"]
    wide = figures["robustness"] is not None
    return [
        f"  success  {shares('final_success')} of episodes from the initial states"
        + (f" ({episodes:,} for each seed)" if episodes else ""),
        *([f"  wide     {shares('robustness')}, from wide starts"] if wide else []),
        *([] if rate is None else [f"  life     {rate:.4f} reward per step"]),
    ]


def _of_lives(figures: dict[str, Any]) -> list[str]:
    low, high = figures["life_mean_interval"]
    within = "" if low is None else f" (95 %: {low:,.0f} to {high:,.0f})"
    steps, goals = figures["life_steps"], figures["life_goals"]
    solved = sum(step is not None for step in steps)
    lines = [
        f"  lives    {solved} of {len(steps)} reached their goal",
        f"  steps    mean {figures['life_mean']:,.0f}{within}, median "
        f"{figures['life_median']:,.0f}",
    ]
    if figures["task_goals"] > 1:
        reached = [goal for goal, step in zip(goals, steps, strict=True) if step is not None]
        each = [f"{n}: {reached.count(n)} of {goals.count(n)}" for n in sorted(set(goals))]
        lines.append(f"  goals    reached, by their number: {', '.join(each)}")
    return lines
