"""The kitchen's MuJoCo model: gymnasium-robotics' Franka kitchen, edited in memory to EARL's."""

from __future__ import annotations

import math
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from unreset.errors import UnresetError

HAND, WRIST = "hand_target", "panda0_link7"  # the mocap body, and the link that follows it
CAMERAS = ("overview", "wrist")
TIMESTEP = 0.002

# Where the hand's target is while the arm's joints are all zero: this fixes how the two are
# welded, and with it the hand's orientation in the kitchen.
_WELD_POSITION = (0.0, 0.0, 2.89)
_WELD_TURNS = (-1.57, -0.785)  # about x, then about the turned z


def robotics_assets(extra: str) -> Path:
    """The folder of models inside the installed package gymnasium-robotics.

    The package itself is not imported: its environments are not used, and its import is slow.

    Raises:
        UnresetError: if it is not installed.
    """
    found = find_spec("gymnasium_robotics")
    if found is None or not found.submodule_search_locations:
        raise UnresetError(
            "this needs the models of the package 'gymnasium_robotics', which is not installed; "
            f"install it with: pip install 'unreset[{extra}]'"
        )
    return Path(found.submodule_search_locations[0]) / "envs" / "assets"


def delete(specification: Any, element: Any) -> None:
    """Remove a body, actuator, key ... from an MjSpec; versions of MuJoCo differ in how."""
    if hasattr(specification, "delete"):
        specification.delete(element)
    elif hasattr(element, "delete"):
        element.delete()
    else:
        specification.detach_body(element)


def _weld_quaternion() -> np.ndarray:
    x, z = (angle / 2 for angle in _WELD_TURNS)
    return np.array(
        [
            math.cos(x) * math.cos(z),
            math.sin(x) * math.cos(z),
            -math.sin(x) * math.sin(z),
            math.cos(x) * math.sin(z),
        ]
    )


def _quaternion(mujoco: Any, right: np.ndarray, up: np.ndarray) -> np.ndarray:
    """A camera's orientation; it looks where ``right`` x ``up`` points away from."""
    axes = np.stack([right, up, np.cross(right, up)], axis=1)
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, axes.ravel())
    return quaternion


def _add_cameras(mujoco: Any, specification: Any) -> None:
    """The benchmark's own view of the whole, and one above the hand that looks along it."""
    azimuth, elevation = math.radians(70), math.radians(-35)
    across = math.cos(elevation)
    forward = np.array(
        [across * math.cos(azimuth), across * math.sin(azimuth), math.sin(elevation)]
    )
    right = np.array([math.sin(azimuth), -math.cos(azimuth), 0.0])
    specification.worldbody.add_camera(
        name=CAMERAS[0],
        pos=np.array([-0.2, 0.5, 2.0]) - 2.2 * forward,
        quat=_quaternion(mujoco, right, np.cross(right, forward)),
    )
    wrist = next(body for body in specification.bodies if body.name == WRIST)
    side = math.sqrt(0.5)  # the hand is fixed to the link at 45 degrees
    turned = _quaternion(mujoco, np.array([side, side, 0]), np.array([side, -side, 0]))
    wrist.add_camera(name=CAMERAS[1], pos=(0.07, -0.07, 0.05), quat=turned, fovy=70)


def _is_link(name: str, kind: str) -> bool:
    return name.startswith("link") and name.endswith(kind)


@cache
def kitchen_model(mujoco: Any) -> Any:
    """The kitchen without kettle, its arm led by a mocap body. One model serves all environments.

    23 positions: 7 arm joints, 2 fingers, then 4 knobs with their burners, light switch, light,
    sliding door, left and right hinged door, microwave. Two actuators, one for each finger.
    """
    path = robotics_assets("kitchen") / "kitchen_franka/kitchen_assets/kitchen_env_model.xml"
    specification = mujoco.MjSpec.from_file(str(path))
    for key in list(specification.keys):  # it has positions for the kettle, and none for the mocap
        delete(specification, key)
    delete(specification, next(b for b in specification.bodies if b.name == "kettle"))
    for actuator in list(specification.actuators):
        if actuator.name.startswith("panda0_joint"):
            delete(specification, actuator)
    specification.worldbody.add_body(
        name=HAND, mocap=True, pos=_WELD_POSITION, quat=_weld_quaternion()
    )
    weld = specification.add_equality(
        name="hand_weld",
        type=mujoco.mjtEq.mjEQ_WELD,
        objtype=mujoco.mjtObj.mjOBJ_BODY,
        name1=HAND,
        name2=WRIST,
        solref=(0.02, 1.0),
        solimp=(0.4, 0.85, 0.1, 0.5, 2.0),
    )
    data = np.zeros(len(weld.data))  # no relative pose: that of the zero position is taken
    data[10] = 1.0  # torque scale
    weld.data = data
    specification.option.timestep = TIMESTEP
    _add_cameras(mujoco, specification)
    # The arm is drawn by its collision shapes: 300 faces a link, and not 10,000 or more.
    for element in [*specification.geoms, *specification.meshes]:
        if _is_link(getattr(element, "meshname", element.name), "_viz"):
            delete(specification, element)
    model = specification.compile()
    for geom, mesh in enumerate(model.geom_dataid):
        if mesh >= 0 and _is_link(model.mesh(mesh).name, "_col"):
            model.geom_group[geom] = 0
            model.geom_rgba[geom] = (0.95, 0.99, 0.92, 1)
    return model
