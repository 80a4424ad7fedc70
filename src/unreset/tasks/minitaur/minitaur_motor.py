"""The minitaur's legs and motors: what an action asks of a motor, and the torque that it gives.

A DC motor behind a controller with proportional and derivative gain, as Tan et al. 2018 (arXiv
1804.10332) model it, and with these numbers the EARL benchmark (Sharma, Xu et al. 2022, arXiv
2112.09605). Motors are numbered front left, back left, front right, back right, and on each leg
left, right.
"""

from __future__ import annotations

import math

import numpy as np

MOTORS = 8
SUBSTEP = 0.002  # seconds

GAIN, DAMPING_GAIN = 1.0, 0.02  # of pulse width, per radian and per radian a second
RESISTANCE, TORQUE_CONSTANT = 0.186, 0.0954  # ohm; newton metres an ampere
VOLTAGE = 16.0  # of the nominal battery
VOLTAGE_LIMIT = 50.0  # of the net voltage, by diodes
OBSERVED_LIMIT = 5.7  # newton metres that the robot's own estimate can show
CURRENTS = np.array([0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0])  # amperes
TORQUES = np.array([0.0, 1.0, 1.9, 2.45, 3.0, 3.25, 3.5])  # newton metres: iron saturates
SPEED_LIMIT = 150.0  # radians a second, of what is asked
OVERHEAT_TORQUE, OVERHEAT_TIME = 2.45, 1.0  # a motor that gives more for longer shuts down

_NEUTRAL = math.pi - 1.5 * math.pi / 4
_SWING_SIGNS = np.array([1, -1, 1, -1, -1, 1, -1, 1])  # of a leg's two motors, mirrored right


def motor_angles(action: np.ndarray) -> np.ndarray:
    """The angles [8] in radians that an action [8] asks for, by the leg model.

    Of each leg j the number j swings it and the number 4 + j stretches (-1) or folds it (1).
    """
    swing, fold = np.repeat(action[:4], 2), np.repeat(action[4:], 2)
    return np.asarray(_NEUTRAL + math.pi / 4 * (_SWING_SIGNS * swing - fold))


class Motors:
    """Eight motors on one battery, cold at first.

    Args:
        voltage: of the battery.
        viscous_damping: added to the torque constant in the voltage that rotation induces.
    """

    def __init__(self, voltage: float = VOLTAGE, viscous_damping: float = 0.0) -> None:
        self.voltage, self.viscous_damping = voltage, viscous_damping
        self.hot_for = np.zeros(MOTORS, np.int64)  # substeps
        self.enabled = np.ones(MOTORS, bool)

    def torques(
        self, wanted: np.ndarray, angle: np.ndarray, velocity: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Torques of one substep: those given [8] and those that the robot observes [8].

        Args:
            wanted: angles [8] in radians, asked for within reach of the speed limit.
            angle: present angles [8].
            velocity: present velocities [8] in radians a second.
        """
        reach = SPEED_LIMIT * SUBSTEP
        wanted = np.minimum(np.maximum(wanted, angle - reach), angle + reach)
        width = GAIN * (wanted - angle) - DAMPING_GAIN * velocity
        driving = np.minimum(np.maximum(width, -1.0), 1.0) * self.voltage
        observed = TORQUE_CONSTANT / RESISTANCE * driving
        observed = np.minimum(np.maximum(observed, -OBSERVED_LIMIT), OBSERVED_LIMIT)
        net = driving - (TORQUE_CONSTANT + self.viscous_damping) * velocity
        current = np.minimum(np.maximum(net, -VOLTAGE_LIMIT), VOLTAGE_LIMIT) / RESISTANCE
        size = np.interp(np.abs(current), CURRENTS, TORQUES)
        self.hot_for = np.where(size > OVERHEAT_TORQUE, self.hot_for + 1, 0)
        self.enabled &= self.hot_for <= OVERHEAT_TIME / SUBSTEP
        return np.where(self.enabled, np.copysign(size, current), 0.0), observed
