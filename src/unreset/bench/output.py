"""Makes the tables and plots of a bench folder from the runs in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unreset.bench import manifest as manifests
from unreset.bench import markdown, plots
from unreset.bench.results import CellResult, read_cell
from unreset.bench.table_rows import Row, cell_rows, improvement, seed_rows
from unreset.errors import UnresetError
from unreset.report.drawing import to_png
from unreset.runs.files import write_bytes


def tables(out: str | Path, threshold: float | None = None) -> list[Path]:
    """Write the tables and plots of a bench folder; a bench that is under way gives partial ones.

    Args:
        out: the folder.
        threshold: success that counts as learned; by default what the bench was run with.

    Returns:
        The files: ``results.csv``, ``summary.csv``, ``improvement.csv``, ``tables.md`` and, where
        something was evaluated, ``curves.png``, ``intervals.png``, ``time.png`` and, where the
        steps between resets vary, ``reset-every.png``.

    Raises:
        UnresetError: where the folder is none of ``unreset bench``, or cannot be written to.
    """
    out = Path(out)
    manifest = manifests.read(out)
    manifests.check_threshold(threshold)
    if threshold is not None:
        manifest = replace(manifest, threshold=threshold)
    everything = [read_cell(out, entry) for entry in manifest.entries]
    evaluated = [cell for cell in everything if len(cell.seeds) and len(cell.steps)]
    unfinished = [cell.cell.name for cell in everything if not cell.complete]
    seeds = seed_rows(evaluated, manifest.threshold)
    cells = [cell.until(cell.steps[-1]) for cell in evaluated]  # seeds of equal length
    summary = cell_rows(cells, manifest.threshold)
    matrix = improvement(cells)
    page = markdown.page(manifest, summary, seeds, matrix, unfinished)
    pairs = [{"cell": one, **row} for one, row in matrix.items()]
    try:
        written = [
            write_csv(out / "results.csv", seeds),
            write_csv(out / "summary.csv", summary),
            write_csv(out / "improvement.csv", pairs),
            write_bytes(out / "tables.md", page.encode()),
        ]
        return written + (_plots(out, cells) if cells else [])
    except OSError as error:
        raise UnresetError(f"cannot write to {out}: {error.strerror or error}") from error


def _plots(out: Path, cells: Sequence[CellResult]) -> list[Path]:
    figures = {
        "curves.png": plots.curves(cells),
        "intervals.png": plots.intervals(cells),
        "time.png": plots.time(cells),
        "reset-every.png": plots.reset_every(cells),
    }
    return [
        write_bytes(out / name, to_png(figure))
        for name, figure in figures.items()
        if figure is not None
    ]


def write_csv(path: Path, rows: Sequence[Row]) -> Path:
    """Write rows, whose columns are those of any of them; returns the path."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _short(value) for name, value in row.items()})
    return write_bytes(path, text.getvalue().encode())


def _short(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value
