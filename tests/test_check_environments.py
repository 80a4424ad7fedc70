"""What a check says of environments that end on goals of their own, or are slow."""

import sys
import time

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from unreset import cli, from_environment, registry
from unreset.cli import check as check_command
from unreset.validation.check_task import check


class Own(gymnasium.Env):
    """A point that the environment wants near a target of its own, where its episodes end."""

    def __init__(self):
        self.observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.goal = "the middle"

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = self.np_random.uniform(0.4, 0.5, 2)
        return self.at.astype(np.float32), {}

    def target(self):
        return np.zeros(2)

    def step(self, action):
        self.at = np.clip(self.at + 0.1 * np.asarray(action), -1, 1)
        done = bool(np.linalg.norm(self.at - self.target()) <= 0.25)
        return self.at.astype(np.float32), 0.0, done, False, {"is_success": done}


class Listening(Own):
    def __init__(self):
        super().__init__()
        self.goal = np.zeros(2)

    def target(self):
        return self.goal


class Silent(Own):
    def step(self, action):
        return *super().step(action)[:4], {}


def brought(kind, goals=((0.8, 0.8), (0.8, -0.8))):
    return from_environment(
        kind, achieved=(0, 1), goals=goals, success=0.25, horizon=20, samples=10
    )


def ends(kind, **options):
    return {f.what: f for f in check(brought(kind, **options), steps=800)}


def test_an_end_on_its_own_goal_is_connected_with_the_goal_that_it_is_not_told():
    found = ends(Own)
    number = found["ends"].text.split()[1]
    assert int(number) > 1 and found["ends"].verdict == "warning"
    assert f"; {number} of them on its own goal, while ours, which it is not told" in (
        found["ends"].text
    )
    assert "set_goal(goal)" in found["ends"].advice and "array goal" in found["ends"].advice
    assert found["goals"].verdict == "warning" and "set_goal(goal)" in found["goals"].advice
    assert "not told, although it has one of its own" in found["goals"].text


def test_an_end_that_nothing_explains_is_connected_as_a_guess():
    found = ends(Silent)
    assert "perhaps on its own goal, since it is not told ours" in found["ends"].text
    assert "set_goal(goal)" in found["ends"].advice


def test_an_end_on_our_goal():
    found = ends(Listening)
    assert found["goals"].verdict == "ok" and "told to the environment" in found["goals"].text
    assert "of them at its own success" in found["ends"].text
    assert "let it go on when it is done" in found["ends"].advice


def test_one_goal_that_is_the_environments_own():
    found = ends(Own, goals=[[0.0, 0.0]])
    assert "its own goal" not in found["ends"].text and "own success" in found["ends"].text


class Slow(Own):
    def reset(self, **arguments):
        time.sleep(0.01)
        return super().reset(**arguments)

    def step(self, action):
        time.sleep(0.002)
        return super().step(action)


@pytest.mark.parametrize(("kind", "told"), [(Slow, True), (Listening, False)])
def test_a_slow_check_says_what_it_is_doing(kind, told, monkeypatch, capsys):
    monkeypatch.setitem(registry.TASKS, "own", lambda: brought(kind))
    seconds = 0.25 if told else 30.0
    monkeypatch.setattr(check_command.Waiting.__init__, "__defaults__", (seconds,))
    assert cli.main(["check", "own", "--steps", "200"]) == 0
    out, error = capsys.readouterr()
    assert "checking" not in out
    if not told:
        assert error == ""
        return
    lines = error.splitlines()
    assert lines and all(line.startswith("checking: ") and line.endswith(" s)") for line in lines)
    assert any("random step" in line and " of 200 (" in line for line in lines)


def test_what_hangs_is_named(capsys):
    with check_command.Waiting(0.1) as waiting:
        waiting.at("making the task")
        time.sleep(0.35)
    assert capsys.readouterr().err.startswith("checking: making the task (0 s)\n")
    sys.stderr.flush()
