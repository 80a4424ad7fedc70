"""Environments by their ids, in one line: with options, goals in other places, and no display."""

import os
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from unreset import cli, from_environment
from unreset.drivers.world import World
from unreset.errors import UnresetError
from unreset.tasks.simulation import mujoco_env


class Sphere:
    """A task in panda-gym's layout: it keeps the goal, and says what success is."""

    distance_threshold = 0.05
    goal = None

    def is_success(self, achieved, desired, info=None):
        return np.array(np.linalg.norm(achieved - desired) < self.distance_threshold)


class Turn(Sphere):
    def is_success(self, achieved, desired, info=None):
        return np.array(1 - np.inner(achieved, desired) ** 2 < self.distance_threshold)


class Panda(gymnasium.Env):
    """A hand in panda-gym's layout, whose default way to draw must not be replaced by None."""

    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": 25}  # noqa: RUF012

    def __init__(self, render_mode="rgb_array", control_type="ee", kind=Sphere):
        if render_mode not in self.metadata["render_modes"]:
            raise ValueError("The 'render' argument is must be in {'rgb_array', 'human'}")
        self.render_mode, self.task = render_mode, kind()
        box = spaces.Box(-10.0, 10.0, (3,), np.float32)
        self.observation_space = spaces.Dict(
            dict.fromkeys(("observation", "achieved_goal", "desired_goal"), box)
        )
        self.action_space = spaces.Box(-1.0, 1.0, (3 if control_type == "ee" else 7,), np.float32)

    def sense(self):
        hand = self.hand.astype(np.float32)
        goal = self.task.goal.astype(np.float32)
        return {"observation": 2 * hand, "achieved_goal": hand, "desired_goal": goal}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.hand, self.task.goal = np.zeros(3), self.np_random.uniform(-0.15, 0.15, 3)
        return self.sense(), {"is_success": False}

    def step(self, action):
        self.hand = self.hand + 0.05 * np.asarray(action)[:3]
        success = bool(self.task.is_success(self.hand, self.task.goal))
        return self.sense(), success - 1.0, success, False, {"is_success": success}


@pytest.fixture
def panda(monkeypatch):
    monkeypatch.setattr(gymnasium.envs.registration, "registry", dict(gymnasium.registry))
    monkeypatch.setattr(gymnasium, "registry", gymnasium.envs.registration.registry)
    gymnasium.register("PandaLike-v3", Panda, max_episode_steps=50)
    return "PandaLike-v3"


def test_a_goal_that_the_environments_task_keeps(panda):
    task = from_environment(panda, samples=10)
    assert (task.observation_size, task.goal_size, task.horizon) == (6, 3, 50)
    assert task.pure and task.success(np.zeros(6), np.array([0.049, 0, 0]))
    assert not task.success(np.zeros(6), np.array([0.051, 0, 0]))
    world = World(task)
    world.reset(0)
    own = world.environment.inner.unwrapped
    assert own.render_mode == "rgb_array"
    world.show(np.array([0.1, 0.0, 0.0], np.float32))
    assert own.task.goal.dtype == np.float64
    np.testing.assert_allclose(own.task.goal, [0.1, 0, 0])
    ends = [world.step(np.array([1.0, 0, 0]))[1][0] for _ in range(3)]
    assert ends == [False, True, False]  # on our goal, at 0.1


def test_a_success_that_is_another_distance_is_refused():
    with pytest.raises(UnresetError, match=r"more than the distance 0.05 .*says False 0.04"):
        from_environment(Panda, kind=Turn, horizon=9, samples=3)


def test_options_are_passed_through(panda):
    assert from_environment(panda, control_type="joints", samples=2).action_size == 7
    assert from_environment(Panda, control_type="joints", horizon=9, samples=2).action_size == 7
    assert from_environment(panda, max_episode_steps=7, samples=2).horizon == 7
    task = from_environment(panda, samples=2)
    assert task.environment(render_mode="human").render_mode == "human"
    with pytest.raises(UnresetError, match=r"argument 'sucess'.*\(did you mean success= by suces"):
        from_environment(panda, sucess=0.1)
    with pytest.raises(UnresetError, match=r"cannot be made: TypeError.*'colour'") as caught:
        from_environment(Panda, colour="red", horizon=9)
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "observation", "goals"),
    [("FetchReach-v4", 13, 3), ("PointMaze_UMaze-v3", 6, 2), ("AntMaze_UMaze-v5", 107, 2)],
)
def test_goal_environments_in_one_line(name, observation, goals):
    pytest.importorskip("gymnasium_robotics")
    task = from_environment(name, samples=5)
    assert (task.observation_size, task.goal_size) == (observation, goals)


def test_an_option_of_a_maze():
    pytest.importorskip("gymnasium_robotics")
    small = [[1, 1, 1, 1], [1, "g", "r", 1], [1, 1, 1, 1]]
    task = from_environment("PointMaze_UMaze-v3", maze_map=small, samples=20)
    assert np.ptp(task.goals[:, 0]) < 1.0 < np.ptp(
        from_environment("PointMaze_UMaze-v3", samples=20).goals[:, 0]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("FetchPussh-v4", "did you mean 'FetchPush-v4'"),
        ("Pendulum-v9", "did you mean 'Pendulum-v1'"),
        ("Unheardof-v0", "name the package that registers it, as in 'some_package:Unheardof-v0'"),
        ("no_package:Thing-v0", "No module named 'no_package'"),
    ],
)
def test_an_unknown_id(name, message):
    with pytest.raises(UnresetError, match=message) as caught:
        from_environment(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("words", [["check"], ["train", "fbrl"]])
def test_an_id_in_place_of_a_task_says_how_to_bring_it(words, tmp_path, monkeypatch, capsys):
    pytest.importorskip("gymnasium_robotics")
    capsys.readouterr()  # its notices
    assert cli.main([*words, "FetchPush-v4"]) == cli.USAGE
    error = capsys.readouterr().err
    assert error.startswith("unreset: unknown task 'FetchPush-v4'") and error.count("\n") == 1
    line = error[error.index("from unreset") : error.index(" - then say my_task:make_task")]
    (tmp_path / "my_task.py").write_text(line.replace("FetchPush", "FetchReach"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert cli.main(["tasks", "my_task:make_task"]) == cli.OK
    assert "goals           100 of 3 numbers" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only there MuJoCo looks for a display")
@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, {"egl", "osmesa", "disable"}),
        ({"MUJOCO_GL": "osmesa"}, {"osmesa"}),
        ({"DISPLAY": ":7"}, {"None"}),
        ({"WAYLAND_DISPLAY": "wayland-0"}, {"None"}),
    ],
)
def test_where_mujoco_draws_is_settled_before_anything_is_made(given, found):
    pytest.importorskip("mujoco")
    program = (
        "import os\n"
        "from unreset.tasks.environments.vectors import builder\n"
        "def make():\n"
        "    print(os.environ.get('MUJOCO_GL'), flush=True)\n"
        "    os._exit(0)\n"
        "builder(make, {})()\n"
    )
    kept = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "MUJOCO_GL")}
    kept.pop("WAYLAND_DISPLAY", None)
    done = subprocess.run(
        [sys.executable, "-c", program], env=kept | given, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.strip() in found, done.stderr


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_elsewhere_mujoco_is_left_alone(system, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", system)
    mujoco_env.prepare_drawing()
    assert "MUJOCO_GL" not in os.environ
