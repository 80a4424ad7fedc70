"""One self-contained page about a run, or about several runs side by side.

The page needs no network and no scripts: images are part of it, drawn once for a light and once
for a dark screen. What a run folder lacks is named on the page; everything else is still shown.
"""

from __future__ import annotations

import base64
import html
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from unreset import registry
from unreset.errors import UnresetError
from unreset.runs import curves
from unreset.runs.curves import DARK, LIGHT, Record, Theme

MISSING = "\u2013"
_WHAT = {
    "summary.json": "the summary, so that figures are taken from the logs as far as they go",
    "metrics.csv": "training metrics",
    "eval.csv": "success of the deployed policy",
    "phases.csv": "how phases ended",
    "visits.csv": "visited states",
}


class Quantity(NamedTuple):
    """One headline quantity: its name, its value as text, and what must be known to read it."""

    label: str
    value: str
    note: str = ""


def _escape(value: object) -> str:
    return html.escape(str(value), quote=True)


# --- numbers as text -------------------------------------------------------------------------


def _mean(value: Any) -> float:
    """A number, or the mean of a list of one number per seed; NaN for anything else."""
    if isinstance(value, list | tuple | np.ndarray):
        numbers = [number for number in map(_mean, value) if math.isfinite(number)]
        return float(np.mean(numbers)) if numbers else math.nan
    return float(value) if isinstance(value, int | float) else math.nan


def _share(value: Any) -> str:
    number = _mean(value)
    return f"{number:.2f}" if math.isfinite(number) else MISSING


def _count(value: Any) -> str:
    number = _mean(value)
    if not math.isfinite(number):
        return MISSING
    return f"{number:,.0f}" if number >= 100 or number == round(number) else f"{number:,.1f}"


def _duration(seconds: Any) -> str:
    number = _mean(seconds)
    if not math.isfinite(number):
        return MISSING
    whole = round(number)
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{number:.1f} s"


def _memory(megabytes: Any) -> str:
    number = _mean(megabytes)
    if not math.isfinite(number):
        return MISSING
    return f"{number / 1024:.1f} GB" if number >= 1024 else f"{number:.0f} MB"


# --- what a record says ----------------------------------------------------------------------


def _last(record: Record, column: str) -> dict[int, float]:
    """The last value of a column of ``eval.csv``, for each seed."""
    table = record.evaluation
    if not {column, "seed", "env_steps"} <= table.keys():
        return {}
    found: dict[int, float] = {}
    for at in np.argsort(table["env_steps"], kind="stable"):
        if math.isfinite(table[column][at]) and math.isfinite(table["seed"][at]):
            found[int(table["seed"][at])] = float(table[column][at])
    return found


def _steps(record: Record) -> float:
    given = _mean(record.summary.get("env_steps"))
    tables = (record.metrics, record.evaluation, record.phases)
    seen = [np.nanmax(table["env_steps"]) for table in tables if "env_steps" in table]
    return given if math.isfinite(given) else max(map(float, seen), default=math.nan)


def _final(record: Record) -> np.ndarray:
    """Final success [seeds]; the last evaluation's where there is no summary."""
    given = record.summary.get("final_success_per_seed")
    values = given if isinstance(given, list) and given else [*_last(record, "success").values()]
    return np.array([_mean(value) for value in values])


def _phases(record: Record, role: str, seed: int | None = None) -> tuple[int, int]:
    """Ended phases of a role and how many of them ended in success."""
    table = record.phases
    if not {"role", "success"} <= table.keys():
        return 0, 0
    mine = table["role"] == role
    if seed is not None:
        mine &= table.get("seed", np.zeros(len(mine))) == seed
    return int(mine.sum()), int(np.nansum(table["success"][mine]))


def _headline(record: Record) -> list[Quantity]:
    """The quantities of the tiles and of the comparison's table."""
    summary, finals, number = record.summary, _final(record), len(record.seeds)
    success = summary.get("final_success", finals)
    spread = f"± {finals.std():.2f} over {len(finals)} seeds" if len(finals) > 1 else "one seed"
    each = "per seed" if number > 1 else ""
    speed, wall = summary.get("steps_per_second"), summary.get("wall_seconds")
    if speed is None:
        speed = _tail(record, "steps_per_second", np.median)
    if wall is None:
        wall = _tail(record, "wall_seconds", np.max)
    wide = summary.get("robustness")
    switches = summary.get("phase_switches")
    if switches is None and record.phases:
        switches = len(record.phases["env_steps"]) / number
    reached = "steps_to_095" in summary and summary["steps_to_095"] is None
    return [
        Quantity("Final success" if summary else "Success so far", _share(success), spread),
        Quantity(
            "Steps to .95",
            "not reached" if reached else _count(summary.get("steps_to_095")),
            "mean of 5 evaluations",
        ),
        Quantity(
            "Robustness",
            _share(list(_last(record, "wide_success").values()) if wide is None else wide),
            "from wide starts",
        ),
        Quantity("Hard resets", _count(summary.get("hard_resets")), each),
        Quantity("Phases", _count(switches), each),
        Quantity("Wall time", _duration(wall), f"{number} seeds at once" if number > 1 else ""),
        Quantity("Steps per second", _count(speed), f"of each of {number} seeds" if each else ""),
        Quantity("Peak memory", _memory(summary.get("peak_memory_mb"))),
    ]


def _tail(record: Record, column: str, reduce: Callable[[np.ndarray], Any]) -> float:
    """A figure of the whole column, from the metrics or else the evaluations."""
    values = record.metrics.get(column, record.evaluation.get(column, np.empty(0)))
    values = np.compress(np.isfinite(values), values)
    return float(reduce(values)) if len(values) else math.nan


def _judged(record: Record, role: str) -> bool:
    """Whether success means anything for a role: one that matches states has no goal to reach."""
    config = record.config
    try:
        task = registry.task(str(config.get("task")))
        settings = registry.settings(str(config.get("method")), str(config.get("preset")))
    except UnresetError:
        return True
    rewards = {known.name: known.reward for known in settings.method(task).roles}
    return rewards.get(role) != "matching"


def _marks(record: Record) -> tuple[np.ndarray | None, np.ndarray | None, str]:
    """Positions of the task's goals and initial states, if known, and what a position is."""
    try:
        task = registry.task(str(record.config.get("task")))
    except UnresetError:
        return None, None, "position"
    axes = list(task.position)
    if task.goal_size <= max(axes):
        return None, None, task.position_name
    return task.goals[:, axes], task.initial_goals[:, axes], task.position_name


def _flatten(settings: Any, prefix: str = "") -> dict[str, str]:
    """Nested settings by dotted name, values as text."""
    if not isinstance(settings, Mapping):
        return {prefix: _setting(settings)}
    flat: dict[str, str] = {}
    for name, value in settings.items():
        flat |= _flatten(value, f"{prefix}.{name}" if prefix else str(name))
    return flat


def _setting(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, list):
        return " ".join(map(_setting, value)) or MISSING
    return f"{value:g}" if isinstance(value, float) else str(value)


def _configuration(record: Record) -> dict[str, str]:
    """Everything in ``config.json``, flat; the run's own entries first."""
    return _flatten({**record.config, "settings": None} | {"settings": {}}) | _flatten(
        record.config.get("settings", {})
    )


# --- pieces of the page ----------------------------------------------------------------------


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _picture(draw: Callable[..., Figure], alt: str, size: tuple[int, int]) -> str:
    """A figure drawn for light and dark screens; ``size`` keeps its place while it loads."""
    light, dark = (_uri(curves.to_svg(draw(theme=theme)), "svg+xml") for theme in (LIGHT, DARK))
    return (
        f'<picture><source media="screen and (prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{_escape(alt)}" width="{size[0]}" height="{size[1]}"></picture>'
    )


def _figure(picture: str, caption: str, kind: str = "") -> str:
    """``caption`` is HTML."""
    return f'<figure class="{kind}">{picture}<figcaption>{caption}</figcaption></figure>'


def _section(title: str, *content: str) -> str:
    return f"<section><h2>{_escape(title)}</h2>{''.join(content)}</section>"


def _nothing(text: str) -> str:
    return f'<p class="nothing">{_escape(text)}</p>'


def _legend(names: Sequence[str], colours: Sequence[int] | None = None) -> str:
    chosen = range(len(names)) if colours is None else colours
    items = "".join(
        f'<span class="key c{colour % len(LIGHT.series)}">{_escape(name)}</span>'
        for name, colour in zip(names, chosen, strict=True)
    )
    return f'<p class="legend">{items}</p>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    """A table; every cell is HTML, the first of a row is its heading."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{c}</td>" for c in row[1:])}</tr>'
        for row in rows
    )
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _tiles(record: Record) -> str:
    tiles = [
        f"<div><dt>{_escape(label)}</dt><dd>{_escape(value)}"
        f"<small>{_escape(note if value != MISSING else '') or '&nbsp;'}</small></dd></div>"
        for label, value, note in _headline(record)
    ]
    return f'<dl class="tiles">{"".join(tiles)}</dl>'


def _notice(records: Sequence[Record]) -> str:
    """What is missing, if anything is."""
    lines = [
        f"<li><code>{_escape(name)}</code> is missing or empty: this page lacks {_WHAT[name]}."
        + (f" ({_escape(record.folder.name)})" if len(records) > 1 else "")
        + "</li>"
        for record in records
        for name in record.missing
    ]
    return f'<ul class="notice">{"".join(lines)}</ul>' if lines else ""


def _success(record: Record) -> str:
    if not record.evaluation:
        return _nothing("eval.csv is missing: there is no evaluation to show yet.")
    several = len(record.seeds) > 1
    names, numbers = ["from the fixed start"], [0]
    if len(curves.over_seeds(record.evaluation, "wide_success")[0]):
        names, numbers = [*names, "from wide starts (dashed)"], [0, 2]
    draw = partial(curves.success_figure, [record], ["from the fixed start"])
    caption = "Share of evaluation episodes that reach the goal, deterministic policy." + (
        " Thick: mean over seeds; band: one standard deviation; thin: each seed." if several else ""
    )
    caption += " Dotted: .95."
    final = _share(_final(record))
    alt = f"Success over environment steps, ending at {final}."
    return _legend(names, numbers) + _figure(
        _picture(draw, alt, (960, 390)), _escape(caption), "wide"
    )


def _per_seed(record: Record) -> str:
    """A row per seed: what it reached and how its phases went."""
    columns = {
        "success": "success",
        "success_at_end": "at the end",
        "wide_success": "wide starts",
        "return": "return",
    }
    columns = {column: name for column, name in columns.items() if _last(record, column)}
    last = {column: _last(record, column) for column in columns}
    head = ["seed", *map(_escape, columns.values())]
    roles = [role for role in record.roles if _judged(record, role)]
    head += [f"{_escape(role)} phases in success" for role in roles]
    rows = []
    for seed in record.seeds:
        row = [str(seed), *(_share(last[column].get(seed)) for column in columns)]
        for role in roles:
            ended, won = _phases(record, role, seed)
            row.append(f"{won:,} of {ended:,}")
        rows.append(row)
    return _table(head, rows)


def _phase_success(record: Record) -> str:
    if not record.phases:
        return _nothing("phases.csv is missing: how the phases ended is not known.")
    roles = {role: number for number, role in enumerate(record.roles) if _judged(record, role)}
    others = [role for role in record.roles if role not in roles]
    latest = []
    for role in roles:
        _, share = curves.windowed_success(record, role)
        latest += [f"{role} {share[-1]:.2f}"] if len(share) else []
    alt = f"Share of successful phases over environment steps; latest: {', '.join(latest)}."
    caption = "Share of the phases that ended in success, while practising. Latest window: "
    caption += ", ".join(latest) + "."
    if others:
        caption += f" Not judged by success, since rewarded for matching: {', '.join(others)}."
    picture = _picture(partial(curves.phases_figure, record, roles), alt, (960, 270))
    return _legend([*roles], [*roles.values()]) + _figure(picture, _escape(caption), "wide")


def _metrics(record: Record) -> str:
    panels = curves.metric_panels(record)
    if not panels:
        return _nothing("metrics.csv is missing or has no metric that varies.")
    parts, split = [], False
    for name, columns in panels.items():
        title = name.replace("_", " ")
        draw = partial(curves.metric_figure, record, name, columns)
        split |= any(column != name for column, _ in columns)
        picture = _picture(draw, f"{title} over environment steps.", (330, 190))
        parts.append(_figure(picture, f"<b>{_escape(title)}</b>", "small"))
    legend = _legend(record.roles) if split else ""
    return f'{legend}<div class="grid metrics">{"".join(parts)}</div>'


def _maps(record: Record) -> str:
    """One map for each role, without the legend."""
    if not record.visits and not record.phases:
        return _nothing("visits.csv and phases.csv are missing: there is no map to draw.")
    goals, initial, _ = _marks(record)
    parts = []
    for number, role in enumerate(record.roles):
        judged, (ended, won) = _judged(record, role), _phases(record, role)
        draw = partial(curves.map_figure, record, role, goals=goals, initial=initial, judged=judged)
        alt = f"Map of the {role} role: where it has been and where its {ended} phases ended."
        caption = f'<b class="key c{number % len(LIGHT.series)}">{_escape(role)}</b> ' + (
            f"{won:,} of {ended:,} phases succeeded" if judged else f"{ended:,} phases"
        )
        parts.append(_figure(_picture(draw, alt, (420, 420)), caption))
    return f'<div class="grid maps">{"".join(parts)}</div>'


_SHAPES = {
    "phase ended in success": '<circle cx="8" cy="8" r="4" class="good"/>',
    "phase ended without": '<path d="M4 4 12 12M12 4 4 12" class="bad"/>',
    "phase ended": '<path d="M4 8H12M8 4V12" class="rim"/>',
    "goal": '<circle cx="8" cy="8" r="6" class="rim"/>',
    "initial state": '<rect x="2" y="2" width="12" height="12" class="rim"/>',
}


def _map_legend(records: Sequence[Record]) -> str:
    """What the marks and shades of the maps mean; nothing where there is no map."""
    drawn = [record for record in records if record.visits or record.phases]
    if not drawn:
        return ""
    roles = [(record, role) for record in drawn for role in record.roles]
    needed = {
        "phase ended": any(not _judged(*role) for role in roles),
        "goal": (known := any(_marks(record)[0] is not None for record in drawn)),
        "initial state": known,
    }
    legend = "".join(
        f'<span><svg viewBox="0 0 16 16" aria-hidden="true">{shape}</svg>{name}</span>'
        for name, shape in _SHAPES.items()
        if needed.get(name, True)
    )
    position = " or ".join(dict.fromkeys(_marks(record)[2] for record in drawn))
    note = (
        f"Shade: how often the {position} was there while the role acted (logarithmic). At most "
        "200 ends of each kind are drawn."
    )
    return f'<p class="legend">{legend}</p><p class="note">{_escape(note)}</p>'


def _videos(record: Record) -> str:
    """The gallery; readers who ask for reduced motion get each video's last frame."""
    folder, parts = record.folder / "videos", []
    try:
        listed = json.loads((folder / "videos.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    for entry in listed if isinstance(listed, list) else []:
        if not isinstance(entry, Mapping):
            continue
        name, caption = Path(str(entry.get("file", ""))).name, str(entry.get("caption", ""))
        try:
            content = (folder / name).read_bytes()
            with Image.open(io.BytesIO(content)) as video:
                size = video.size
                video.seek(getattr(video, "n_frames", 1) - 1)
                still = io.BytesIO()
                video.convert("RGB").save(still, "png")
        except (OSError, SyntaxError):
            parts.append(_nothing(f"{name} is listed in videos.json but cannot be read."))
            continue
        picture = (
            '<picture><source media="(prefers-reduced-motion: reduce)" '
            f'srcset="{_uri(still.getvalue(), "png")}"><img src="{_uri(content, "gif")}" '
            f'alt="Video: {_escape(caption or name)}" width="{size[0]}" height="{size[1]}">'
            "</picture>"
        )
        parts.append(_figure(picture, _escape(caption), "video"))
    return f'<div class="grid videos">{"".join(parts)}</div>' if parts else ""


def _ledger(record: Record) -> str:
    """What the run asked of people and of the world."""
    summary, number, steps = record.summary, len(record.seeds), _steps(record)
    resets = _mean(summary.get("hard_resets"))
    each = " per seed" if number > 1 else ""
    rows = [
        ["Environment steps" + each, _count(steps)],
        ["Hard resets" + each, _count(resets)],
        ["Environment steps per hard reset", _count(steps / resets if resets else math.nan)],
    ]
    asked = ("demonstrations", "help_requests", "interventions", "labels", "human_minutes")
    for name in asked:
        if name in summary:
            rows.append([name.replace("_", " ").capitalize(), _count(summary[name])])
    for role in record.roles:
        ended, won = _phases(record, role)
        share = f" ({won / ended:.0%})" if ended else ""
        every = ", all seeds" if number > 1 else ""
        rows.append([f"Phases of the {_escape(role)} role{every}", f"{ended:,}"])
        if _judged(record, role):
            rows.append([f"Phases of the {_escape(role)} role in success", f"{won:,}{share}"])
    return _table(["", ""], rows, "ledger")


def _settings(record: Record) -> str:
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
        flat = _flatten(group)
        items = "".join(
            f"<div><dt>{_escape(key)}</dt><dd>{_escape(value)}</dd></div>"
            for key, value in flat.items()
        )
        parts.append(
            f"<details><summary>{_escape(name)} <small>{len(flat)}</small></summary>"
            f'<dl class="settings">{items}</dl></details>'
        )
    return "".join(parts)


# --- pages -----------------------------------------------------------------------------------


def _seeds_text(record: Record) -> str:
    seeds = record.seeds
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    run = seeds == list(range(seeds[0], seeds[0] + len(seeds)))
    return f"seeds {seeds[0]} to {seeds[-1]}" if run else "seeds " + ", ".join(map(str, seeds))


def _one(record: Record) -> tuple[str, str]:
    """Title and body of the page of one run."""
    config = record.config
    method, task = (str(config.get(name, "unknown")) for name in ("method", "task"))
    facts = [f"preset {config['preset']}"] if config.get("preset") else []
    facts += [_seeds_text(record), f"{_count(_steps(record))} environment steps"]
    facts += [f"unreset {config['version']}"] if config.get("version") else []
    videos = _videos(record)
    body = [
        f'<header><p class="over">{_escape(record.folder.name)}</p>'
        f"<h1>{_escape(method)} <span>on</span> {_escape(task)}</h1>"
        f'<p class="facts">{_escape(" · ".join(facts))}</p></header>',
        _notice([record]),
        _tiles(record),
        _section("Success of the deployed policy", _success(record)),
        _section("Seeds", _per_seed(record)) if len(record.seeds) > 1 else "",
        _section("Practice", _phase_success(record)),
        _section("Where it has been", _map_legend([record]), _maps(record)),
        _section("Videos", videos) if videos else "",
        _section("Learning", _metrics(record)),
        _section("Effort", _ledger(record)),
        _section("Configuration", _settings(record)),
    ]
    return f"{method} on {task}", "".join(body)


def labels(records: Sequence[Record]) -> list[str]:
    """A short label for each run: method · task · preset, and its folder where that is shared."""
    names = [
        " · ".join(str(record.config.get(k, "?")) for k in ("method", "task", "preset"))
        for record in records
    ]
    for longer in (lambda p: p.name, lambda p: f"{p.parent.name}/{p.name}"):
        shared = Counter(names)
        names = [
            f"{name.split(' (')[0]} ({longer(record.folder.resolve())})"
            if shared[name] > 1
            else name
            for name, record in zip(names, records, strict=True)
        ]
    return names


def _several(records: Sequence[Record]) -> tuple[str, str]:
    """Title and body of the comparison."""
    names = labels(records)
    keys = [
        f'<span class="key c{number % len(LIGHT.series)}">{_escape(name)}</span>'
        for number, name in enumerate(names)
    ]
    draw = partial(curves.success_figure, records, names)
    alt = "Success over environment steps of " + ", ".join(names) + "."
    caption = (
        "Share of evaluation episodes that reach the goal from the fixed start, deterministic "
        "policy. Line: mean over seeds; band: one standard deviation; dotted: .95."
    )
    quantities = [_headline(record) for record in records]
    head = ["run", *(_escape(q.label.replace(" so far", "")) for q in quantities[0]), "Steps"]
    rows = [
        [key, *(_escape(q.value) for q in row), _count(_steps(record))]
        for key, row, record in zip(keys, quantities, records, strict=True)
    ]
    body = [
        f'<header><p class="over">comparison</p><h1>{len(records)} runs</h1></header>',
        _notice(records),
        _section(
            "Success of the deployed policy",
            _legend(names),
            _figure(_picture(draw, alt, (960, 390)), _escape(caption), "wide"),
        ),
        _section("Summary", _table(head, rows, "dense")),
        _section("What differs in their configurations", _differences(records, keys)),
    ]
    each = "".join(
        f'<div class="mini"><h3>{key}</h3>{_maps(record)}{_videos(record)}</div>'
        for key, record in zip(keys, records, strict=True)
    )
    body.append(_section("Where they have been", _map_legend(records), each))
    return "Comparison of " + ", ".join(names), "".join(body)


def _differences(records: Sequence[Record], keys: Sequence[str]) -> str:
    flat = [_configuration(record) for record in records]
    everything = dict.fromkeys(name for settings in flat for name in settings)
    rows = [
        [_escape(name), *(_escape(settings.get(name, MISSING)) for settings in flat)]
        for name in everything
        if len({settings.get(name) for settings in flat}) > 1
    ]
    return _table(["setting", *keys], rows) if rows else _nothing("Nothing: they are the same.")


def _colours(theme: Theme) -> str:
    names = ("page", "panel", "text", "muted", "line", "good", "bad")
    plain = "".join(f"--{name}:{getattr(theme, name)};" for name in names)
    return plain + "".join(f"--c{i}:{colour};" for i, colour in enumerate(theme.series))


_STYLE = """
*{box-sizing:border-box}
html{background:var(--page);color:var(--text);-webkit-text-size-adjust:100%}
body{max-width:60rem;margin:0 auto;padding:3rem 1.5rem 4rem;
font:400 1rem/1.5 system-ui,"Segoe UI","Helvetica Neue",Arial,sans-serif}
h1{font-size:2.3rem;font-weight:650;line-height:1.15;letter-spacing:-.02em;margin:0;
overflow-wrap:anywhere}
h1 span{font-weight:400;color:var(--muted)}
h2{font-size:1.15rem;font-weight:650;margin:0 0 .8rem;overflow-wrap:anywhere}
h3{font-size:1rem;font-weight:600;margin:0 0 .7rem}.mini+.mini{margin-top:2.2rem}
section{margin-top:3.2rem}
.over,.facts,.note,figcaption,.nothing,small{color:var(--muted);font-size:.875rem}
.over{margin:0 0 .3rem}.facts{margin:.5rem 0 0;font-size:1rem}.note{margin:0 0 1rem}
.nothing{padding:1.2rem;background:var(--panel);border-radius:.5rem;margin:0}
.notice{margin:1.8rem 0 0;padding:.8rem 1rem .8rem 2rem;border-left:3px solid var(--c1);
background:var(--panel);font-size:.9rem}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:1px;margin:2rem 0 0;
background:var(--line);border:1px solid var(--line);border-radius:.6rem;overflow:hidden}
.tiles div{background:var(--page);padding:.9rem 1.1rem}
.tiles dt{color:var(--muted);font-size:.875rem}
.tiles dd{margin:.1rem 0 0;font-size:1.55rem;font-weight:600;letter-spacing:-.01em;
font-variant-numeric:tabular-nums}
.tiles small{display:block;font-size:.8rem;font-weight:400;letter-spacing:0}
figure{margin:0}img{display:block;max-width:100%;height:auto}
picture+figcaption{margin-top:.4rem}
.small{display:flex;flex-direction:column-reverse;justify-content:flex-end}
.small figcaption{margin:0 0 .1rem}.small b,.maps b{color:var(--text);font-weight:600}
.grid{display:grid;gap:1.6rem 1.4rem}
.metrics{grid-template-columns:repeat(auto-fill,minmax(15rem,1fr))}
.maps{grid-template-columns:repeat(auto-fit,minmax(min(18rem,100%),1fr))}
.maps figure{max-width:27rem}
.videos{grid-template-columns:repeat(auto-fill,minmax(10rem,1fr))}
.video img{width:100%;max-width:20rem;border-radius:.4rem}
.mini .maps{grid-template-columns:repeat(auto-fill,minmax(15rem,1fr))}
.mini .maps figure{max-width:19rem}.mini .videos{margin-top:1.4rem;
grid-template-columns:repeat(auto-fill,minmax(7.5rem,1fr))}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.4rem;margin:0 0 .6rem;font-size:.9rem}
.legend span{display:inline-flex;align-items:center;gap:.45rem}
.legend svg{width:1rem;height:1rem;flex:none}
.good{fill:var(--good)}.bad{stroke:var(--bad);stroke-width:1.6}
.rim{fill:none;stroke:var(--text);stroke-width:1.6}
.key::before{content:"";display:inline-block;width:.75rem;height:.75rem;border-radius:.2rem;
background:var(--key);flex:none}
th .key::before,h3 .key::before,b.key::before{margin-right:.45rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
td,tbody th{white-space:nowrap}
th,td{padding:.5rem 1rem .5rem 0;text-align:right;border-bottom:1px solid var(--line);
vertical-align:top}
th:first-child{text-align:left}th:last-child,td:last-child{padding-right:0}tbody th{font-weight:400}
thead th{color:var(--muted);font-weight:400;vertical-align:bottom}
.dense{font-size:.85rem}.dense th,.dense td{padding-right:.7rem}
.ledger{max-width:32rem}.ledger thead{display:none}
details{border-bottom:1px solid var(--line)}
summary{padding:.6rem 0;cursor:pointer;font-weight:600}summary small{font-weight:400}
.settings{columns:2 18rem;column-gap:2.5rem;margin:0 0 1rem;font-size:.9rem}
.settings div{display:flex;justify-content:space-between;gap:1rem;padding:.2rem 0;
break-inside:avoid}
.settings dt{color:var(--muted)}
.settings dd{margin:0;text-align:right;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.mini figcaption{font-size:.8rem}
@media (max-width:40rem){body{padding:1.6rem 1rem 3rem}h1{font-size:1.8rem}
.tiles{grid-template-columns:repeat(2,1fr)}.tiles dd{font-size:1.3rem}section{margin-top:2.4rem}
.wide picture{display:block;overflow-x:auto}.wide img{max-width:none;width:38rem}}
@media print{body{max-width:none;padding:0;font-size:10pt}figure,.tiles,tr{break-inside:avoid}
h2{break-after:avoid}section{margin-top:1.6rem}}
"""


def _page(title: str, body: str) -> str:
    keys = "".join(f".c{i}{{--key:var(--c{i})}}" for i in range(len(LIGHT.series)))
    style = (
        f":root{{color-scheme:light dark;{_colours(LIGHT)}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{_colours(DARK)}}}}}{keys}{_STYLE}"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_escape(title)}</title><style>{style}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )


def write_report(folders: Sequence[Path], output: Path) -> Path:
    """Write the page of one run, or the comparison of several, and return its path.

    Missing or partial files of a run are named on the page.

    Raises:
        UnresetError: if no folder is given, or if one of them is no run.
    """
    if not folders:
        raise UnresetError("a report needs at least one run folder")
    records = [curves.read_record(folder) for folder in folders]
    title, body = _one(records[0]) if len(records) == 1 else _several(records)
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(_page(title, body), encoding="utf-8")
    return output
