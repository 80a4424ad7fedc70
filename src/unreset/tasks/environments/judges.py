"""Success and reward of a task from whatever says them: a distance, JAX, NumPy, its environment."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core.types import Array
from unreset.errors import Failure, UnresetError
from unreset.tasks.environments import interface
from unreset.tasks.environments.told_success import NAMES

Function = Callable[..., Any]
Score = Callable[[Any, np.ndarray, np.ndarray], tuple[float, bool]]
DO, RETURN = 0.0, 1.0  # the goals [1] of a task that has none: do it, and undo it


class Judges(NamedTuple):
    """What a :class:`unreset.core.types.Task` needs to know about success and reward.

    Where ``score`` is given, the other two work on NumPy arrays at most.
    """

    success: Function
    reward: Function
    score: Score | None  # None if both are pure
    by_environment: bool  # whether its environment says one of them


def within(radius: float, achieved: Function) -> Function:
    """Whether what is achieved lies within ``radius`` of the goal (NumPy and JAX)."""

    def success(observation: Any, goal: Any) -> Any:
        return ((achieved(observation) - goal) ** 2).sum() <= radius**2

    return success


def judges(
    success: Function | str,
    reward: Function | str,
    recompute: bool,
    observation: np.ndarray,
    goal: np.ndarray,
) -> Judges:
    """For a task with goals; the functions take observation and goal, and are tried on one each.

    ``recompute`` says whether rewards may be recomputed for other goals, if functions allow that.

    Raises:
        UnresetError: if a function fails or does not return a number (success: a bool).
    """
    functions = {"success": success, "reward": reward}
    by_environment = "environment" in (success, reward)
    traced = [
        traceable(what, function, (observation, goal), "b" if what == "success" else "biuf")
        for what, function in functions.items()
        if not isinstance(function, str)
    ]
    pure = all(traced) and not by_environment

    def score(environment: Any, observation: np.ndarray, goal: np.ndarray) -> tuple[float, bool]:
        done = _ask(environment, success, observation, goal)
        return _pay(environment, reward, done, observation, goal), done

    judged = known_to_environment if isinstance(success, str) else success
    paid = known_to_environment if isinstance(reward, str) else reward
    if reward == "sparse":

        def paid(observation: Any, goal: Any) -> Array:
            return jnp.asarray(judged(observation, goal), jnp.float32)

    return Judges(judged, paid, None if pure and recompute else score, by_environment)


def goalless_judges(
    success: Function | str,
    initial_success: Function | None,
    reward: Function | str,
    observation: np.ndarray,
) -> Judges:
    """For a task with one thing to do: goal [DO] asks for it, goal [RETURN] to undo it.

    The functions take an observation. Returning is paid 1 on success. Never pure: an observation
    does not achieve such a goal.
    """
    for what, function in (("success", success), ("initial_success", initial_success)):
        if function is not None and not isinstance(function, str):
            traceable(what, function, (observation,), "b")
    if not isinstance(reward, str):
        traceable("reward", reward, (observation,), "biuf")

    def score(environment: Any, observation: np.ndarray, goal: np.ndarray) -> tuple[float, bool]:
        if goal[0] == RETURN and initial_success is not None:
            done = bool(initial_success(observation))
            return float(done), done
        done = _ask(environment, success, observation)
        return _pay(environment, reward, done, observation), done

    def alone(number: int) -> Function:
        return lambda observation, goal: score(None, observation, goal)[number]

    return Judges(alone(1), alone(0), score, "environment" in (success, reward))


def traceable(what: str, function: Function, arguments: tuple[np.ndarray, ...], kinds: str) -> bool:
    """Whether a function works in JAX; if not, it must at least work on NumPy arrays.

    ``kinds`` are NumPy's letters for what it may return.
    """
    _check_arguments(what, function, len(arguments))
    try:
        value, traced = jax.eval_shape(function, *arguments), True
    except Exception:  # any: it is the user's, and may ask NumPy or math in many ways
        traced = False
        try:
            value = function(*arguments)
        except Exception as error:
            sizes = " and ".join(str(len(argument)) for argument in arguments)
            raise UnresetError(f"{what} failed on arrays of {sizes} numbers: {error!r}") from error
    if isinstance(value, bool | int | float):
        value = np.asarray(value)
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", np.dtype(object))
    if shape != () or dtype.kind not in kinds:
        wanted = "True or False" if kinds == "b" else "one number"
        got = repr(value) if shape is None else f"{dtype} of shape {shape}"
        raise UnresetError(f"{what} must return {wanted}, not {got}")
    return traced


def known_to_environment(*arguments: Any) -> Any:
    """Stands where no function of observation and goal can."""
    raise UnresetError("this task's success or reward is known only to its environment")


def _ask(environment: Any, success: Function | str, *arguments: np.ndarray) -> bool:
    if not isinstance(success, str):
        return bool(success(*arguments))
    if environment is None:
        return bool(known_to_environment())
    if (succeeded := environment.unwrapped.succeeded) is None:
        raise UnresetError(
            f"its info says nothing about success (neither {' nor '.join(NAMES)}); give success="
        )
    return bool(succeeded)


def _pay(environment: Any, reward: Function | str, done: bool, *arguments: np.ndarray) -> float:
    if reward == "sparse":
        return float(done)
    if not isinstance(reward, str):
        return float(reward(*arguments))
    if environment is None:
        return float(known_to_environment())
    own = environment.unwrapped
    if len(arguments) > 1 and not np.array_equal(arguments[1], own.goal):
        raise UnresetError(
            "its own reward is known only for the goal that it was told: continuing evaluation "
            'needs reward="sparse", or a function'
        )
    if not np.isfinite(paid := interface.number(own.reward)):
        raise Failure(f"the environment's reward is {own.reward!r}, not one finite number")
    return paid


def _check_arguments(what: str, function: Function, number: int) -> None:
    try:
        inspect.signature(function).bind(*range(number))
    except ValueError:  # not every callable has one
        return
    except TypeError as error:
        wanted = "an observation and a goal" if number == 2 else "an observation"
        raise UnresetError(f"{what} must be a function of {wanted} ({error})") from error
