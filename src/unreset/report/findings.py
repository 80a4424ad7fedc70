"""What to look at first: plain sentences about a run that hold, computed from its logs."""

from __future__ import annotations

import math

import numpy as np

from unreset.core.environment import ENVIRONMENT
from unreset.report import facts
from unreset.report.record import Record, Table, finite, over_seeds, signals

LATE = 2 / 3  # share of the run after which "lately" begins
FEW = 50  # phases that say something together; fewer do not
SOME = 20  # phases lately whose share of success is worth comparing
HIGH, LOW = 0.8, 0.2  # shares of success that are worth a remark beside each other
BRIEF = 3.0  # mean steps of phases in which a role has hardly acted
GAP = 3.0  # ratio of Q to the return of successful phases, or of that to Q
SATURATED = 0.95  # accuracy on fresh states beyond which a discriminator is taken for saturated
GUESSES = 0.6  # accuracy on its batches, half of them experts', up to which it has learned nothing
ROWS = 5  # rows of the log lately that say something about a signal; fewer do not
NARROW = -2.0  # nats per action dimension; log 2 = .69 is uniform, -2 has a deviation of about .03
STILL = 0.1  # share of the range seen before that practice must leave lately
FALLEN = 0.5  # share of the best success that the last must keep
JOINED = 5  # evaluations that are averaged
RANGE = (5, 95)  # percentiles of positions that make a range


def findings(record: Record) -> list[str]:
    """Sentences that hold for a run, the most telling ones first; none where nothing stands out."""
    rules = (
        failing_roles,
        brief_phases,
        helpless,
        stuck_practice,
        practice_alone,
        evaluation_alone,
        fallen_success,
        passing_success,
        wrong_values,
        saturated_signals,
        narrow_policy,
    )
    return [sentence for rule in rules for sentence in rule(record)]


def last_steps(record: Record) -> float:
    """The environment step after which "lately" begins."""
    return LATE * facts.steps(record)


def failing_roles(record: Record) -> list[str]:
    """Roles with a goal that never reach it lately, in any seed."""
    table, found = record.phases, []
    for role in record.roles:
        won = table["success"][_order(table, role)] if "success" in table else np.empty(0)
        if len(won) >= FEW and facts.judged(record, role) and not np.nansum(won[-FEW:]):
            never = "" if np.nansum(won) else ", nor ever before"
            found.append(
                f"The {role} role has not succeeded in its last {FEW} phases{never}: see on the "
                "map where they end."
            )
    return found


def brief_phases(record: Record) -> list[str]:
    """Roles whose phases are over before they have done anything, other than by success."""
    table, found = record.phases, []
    if not {"ended", "steps"} <= table.keys():
        return []
    for role in record.roles:
        lately = _order(table, role)[-FEW:]
        length = float(finite(table["steps"][lately]).mean()) if len(lately) == FEW else math.inf
        if length < BRIEF and (table["ended"][lately] == "success").mean() < HIGH:
            found.append(
                f"The {role} role's last {FEW} phases took {length:.1f} steps on average: a rule "
                "ends them before the role has acted."
            )
    return found


def helpless(record: Record) -> list[str]:
    """Whether practice went on where nobody leaves without help."""
    table = record.metrics
    if not {"stuck", "env_steps"} <= table.keys():
        return []
    lately = finite(table["stuck"][table["env_steps"] > last_steps(record)])
    share = float(lately.mean()) if len(lately) else 0.0
    if share < LOW:
        return []
    asks = facts.count(record.summary.get("help_requests"))
    remedy = (
        "let the agent ask for help (--asking.rule classifier)"
        if asks == facts.MISSING
        else f"it called {asks} times in all; let somebody look in sooner (--asking.visit-growth 1)"
    )
    return [
        f"In {share:.0%} of the last third's steps the agent was where it does not get away from "
        f"by itself: {remedy}."
    ]


def stuck_practice(record: Record) -> list[str]:
    """Seeds whose practice has stayed in a corner of what it has seen."""
    table, since, found = record.visits, last_steps(record), []
    if not {"x", "y", "seed", "env_steps"} <= table.keys():
        return []
    for seed in record.seeds:
        mine = (table["seed"] == seed) & np.isfinite(table["x"] + table["y"])
        points = np.stack([table["x"], table["y"]], axis=-1)
        before = points[mine & (table["env_steps"] <= since)]
        lately = points[mine & (table["env_steps"] > since)]
        if min(len(before), len(lately)) < FEW:
            continue
        # Percentiles, so that a short visit elsewhere counts neither before nor after.
        whole, part = (
            np.ptp(np.percentile(p, RANGE, axis=0), axis=0).max() for p in (before, lately)
        )
        if part < STILL * whole:
            name = facts.marks(record)[2]
            found.append(
                f"Practice may be stuck: in the last third of seed {seed} the map ({name}) covers "
                f"{part / whole:.0%} of the range it had before."
            )
    return found


def practice_alone(record: Record) -> list[str]:
    """Success in practice that the deployed policy does not show."""
    practised, deployed = _lately(record)
    if practised >= HIGH and deployed <= LOW:
        return [
            f"Phases for the task's goals succeed ({practised:.0%}) but the deployed policy does "
            f"not ({deployed:.0%}): practice starts where evaluation does not."
        ]
    return []


def evaluation_alone(record: Record) -> list[str]:
    """Success of the deployed policy that practice does not show."""
    practised, deployed = _lately(record)
    if practised <= LOW and deployed >= HIGH:
        return [
            f"The deployed policy succeeds ({deployed:.0%}) but phases for the task's goals do not "
            f"({practised:.0%}): practice is at places from which it has not learned to go on."
        ]
    return []


def fallen_success(record: Record) -> list[str]:
    """Success that was there and has been lost."""
    _, success = over_seeds(record.evaluation, "success")
    if success.shape[-1] < 2 * JOINED:
        return []
    joined = np.convolve(np.nanmean(success, axis=0), np.ones(JOINED) / JOINED, mode="valid")
    best, last = float(joined.max()), float(joined[-1])
    if best >= HIGH and last < FALLEN * best:
        return [f"Success of the deployed policy fell from {best:.2f} to {last:.2f}."]
    return []


def passing_success(record: Record) -> list[str]:
    """Success that does not last, on a task where it has to."""
    if record.task is None or not record.task.lasting:
        return []
    table = record.evaluation
    if not {"success", "success_at_end"} <= table.keys():
        return []
    # Earlier versions did not measure both: only rows with both can be compared.
    both = np.isfinite(table["success"]) & np.isfinite(table["success_at_end"])
    table = {name: column[both] for name, column in table.items()}
    _, reached = over_seeds(table, "success")
    _, kept = over_seeds(table, "success_at_end")
    if not kept.size or not reached.size:
        return []
    some, end = (float(np.nanmean(each[:, -JOINED:])) for each in (reached, kept))
    if end > FALLEN * some or some <= LOW:
        return []
    return [
        f"The deployed policy reaches the goal in {some:.0%} of its episodes and is there at the "
        f"end of {end:.0%}: it does not stay, and this task is done where success lasts."
    ]


def wrong_values(record: Record) -> list[str]:
    """Critics that are far off where only the phase itself counts: where success is the end."""
    table, known, found = record.phases, facts.roles(record), []
    settings = facts.flatten(record.config.get("settings", {}))
    if not {"value", "return", "ended"} <= table.keys():
        return []
    if settings.get("practice.boundary") == "bootstrap":
        return []
    for role in record.roles:
        if role in known and known[role].reward != ENVIRONMENT:
            continue
        order = _order(table, role)
        won = order[(table["ended"][order] == "success") & np.isfinite(table["value"][order])]
        if len(won) < FEW:
            continue
        value, reached = (float(table[c][won[-FEW:]].mean()) for c in ("value", "return"))
        if min(value, reached) > 0 and (value > GAP * reached or reached > GAP * value):
            ratio, side = (
                (value / reached, "above") if value > reached else (reached / value, "below")
            )
            found.append(
                f"Q at the start of successful phases of the {role} role is {side} the returns "
                f"they had by a factor of {ratio:.1f}."
            )
    return found


def saturated_signals(record: Record) -> list[str]:
    """Discriminators that say the same of all fresh states, so that their reward hardly varies."""
    found = []
    for name in signals(record):
        columns = (record.metrics.get(f"{name}_{kind}accuracy") for kind in ("fresh_", ""))
        accuracy, trained = (_late_mean(record, column, ROWS) for column in columns)
        title = name.replace("_", " ")
        if accuracy >= SATURATED and trained >= SATURATED:
            found.append(
                f"The {title} tells fresh states apart in {accuracy:.0%} of cases: its reward is "
                "saturated, and says little about which of them are better. Make it learn less: "
                "mixup, spectral_norm, a lower learning_rate, a longer interval."
            )
        elif accuracy >= SATURATED and trained <= GUESSES:
            found.append(
                f"The {title} takes {1 - accuracy:.0%} of fresh states for the experts' and tells "
                f"only {trained:.0%} of its batches right: it says no to everything, and its "
                "reward is nearly constant. Make it learn more: a higher learning_rate, a shorter "
                "interval, more updates, no spectral_norm."
            )
        elif accuracy <= 1 - SATURATED:
            found.append(
                f"The {title} takes {1 - accuracy:.0%} of fresh states for the experts': its "
                "reward is nearly constant. See with unreset eval --rewards whether they are: if "
                "not, it is fooled; let it learn more (a shorter interval, a higher "
                "learning_rate), and regularise it (mixup, spectral_norm)."
            )
    return found


def narrow_policy(record: Record) -> list[str]:
    """Policies that hardly explore any more."""
    if record.task is None:
        return []
    actions, found = record.task.action_size, []
    for column, values in record.metrics.items():
        if column == "entropy" or column.startswith("entropy_"):
            entropy = _late_mean(record, values)
            if entropy / actions < NARROW:
                role = column.removeprefix("entropy").strip("_")
                whose = f"The {role} policy's" if role else "The policy's"
                found.append(
                    f"{whose} entropy fell to {entropy:.1f} nats ({entropy / actions:.1f} for each "
                    "action dimension): it hardly explores."
                )
    return found


def _order(table: Table, role: str) -> np.ndarray:
    """A role's rows in the order in which its phases ended."""
    mine = np.flatnonzero(table["role"] == role) if "role" in table else np.empty(0, int)
    return mine[np.argsort(table["env_steps"][mine], kind="stable")] if len(mine) else mine


def _late_mean(record: Record, values: np.ndarray | None, least: int = 1) -> float:
    """Mean of a metric lately; NaN where it was not measured in so many rows at least."""
    if values is None:
        return math.nan
    known = finite(values[record.metrics["env_steps"] > last_steps(record)])
    return float(known.mean()) if len(known) >= least else math.nan


def _lately(record: Record) -> tuple[float, float]:
    """Success lately of the phases for the task's goals, and of the deployed policy; or NaN."""
    phases, evaluation, since = record.phases, record.evaluation, last_steps(record)
    if not {"goal", "success", "role"} <= phases.keys() or "success" not in evaluation:
        return math.nan, math.nan
    judged = [role for role in record.roles if facts.judged(record, role)]
    mine = (phases["env_steps"] > since) & (phases["goal"] == "task")
    won = finite(phases["success"][mine & np.isin(phases["role"], judged)])
    deployed = finite(evaluation["success"][evaluation["env_steps"] > since])
    if len(won) < SOME or not len(deployed):
        return math.nan, math.nan
    return float(won.mean()), float(deployed.mean())
