"""The kitchen's MuJoCo model: gymnasium-robotics' Franka kitchen, edited in memory to EARL's."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from unreset.tasks.extras import folder
from unreset.tasks.simulation.mujoco_env import delete, weld_as_before_3

HAND, WRIST = "hand_target", "panda0_link7"  # the mocap body, and the link that follows it
CAMERAS = ("overview", "wrist")
TIMESTEP = 0.002

# Where the hand's target is while the arm's joints are all zero: this fixes how the two are
# welded, and with it the hand's orientation in the kitchen.
_WELD_POSITION = (0.0, 0.0, 2.89)
_WELD_TURNS = (-1.57, -0.785)  # about x, then about the turned z


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
    models = folder("gymnasium_robotics", "kitchen") / "envs/assets/kitchen_franka/kitchen_assets"
    specification = mujoco.MjSpec.from_file(str(models / "kitchen_env_model.xml"))
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
    weld_as_before_3(model, WRIST)
    for geom, mesh in enumerate(model.geom_dataid):
        if mesh >= 0 and _is_link(model.mesh(mesh).name, "_col"):
            model.geom_group[geom] = 0
            model.geom_rgba[geom] = (0.95, 0.99, 0.92, 1)
    return model
