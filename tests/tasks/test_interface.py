"""Environments that answer otherwise than Gymnasium says: one line, or as if nothing."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from unreset import cli, from_environment
from unreset.drivers.world import World
from unreset.errors import Failure, Notice, UnresetError
from unreset.validation.check_task import check


class Point(gymnasium.Env):
    """A point [2] on a plate; subclasses answer otherwise."""

    acts = spaces.Box(-1.0, 1.0, (2,), np.float32)
    sees = spaces.Box(-9.0, 9.0, (2,), np.float32)
    reward = 1.0

    def __init__(self):
        self.observation_space, self.action_space = self.sees, self.acts

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = self.np_random.uniform(-0.1, 0.1, 2)
        return self.sense(), {}

    def sense(self):
        return self.at.astype(np.float32)

    def step(self, action):
        self.at = self.at + 0.1 * np.ravel(action)[:2]
        return self.sense(), self.reward, False, False, {}


def brought(kind, **options):
    defaults = {"achieved": (0, 1), "goals": [[0.5, 0.5]], "success": 0.2, "horizon": 20}
    return from_environment(kind, **(defaults | {"samples": 5} | options))


class OldReset(Point):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0]


class OlderReset(Point):
    def reset(self):
        return Point.reset(self)[0]


class OldStep(Point):
    def step(self, action):
        observation, reward, end, _, info = super().step(action)
        return observation, reward, end, info


class NoInfo(Point):
    def step(self, action):
        return *super().step(action)[:4], None


class Many(Point):
    def step(self, action):
        observation, reward, _, _, info = super().step(action)
        return observation, reward, np.zeros(4, bool), np.zeros(4, bool), info


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (OldReset, r"reset returned one ndarray, not \(observation, info\); that is old Gym's"),
        (OlderReset, r"reset takes no seed and options .* that is old Gym's interface"),
        (OldStep, r"step returned 4 values \(ndarray, float, bool, dict\), .* old Gym's interface"),
        (NoInfo, r"step returned 5 values \(ndarray, float, bool, bool, NoneType\), not \(obser"),
        (Many, r"terminated of shape \(4,\), not True or False: a vector environment"),
    ],
)
def test_an_old_or_other_interface_is_named(kind, message):
    def practise():
        world = World(brought(kind))
        world.reset(0)
        world.step(np.zeros(2))

    with pytest.raises(UnresetError, match=message) as caught:
        practise()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrapper", ["TimeLimit", "RecordEpisodeStatistics"])
def test_an_old_step_within_a_wrapper_is_one_line(wrapper):
    arguments = [5] if wrapper == "TimeLimit" else []
    kind = lambda: getattr(gymnasium.wrappers, wrapper)(OldStep(), *arguments)  # noqa: E731
    world = World(brought(kind, time_limit=True))
    world.reset(0)
    with pytest.raises(Failure, match=r"the environment's step failed: .*got 4"):
        world.step(np.zeros(2))


@pytest.mark.parametrize(
    ("reward", "number"),
    [
        (np.array([2.5]), 2.5),
        (np.array([[2.5]], np.float32), 2.5),
        (np.float64(2.5), 2.5),
        (True, 1.0),
        (np.nan, None),
        (-np.inf, None),
        (np.zeros(3), None),
        (None, None),
        ("good", None),
    ],
)
def test_a_reward_matters_only_where_it_is_used(reward, number):
    kind = type("Paying", (Point,), {"reward": reward})
    assert all(finding.verdict != "problem" for finding in check(brought(kind), steps=20))
    world = World(brought(kind, reward="environment"))
    seen = world.reset(0)
    seen, _ = world.step(np.zeros(2))
    goal = world.task.goals[0]
    if number is not None:
        assert world.scores(seen, goal, goal)[0] == number
        return
    with pytest.raises(Failure, match=r"the environment's reward is .*, not one finite number"):
        world.scores(seen, goal, goal)


class Jammed(Point):
    def close(self):
        raise OSError("the serial port is gone")


def test_a_close_that_fails_is_told_and_nothing_else():
    with pytest.warns(UserWarning, match="close failed: OSError.*serial port"):
        task = brought(Jammed)
    with pytest.warns(UserWarning, match="close failed"):
        found = check(task, steps=20)
    assert all(finding.verdict != "problem" for finding in found)


def numbers(kind, **attributes):
    return type("Other", (Point,), {"sees": kind, **attributes})


COLUMNS = {"a": spaces.Box(-9, 9, (1,)), "b": spaces.Box(-9, 9, (1,))}
SPACES = {
    "double": numbers(spaces.Box(-9, 9, (2,), np.float64), sense=lambda self: self.at),
    "integers": numbers(
        spaces.Box(-99, 99, (2,), np.int64), sense=lambda self: (10 * self.at).astype(np.int64)
    ),
    "matrix": numbers(spaces.Box(-9, 9, (1, 2)), sense=lambda self: self.at[None]),
    "contacts": numbers(
        spaces.MultiBinary(2), sense=lambda self: (self.at > 0).astype(np.int8)
    ),
    "dictionary": numbers(
        spaces.Dict(COLUMNS), sense=lambda self: {"a": self.at[:1], "b": self.at[1:]}
    ),
    "unbounded": numbers(spaces.Box(-np.inf, np.inf, (2,))),
    "square action": numbers(Point.sees, acts=spaces.Box(-1.0, 1.0, (2, 2))),
    "double action": numbers(Point.sees, acts=spaces.Box(-2.0, 1.0, (2,), np.float64)),
}  # fmt: skip


@pytest.mark.parametrize("name", SPACES)
def test_ordinary_spaces(name):
    task = brought(SPACES[name])
    assert task.observation_size == 2
    assert task.action_size == (4 if name == "square action" else 2)
    assert [f.text for f in check(task, steps=20) if f.verdict == "problem"] == []


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (numbers(spaces.Tuple(list(COLUMNS.values()))), "observations are Tuple.*state= a functio"),
        (numbers(spaces.Discrete(5)), r"observations are Discrete\(5\), not vectors"),
        (numbers(spaces.Text(5)), "observations are Text"),
        (numbers(spaces.Dict({"a": spaces.Dict(COLUMNS)})), "holds no vectors"),
        (numbers(Point.sees, acts=spaces.Tuple([Point.acts])), "only continuous actions"),
        (numbers(Point.sees, acts=spaces.Box(0, 5, (2,), np.int64)), "only continuous actions"),
        (numbers(Point.sees, acts=spaces.Box(-1, np.inf, (2,))), "TransformAction"),
        (numbers(Point.sees, sense=lambda self: self.at.tolist() * len(self.at)), "places"),
        (numbers(Point.sees, sense=lambda self: "here"), "not vectors of numbers: ValueError"),
        (numbers(Point.sees, reset=lambda self, **_: 1 / 0), "its reset failed: ZeroDivisionErr"),
        (lambda: gymnasium.make_vec("Pendulum-v1", num_envs=2), "it is a vector environment"),
        (lambda: 1 / 0, "it cannot be made: ZeroDivisionError"),
        (Point(), "make must be the id of an environment or a function"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:a of the observation")
def test_what_cannot_be_practised_in_is_one_line(kind, message):
    with pytest.raises(UnresetError, match=message) as caught:
        brought(kind, achieved=(5, 6) if message == "places" else (0, 1))
    assert "\n" not in str(caught.value)


def test_tuples_are_read_by_a_function():
    kind = numbers(spaces.Tuple(list(COLUMNS.values())), sense=lambda self: tuple(self.at))
    assert brought(kind, state=np.array).observation_size == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return from_environment('FetchPushh-v4')", "knows no 'FetchPushh-v4'; did you mean"),
        ("return from_environment(lambda: 1 / 0)", "it cannot be made: ZeroDivisionError"),
        ("import nothing_such", "ModuleNotFoundError: No module named 'nothing_such' (my_envs.py"),
        ("return 1 / 0", "my_envs:make raises ZeroDivisionError: division by zero (my_envs.py"),
        ("return from_environment(\n        'BipedalWalker-v9')", "BipedalWalker"),
    ],
)
@pytest.mark.parametrize("command", ["check", "train"])
def test_an_environment_that_cannot_be_made(body, message, command, tmp_path, monkeypatch, capsys):
    pytest.importorskip("gymnasium_robotics")
    capsys.readouterr()  # its notices
    imports = "from unreset import from_environment\n\n\n"
    (tmp_path / "my_envs.py").write_text(f"{imports}def make():\n    {body}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "my_envs", raising=False)
    words = ["check", "my_envs:make"] if command == "check" else ["train", "fbrl", "my_envs:make"]
    assert cli.main(words) == cli.USAGE
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and error.startswith("unreset: ")
    assert not (tmp_path / "runs").exists()


def test_the_command_line_prints_a_warning_as_one_line():
    ours = cli._one_line(Notice("a close failed"), Notice, "interface.py", 7)
    assert ours == "unreset: warning: a close failed\n"
    others = cli._one_line(UserWarning("deprecated"), UserWarning, "other.py", 7)
    assert others == "other.py:7: UserWarning: deprecated\n"
