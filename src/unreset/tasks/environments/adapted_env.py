"""Any Gymnasium environment, laid out as this library's own: vectors, actions in [-1, 1], goals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit

from unreset.errors import UnresetError
from unreset.tasks.environments import interface
from unreset.tasks.environments.adapted_goals import takes_goals, tell
from unreset.tasks.environments.told_success import told_success
from unreset.tasks.simulation.mujoco_env import integration_state, restore_integration_state

Environment = gymnasium.Env[Any, Any]


class BroughtEnv(gymnasium.Env[dict[str, Any], np.ndarray]):
    """Steps an environment and gives its observations as float32 vectors in a dictionary.

    ``observation`` [observation] is the task's, ``desired_goal`` [goal] what was last asked for;
    pictures stay as they are, under their cameras' names.
    Actions [action] in [-1, 1] are stretched to the environment's bounds; larger ones are clipped.
    ``get_state`` and ``set_state`` are there if the environment has them; if it is a MuJoCo
    environment and ``remember`` is true, they save and restore MuJoCo's integration state.

    Args:
        inner: the environment, with a bounded Box of actions.
        state: its observation -> the task's observation [observation].
        size: how many numbers that has.
        goal: the goal [goal] until another one is asked for.
        own_goals: whether resets choose a goal, the observation's ``desired_goal``.
        remember: whether MuJoCo's state says everything that the next step depends on.
        cameras: the names under which its observations hold pictures.

    Raises:
        UnresetError: if its actions cannot be stretched.
    """

    def __init__(
        self,
        inner: Environment,
        state: Callable[[Any], np.ndarray],
        size: int,
        goal: np.ndarray,
        own_goals: bool = False,
        remember: bool = False,
        cameras: Sequence[str] = (),
    ) -> None:
        self.inner, self._state, self.goal, self._own_goals = inner, state, goal, own_goals
        self.cameras = tuple(cameras)
        self.metadata, self.render_mode = inner.metadata, inner.render_mode
        self.low, self.high = action_bounds(inner.action_space)
        self.raw: Any = None  # the environment's own observation
        self.reward: Any = 0.0  # the environment's own, of the last step, as it came
        self.info: Mapping[str, Any] = {}  # its own, of the last reset or step
        everything = {"observation": size, "desired_goal": len(goal)}
        seen: Any = inner.observation_space
        self.observation_space = spaces.Dict(
            {
                key: spaces.Box(-np.inf, np.inf, (number,), np.float32)
                for key, number in everything.items()
            }
            | {name: seen[name] for name in self.cameras}
        )
        self.action_space = spaces.Box(-1.0, 1.0, self.low.shape, np.float32)
        own: Any = inner.unwrapped
        if not inner.has_wrapper_attr("_elapsed_steps"):  # a time limit's count is not saved
            if callable(getattr(own, "get_state", None)) and hasattr(own, "set_state"):
                self.get_state, self.set_state = own.get_state, own.set_state
            elif remember and is_mujoco(own):
                self.get_state, self.set_state = self._save, self._restore

    @property
    def data(self) -> Any:
        """The MuJoCo data, if there is any: its clock betrays a reset that nobody asked for."""
        return getattr(self.inner.unwrapped, "data", None)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Reset the environment; ``options`` are its own."""
        super().reset(seed=seed)
        observation, info = interface.reset(self.inner, seed, options)
        if self._own_goals:
            self.goal = np.array(observation["desired_goal"], np.float32)
        self.reward, self.info = 0.0, info
        return self._laid_out(observation), dict(info)

    def step(self, action: np.ndarray) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Act; the reward (NaN if it is not one number) and both ends are the environment's own."""
        share = (np.clip(np.asarray(action, np.float64), -1.0, 1.0) + 1.0) / 2.0
        stretched = self.low + share * (self.high - self.low)
        space: Any = self.inner.action_space
        asked = stretched.astype(space.dtype).reshape(space.shape)
        observation, self.reward, *ends, self.info = interface.step(self.inner, asked)
        reward = interface.number(self.reward)
        return self._laid_out(observation), reward, ends[0], ends[1], dict(self.info)

    @property
    def succeeded(self) -> bool | None:
        """What its info says about success, if anything; raises UnresetError if unclear."""
        return told_success(self.info)

    def set_goal(self, goal: Any) -> None:
        """Ask for another goal [goal]; an environment that knows of goals is told."""
        self.goal = np.array(goal, np.float32)
        tell(self.inner.unwrapped, self.goal)

    @property
    def knows_goals(self) -> bool:
        """Whether the environment itself makes use of a goal, for its reward or its pictures."""
        return takes_goals(self.inner.unwrapped, self.goal)

    def render(self) -> Any:
        """The environment's picture."""
        return self.inner.render()

    def close(self) -> None:
        """Close the environment."""
        interface.close(self.inner)

    def _vector(self, observation: Any) -> np.ndarray:
        # A copy: some environments write every observation into the same memory.
        return np.array(self._state(observation), np.float32).ravel()

    def _laid_out(self, observation: Any) -> dict[str, Any]:
        self.raw = observation
        pictures = {name: observation[name] for name in self.cameras}
        goal = self.goal.copy()
        return {"observation": self._vector(observation), "desired_goal": goal, **pictures}

    def _save(self) -> dict[str, np.ndarray]:
        state = {"mujoco": integration_state(self.inner.unwrapped), "goal": self.goal.copy()}
        # A step leaves positions of bodies behind that are older than the joints'; both who goes on
        # from here and who comes back go on from positions computed anew.
        self._restore(state)
        return state

    def _restore(self, state: Mapping[str, np.ndarray]) -> None:
        restore_integration_state(self.inner.unwrapped, state["mujoco"])
        self.set_goal(state["goal"])


def action_bounds(space: Any) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest action, [action] each; raises UnresetError where there are none."""
    if not isinstance(space, spaces.Box) or not np.issubdtype(space.dtype, np.floating):
        raise UnresetError(
            f"its actions are {space}; only continuous actions can be learned, a Box of floats "
            "(wrap the environment in a gymnasium.ActionWrapper that has one)"
        )
    low, high = (np.asarray(bound, np.float64).ravel() for bound in (space.low, space.high))
    if not np.isfinite([low, high]).all():
        raise UnresetError(
            f"its actions are {space}, without bounds to stretch [-1, 1] to; give it a Box with "
            "finite bounds, such as gymnasium.wrappers.TransformAction(environment, lambda a: a, "
            "gymnasium.spaces.Box(-1, 1, shape))"
        )
    return low, high


def is_mujoco(own: Any) -> bool:
    """Whether an environment holds a MuJoCo model and its data."""
    held = (getattr(own, name, None) for name in ("model", "data"))
    return [type(item).__name__ for item in held] == ["MjModel", "MjData"]


def without_time_limit(environment: Environment) -> Environment:
    """The environment without its TimeLimit wrappers."""
    while isinstance(environment, TimeLimit):
        environment = environment.env
    layer: Any = environment
    while isinstance(layer, gymnasium.Wrapper):
        if isinstance(layer.env, TimeLimit):
            layer.env = layer.env.env
        else:
            layer = layer.env
    return environment


def comes_back(trial: BroughtEnv, other: Callable[[], BroughtEnv]) -> bool:
    """Whether another instance, after another reset, goes on exactly from a saved state."""
    if not hasattr(trial, "get_state"):
        return False
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (20, len(trial.low)))
    trial.reset(seed=0)
    trial.step(actions[0])
    state = trial.get_state()
    once = [trial.step(action)[0]["observation"] for action in actions]
    trial = other()
    try:
        trial.reset(seed=1)
        trial.set_state(state)
        again = [trial.step(action)[0]["observation"] for action in actions]
    finally:
        trial.close()
    return np.array_equal(once, again)
