"""A policy that sees acts with NumPy as it does in JAX, and says what it misses."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
import unreset
from unreset import api
from unreset.errors import UnresetError
from unreset.evaluation import deployed
from unreset.runs.config import RunConfig
from unreset.runs.training import Training


@pytest.fixture(autouse=True)
def known(monkeypatch):
    toy.install(monkeypatch.setitem)


def fresh(folder, **vision):
    """A run before its first step."""
    settings = toy.tiny(toy.seeing())
    seen = dataclasses.replace(settings.learner.vision, **vision)
    learner = dataclasses.replace(settings.learner, vision=seen)
    settings = dataclasses.replace(settings, learner=learner)
    configuration = RunConfig("medalpp", "toy", "default", 0, 1, 20, 20, 0, 20, "fused", settings)
    return api.Run(Training(folder, configuration, toy.demonstrations()))


SIGHTS = [
    {"encoder": "patches", "goal_view": "image", "proprioception": True},
    {"encoder": "drq", "goal_view": "none", "cameras": ("wrist",), "stack": 2},
    {
        "encoder": "keypoints",
        "features": 0,
        "cameras": ("wrist",),
        "goal_cameras": ("third",),
        "proprioception": True,
        "goal_proprioception": True,
    },
    {"encoder": "strided", "goal_view": "vector", "crop": 2},
]


@pytest.mark.slow
@pytest.mark.parametrize("vision", SIGHTS, ids=str)
def test_it_acts_as_in_jax(vision, tmp_path):
    run = fresh(tmp_path, **vision)
    policy = unreset.Policy.load(run.export().save(tmp_path / "policy.safetensors"))
    training = run._training
    method, task = training.method, training.task
    actor = jax.tree.map(lambda x: x[0], training.actors)
    actions = []
    for place in (-1.2, 0.1, 0.9):
        observation, goal = jnp.array([place]), jnp.asarray(task.goals[0])
        frames = task.look(observation, method.vision.image_size)
        before = task.look(observation - 0.3, method.vision.image_size)
        stack = method.vision.stack
        frames = {name: np.concatenate([frames[name], before[name]][:stack], -1) for name in frames}
        wanted = deployed.deterministic_action(method, task, actor, observation, goal, frames)
        given = {name: np.asarray(frame) for name, frame in frames.items()}
        given["proprioception"] = np.asarray(observation)
        actions.append(policy(given, task.goals[0]))
        np.testing.assert_allclose(actions[-1], wanted, atol=1e-5)
    assert len(np.unique(actions)) > 1


def test_it_says_which_picture_it_misses(tmp_path):
    run = fresh(tmp_path, cameras=("wrist",), goal_view="none", proprioception=False)
    policy = run.export()
    picture = np.zeros((16, 16, 3), np.uint8)
    assert policy({"wrist": picture}).shape == (1,)
    with pytest.raises(UnresetError, match="no picture of camera 'wrist'"):
        policy({"third": picture})
    with pytest.raises(UnresetError, match=r"float64 of shape .*needs uint8 of shape"):
        policy({"wrist": picture / 255})
    with pytest.raises(UnresetError, match="dictionary with a picture"):
        policy(np.zeros(1), np.zeros(1))


def test_what_is_not_finite_or_unknown_moves_nothing(tmp_path):
    run = fresh(tmp_path, cameras=("wrist",), goal_view="image", proprioception=True)
    policy, picture = run.export(), np.zeros((16, 16, 3), np.uint8)
    told = {"wrist": picture, "proprioception": np.zeros(1)}
    known = run._training.task.goals[0]
    assert policy(told, known.astype(np.float64) + 1e-6) == policy(told, known)
    for place, message in [
        ((told | {"proprioception": [np.nan]}, known), "the proprioception contains NaN"),
        ((told, [np.nan]), "the goal contains NaN"),
        ((told, ["1"]), "the goal must be numbers"),
        (
            (told, known + 0.4),
            r"pictures of 2 goals, and none of \(1\.4\); the nearest is \(1\)",
        ),
        ((told,), r"the goal has shape \(0,\) \(none is given\)"),
        ((told | {"desired_goal": known}, known), "the goal is given twice"),
        ((told | {"wrist": picture[None]}, known), r"'wrist' is uint8 of shape \(1, 16, 16, 3\)"),
    ]:
        with pytest.raises(UnresetError, match=message):
            policy(*place)


@pytest.mark.slow
def test_it_says_which_numbers_it_misses(tmp_path):
    run = fresh(tmp_path, cameras=("wrist",), goal_view="vector", proprioception=True)
    policy, picture = run.export(), np.zeros((16, 16, 3), np.uint8)
    told = {"wrist": picture, "proprioception": np.zeros(1)}
    assert policy(told, np.ones(1)).shape == (1,)
    assert policy(told | {"desired_goal": np.ones(1)}) == policy(told, np.ones(1))
    with pytest.raises(UnresetError, match="proprioception has shape"):
        policy({"wrist": picture}, np.ones(1))
    with pytest.raises(UnresetError, match="the goal has shape"):
        policy(told)
