"""A stretch of practice as its cameras saw it, above the rewards that were learned for it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageColor

from unreset.core.context import Context
from unreset.core.environment import ENVIRONMENT
from unreset.core.method import Method
from unreset.core.practice import Run
from unreset.core.protocols import Steps
from unreset.core.types import Task
from unreset.evaluation.blocks import rewards_in_blocks
from unreset.report import gifs
from unreset.report.drawing import LIGHT
from unreset.report.gifs import Frames
from unreset.report.stretches import Stretch

_SIDE = 144  # pixels to which a camera's picture is enlarged about, by a whole factor
_WIDTH = 300  # of the film, at least
_PANEL, _HEAD, _FOOT = 58, 17, 16  # pixels of a curve's height, of its name, and below the last
_LEFT, _RIGHT = 50, 8  # pixels beside the curves
_FADED = 0.7  # share of white in what is still to come
_DOTS = 100  # per inch


class Curve(NamedTuple):
    """The reward of a role."""

    role: int
    label: str
    values: np.ndarray  # [steps]


def learned(method: Method) -> bool:
    """Whether some role's reward is learned."""
    return any(role.reward != ENVIRONMENT for role in method.roles)


def film(
    folder: Path, method: Method, task: Task, run: Run, stretch: Stretch, scene: Frames
) -> dict[str, str]:
    """Write ``rewards.gif``; returns its entry in ``videos.json``.

    ``run`` is of one seed. Every reward is evaluated on what is shown, whoever acts, as its learner
    sees it: scaled, for the goal of that phase. Where the method sees no pictures, those of the
    ``scene`` are shown.
    """
    curves, shown, what = evaluated(method, task, run, stretch), scene, ""
    if stretch.frames:
        shown, what = _seen(method, task, stretch)
    width = max(_WIDTH, shown[0].width)
    plot = _Plot(curves, stretch.role, width)
    names = [role.name for role in method.roles]
    pictures = []
    for place, frame in enumerate(shown):
        role, number = int(stretch.role[place]), int(stretch.number[place])
        colour = LIGHT.series[role % len(LIGHT.series)]
        middle = Image.new("RGB", (width, frame.height), LIGHT.panel)
        middle.paste(frame, ((width - frame.width) // 2, 0))
        top = gifs.with_strip(middle, f"{names[role]} · {number + 1}", colour)
        whole = Image.new("RGB", (width, top.height + plot.height))
        whole.paste(top, (0, 0))
        whole.paste(plot.at(place), (0, top.height))
        pictures.append(whole)
    stride = gifs.save(folder / "rewards.gif", pictures)
    caption = f"Rewards in practice as their learners see them{what}{gifs.faster(stride)}"
    return {"file": "rewards.gif", "caption": caption}


def evaluated(method: Method, task: Task, run: Run, stretch: Stretch) -> list[Curve]:
    """The rewards of a stretch, one for each that there is; an observed one cannot be had."""
    light, curves = run._replace(replay=None), []  # type: ignore[arg-type]
    for name in dict.fromkeys(role.reward for role in method.roles):
        if ENVIRONMENT in method.made_of(name) and not task.pure:
            continue
        mine = [number for number, role in enumerate(method.roles) if role.reward == name]
        seen, frames = stretch.observation, stretch.frames
        nothing = np.zeros(len(seen), np.float32)
        now: Any = (seen, stretch.action, seen, stretch.goal, nothing, nothing > 0, frames, frames)
        values = rewards_in_blocks(Context(method, task), mine[0], light, Steps(*now))
        whose = ", ".join(method.roles[number].name for number in mine)
        curves.append(Curve(mine[0], f"{whose}: {name.replace('_', ' ')}", values))
    return curves


def _seen(method: Method, task: Task, stretch: Stretch) -> tuple[Frames, str]:
    """Cameras' pictures side by side, and that of the goal where it is seen; what is where."""
    columns, names = [seen[..., :3] for seen in stretch.frames.values()], [*stretch.frames]
    if shown := method.vision.showing(task):
        assert task.goal_pictures is not None
        known = np.concatenate([task.goals, task.initial_goals])
        which = ((stretch.goal[:, None] - known) ** 2).sum(-1).argmin(axis=1)
        for name in shown:
            columns.append(np.asarray(task.goal_pictures[name])[which])
            names.append("the goal")
    factor = max(1, round(_SIDE / columns[0].shape[1]))
    together = np.concatenate(columns, axis=2)
    size = (factor * together.shape[2], factor * together.shape[1])
    nearest = Image.Resampling.NEAREST
    pictures = [Image.fromarray(picture).resize(size, nearest) for picture in together]
    return pictures, f"; seen: {', '.join(dict.fromkeys(names))}"


class _Plot:
    """Curves below each other, drawn once; at a step, what is to come is faded."""

    def __init__(self, curves: Sequence[Curve], role: np.ndarray, width: int) -> None:
        self.height = len(curves) * (_PANEL + _HEAD) + _FOOT
        figure = Figure(figsize=(width / _DOTS, self.height / _DOTS), dpi=_DOTS)
        figure.patch.set_facecolor(LIGHT.page)
        canvas: Any = FigureCanvasAgg(figure)
        steps = len(role)
        across = (_LEFT / width, 1 - (_LEFT + _RIGHT) / width)
        edges = np.flatnonzero(np.diff(role, prepend=-1, append=-1))
        for place, (whose, label, values) in enumerate(curves):
            bottom = self.height - (place + 1) * (_PANEL + _HEAD)
            box = (across[0], bottom / self.height, across[1], _PANEL / self.height)
            axes = figure.add_axes(box)
            for begin, end in itertools.pairwise(edges.tolist()):
                if int(role[begin]) == whose:  # who acts for this reward
                    axes.axvspan(begin, end, color=LIGHT.panel, linewidth=0)
            colour = LIGHT.series[whose % len(LIGHT.series)]
            axes.plot(np.arange(steps), values, color=colour, linewidth=1.2)
            axes.set_title(label, loc="left", fontsize=7.5, color=colour, pad=2)
            axes.set_xlim(0, max(1, steps - 1))
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
            for side in ("left", "bottom"):
                axes.spines[side].set_color(LIGHT.line)
            last = place == len(curves) - 1
            axes.tick_params(colors=LIGHT.muted, labelsize=6.5, length=2, labelbottom=last, pad=2)
            axes.yaxis.set_major_locator(MaxNLocator(3))
            axes.yaxis.set_major_formatter("{x:.3g}")
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        canvas.draw()
        self._drawn = np.asarray(canvas.buffer_rgba())[..., :3].copy()
        self._faded = (255 * _FADED + self._drawn * (1 - _FADED)).astype(np.uint8)
        tops = [place * (_PANEL + _HEAD) + _HEAD for place in range(len(curves))]
        self._rows = np.concatenate([np.arange(top, top + _PANEL) for top in tops])
        self._places = np.linspace(_LEFT, width - _RIGHT - 1, steps).round().astype(int)

    def at(self, step: int) -> Image.Image:
        """The curves with a cursor at a step."""
        where, image = self._places[step], self._drawn.copy()
        image[self._rows, where + 1 :] = self._faded[self._rows, where + 1 :]
        image[self._rows, where] = ImageColor.getrgb(LIGHT.text)
        return Image.fromarray(image)
