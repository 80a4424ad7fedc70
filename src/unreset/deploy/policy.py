"""A deployed policy: one file that acts with NumPy alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from unreset.deploy import policy_file, policy_input, policy_sight
from unreset.errors import UnresetError
from unreset.reading import parsed, reading
from unreset.serialization import save_file

_LAYER_NORM_EPSILON = 1e-6  # Flax's


class Policy:
    """The deterministic policy ``tanh(mean(observation, goal))``, of numbers or of pictures.

    Attributes:
        metadata: method, task, sizes and architecture, as stored in the file.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> None:
        self.metadata = dict(metadata)
        self._weights = {name: np.asarray(array) for name, array in weights.items()}
        self._layers = 1 + max(
            int(name.split("_")[-1].split("/")[0]) for name in weights if name.startswith("MLP_0/D")
        )

    @classmethod
    def load(cls, path: str | Path) -> Policy:
        """Read a file written by :meth:`save` or ``unreset export``; raises UnresetError."""
        wrong = f"{path} is not a policy file (make one with: unreset export RUN FILE)"
        with reading(path, wrong):
            with safe_open(path, "numpy") as file:
                metadata = parsed((file.metadata() or {})["unreset_policy"])
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            policy_file.check(metadata, weights)
            policy = cls(weights, metadata)
            policy._try()
        return policy

    def _try(self) -> None:
        """Act once, on zeros: whatever its parts do not fit together raises something."""
        sizes = policy_file.sizes(self.metadata)
        observation: Any = {name: np.zeros(*shape) for name, shape in sizes.items()}
        if "sight" not in self.metadata:
            action = self(observation["observation"], observation["desired_goal"])
        else:
            observation["desired_goal"] = self._weights["goals"][0]  # it may know no other
            action = self(observation)
        if action.shape != (self.action_size,) or not np.isfinite(action).all():
            raise ValueError(f"an action of it is {action}, not {self.action_size} finite numbers")

    def save(self, path: str | Path) -> Path:
        """Write the policy to one safetensors file; raises OSError where that cannot be."""
        save_file(self._weights, path, {"unreset_policy": json.dumps(self.metadata)})
        return Path(path)

    def __call__(
        self, observation: Mapping[str, Any] | np.ndarray, goal: np.ndarray | None = None
    ) -> np.ndarray:
        """The action [..., action] in (-1, 1).

        Args:
            observation: a dictionary with ``observation`` and ``desired_goal`` (as Gymnasium's goal
                environments give), or the observation [..., observation] with ``goal`` beside it.
            goal: the goal [..., goal], where ``observation`` does not hold it.

        A policy that was taught with pictures takes one observation at a time, a dictionary of a
        picture for each camera; see :func:`unreset.deploy.policy_sight.seen`.

        Raises:
            UnresetError: where observation or goal is missing, of another shape, or not finite
                numbers; no action is better than a wrong one.
        """
        goal = policy_input.asked(observation, goal)
        with np.errstate(over="ignore", invalid="ignore"):  # found in the action
            if "sight" in self.metadata:
                return policy_input.finite(self._act_by_sight(observation, goal))
            inputs = policy_input.joined(observation, goal, self.metadata)
            if "offsets" in self._weights:
                inputs = inputs @ self._weights["offsets"].T
            return policy_input.finite(self._mean(self._squeezed(self._waves(inputs))))

    def _act_by_sight(self, observation: Any, goal: Any) -> np.ndarray:
        """The action [action] for what is seen."""
        if not isinstance(observation, Mapping):
            raise UnresetError("this policy needs a dictionary with a picture for each camera")
        sight = self.metadata["sight"]
        features, numbers = policy_sight.seen(sight, self._weights, observation, goal)
        return self._mean(np.concatenate([self._squeezed(features), self._waves(numbers)]))

    def _squeezed(self, inputs: np.ndarray) -> np.ndarray:
        """The trunk's output, where there is one."""
        if "Trunk_0/Dense_0/kernel" not in self._weights:
            return inputs
        squeezed = self._dense(inputs, "Trunk_0/Dense_0")
        return np.asarray(np.tanh(self._normalise(squeezed, "Trunk_0/LayerNorm_0")))

    def _mean(self, inputs: np.ndarray) -> np.ndarray:
        """The tanh of the mean that the layers make of their inputs."""
        for layer in range(self._layers - 1):
            inputs = self._dense(inputs, f"MLP_0/Dense_{layer}")
            if f"MLP_0/LayerNorm_{layer}/scale" in self._weights:
                inputs = self._normalise(inputs, f"MLP_0/LayerNorm_{layer}")
            inputs = np.maximum(inputs, 0.0)
        mean = self._dense(inputs, f"MLP_0/Dense_{self._layers - 1}")[..., : self.action_size]
        return np.asarray(np.tanh(mean))

    @property
    def action_size(self) -> int:
        """Numbers of an action."""
        return int(self.metadata["action_size"])

    def _waves(self, inputs: np.ndarray) -> np.ndarray:
        """See :meth:`unreset.core.method.Method.inputs`."""
        number = self.metadata["octaves"]
        frequencies = np.float32(np.pi / 4) * np.float32(2.0) ** np.arange(number, dtype=np.float32)
        *rows, size = inputs.shape
        angles = (inputs[..., None] * frequencies).reshape(*rows, size * number)
        told = np.zeros((*rows, self.metadata["told_roles"]), np.float32)
        told[..., :1] = 1.0  # the first role
        return np.concatenate([inputs, np.sin(angles), np.cos(angles), told], axis=-1)

    def _dense(self, inputs: np.ndarray, name: str) -> np.ndarray:
        return np.asarray(inputs @ self._weights[f"{name}/kernel"] + self._weights[f"{name}/bias"])

    def _normalise(self, inputs: np.ndarray, name: str) -> np.ndarray:
        mean = inputs.mean(axis=-1, keepdims=True)
        scale = 1 / np.sqrt(inputs.var(axis=-1, keepdims=True) + _LAYER_NORM_EPSILON)
        return np.asarray(
            (inputs - mean) * scale * self._weights[f"{name}/scale"] + self._weights[f"{name}/bias"]
        )
