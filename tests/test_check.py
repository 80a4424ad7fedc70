"""A check finds what is wrong with an environment, and nothing with one that is right."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from toy import point
from unreset import cli, from_environment, registry
from unreset.demos import store
from unreset.demos.store import BACKWARD, FORWARD, Trajectory
from unreset.tasks.tabletop.tabletop_task import tabletop
from unreset.validation.check_task import Finding, check

STEP, WALL, RADIUS = 0.1, 1.0, 0.15


class Plate(gymnasium.Env):
    """A point on a plate goes where it is pushed; each subclass has one thing wrong."""

    def __init__(self):
        self.observation_space = spaces.Box(-WALL, WALL, (2,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.goal, self.number = np.zeros(2, np.float32), 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.number = self.start(), 0
        return self.sense(), {}

    def start(self):
        return np.array([-0.8, -0.8]) + self.np_random.uniform(-0.1, 0.1, 2)

    def push(self, action):
        return np.asarray(action)

    def sense(self):
        return self.at.astype(np.float32)

    def after(self):
        return False, False

    def reached(self):
        return np.linalg.norm(self.at - self.goal) <= RADIUS

    def step(self, action):
        self.number += 1
        self.at = np.clip(self.at + STEP * self.push(action), -WALL, WALL)
        terminated, truncated = self.after()
        return self.sense(), 0.0, terminated, truncated, {"is_success": self.reached()}

    def get_state(self):
        return {"at": self.at.copy()}

    def set_state(self, state):
        self.at = np.array(state["at"])


def walk(length=14, goal=(0.5, 0.5)):
    """Straight along the diagonal from -0.8, a tenth at a step: at 13 it is where the goal is."""
    path = np.linspace(-0.8, -0.8 + 0.1 * length, length + 1)
    observations = np.stack([path, path], axis=1).astype(np.float32)
    return Trajectory(observations, np.ones((length, 2), np.float32), np.array(goal), FORWARD)


RISING = np.stack([np.full(12, 0.5), np.linspace(-0.8, 0.36, 12)], axis=1).astype(np.float32)
UPWARDS = Trajectory(RISING, np.ones((11, 2), np.float32), np.array([0.5, 0.5]), FORWARD)


def plate(kind=Plate, **options):
    defaults = {
        "achieved": (0, 1),
        "goals": [[0.5, 0.5], [0.5, -0.5]],
        "success": RADIUS,
        "horizon": 50,
        "demonstrations": [walk(12)],
    }
    return from_environment(kind, **(defaults | options))


def verdicts(findings: list[Finding]) -> dict[str, str]:
    order = ["ok", "warning", "problem"]
    worst: dict[str, str] = {}
    for finding in findings:
        worst[finding.what] = max(worst.get(finding.what, "ok"), finding.verdict, key=order.index)
    return worst


def test_nothing_is_wrong_with_what_is_right():
    findings = check(plate(), steps=400)
    assert {f.what: f for f in findings if f.verdict != "ok"} == {}
    assert {f.what for f in findings} == {
        "observations", "actions", "speed", "resets", "steps", "instances", "ends", "own resets",
        "save", "goals", "initial goals", "reward", "success", "demonstrations",
    }  # fmt: skip
    text = {f.what: f.text for f in findings}
    assert text["demonstrations"].startswith("1 forward, 0 backward, of 12 to 12 steps")
    assert text["initial goals"] == "100 initial goals; one holds at 100% of resets"
    assert "10 seeds begin in 10 places" in text["resets"]


class NotFinite(Plate):
    def sense(self):
        return np.array([self.at[0], np.nan if self.number == 60 else 0], np.float32)


class Outside(Plate):
    def sense(self):
        return (1.5 * self.at).astype(np.float32)


class Far(Plate):
    def __init__(self):
        super().__init__()
        self.observation_space = spaces.Box(-200, 200, (2,), np.float32)

    def sense(self):
        return np.array([100.0, 1.0], np.float32) * self.at.astype(np.float32)


class Unseeded(Plate):
    def start(self):
        return np.random.default_rng().uniform(-0.9, -0.7, 2)


class Noisy(Plate):
    def push(self, action):
        return action + np.random.default_rng().normal(0, 0.01, 2)


class Shared(Plate):
    place = np.zeros(2)

    @property
    def at(self):
        return Shared.place

    @at.setter
    def at(self, value):
        Shared.place = value


class Ending(Plate):
    def after(self):
        return self.number % 100 == 0, False


class ResettingItself(Plate):
    def after(self):
        if self.number % 150 == 0:
            self.at = self.start()
        return False, False


class Limp(Plate):
    def push(self, action):
        return np.array([np.clip(4 * action[0], -1, 1), 0.0])


class Forgetful(Plate):
    drift = 0.0

    def start(self):
        self.drift = self.np_random.uniform()
        return super().start()

    def push(self, action):
        return action * self.drift


class Growing(Plate):
    def get_state(self):
        return {"at": self.at.copy(), "path": np.zeros(self.number)}


class Strict(Plate):
    def set_goal(self, goal):
        self.goal = goal

    def reached(self):
        return np.linalg.norm(self.at - self.goal) <= 0.5 * RADIUS


class Breaking(Plate):
    def step(self, action):
        if self.number == 60:
            raise RuntimeError("the cable came off")
        return super().step(action)


@pytest.mark.parametrize(
    ("kind", "what", "verdict", "text"),
    [
        (NotFinite, "environment", "problem", "the environment's observation[1] is nan"),
        (Outside, "observations", "warning", "not in the declared space"),
        (Far, "observations", "warning", "numbers from -100 to"),
        (Unseeded, "resets", "warning", "two resets with the same seed differ"),
        (Noisy, "steps", "warning", "not repeatable"),
        (Shared, "instances", "problem", "stepping a second instance disturbs the first"),
        (Ending, "ends", "warning", "terminated 4 times in 400 random steps"),
        (ResettingItself, "environment", "problem", "the environment has reset itself; practice"),
        (Limp, "actions", "warning", "changed nothing in 3 places"),
        (Forgetful, "save", "problem", "it does not go on from a saved state as it did before"),
        (Growing, "save", "problem", "shapes of get_state's arrays change"),
        (Strict, "success", "problem", "agrees with the environment's own at"),
        (Breaking, "environment", "problem", "RuntimeError('the cable came off')"),
    ],
)
def test_what_is_wrong_is_found(kind, what, verdict, text):
    findings = [f for f in check(plate(kind), steps=400) if f.verdict != "ok"]
    assert any(f.what == what and f.verdict == verdict and text in f.text for f in findings)
    assert all(f.advice for f in findings if f.what != "environment")
    if kind not in (Outside, Far, Unseeded, Noisy, Shared, Forgetful):  # which show elsewhere too
        assert {f.what for f in findings} == {what}


def test_a_reset_of_its_own_is_found_where_practice_would_not_see_it():
    found = check(replace(plate(ResettingItself), beginnings=None), steps=400)
    assert {f.what for f in found if f.verdict != "ok"} == {"own resets"}


def test_every_action_is_judged_for_itself():
    texts = [f.text for f in check(plate(Limp), steps=50) if f.what == "actions"]
    assert texts == [
        "1 changed nothing in 3 places",
        "0: half of it does what all of it does",
    ]


@pytest.mark.parametrize(
    ("trajectories", "verdict", "text"),
    [
        ([walk(12), walk(9)], "problem", "; 1 do not end in success (1)"),
        ([walk(13)], "warning", "; 1 succeed before their end (0)"),
        ([walk(12)._replace(actions=np.ones((12, 3)))], "problem", r"actions have shape (12, 3)"),
        ([UPWARDS], "warning", "no forward one begins near a reset; numbers 0 differ"),
        ([walk(9)._replace(rewards=np.zeros(9))], "ok", "1 forward"),
        ([], "warning", "none: medal needs them"),
        ([walk(12)._replace(direction=BACKWARD)], "ok", "0 forward, 1 backward"),
    ],
)
def test_demonstrations_are_judged(trajectories, verdict, text):
    found = [f for f in check(plate(), trajectories, steps=50) if f.what == "demonstrations"]
    assert verdicts(found)["demonstrations"] == verdict
    assert any(text in f.text for f in found)


def test_goals_that_teach_nothing():
    starts = {"goals": [[-0.8, -0.8]], "success": 0.5}
    assert verdicts(check(plate(**starts), steps=50))["goals"] == "problem"
    away = {"initial_goals": [[0.9, 0.9]]}
    assert verdicts(check(plate(**away), steps=50))["initial goals"] == "warning"
    without = from_environment(Plate, success=lambda o: o[0] > 0.5, horizon=50)
    found = verdicts(check(without, steps=50))
    assert (found["initial goals"], found["reward"]) == ("warning", "warning")


def test_achieved_goals_that_are_no_success():
    task = plate(success=lambda o, g: ((o - g) ** 2).sum() < -1)
    found = {f.what: f for f in check(task, steps=50)}
    assert found["achieved"].verdict == "problem" and "at 100.0% of steps" in found["achieved"].text


def test_sizes_that_differ_end_the_check():
    wrong = replace(plate(), observation_size=3, action_size=1, offsets=None)
    found = {f.what: f for f in check(wrong)}
    assert {f.verdict for f in found.values()} == {"problem"}
    assert "actions are Box" in found["actions"].text
    assert found["environment"].text.endswith("has shape (2,), but the task says (3,)")


def test_a_task_without_an_environment():
    found = check(replace(point(), environment=None))
    assert [f.verdict for f in found] == ["problem"] and "no Gymnasium environment" in found[0].text


def test_the_tabletop_has_no_problem():
    found = verdicts(check(tabletop(), steps=100))
    assert "problem" not in found.values()
    assert {what for what, verdict in found.items() if verdict == "warning"} <= {"actions", "speed"}


# The command line


@pytest.fixture
def listed(monkeypatch):
    tasks = {"plate": plate, "itself": lambda: plate(ResettingItself)}
    for name, make in tasks.items():
        monkeypatch.setitem(registry.TASKS, name, make)


@pytest.mark.usefixtures("listed")
def test_the_command_prints_a_table_and_says_whether_there_is_a_problem(capsys):
    assert cli.main(["check", "plate", "--steps", "200"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Plate: Plate (Gymnasium)"
    assert lines[-1] == "14 ok, 0 warning(s), 0 problem(s)"
    assert len(lines) == 16 and all(line.lstrip().startswith("ok") for line in lines[1:-1])
    assert cli.main(["check", "itself", "--steps", "400"]) == 1
    out = capsys.readouterr().out
    assert "problem  environment  the environment has reset itself" in out
    assert out.endswith("0 ok, 0 warning(s), 1 problem(s)\n")


@pytest.mark.usefixtures("listed")
def test_demonstrations_from_a_file(tmp_path, capsys):
    store.save(tmp_path / "short.safetensors", [walk(12), walk(5)])
    assert cli.main(["check", "plate", "--demos", str(tmp_path / "short.safetensors")]) == 1
    assert "1 do not end in success" in capsys.readouterr().out


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["palte"], "did you mean 'plate'"),
        (["plate", "--steps", "0"], "--steps must be at least 1"),
        (["plate", "--step", "9"], "did you mean --steps"),
        (["plate", "--demos", "nowhere.safetensors"], "nowhere.safetensors"),
    ],
)
def test_mistakes_are_one_line(arguments, message, capsys):
    assert cli.main(["check", *arguments]) == cli.USAGE
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
