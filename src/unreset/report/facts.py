"""What a record says: headline quantities, as numbers and as text."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from unreset import registry
from unreset.core.environment import ENVIRONMENT
from unreset.core.method import Role
from unreset.errors import UnresetError
from unreset.report.record import Record
from unreset.runs import stored

MISSING = "\u2013"


class Quantity(NamedTuple):
    """One headline quantity: its name, its value as text, and what must be known to read it."""

    label: str
    value: str
    note: str = ""
    optional: bool = False  # not worth a tile where it is missing


def mean(value: Any) -> float:
    """A number, or the mean of a list of one number per seed; NaN for anything else."""
    if isinstance(value, list | tuple | np.ndarray):
        numbers = [number for number in map(mean, value) if math.isfinite(number)]
        return float(np.mean(numbers)) if numbers else math.nan
    return float(value) if isinstance(value, int | float) else math.nan


def share(value: Any) -> str:
    """A success rate."""
    number = mean(value)
    return f"{number:.2f}" if math.isfinite(number) else MISSING


def small(value: Any) -> str:
    """A reward of one step."""
    number = mean(value)
    return f"{number:.4f}" if math.isfinite(number) else MISSING


def count(value: Any) -> str:
    """A number of things."""
    number = mean(value)
    if not math.isfinite(number):
        return MISSING
    return f"{number:,.0f}" if number >= 100 or number == round(number) else f"{number:,.1f}"


def duration(seconds: Any) -> str:
    """Seconds as hours, minutes and seconds."""
    number = mean(seconds)
    if not math.isfinite(number):
        return MISSING
    whole = round(number)
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{number:.1f} s"


def memory(megabytes: Any) -> str:
    """Megabytes."""
    number = mean(megabytes)
    if not math.isfinite(number):
        return MISSING
    return f"{number / 1024:.1f} GB" if number >= 1024 else f"{number:.0f} MB"


def last(record: Record, column: str) -> dict[int, float]:
    """The last value of a column of ``eval.csv``, for each seed."""
    table = record.evaluation
    if not {column, "seed", "env_steps"} <= table.keys():
        return {}
    found: dict[int, float] = {}
    for at in np.argsort(table["env_steps"], kind="stable"):
        if math.isfinite(table[column][at]) and math.isfinite(table["seed"][at]):
            found[int(table["seed"][at])] = float(table[column][at])
    return found


def steps(record: Record) -> float:
    """Environment steps of each seed, from the summary or else the logs."""
    given = mean(record.summary.get("env_steps"))
    tables = (record.metrics, record.evaluation, record.phases)
    seen = [np.nanmax(table["env_steps"]) for table in tables if "env_steps" in table]
    return given if math.isfinite(given) else max(map(float, seen), default=math.nan)


def final_success(record: Record) -> np.ndarray:
    """Final success [seeds]; the last evaluation's where there is no summary."""
    given = record.summary.get("final_success_per_seed")
    values = given if isinstance(given, list) and given else [*last(record, "success").values()]
    return np.array([mean(value) for value in values])


def at_end(record: Record) -> float:
    """Final success at the end of an episode; the last evaluation's where there is no summary."""
    given = record.summary.get("final_success_at_end")
    return mean([*last(record, "success_at_end").values()] if given is None else given)


def phases(
    record: Record, role: str, seed: int | None = None, since: float = 0.0
) -> tuple[int, int]:
    """Ended phases of a role after step ``since``, and how many of them ended in success."""
    table = record.phases
    if not {"role", "success"} <= table.keys():
        return 0, 0
    mine = table["role"] == role
    if seed is not None:
        mine &= table.get("seed", np.zeros(len(mine))) == seed
    if since:
        mine &= table["env_steps"] > since
    return int(mine.sum()), int(np.nansum(table["success"][mine]))


def headline(record: Record) -> list[Quantity]:
    """The quantities of the tiles and of the comparison's table."""
    summary, finals, number = record.summary, final_success(record), len(record.seeds)
    success = summary.get("final_success", finals)
    spread = f"± {finals.std():.2f} over {len(finals)} seeds" if len(finals) > 1 else "one seed"
    each = "per seed" if number > 1 else ""
    speed, wall = summary.get("steps_per_second"), summary.get("wall_seconds")
    if speed is None:
        speed = _tail(record, "steps_per_second", np.median)
    if wall is None:
        wall = _tail(record, "wall_seconds", np.max)
    wide = summary.get("robustness")
    life = summary.get("continuing_reward", list(last(record, "continuing_reward").values()))
    switches = summary.get("phase_switches")
    if switches is None and record.phases:
        switches = len(record.phases["env_steps"]) / number
    wide_at_end = share([*last(record, "wide_success_at_end").values()])
    reached = "steps_to_095" in summary and summary["steps_to_095"] is None
    return [
        Quantity(
            "Final success" if summary else "Success so far",
            share(success),
            f"at any step; {spread}",
        ),
        Quantity("Success at the end", share(at_end(record)), _episodes(record)),
        Quantity(
            "Steps to .95",
            "not reached" if reached else count(summary.get("steps_to_095")),
            "at any step, mean of 5 evaluations",
        ),
        Quantity(
            "Robustness",
            share(list(last(record, "wide_success").values()) if wide is None else wide),
            "from wide starts"
            + (f"; {wide_at_end} at the end" if wide_at_end != MISSING else ", at any step"),
        ),
        Quantity("Reward per step", small(life), "of the whole life", optional=True),
        Quantity(
            "Lives that succeeded",
            share(summary.get("life_solved")),
            f"mean {count(summary.get('life_mean'))} steps{_goals(record)}",
            optional=True,
        ),
        Quantity("Hard resets", count(summary.get("hard_resets")), each),
        Quantity(
            "Help requests",
            count(summary.get("help_requests")),
            f"{count(summary.get('labels'))} labels",
            optional=True,
        ),
        Quantity("Phases", count(switches), each),
        Quantity("Wall time", duration(wall), f"{number} seeds at once" if number > 1 else ""),
        Quantity("Steps per second", count(speed), f"of each of {number} seeds" if each else ""),
        Quantity("Peak memory", memory(summary.get("peak_memory_mb"))),
    ]


def _episodes(record: Record) -> str:
    """What success at the end is of."""
    number = record.summary.get("evaluation_episodes")
    counted = f"of {count(number)} episodes" if number else "of an episode"
    return f"{counted}; has to last" if record.task is not None and record.task.lasting else counted


def _goals(record: Record) -> str:
    """The goals of lives, where their task has several."""
    goals = record.summary.get("life_goals")
    if not isinstance(goals, list) or mean(record.summary.get("task_goals")) < 2:
        return ""
    chosen = ", ".join(map(str, sorted(set(goals))))
    return f"; goal {chosen}"


def _tail(record: Record, column: str, reduce: Callable[[np.ndarray], Any]) -> float:
    """A figure of the whole column, from the metrics or else the evaluations."""
    values = record.metrics.get(column, record.evaluation.get(column, np.empty(0)))
    values = np.compress(np.isfinite(values), values)
    return float(reduce(values)) if len(values) else math.nan


def roles(record: Record) -> dict[str, Role]:
    """The run's roles by name, as its settings or else its preset has them; empty if unknown."""
    config, name = record.config, str(record.config.get("method"))
    if record.task is None:
        return {}
    try:
        settings = (
            stored.build(registry.settings_class(name), config["settings"])
            if config.get("settings")
            else registry.settings(name, str(config.get("preset")))
        )
        method = registry.method(settings, record.task)
    except UnresetError:
        return {}
    return {role.name: role for role in method.roles}


def judged(record: Record, role: str) -> bool:
    """Whether success means anything for a role: not where it is only to please a signal.

    The first role's always does, since it is the one that is deployed.
    """
    known = roles(record)
    if role not in known or role == next(iter(known)):
        return True
    return known[role].reward == ENVIRONMENT or known[role].ends_on_success


def marks(record: Record) -> tuple[np.ndarray | None, np.ndarray | None, str]:
    """Positions of the task's goals and initial states, if known, and what a position is."""
    task = record.task
    if task is None:
        return None, None, "position"
    axes = list(task.position)
    if task.goal_size <= max(axes):
        return None, None, task.position_name
    return task.goals[:, axes], task.initial_goals[:, axes], task.position_name


def flatten(settings: Any, prefix: str = "") -> dict[str, str]:
    """Nested settings by dotted name, values as text."""
    if not isinstance(settings, Mapping):
        return {prefix: _setting(settings)}
    flat: dict[str, str] = {}
    for name, value in settings.items():
        flat |= flatten(value, f"{prefix}.{name}" if prefix else str(name))
    return flat


def _setting(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, list):
        return " ".join(map(_setting, value)) or MISSING
    return f"{value:g}" if isinstance(value, float) else str(value)


def configuration(record: Record) -> dict[str, str]:
    """Everything in ``config.json``, flat; the run's own entries first."""
    return flatten({**record.config, "settings": None} | {"settings": {}}) | flatten(
        record.config.get("settings", {})
    )


def seeds_text(record: Record) -> str:
    """The seeds in words."""
    seeds = record.seeds
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    run = seeds == list(range(seeds[0], seeds[0] + len(seeds)))
    return f"seeds {seeds[0]} to {seeds[-1]}" if run else "seeds " + ", ".join(map(str, seeds))
