"""The half-cheetah that two papers run: Gymnasium's model, edited in memory, and how it moves.

Of 14 kg whatever its length, in a plane, with six motors. The model is the asset file of the
package gymnasium; none of its environments is run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unreset.tasks.extras import folder
from unreset.tasks.simulation.mujoco_env import MujocoEnv, import_mujoco

EXTRA = "cheetah"
FRAME_SKIP, STEP = 5, 0.05  # substeps, and seconds, of one step
TORSO = 0.5  # metres, half of its length in Gymnasium's model
NOISE = 0.1  # of a reset: half-width for positions, deviation for velocities
ROOT_X, ROOT_Z, PITCH = range(3)  # among the simulator's nine positions; then six joints
JOINTS = 6

#: Of each hurdle: where it stands on the track, and half of its height, in metres.
HURDLES = tuple(
    zip(
        (7.0, 30.0, 40.0, 60.0, 85.0, 135.0, 160.0, 180.0, 220.0, 260.0),
        (0.20, 0.20, 0.20, 0.20, 0.20, 0.20, 0.21, 0.21, 0.22, 0.22),
        strict=True,
    )
)
HURDLE_MIDDLE = 0.20  # height of a hurdle's middle
HURDLE_SIZE = (0.05, 1.0)  # half of its length and width
POST = (0.05, 1.0)  # radius and half the height of what may mark an end of the way


def cheetah_model(mujoco: Any, torso: float = TORSO, hurdles: bool = False) -> Any:
    """The compiled model, with an unseen post ``finish`` that nothing meets.

    Args:
        mujoco: the package.
        torso: half the torso's length in metres; head and legs move along with its ends.
        hurdles: whether :data:`HURDLES` stand on the track.
    """
    assets = folder("gymnasium", EXTRA) / "envs" / "mujoco" / "assets"
    spec = mujoco.MjSpec.from_file(str(assets / "half_cheetah.xml"))
    geoms = {geom.name: geom for geom in spec.geoms}
    # The floor is felt without an end; now it is drawn so, too, with squares as large as they were.
    geoms["floor"].size[:2] = 0.0
    squares = next(material for material in spec.materials if material.name == "MatPlane")
    squares.texuniform, squares.texrepeat = True, (0.75, 0.75)
    geoms["torso"].fromto = (-torso, 0.0, 0.0, torso, 0.0, 0.0)
    geoms["head"].pos[0] += torso - TORSO
    for body in spec.bodies:
        if body.name in ("bthigh", "fthigh"):
            body.pos[0] = np.sign(body.pos[0]) * torso
    spec.worldbody.add_site(
        name="finish",
        type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        pos=(0.0, 0.0, POST[1]),
        size=(*POST, 0.0),
        rgba=(0.8, 0.0, 0.0, 0.0),
    )
    if hurdles:
        for number, (along, height) in enumerate(HURDLES):
            spec.worldbody.add_geom(
                name=f"hurdle{number}",
                type=mujoco.mjtGeom.mjGEOM_BOX,
                pos=(along, 0.0, HURDLE_MIDDLE),
                size=(*HURDLE_SIZE, height),
                contype=1,
                conaffinity=1,  # the cheetah's parts meet only what has this
                rgba=(0.3, 0.3, 0.8, 1.0),
            )
    return spec.compile()


class HalfCheetahEnv(MujocoEnv):
    """What the tasks of a half-cheetah share; each says what it looks at and what it asks for.

    Actions [6] are the motors' torques, from the whole one way to the whole the other way: back
    thigh, shin and foot, then the front ones. A step is 0.05 s.

    There is nothing to go back to: the track looks the same everywhere, and standing still is no
    task. So there are no initial states as goals.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012
    action_size = JOINTS
    initial_goals = np.zeros((0, 1), np.float32)
    starts: Sequence[str] = ("initial",)
    camera_names = ("track",)

    def __init__(self, model: Any, reward_type: str = "dense", **arguments: Any) -> None:
        super().__init__(import_mujoco(EXTRA), model, reward_type=reward_type, **arguments)
        self._acted = np.zeros(JOINTS)  # the last action, and the metres a second that it gave
        self._speed = 0.0

    def _begin(self, start: str) -> None:
        data, draw = self.data, self.np_random
        self.mujoco.mj_resetData(self.model, data)
        data.qpos[:] += draw.uniform(-NOISE, NOISE, self.model.nq)
        data.qvel[:] = NOISE * draw.standard_normal(self.model.nv)
        self._rest()

    def _rest(self) -> None:
        """Nothing has been done yet; the speed is that of this moment."""
        self.mujoco.mj_forward(self.model, self.data)
        self._acted[:], self._speed = 0.0, float(self.data.qvel[ROOT_X])

    def _simulate(self, action: np.ndarray) -> None:
        data = self.data
        before = data.qpos[ROOT_X]
        data.ctrl[:] = self._acted[:] = action
        self.mujoco.mj_step(self.model, data, nstep=FRAME_SKIP)
        self.mujoco.mj_kinematics(self.model, data)  # a step moves bodies after it placed them
        self._speed = float(data.qpos[ROOT_X] - before) / STEP

    def _simulator(self) -> dict[str, np.ndarray]:
        last = {"acted": self._acted.copy(), "speed": np.array(self._speed)}
        return {**super()._simulator(), **last}

    def _restore(self, state: Mapping[str, np.ndarray]) -> None:
        super()._restore(state)
        self._acted[:], self._speed = state["acted"], float(state["speed"])
