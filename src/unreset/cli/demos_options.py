"""What the commands of ``unreset demos`` take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from unreset.cli.parsing import TaskName, Trust
from unreset.demos.words import Format, Units

Source = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PATH|ID")]
Direction = Literal["forward", "backward"]
Directions = Literal["forward", "backward", "both"]


@dataclass(frozen=True)
class ScriptOptions:
    """Write the demonstrations that a task's own script makes.

    Examples:
      unreset demos script tabletop
      unreset demos script tabletop --number 20 --seed 1 --out more.npz
    """

    task: TaskName
    """A task that has a script."""
    number: int | None = None
    """How many in each direction, the goals in turn; None for what the script makes at once."""
    seed: int = 0
    """Of the script; when its demonstrations are used up, the next seed follows."""
    out: Path | None = None
    """The file; None for TASK-demonstrations with the format's suffix."""
    format: Format | None = None
    """None for what the file's suffix says."""
    id: str | None = None
    """Of the Minari dataset, for --format minari; for example tabletop/scripted-v0."""


@dataclass(frozen=True)
class InfoOptions:
    """Say what a set of demonstrations is like, and what should be better.

    Examples:
      unreset demos info tabletop-demonstrations.safetensors --task tabletop
      unreset demos info tabletop/scripted-v0 --task tabletop --picture demos.png
    """

    source: Source
    """A file, a folder, or the id of a local Minari dataset."""
    task: str
    """The task that they are for."""
    direction: Direction | None = None
    """Of demonstrations that do not say it."""
    picture: Path | None = None
    """Also draw paths, lengths and actions into this PNG file."""


@dataclass(frozen=True)
class ImportOptions:
    """Read demonstrations in any known format, check them, and write them as unreset's own.

    Examples:
      unreset demos import demonstrations/sawyer_peg --task sawyer_peg --out peg.safetensors
      unreset demos import flat.npz --task tabletop --direction forward --out demos/
      unreset demos import teleoperated.npz --task my_robot:make --actions environment --out m.npz
    """

    source: Source
    """A file, a folder, or the id of a local Minari dataset."""
    task: str
    """The task that they are for."""
    out: Path
    """The .safetensors or .npz file; or a folder, for TASK-demonstrations.safetensors in it."""
    direction: Direction | None = None
    """Of demonstrations that do not say it."""
    actions: Units | None = None
    """The units of actions: the environment's own, or normalized to [-1, 1]; None for what the
    dataset says."""


@dataclass(frozen=True)
class ExportOptions:
    """Write demonstrations in another format.

    Examples:
      unreset demos export demos.safetensors --task tabletop --out demos.npz
      unreset demos export demos.npz --task tabletop --format minari --id tabletop/mine-v0
    """

    source: Source
    """A file, a folder, or the id of a local Minari dataset."""
    task: str
    """The task that they are for."""
    out: Path | None = None
    """The file to write."""
    format: Format | None = None
    """None for what the file's suffix says."""
    id: str | None = None
    """Of the Minari dataset; it is written where Minari keeps its own (MINARI_DATASETS_PATH)."""
    direction: Direction | None = None
    """Of demonstrations that do not say it."""


@dataclass(frozen=True)
class ReplayOptions:
    """Replay demonstrations open loop in the task's environment; the last line counts successes.

    Example: unreset demos replay tabletop tabletop-demonstrations.safetensors
    """

    task: TaskName
    """The task in whose environment they are replayed."""
    source: Source
    """A file, a folder, or the id of a local Minari dataset."""
    direction: Direction | None = None
    """Of demonstrations that do not say it."""


@dataclass(frozen=True)
class RecordOptions:
    """Record demonstrations; after each episode keep (y), discard (n) or redo it (r).

    Examples:
      unreset demos record tabletop --policy keyboard --out mine.safetensors --episodes 4
      unreset demos record tabletop --policy runs/fbrl-tabletop-0 --out r.npz --episodes 8 --yes
    """

    task: TaskName
    """The task."""
    policy: str
    """What acts: "keyboard", "script", a run folder, or a file of unreset export."""
    out: Path
    """A .safetensors or .npz file; demonstrations that it holds already stay."""
    episodes: int
    """How many episodes, discarded ones included."""
    yes: bool = False
    """Ask nothing: keep the episodes that succeed."""
    direction: Directions = "forward"
    """To the task's goals, back to its initial states, or both in turn."""
    start: str | None = None
    """A kind of start that the task has, for forward episodes."""
    horizon: int | None = None
    """Steps of an episode at most; None for the task's."""
    seed: int = 0
    """Of the environment or the script."""
    speed: float = 0.6
    """Size of a motion of the keyboard, at most 1."""
    window: bool = False
    """Show the task in a window (needs a display)."""
    trust: Trust = False
