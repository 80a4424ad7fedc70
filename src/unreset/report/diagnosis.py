"""Sections that show why a run fails: how phases end, Q against returns, learned rewards."""

from __future__ import annotations

from functools import partial

import numpy as np

from unreset.report import curves, page
from unreset.report.drawing import LIGHT
from unreset.report.findings import findings
from unreset.report.record import NEUTRAL, Record, signal_panels, signals, windowed


def to_look_at(record: Record) -> str:
    """The findings as a list; nothing where nothing stands out."""
    items = "".join(f"<li>{page.escape(sentence)}</li>" for sentence in findings(record))
    return f'<ul class="findings">{items}</ul>' if items else ""


def endings(record: Record) -> str:
    """Why and after how many steps the phases of each role ended; nothing where that is unknown."""
    if not {"ended", "steps"} <= record.phases.keys():
        return ""
    parts = []
    for number, role in enumerate(record.roles):
        draw = partial(curves.endings_figure, record, role)
        _, steps = windowed(record, role, "steps")
        latest = f" mean length lately {steps[-1]:.0f}" if len(steps) else ""
        alt = f"Why phases of the {role} role ended, over environment steps."
        parts.append(
            page.figure(page.picture(draw, alt, (330, 190)), _key(role, number, latest), "small")
        )
    names, colours = zip(*curves.ENDINGS.values(), strict=True)
    lengths = page.picture(
        partial(curves.lengths_figure, record),
        "Mean length of the phases of each role over environment steps.",
        (960, 220),
    )
    return (
        page.legend(names, colours)
        + page.note(
            "Shares of the phases that ended because of success, because their time was up, with a "
            "reset, or early by another rule (a discriminator, a switching rule, a change of goal)."
        )
        + f'<div class="grid metrics">{"".join(parts)}</div>'
        + f'<div class="lengths">{page.legend(record.roles)}'
        + page.figure(lengths, "Mean length of a phase, in environment steps.", "wide")
        + "</div>"
    )


def values(record: Record) -> str:
    """What the critics expected of phases and what these brought; nothing where unknown."""
    if not {"value", "return"} <= record.phases.keys():
        return ""
    parts = []
    for number, role in enumerate(record.roles):
        draw = partial(curves.values_figure, record, role)
        alt = f"Q at the start of the {role} role's phases, and their returns."
        picture = page.picture(draw, alt, (420, 230))
        parts.append(page.figure(picture, _key(role, number, _gap(record, role)), "small"))
    return (
        page.note(
            "Solid: mean of the critics' value of the first action of a phase. Dashed: mean of the "
            "discounted rewards that followed until the phase ended, as the learner sees them. "
            "Where success ends a phase and the bootstrap, the two should agree. Elsewhere Q may "
            "well be higher: it also counts what would have come later, and a bonus for entropy "
            "where the learner has one. Rewards of a learned signal are its present ones."
        )
        + f'<div class="grid pairs">{"".join(parts)}</div>'
    )


def _gap(record: Record, role: str) -> str:
    """The latest window's values in words, and those of all phases that succeeded in it."""
    table = record.phases
    _, value = windowed(record, role, "value")
    _, reached = windowed(record, role, "return")
    if not len(value) or not len(reached):
        return ""
    words = f" Q {value[-1]:.2f}, return {reached[-1]:.2f}: gap {value[-1] - reached[-1]:+.2f}"
    won = np.where(table.get("ended", np.full(len(table["value"]), "")) == "success", 1.0, np.nan)
    _, good = windowed(record, role, won * (table["value"] - table["return"]))
    return words + (f", in phases that succeeded {good[-1]:+.2f}" if len(good) else "")


def learned(record: Record) -> str:
    """A small figure for each measurement of the learned signals; nothing where there are none."""
    panels = signal_panels(record)
    parts = []
    for name, columns in panels.items():
        title = name.replace("_", " ")
        draw = partial(curves.metric_figure, record, name, columns)
        picture = page.picture(draw, f"{title} over environment steps.", (330, 190))
        parts.append(page.figure(picture, f"<b>{page.escape(title)}</b>", "small"))
    names = signals(record)
    legend = page.legend(
        [name.replace("_", " ") for name in names], [NEUTRAL + i for i in range(len(names))]
    )
    how = (
        "Accuracy: share of the rows of its batches that a discriminator tells apart, before it "
        "learns from them. Fresh accuracy: share of the states just reached, on which it has never "
        "been trained, that it knows for not the experts'. Near 1 for long, it is saturated: its "
        "reward says little about which states are better. At .5 or less it takes them for the "
        "experts': the role is where it should be, or the discriminator has learned nothing."
    )
    accuracies = any(name.endswith("accuracy") for name in panels)
    note = page.note(how) if accuracies else ""
    return legend + note + f'<div class="grid metrics">{"".join(parts)}</div>' if parts else ""


def _key(role: str, number: int, text: str) -> str:
    """A role's name with its colour, and text after it."""
    colour = number % len(LIGHT.series)
    return f'<b class="key c{colour}">{page.escape(role)}</b>{page.escape(text)}'
