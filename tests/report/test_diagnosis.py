"""What shows why a run fails: remarks, ends of phases, Q against returns, learned rewards."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_report import check, fake_run, page_of, write

from unreset.report import curves, diagnosis, findings, record
from unreset.report.record import Record, Table

STEPS = 3000
ROLES = ("reach", "put_in", "take_out", "open_drawer", "close_drawer")
PHASES = ("role", "phase", "goal", "success", "x", "y", "steps", "ended", "value", "return")


def table(number: int, **columns: object) -> Table:
    """A table of evenly spaced steps; a column is one value or one for each row."""
    every = {"seed": 0.0, "env_steps": np.linspace(0, STEPS, number + 1)[1:]} | columns
    return {name: np.broadcast_to(np.asarray(value), number) for name, value in every.items()}


def made(**tables: Table) -> Record:
    """A run of FBRL on the tabletop with the given tables."""
    config = {"method": "fbrl", "task": "tabletop", "preset": "default", "seed": 0}
    empty: dict[str, Table] = {"metrics": {}, "evaluation": {}, "phases": {}, "visits": {}}
    return Record(Path(), config, {"env_steps": STEPS}, missing=(), **(empty | tables))


def phases(number: int = 300, **columns: object) -> Table:
    usual = {"role": "forward", "goal": "task", "success": 1.0, "ended": "success", "steps": 20.0}
    return table(number, **(usual | {"value": 5.0, "return": 5.0} | columns))


def late(before: float, after: float, number: int = 300) -> np.ndarray:
    """One value in the first two thirds, another in the last."""
    return np.where(np.arange(number) < 2 * number // 3, before, after)


def moving(scale: np.ndarray) -> Table:
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, 300)) * scale
    return table(300, role="forward", x=x, y=y)


@pytest.mark.parametrize(
    ("rule", "tables", "text"),
    [
        (
            findings.passing_success,  # the tabletop's has to last
            {"evaluation": table(20, success=late(0, 1, 20), success_at_end=0.25)},
            "reaches the goal in 100% of its episodes and is there at the end of 25%",
        ),
        (
            findings.failing_roles,
            {"phases": phases(success=late(1, 0), ended="timeout")},
            "forward role has not succeeded in its last 50 phases:",
        ),
        (
            findings.failing_roles,
            {"phases": phases(success=0.0, ended="timeout")},
            "last 50 phases, nor ever before",
        ),
        (
            findings.brief_phases,
            {"phases": phases(steps=late(90, 1), ended="early")},
            "last 50 phases took 1.0 steps on average",
        ),
        (
            findings.helpless,
            {"metrics": table(30, stuck=late(0.1, 0.4, 30))},
            "40% of the last third's steps the agent was where it does not get away from by "
            "itself: let the agent ask for help (--asking.rule classifier)",
        ),
        (
            findings.stuck_practice,
            {"visits": moving(late(1, 0.05))},
            "last third of seed 0 the map (mug position) covers 5% of the range it had before",
        ),
        (
            findings.practice_alone,
            {"phases": phases(), "evaluation": table(30, success=0.1)},
            "goals succeed (100%) but the deployed policy does not (10%)",
        ),
        (
            findings.evaluation_alone,
            {"phases": phases(success=0.1), "evaluation": table(30, success=0.9)},
            "deployed policy succeeds (90%) but phases for the task's goals do not (10%)",
        ),
        (
            findings.fallen_success,
            {"evaluation": table(30, success=late(0.9, 0.3, 30))},
            "fell from 0.90 to 0.30",
        ),
        (
            findings.wrong_values,
            {"phases": phases(value=late(5, 20))},
            "is above the returns they had by a factor of 4.0",
        ),
        (
            findings.wrong_values,
            {"phases": phases(value=1.0)},
            "is below the returns they had by a factor of 5.0",
        ),
        (
            findings.saturated_signals,
            {
                "metrics": table(
                    30, some_judge_fresh_accuracy=late(0.5, 0.99, 30), some_judge_accuracy=0.97
                )
            },
            "The some judge tells fresh states apart in 99% of cases",
        ),
        (
            findings.saturated_signals,
            {"metrics": table(30, classifier_fresh_accuracy=0.96, classifier_accuracy=0.97)},
            "The classifier tells fresh states apart in 96% of cases: its reward is saturated, and "
            "says little about which of them are better. Make it learn less: mixup, spectral_norm",
        ),
        (
            findings.saturated_signals,
            {
                "metrics": table(
                    30, classifier_fresh_accuracy=late(0.5, 0.98, 30), classifier_accuracy=0.52
                )
            },
            "takes 2% of fresh states for the experts' and tells only 52% of its batches right",
        ),
        (
            findings.saturated_signals,
            {"metrics": table(30, goal_judge_fresh_accuracy=late(1, 0.03, 30))},
            "The goal judge takes 97% of fresh states for the experts': its reward is nearly "
            "constant",
        ),
        (
            findings.narrow_policy,
            {"metrics": table(30, entropy_backward=late(2, -9, 30))},
            "The backward policy's entropy fell to -9.0 nats (-3.0 for each action dimension)",
        ),
    ],
)
def test_a_remark_is_made_where_it_holds(rule, tables, text):
    (sentence,) = rule(made(**tables))
    assert text in sentence


def test_success_at_the_end_is_compared_where_it_was_measured():
    """A run of an earlier version that was resumed has old rows without it."""
    rows = {"success": late(1, 0.3, 9), "success_at_end": np.where(np.arange(9) < 8, np.nan, 0.3)}
    assert findings.passing_success(made(evaluation=table(9, **rows))) == []
    rows["success_at_end"] = np.where(np.arange(9) < 8, np.nan, 0.1)
    (remark,) = findings.passing_success(made(evaluation=table(9, **rows)))
    assert "reaches the goal in 30% of its episodes and is there at the end of 10%" in remark


def test_no_remark_on_a_run_without_trouble():
    healthy = made(
        phases=phases(success=late(0, 1)),
        evaluation=table(30, success=late(0.2, 1, 30)),
        visits=moving(late(0.8, 1)),
        metrics=table(
            30,
            entropy=-1.0,
            discriminator_fresh_accuracy=late(0.99, 0.7, 30),
            discriminator_accuracy=0.98,
            # Right on nearly all fresh states, but unsure of what it has seen.
            other_fresh_accuracy=0.99,
            other_accuracy=0.8,
            # A role that is where the experts were.
            classifier_fresh_accuracy=late(0.01, 0.4, 30),
            classifier_accuracy=0.5,
        ),
    )
    assert findings.findings(healthy) == []
    assert diagnosis.to_look_at(healthy) == ""
    assert findings.findings(made()) == []


def test_few_phases_say_nothing():
    few = {"success": 0.0, "ended": "early", "steps": 1.0, "value": 90.0}
    assert findings.findings(made(phases=phases(findings.FEW - 1, **few))) == []


def test_a_few_rows_of_a_discriminator_say_nothing():
    for fresh in (1.0, 0.0):
        judged = {"judge_fresh_accuracy": fresh, "judge_accuracy": 1.0}
        short = made(metrics=table(12, **judged))  # four of them lately
        assert findings.saturated_signals(short) == []
        assert len(findings.saturated_signals(made(metrics=table(15, **judged)))) == 1


def test_a_role_that_matches_states_does_not_fail():
    run = made(phases=phases(role="backward", success=0.0))
    assert findings.failing_roles(run)
    run.config["method"] = "medal"  # type: ignore[index]
    assert findings.failing_roles(run) == []


def test_q_is_not_judged_where_success_is_not_the_end():
    run = made(phases=phases(value=20.0))
    assert findings.wrong_values(run)
    run.config["settings"] = {"practice": {"boundary": "bootstrap"}}  # type: ignore[index]
    assert findings.wrong_values(run) == []


def test_panels_of_signals_are_found_by_what_they_measure():
    columns = ("critic_loss_put_in", "critic_loss_reach", "q_put_in", "entropy", "cloning_loss")
    learned = ("judge_loss", "judge_accuracy", "judge_fresh_accuracy", "new_loss", "new_accuracy")
    varying = np.arange(30.0)
    metrics = table(30, **dict.fromkeys(columns, varying), **dict.fromkeys(learned, 1.0))
    metrics["success_critic_loss_reach"] = varying
    run = made(metrics=metrics, phases=phases(role=np.array(["reach", "put_in"] * 150)))
    panels = record.metric_panels(run)
    assert list(panels) == ["critic_loss", "q", "entropy", "cloning_loss", "success_critic_loss"]
    assert panels["critic_loss"] == [("critic_loss_put_in", 1), ("critic_loss_reach", 0)]
    assert record.signals(run) == ["judge", "new"]
    assert {
        name: [column for column, _ in found] for name, found in record.signal_panels(run).items()
    } == {
        "judge_loss": ["judge_loss"],
        "accuracy": ["judge_accuracy", "new_accuracy"],
        "fresh_accuracy": ["judge_fresh_accuracy"],
        "new_loss": ["new_loss"],
    }


def test_the_gap_is_named():
    steps = np.repeat(np.arange(1.0, 25.0), 2)  # a success and a failure in each window
    ended = np.array(["success", "timeout"] * 24)
    run = made(phases=phases(48, env_steps=steps, ended=ended, value=7.5))
    run.phases["return"] = np.where(run.phases["ended"] == "success", 6.0, 0.0)
    page = diagnosis.values(run)
    assert "Q 7.50, return 3.00: gap +4.50, in phases that succeeded +1.50" in page


def many_roles(folder: Path) -> Path:
    """A run of five roles with learners of their own."""
    run, generator = fake_run(folder), np.random.default_rng(0)
    rows, measured = [], []
    names = [f"{name}_{role}" for name in ("q", "critic_loss") for role in ROLES]
    for seed in range(2):
        for number, step in enumerate(range(100, 20_001, 100)):
            why = list(curves.ENDINGS)[number % 4]
            cells = [int(why == "success"), *generator.normal(size=2), 100, why, number, 3.0]
            rows.append([seed, step, ROLES[number % 5], number, "task", *cells])
        for step in range(1000, 20_001, 1000):
            measured.append([seed, step, *generator.normal(size=len(names)), 0.99, 0.97])
    common = ["seed", "env_steps"]
    write(run / "phases.csv", [*common, *PHASES], rows)
    signal = ["judge_fresh_accuracy", "judge_accuracy"]
    write(run / "metrics.csv", [*common, *names, *signal], measured)
    (run / "visits.csv").unlink()
    return run


@pytest.mark.slow
def test_a_page_with_many_roles(tmp_path):
    run = many_roles(tmp_path / "run")
    page = page_of(run)
    images = [image["alt"] for image in check(page).images]
    for role in ROLES:
        assert f"Why phases of the {role} role ended, over environment steps." in images
        assert f"Q at the start of the {role} role's phases, and their returns." in images
        assert any(alt.startswith(f"Map of the {role} role") and "lately" in alt for alt in images)
    # Roles share the panels of their learners.
    assert [alt for alt in images if alt.startswith(("q ", "critic loss"))] == [
        "q over environment steps.",
        "critic loss over environment steps.",
    ]
    assert page.index("What to look at") < page.index("Success of the deployed policy")
    assert "The judge tells fresh states apart in 99% of cases" in page
    with Image.open(curves.write_curves(run)) as image:
        assert image.width > 1000


def test_old_folders_give_a_page_without_the_new_sections(tmp_path):
    run = fake_run(tmp_path / "run")
    page = page_of(run)
    check(page)
    for title in ("How phases end", "Q against returns", "Learned rewards"):
        assert title not in page
    assert "Last third of the run" in page
    summary = json.loads((run / "summary.json").read_text())
    assert f"{summary['env_steps']:,}" in page
