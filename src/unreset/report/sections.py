"""The sections of a run's page, each as HTML made from its record."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unreset.errors import UnresetError
from unreset.reading import read_json, reading
from unreset.report import curves, facts, findings, page
from unreset.report.drawing import LIGHT
from unreset.report.maps import map_figure
from unreset.report.record import Record, metric_panels, over_seeds, windowed

_MOST_VIDEOS, _MOST_BYTES = 100, 10_000_000  # of a run; of one, 25 times what is written here
_MOST_PIXELS = 1 << 28  # of all frames of a run's videos, which may be packed to next to nothing
_BROAD = 240  # pixels from which a video takes two places of the gallery
_WHAT = {
    "summary.json": "the summary, so that figures are taken from the logs as far as they go",
    "metrics.csv": "training metrics",
    "eval.csv": "success of the deployed policy",
    "phases.csv": "how phases ended",
    "visits.csv": "visited states",
}


def tiles(record: Record) -> str:
    """The headline quantities."""
    parts = []
    for label, value, note, optional in facts.headline(record):
        if optional and value == facts.MISSING:
            continue
        known = note if value != facts.MISSING else ""
        parts.append(
            f"<div><dt>{page.escape(label)}</dt><dd>{page.escape(value)}"
            f"<small>{page.escape(known) or '&nbsp;'}</small></dd></div>"
        )
    return f'<dl class="tiles">{"".join(parts)}</dl>'


def notice(records: Sequence[Record]) -> str:
    """What is missing or damaged, if anything is."""
    lines = [
        f"<li><code>{page.escape(name)}</code> is missing or empty: this page lacks {_WHAT[name]}."
        + (f" ({page.escape(record.folder.name)})" if len(records) > 1 else "")
        + "</li>"
        for record in records
        for name in record.missing
    ]
    lines += [
        f"<li><code>{page.escape(name)}</code>: {number:,} damaged line(s) are left out."
        + (f" ({page.escape(record.folder.name)})" if len(records) > 1 else "")
        + "</li>"
        for record in records
        for name, number in record.damaged.items()
    ]
    return f'<ul class="notice">{"".join(lines)}</ul>' if lines else ""


def success(record: Record) -> str:
    """Success of the deployed policy over environment steps."""
    if not record.evaluation:
        return page.nothing("eval.csv is missing: there is no evaluation to show yet.")
    several = len(record.seeds) > 1
    names, numbers = ["from the initial states"], [0]
    if len(over_seeds(record.evaluation, "wide_success")[0]):
        names, numbers = [*names, "from wide starts (dashed)"], [0, 2]
    draw = partial(curves.success_figure, [record], ["from the initial states"])
    caption = "Share of evaluation episodes that reach the goal at any step, deterministic policy."
    final = f"ending at {facts.share(facts.final_success(record))}"
    if np.isfinite(facts.at_end(record)):
        caption += " Dots in the same colour: that are at the goal at the end."
        final += f", {facts.share(facts.at_end(record))} at the end of episodes"
    caption += (
        " Thick: mean over seeds; band: one standard deviation; thin: each seed." if several else ""
    )
    caption += " Dotted line across: .95."
    alt = f"Success over environment steps, {final}."
    return page.legend(names, numbers) + page.figure(
        page.picture(draw, alt, (960, 390)), page.escape(caption), "wide"
    )


def per_seed(record: Record) -> str:
    """A row per seed: what it reached and how its phases went."""
    columns = {
        "success": "success at any step",
        "success_at_end": "at the end",
        "wide_success": "wide starts, any step",
        "wide_success_at_end": "at the end",
        "return": "return",
        "continuing_reward": "reward per step",
    }
    columns = {column: name for column, name in columns.items() if facts.last(record, column)}
    last = {column: facts.last(record, column) for column in columns}
    lives = _lives(record)
    head = ["seed", *lives, *map(page.escape, columns.values())]
    roles = [role for role in record.roles if facts.judged(record, role)]
    head += [f"{page.escape(role)} phases in success" for role in roles]
    rows = []
    for number, seed in enumerate(record.seeds):
        row = [str(seed), *(facts.count(of[number]) for of in lives.values())]
        row += [facts.small(last[column].get(seed)) for column in columns]
        for role in roles:
            ended, won = facts.phases(record, role, seed)
            row.append(f"{won:,} of {ended:,}")
        rows.append(row)
    return page.table(head, rows)


def _lives(record: Record) -> Mapping[str, Sequence[object]]:
    """The goal and the steps of each life by what a table calls them; nothing of other runs."""
    found = {"goal": record.summary.get("life_goals"), "steps": record.summary.get("life_steps")}
    lists = {name: of for name, of in found.items() if isinstance(of, list)}
    return {name: of for name, of in lists.items() if len(of) == len(record.seeds)}


def phase_success(record: Record) -> str:
    """Success of the phases, while practising."""
    if not record.phases:
        return page.nothing("phases.csv is missing: how the phases ended is not known.")
    roles = {role: number for number, role in enumerate(record.roles) if facts.judged(record, role)}
    others = [role for role in record.roles if role not in roles]
    latest = []
    for role in roles:
        _, share = windowed(record, role, "success")
        latest += [f"{role} {share[-1]:.2f}"] if len(share) else []
    alt = f"Share of successful phases over environment steps; latest: {', '.join(latest)}."
    caption = "Share of the phases that ended in success, while practising. Latest window: "
    caption += ", ".join(latest) + "."
    if any(curves.lost(record, role) for role in roles):
        caption += " Dashed: that reached their goal at any step; not all phases end there."
    if others:
        caption += (
            f" Not judged by success, since rewarded by a learned signal: {', '.join(others)}."
        )
    picture = page.picture(partial(curves.phases_figure, record, roles), alt, (960, 270))
    return page.legend([*roles], [*roles.values()]) + page.figure(
        picture, page.escape(caption), "wide"
    )


def metrics(record: Record) -> str:
    """A small figure for each training metric."""
    panels = metric_panels(record)
    if not panels:
        return page.nothing("metrics.csv is missing or has no metric that varies.")
    parts, split = [], False
    for name, columns in panels.items():
        title = name.replace("_", " ")
        draw = partial(curves.metric_figure, record, name, columns)
        split |= any(column != name for column, _ in columns)
        picture = page.picture(draw, f"{title} over environment steps.", (330, 190))
        parts.append(page.figure(picture, f"<b>{page.escape(title)}</b>", "small"))
    legend = page.legend(record.roles) if split else ""
    return f'{legend}<div class="grid metrics">{"".join(parts)}</div>'


def maps(record: Record) -> str:
    """One map for each role, without the legend."""
    if not record.visits and not record.phases:
        return page.nothing("visits.csv and phases.csv are missing: there is no map to draw.")
    return _maps(record)


def late_maps(record: Record) -> str:
    """The maps of what came lately, under a heading; nothing where there is nothing before it."""
    since = findings.last_steps(record)
    steps = np.concatenate(
        [t.get("env_steps", np.empty(0)) for t in (record.visits, record.phases)]
    )
    if not (steps <= since).any() or not (steps > since).any():
        return ""
    return f"<h3>Last third of the run</h3>{_maps(record, since)}"


def _maps(record: Record, since: float = 0.0) -> str:
    goals, initial, _ = facts.marks(record)
    lately = " lately" if since else ""
    parts = []
    for number, role in enumerate(record.roles):
        judged, (ended, won) = facts.judged(record, role), facts.phases(record, role, since=since)
        draw = partial(
            map_figure, record, role, goals=goals, initial=initial, judged=judged, since=since
        )
        alt = f"Map of the {role} role: where it has been and where its {ended} phases ended"
        caption = f'<b class="key c{number % len(LIGHT.series)}">{page.escape(role)}</b> ' + (
            f"{won:,} of {ended:,} phases succeeded" if judged else f"{ended:,} phases"
        )
        parts.append(page.figure(page.picture(draw, f"{alt}{lately}.", (420, 420)), caption))
    return f'<div class="grid maps">{"".join(parts)}</div>'


_SHAPES = {
    "phase ended in success": '<circle cx="8" cy="8" r="4" class="good"/>',
    "phase ended without": '<path d="M4 4 12 12M12 4 4 12" class="bad"/>',
    "phase ended": '<path d="M4 8H12M8 4V12" class="rim"/>',
    "goal": '<circle cx="8" cy="8" r="6" class="rim"/>',
    "initial state": '<rect x="2" y="2" width="12" height="12" class="rim"/>',
}


def map_legend(records: Sequence[Record]) -> str:
    """What the marks and shades of the maps mean; nothing where there is no map."""
    drawn = [record for record in records if record.visits or record.phases]
    if not drawn:
        return ""
    roles = [(record, role) for record in drawn for role in record.roles]
    needed = {
        "phase ended": any(not facts.judged(*role) for role in roles),
        "goal": (known := any(facts.marks(record)[0] is not None for record in drawn)),
        "initial state": known,
    }
    legend = "".join(
        f'<span><svg viewBox="0 0 16 16" aria-hidden="true">{shape}</svg>{name}</span>'
        for name, shape in _SHAPES.items()
        if needed.get(name, True)
    )
    position = " or ".join(dict.fromkeys(facts.marks(record)[2] for record in drawn))
    note = (
        f"Shade: how often the {position} was there while the role acted (logarithmic). At most "
        "200 ends of each kind are drawn."
    )
    return f'<p class="legend">{legend}</p><p class="note">{page.escape(note)}</p>'


def videos(record: Record) -> str:
    """The gallery; readers who ask for reduced motion get each video's last frame."""
    folder, parts, left = record.folder / "videos", [], _MOST_PIXELS
    for entry in _listed(folder):
        name, caption = Path(str(entry.get("file", ""))).name, str(entry.get("caption", ""))
        try:
            with reading(folder / name, name):
                content, size, still, left = _filmed(folder / name, left)
        except UnresetError:
            parts.append(page.nothing(f"{name} is listed in videos.json but cannot be read."))
            continue
        picture = (
            '<picture><source media="(prefers-reduced-motion: reduce)" '
            f'srcset="{page.uri(still, "png")}"><img src="{page.uri(content, "gif")}" '
            f'alt="Video: {page.escape(caption or name)}" width="{size[0]}" height="{size[1]}">'
            "</picture>"
        )
        kind = "video broad" if size[0] >= _BROAD else "video"
        parts.append(page.figure(picture, page.escape(caption), kind))
    return f'<div class="grid videos">{"".join(parts)}</div>' if parts else ""


def _listed(folder: Path) -> list[Mapping[str, Any]]:
    """What ``videos.json`` lists; nothing where it is missing or damaged."""
    try:
        listed = read_json(folder / "videos.json", kind=list)
    except UnresetError:
        return []
    return [entry for entry in listed if isinstance(entry, Mapping)][:_MOST_VIDEOS]


def _filmed(path: Path, most: int) -> tuple[bytes, tuple[int, int], bytes, int]:
    """A GIF, its size, its last frame as PNG, and what is left of the ``most`` pixels of frames.

    Raises:
        ValueError: where it has more; and what Pillow raises.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES:,} bytes")
    content, still = path.read_bytes(), io.BytesIO()
    with Image.open(io.BytesIO(content), formats=["GIF"]) as video:
        size, frames = video.size, 1
        while True:  # one after the other, as each is drawn over the one before
            if size[0] * size[1] * frames > most:
                raise ValueError(f"it has more than {most:,} pixels")
            try:
                video.seek(frames)
            except EOFError:
                break
            frames += 1
        video.convert("RGB").save(still, "png")
    return content, size, still.getvalue(), most - size[0] * size[1] * frames


def ledger(record: Record) -> str:
    """What the run asked of people and of the world."""
    summary, number, steps = record.summary, len(record.seeds), facts.steps(record)
    resets = facts.mean(summary.get("hard_resets"))
    each = " per seed" if number > 1 else ""
    rows = [
        ["Environment steps" + each, facts.count(steps)],
        ["Hard resets" + each, facts.count(resets)],
        ["Environment steps per hard reset", facts.count(steps / resets if resets else math.nan)],
    ]
    asked = ("demonstrations", "help_requests", "interventions", "labels", "human_minutes")
    for name in asked:
        if name in summary:
            rows.append([name.replace("_", " ").capitalize(), facts.count(summary[name])])
    for role in record.roles:
        ended, won = facts.phases(record, role)
        share = f" ({won / ended:.0%})" if ended else ""
        every = ", all seeds" if number > 1 else ""
        rows.append([f"Phases of the {page.escape(role)} role{every}", f"{ended:,}"])
        if facts.judged(record, role):
            rows.append([f"Phases of the {page.escape(role)} role in success", f"{won:,}{share}"])
    return page.table(["", ""], rows, "ledger")


def settings(record: Record) -> str:
    """The configuration by group, each a fold of its own."""
    settings = record.config.get("settings")
    settings = settings if isinstance(settings, Mapping) else {}
    plain = {k: v for k, v in settings.items() if not isinstance(v, Mapping)}
    groups = {"run": {k: v for k, v in record.config.items() if k != "settings"}}
    groups |= {str(k): dict(v) for k, v in settings.items() if isinstance(v, Mapping)}
    if plain:
        groups["method"] = plain
    parts = []
    for name, group in groups.items():
        flat = facts.flatten(group)
        items = "".join(
            f"<div><dt>{page.escape(key)}</dt><dd>{page.escape(value)}</dd></div>"
            for key, value in flat.items()
        )
        parts.append(
            f"<details><summary>{page.escape(name)} <small>{len(flat)}</small></summary>"
            f'<dl class="settings">{items}</dl></details>'
        )
    return "".join(parts)
