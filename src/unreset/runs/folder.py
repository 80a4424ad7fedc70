"""The run folder: its configuration, its CSV files and its summary."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unreset import __version__, registry
from unreset import trust as trusted
from unreset.errors import UnresetError
from unreset.methods.settings import Settings
from unreset.runs import stored
from unreset.tasks.change import Change

LOGS = ("metrics.csv", "eval.csv", "phases.csv", "visits.csv")


@dataclass(frozen=True)
class Configuration:
    """Everything that determines a run's result."""

    method: str
    task: str
    preset: str
    seed: int
    seeds: int
    steps: int
    eval_every: int
    wide_starts: int
    checkpoint_every: int
    driver: str
    settings: Settings
    demonstrations: str = "built-in"
    reward: str | None = None
    start: str = "initial"
    horizon: int | None = None
    evaluation: str = "deployed"
    prior: str | None = None
    change: Change = field(default_factory=Change)

    def dictionary(self) -> dict[str, Any]:
        """As stored in ``config.json``."""
        return {"version": __version__, **stored.plain(self, "")}


def digest(folder: Path) -> str:
    """What a checkpoint must share with the run's ``config.json``; the budget may be extended.

    It is that of the file, not of what is made of it, so that a run stays what it is where later
    versions have more settings.
    """
    content = json.loads((folder / "config.json").read_text())
    fixed = {k: v for k, v in content.items() if k not in ("steps", "version")}
    return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()


def extend(folder: Path, steps: int) -> None:
    """Give a run another budget."""
    path = folder / "config.json"
    write_json(path, json.loads(path.read_text()) | {"steps": steps})


def read_configuration(folder: Path, trust: bool = False) -> Configuration:
    """The configuration of a run folder; ``trust`` lets the code that it names be imported.

    Raises:
        UnresetError: where it is not one; :class:`unreset.trust.Untrusted` where it names code that
            the user has not named himself.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise UnresetError(f"{folder} is not a run folder: it has no config.json")
    try:
        found = json.loads(path.read_text())
        found.pop("version", None)
        trusted.check(folder, found, trust)
        kind = registry.settings_class(found["method"])
        found["settings"] = stored.build(kind, found["settings"])
        found["change"] = stored.build(Change, found.get("change", {}), "change")
        return Configuration(**found)
    except (ValueError, KeyError, TypeError) as error:
        raise UnresetError(f"{path} is not a run's configuration: {error}") from error


def read_summary(folder: Path) -> Mapping[str, Any]:
    """What a run's ``summary.json`` says; nothing where it is absent or broken."""
    try:
        content = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a JSON file in one step."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(content, indent=1) + "\n")
    partial.replace(path)


def append_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rows to a CSV file; the first rows ever written decide its columns."""
    if not rows:
        return
    columns = _columns(path) or list(rows[0])
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        if fresh:
            writer.writeheader()
        writer.writerows({k: _short(v) for k, v in row.items()} for row in rows)


def _columns(path: Path) -> list[str]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return next(csv.reader(file), [])


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file; none where it does not exist."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        return list(csv.DictReader(file))


def drop_rows_after(folder: Path, step: int) -> None:
    """Drop what the logs say of steps beyond ``step``, a line cut short by a crash included."""
    for name in LOGS:
        path = folder / name
        columns = _columns(path)
        if not columns:
            path.unlink(missing_ok=True)
            continue
        kept = [row for row in _whole(path, columns) if int(row["env_steps"]) <= step]
        partial = path.with_name(f".{name}.partial")
        with partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(kept)
        partial.replace(path)


def _whole(path: Path, columns: Sequence[str]) -> Iterable[dict[str, str]]:
    """The complete rows: a crash leaves at most the last line without its newline."""
    text = path.read_text()
    lines = text[: text.rfind("\n") + 1].splitlines()
    return (row for row in csv.DictReader(lines) if None not in row.values() and None not in row)
