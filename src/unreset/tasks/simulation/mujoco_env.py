"""A :class:`SavableEnv` on bare MuJoCo: its state is saved exactly, its pictures come from EGL."""

from __future__ import annotations

import atexit
import importlib
import os
import sys
import weakref
from collections.abc import Callable, Mapping
from ctypes.util import find_library
from importlib.util import find_spec
from typing import Any

import numpy as np

from unreset.errors import UnresetError
from unreset.tasks.extras import require
from unreset.tasks.simulation.goal_env import SavableEnv

_BACKENDS = (("egl", "EGL"), ("osmesa", "OSMesa"))  # MuJoCo's name, the library's


def draw_without_display() -> None:
    """Set the variable MUJOCO_GL, by which MuJoCo chooses how to draw, where it is not set.

    Its default on Linux needs a display; this takes EGL if there is such a library, else OSMesa,
    else nothing is drawn.
    """
    if sys.platform == "linux" and "MUJOCO_GL" not in os.environ:
        found = [backend for backend, library in _BACKENDS if find_library(library)]
        os.environ["MUJOCO_GL"] = found[0] if found else "disable"


def prepare_drawing() -> None:
    """Have MuJoCo, where it is installed, draw without a display if there is none."""
    if display():
        return
    if "mujoco" in sys.modules:
        draw_without_display()  # Gymnasium's renderers look again
    elif find_spec("mujoco") is not None:
        _choose_drawing()


def display() -> bool:
    """Whether there is a display, on Linux."""
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def import_mujoco(extra: str) -> Any:
    """The package mujoco, drawing without a display where it can: its first import decides.

    Args:
        extra: the extra of unreset that brings the package, for the error message.

    Raises:
        UnresetError: if mujoco cannot be imported.
    """
    if "mujoco" not in sys.modules:
        _choose_drawing()
    return require("mujoco", extra)


def _choose_drawing() -> None:
    """Set MUJOCO_GL, where it is not set, to what MuJoCo's first import can do with."""
    if sys.platform != "linux" or "MUJOCO_GL" in os.environ:
        return
    draw_without_display()
    try:
        importlib.import_module("mujoco")
    except Exception:  # such as a library without a driver; simulating needs none
        os.environ["MUJOCO_GL"] = "disable"


def integration_state(env: Any) -> np.ndarray:
    """All that the next step of ``env.model`` and ``env.data`` depends on, in one vector.

    Positions, velocities, controls, mocap, warm start, time.
    """
    mujoco = importlib.import_module("mujoco")  # there, since there is a model
    what = mujoco.mjtState.mjSTATE_INTEGRATION
    full = np.empty(mujoco.mj_stateSize(env.model, what))
    mujoco.mj_getState(env.model, env.data, full, what)
    return full


def restore_integration_state(env: Any, state: np.ndarray) -> None:
    """Put back what :func:`integration_state` gave, and compute what follows from it."""
    mujoco = importlib.import_module("mujoco")
    what, full = mujoco.mjtState.mjSTATE_INTEGRATION, np.asarray(state, np.float64)
    mujoco.mj_setState(env.model, env.data, full, what)
    mujoco.mj_forward(env.model, env.data)
    mujoco.mj_setState(env.model, env.data, full, what)  # computing forces replaces the warm start


def weld_as_before_3(model: Any, body: str) -> None:
    """Hold a body that is welded to a mocap body as MuJoCo did before 3.0.

    Those versions weighed the three rotations of a weld as they weighed its translations, and so
    held them more stiffly: a fault, which 3.0 mended (``efc_diagApprox`` in its changelog), but
    one that the environments of that time were made with.
    """
    weights = model.body_invweight0[model.body(body).id]  # of translation, of rotation
    weights[1] = weights[0]


def delete(specification: Any, element: Any) -> None:
    """Remove a body, actuator, key ... from an MjSpec; versions of MuJoCo differ in how."""
    if hasattr(specification, "delete"):
        specification.delete(element)
    elif hasattr(element, "delete"):
        element.delete()
    else:
        specification.detach_body(element)


class MujocoEnv(SavableEnv):
    """Holds ``model`` and ``data``; a task makes the model before it calls ``super().__init__``.

    Args:
        mujoco: the package, from :func:`import_mujoco`.
        model: a compiled model.
        arguments: those of :class:`unreset.tasks.simulation.goal_env.GoalEnv`.
    """

    def __init__(self, mujoco: Any, model: Any, **arguments: Any) -> None:
        self.mujoco, self.model = mujoco, model
        self.data = mujoco.MjData(model)
        self._renderers: dict[int, Any] = {}
        super().__init__(**arguments)

    def close(self) -> None:
        """Free the renderers."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()

    def _simulator(self) -> dict[str, np.ndarray]:
        return {"mujoco": integration_state(self)}

    def _restore(self, state: Mapping[str, np.ndarray]) -> None:
        self.mujoco.mj_resetData(self.model, self.data)
        restore_integration_state(self, state["mujoco"])

    def _picture(self, camera: str, size: int, marked: bool = True) -> np.ndarray:
        if size not in self._renderers:
            self._renderers[size] = self._make_renderer(size)
        renderer = self._renderers[size]
        # A step moves bodies after it placed cameras and lights.
        self.mujoco.mj_kinematics(self.model, self.data)
        self.mujoco.mj_camlight(self.model, self.data)
        renderer.update_scene(self.data, camera=camera)
        return np.array(renderer.render())

    def _make_renderer(self, size: int) -> Any:
        """A renderer of a light scene: on a CPU, multisampling and shadows take nine tenths."""
        model = self.model
        model.vis.quality.offsamples = 0
        model.vis.quality.shadowsize = 0
        model.vis.global_.offwidth = max(size, model.vis.global_.offwidth)
        model.vis.global_.offheight = max(size, model.vis.global_.offheight)
        try:
            if _needs_display(self.mujoco) and not display():
                raise RuntimeError("it was imported before unreset, to draw on a display")
            renderer = self.mujoco.Renderer(model, size, size)
        except Exception as error:
            raise UnresetError(
                f"MuJoCo cannot draw ({error}); without a display it needs EGL or OSMesa: "
                "apt install libegl1 (or libosmesa6), and MUJOCO_GL=egl (or osmesa) in the "
                "environment before mujoco is first imported"
            ) from error
        flags = self.mujoco.mjtRndFlag
        for flag in (flags.mjRND_SHADOW, flags.mjRND_REFLECTION, flags.mjRND_FOG):
            renderer.scene.flags[flag] = 0
        atexit.register(_close, weakref.ref(renderer))
        return renderer


def _needs_display(mujoco: Any) -> bool:
    """Whether MuJoCo would end the process where there is no display."""
    context = getattr(mujoco.gl_context, "GLContext", None)
    return sys.platform == "linux" and getattr(context, "__module__", "") == "mujoco.glfw"


def _close(reference: Callable[[], Any]) -> None:
    """Free a renderer that is still there before the library under it goes, at the very end."""
    if (renderer := reference()) is not None:
        renderer.close()
