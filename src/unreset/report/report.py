"""One self-contained page about a run, or about several runs side by side.

What a run folder lacks is named on the page; everything else is still shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from unreset.errors import Failure, UnresetError
from unreset.report import curves, diagnosis, facts, page, sections
from unreset.report.drawing import LIGHT
from unreset.report.record import Record, read_record
from unreset.runs.files import write_bytes


def _one(record: Record) -> tuple[str, str]:
    """Title and body of the page of one run."""
    config = record.config
    method, task = (str(config.get(name, "unknown")) for name in ("method", "task"))
    words = [f"preset {config['preset']}"] if config.get("preset") else []
    words += [facts.seeds_text(record), f"{facts.count(facts.steps(record))} environment steps"]
    words += [f"unreset {config['version']}"] if config.get("version") else []
    videos, remarks = sections.videos(record), diagnosis.to_look_at(record)
    optional = {
        "How phases end": diagnosis.endings(record),
        "Q against returns": diagnosis.values(record),
        "Learned rewards": diagnosis.learned(record),
    }
    body = [
        f'<header><p class="over">{page.escape(record.folder.name)}</p>'
        f"<h1>{page.escape(method)} <span>on</span> {page.escape(task)}</h1>"
        f'<p class="facts">{page.escape(" · ".join(words))}</p></header>',
        sections.notice([record]),
        sections.tiles(record),
        page.section("What to look at", remarks) if remarks else "",
        page.section("Success of the deployed policy", sections.success(record)),
        page.section("Seeds", sections.per_seed(record)) if len(record.seeds) > 1 else "",
        page.section("Practice", sections.phase_success(record)),
        page.section(
            "Where it has been",
            sections.map_legend([record]),
            sections.maps(record),
            sections.late_maps(record),
        ),
        *(page.section(title, content) for title, content in optional.items() if content),
        page.section("Videos", videos) if videos else "",
        page.section("Learning", sections.metrics(record)),
        page.section("Effort", sections.ledger(record)),
        page.section("Configuration", sections.settings(record)),
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
        f'<span class="key c{number % len(LIGHT.series)}">{page.escape(name)}</span>'
        for number, name in enumerate(names)
    ]
    draw = partial(curves.success_figure, records, names)
    alt = "Success over environment steps of " + ", ".join(names) + "."
    caption = (
        "Share of evaluation episodes from the initial states that reach the goal at any step, "
        "deterministic policy. Line: mean over seeds; band: one standard deviation; dots: that are "
        "at the goal at the end, where it was measured; dotted line across: .95."
    )
    figures = [facts.headline(record) for record in records]
    head = ["run", *(page.escape(q.label.replace(" so far", "")) for q in figures[0]), "Steps"]
    rows = [
        [key, *(page.escape(q.value) for q in row), facts.count(facts.steps(record))]
        for key, row, record in zip(keys, figures, records, strict=True)
    ]
    body = [
        f'<header><p class="over">comparison</p><h1>{len(records)} runs</h1></header>',
        sections.notice(records),
        page.section(
            "Success of the deployed policy",
            page.legend(names),
            page.figure(page.picture(draw, alt, (960, 390)), page.escape(caption), "wide"),
        ),
        page.section("Summary", page.table(head, rows, "dense")),
        page.section("What differs in their configurations", _differences(records, keys)),
    ]
    each = "".join(
        f'<div class="mini"><h3>{key}</h3>{sections.maps(record)}{sections.videos(record)}</div>'
        for key, record in zip(keys, records, strict=True)
    )
    body.append(page.section("Where they have been", sections.map_legend(records), each))
    return "Comparison of " + ", ".join(names), "".join(body)


def _differences(records: Sequence[Record], keys: Sequence[str]) -> str:
    flat = [facts.configuration(record) for record in records]
    everything = dict.fromkeys(name for settings in flat for name in settings)
    rows = [
        [page.escape(name), *(page.escape(settings.get(name, facts.MISSING)) for settings in flat)]
        for name in everything
        if len({settings.get(name) for settings in flat}) > 1
    ]
    return (
        page.table(["setting", *keys], rows)
        if rows
        else page.nothing("Nothing: they are the same.")
    )


def write_report(folders: Sequence[Path], output: Path) -> Path:
    """Write the page of one run, or the comparison of several, and return its path.

    Missing or partial files of a run are named on the page.

    Raises:
        UnresetError: if no folder is given, or if one of them is no run.
    """
    if not folders:
        raise UnresetError("a report needs at least one run folder")
    records = [read_record(folder) for folder in folders]
    title, body = _one(records[0]) if len(records) == 1 else _several(records)
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    return write_bytes(output, page.document(title, body).encode())


def write_page(folder: Path) -> Path:
    """Write ``curves.png`` and ``report.html`` from a run's logs and videos; the page's path."""
    try:
        curves.write_curves(folder)
        return write_report([folder], folder / "report.html")
    except OSError as error:
        raise Failure(f"cannot write the report of {folder}: {error.strerror or error}") from error
