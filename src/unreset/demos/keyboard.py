"""Driving a task by hand: keys of a terminal become actions."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from unreset.core.types import Task
from unreset.errors import UnresetError

HELP = "w/s: +y/-y   a/d: -x/+x   r/f: up/down   space: grip or release   q: end the episode"
QUIT, GRIP = "q", " "
_MOVES = {"d": (0, 1), "a": (0, -1), "w": (1, 1), "s": (1, -1), "r": (2, 1), "f": (2, -1)}


class Keyboard:
    """Actions from keys: one key, one step. The last number of an action is the gripper's.

    Args:
        task: with actions (x, y, grip) or (x, y, z, grip).
        read_key: the next key; "" where there are no more.
        speed: size of a motion, in (0, 1].
        show: is given a line about the present state before each key.
    """

    def __init__(
        self,
        task: Task,
        read_key: Callable[[], str],
        speed: float = 0.6,
        show: Callable[[str], None] = lambda line: None,
    ) -> None:
        if task.action_size not in (3, 4):
            raise UnresetError(
                f"{task.name} has {task.action_size} numbers in an action; the keyboard drives "
                f"x, y (and z) and a gripper, so 3 or 4"
            )
        if not 0 < speed <= 1:
            raise UnresetError(f"speed must lie in (0, 1], not {speed}")
        self._read_key, self._speed, self._show = read_key, speed, show
        self._size, self._grip = task.action_size, -1.0

    def begin(self) -> None:
        """A new episode: nothing is gripped."""
        self._grip = -1.0

    def __call__(self, observation: np.ndarray, goal: np.ndarray) -> np.ndarray | None:
        """The next action [action], or None to end the episode."""
        self._show(f"at {_numbers(observation)}  goal {_numbers(goal)}")
        action = np.zeros(self._size, np.float32)
        while True:
            key = self._read_key()
            if key in ("", QUIT):
                return None
            if key == GRIP:
                self._grip = -self._grip
                break
            axis, sign = _MOVES.get(key, (self._size, 0))
            if axis < self._size - 1:
                action[axis] = sign * self._speed
                break
        action[-1] = self._grip
        return action


def _numbers(array: np.ndarray) -> str:
    return " ".join(f"{value:+.2f}" for value in array)


def terminal_key() -> str:
    """The next key pressed in the terminal, without waiting for a line; "" at its end.

    Raises:
        UnresetError: where the standard input is no terminal.
    """
    try:
        import termios  # noqa: PLC0415 - not on Windows
        import tty  # noqa: PLC0415
    except ImportError as error:
        raise UnresetError("the keyboard needs a Unix terminal") from error
    if not sys.stdin.isatty():
        raise UnresetError("the keyboard needs a terminal; the standard input is none")
    descriptor = sys.stdin.fileno()
    try:
        before = termios.tcgetattr(descriptor)
        try:
            tty.setcbreak(descriptor, termios.TCSADRAIN)  # keys pressed meanwhile are kept
            return os.read(descriptor, 1).decode(errors="ignore")
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
    except (OSError, termios.error):  # it was closed
        return ""


class Window:
    """A Matplotlib window with the task's picture."""

    def __init__(self, title: str) -> None:
        if sys.platform == "linux" and not (
            os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        ):
            raise UnresetError("a window needs a display (DISPLAY is not set); leave out --window")
        from matplotlib import pyplot  # noqa: PLC0415 - chooses a backend

        pyplot.ion()
        self._pyplot = pyplot
        self._figure, self._axes = pyplot.subplots(num=title)
        self._axes.set_axis_off()
        self._image: Any = None

    def show(self, picture: np.ndarray) -> None:
        """Draw a picture, uint8 [size, size, 3]."""
        if self._image is None:
            self._image = self._axes.imshow(picture)
        self._image.set_data(picture)
        self._pyplot.pause(0.001)

    def close(self) -> None:
        """Close the window."""
        self._pyplot.close(self._figure)
