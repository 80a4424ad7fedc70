"""Recording: what is kept, where episodes begin and end, and driving by keys."""

import dataclasses
import os
import pty
import sys

import numpy as np
import pytest

from unreset.demos import formats, keyboard, recording, scripts, store
from unreset.demos.store import BACKWARD, FORWARD
from unreset.errors import UnresetError
from unreset.tasks.tabletop import tabletop as rules
from unreset.tasks.tabletop.tabletop_expert import tabletop_demonstrations
from unreset.tasks.tabletop.tabletop_task import tabletop


@pytest.fixture(scope="module")
def task():
    return dataclasses.replace(
        tabletop(), demonstrations=lambda seed=0: tabletop_demonstrations(per_goal=1, seed=seed)
    )


@pytest.fixture(scope="module")
def scripted():
    return tabletop_demonstrations(per_goal=1, seed=0)


class Expert:
    """Fetches the mug, carries it to the goal and comes back, for any start and goal."""

    def __call__(self, observation, goal):
        hand, mug, target, home = observation[:2], observation[2:4], goal[2:4], goal[:2]
        there = np.linalg.norm(mug - target) < 0.1
        way = home - hand if there else target - mug
        grip = -1.0 if there else 1.0
        if not there and observation[4] < -0.5 and np.linalg.norm(mug - hand) > 0.35:
            way, grip = mug - hand, -1.0
        return np.array([*np.clip(way / 0.2, -1, 1), grip], np.float32)


def answers(*given):
    coming = iter(given)
    return lambda number, attempt: next(coming)


def test_an_expert_is_recorded_goal_by_goal(task, tmp_path):
    path = tmp_path / "demos.safetensors"
    recorder = recording.Acting(task, Expert())
    done = recording.session(task, recorder, path, 5, recording.only_successes)
    assert done == (5, 5, 5)
    found = formats.read(path, task)
    np.testing.assert_array_equal([one.goal for one in found], rules.GOALS[[0, 1, 2, 3, 0]])
    for one in found:
        assert one.direction == FORWARD and one.rewards is None
        np.testing.assert_array_equal(one.observations[0], rules.INITIAL[0])
        reached = [bool(rules.success(o, one.goal)) for o in one.observations]
        assert reached == [False] * len(one.actions) + [True]  # cut at the first success


def test_both_ways_in_turn_go_on_from_where_one_is(task, tmp_path):
    recorder = recording.Acting(task, Expert(), direction=None)
    recording.session(task, recorder, tmp_path / "d.npz", 4, recording.only_successes)
    found = formats.read(tmp_path / "d.npz", task)
    assert [one.direction for one in found] == [FORWARD, BACKWARD, FORWARD, BACKWARD]
    np.testing.assert_array_equal(found[1].observations[0], found[0].observations[-1])
    np.testing.assert_array_equal(found[2].observations[0], rules.INITIAL[0])
    np.testing.assert_array_equal(found[3].goal, rules.INITIAL[0])


def test_ways_back_alone_begin_at_a_goal(task, tmp_path):
    recorder = recording.Acting(task, Expert(), direction=BACKWARD)
    recording.session(task, recorder, tmp_path / "d.npz", 2, recording.only_successes)
    for one, goal in zip(formats.read(tmp_path / "d.npz", task), rules.GOALS, strict=False):
        np.testing.assert_array_equal(one.observations[0], goal)
        assert rules.success(one.observations[-1], rules.INITIAL[0])


def test_wide_starts_differ_and_a_seed_decides_them(task, tmp_path):
    starts = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        recorder = recording.Acting(task, Expert(), start="wide", seed=seed)
        recording.session(task, recorder, tmp_path / f"{name}.npz", 2, recording.only_successes)
        found = formats.read(tmp_path / f"{name}.npz", task)
        starts.append([one.observations[0].tolist() for one in found])
    assert starts[0] == starts[1] != starts[2]
    assert starts[0][0] != starts[0][1]


def test_a_person_keeps_discards_and_redoes(task, tmp_path):
    path = tmp_path / "demos.safetensors"
    seen = []

    def judge(number, attempt):
        seen.append((number, attempt.trajectory.goal.tolist(), attempt.success))
        return "ynrry"[len(seen) - 1]

    done = recording.session(task, recording.Acting(task, Expert()), path, 3, judge)
    assert done == (5, 2, 2)
    assert [number for number, *_ in seen] == [0, 1, 2, 2, 2]
    np.testing.assert_array_equal(
        [one.goal for one in formats.read(path, task)], rules.GOALS[[0, 2]]
    )


def test_redoing_begins_where_it_began(task, tmp_path):
    starts = []

    def judge(number, attempt):
        starts.append(attempt.trajectory.observations[0].tolist())
        return "yry"[len(starts) - 1]

    recorder = recording.Acting(task, Expert(), direction=None)
    recording.session(task, recorder, tmp_path / "d.npz", 2, judge)
    assert starts[1] == starts[2] != starts[0]


def test_a_file_grows(task, tmp_path, scripted):
    path = formats.write(scripted, task, tmp_path / "demos.npz")
    done = recording.session(task, recording.from_script(task), path, 2, answers("y", "n"))
    assert done == (2, 1, 9)
    found = formats.read(path, task)
    np.testing.assert_array_equal(found[7].actions, scripted[7].actions)
    np.testing.assert_array_equal(found[8].actions, scripted[0].actions)


def test_what_is_kept_is_safe_at_once(task, tmp_path):
    path = tmp_path / "demos.npz"

    def judge(number, attempt):
        if number:
            raise KeyboardInterrupt
        return "y"

    with pytest.raises(KeyboardInterrupt):
        recording.session(task, recording.from_script(task), path, 3, judge)
    assert len(formats.read(path, task)) == 1


def test_failures_are_dropped_unless_a_person_keeps_them(task, tmp_path):
    still = lambda observation, goal: np.array([0.5, 0.0, -1.0])  # noqa: E731
    path = tmp_path / "demos.npz"
    recorder = recording.Acting(task, still, horizon=4)
    assert recording.session(task, recorder, path, 3, recording.only_successes) == (3, 0, 0)
    assert not path.exists()
    assert recording.session(task, recorder, path, 1, answers("y")) == (1, 1, 1)
    (one,) = formats.read(path, task)
    assert one.rewards.tolist() == [0.0] * 4  # it does not pass for a success
    rows, _ = store.pinned_rows([one], task)
    assert not rows.success.any() and not rows.reward.any()


def test_nothing_comes_of_an_episode_without_steps(task, tmp_path):
    recorder = recording.Acting(task, lambda observation, goal: None)
    done = recording.session(task, recorder, tmp_path / "d.npz", 2, answers())
    assert done == (2, 0, 0)


def test_bad_wishes_are_refused(task, tmp_path):
    recorder = recording.from_script(task)
    with pytest.raises(UnresetError, match="episodes must be at least 1, not 0"):
        recording.session(task, recorder, tmp_path / "d.npz", 0, recording.only_successes)
    with pytest.raises(UnresetError, match=r"must end in \.safetensors or \.npz"):
        recording.session(task, recorder, tmp_path / "d.csv", 1, recording.only_successes)
    with pytest.raises(UnresetError, match=r"no start 'elsewhere'; it has .*'wide'"):
        recording.Acting(task, Expert(), start="elsewhere")
    with pytest.raises(UnresetError, match="horizon must be at least 1"):
        recording.Acting(task, Expert(), horizon=0)
    homeless = dataclasses.replace(task, initial_goals=np.zeros((0, 6), np.float32))
    with pytest.raises(UnresetError, match="does not say where its initial states are"):
        recording.Acting(homeless, Expert(), direction=BACKWARD)
    fixed = dataclasses.replace(task, starts=("initial",))
    with pytest.raises(UnresetError, match="cannot start at a goal, so a way back"):
        recording.Acting(fixed, Expert(), direction=BACKWARD)(0, False)


# The script.


def test_the_scripts_goals_come_in_turn(task, scripted):
    coming = scripts.scripted(task, FORWARD)
    found = [next(coming) for _ in range(6)]
    np.testing.assert_array_equal([one.goal for one in found], rules.GOALS[[0, 1, 2, 3, 0, 1]])
    np.testing.assert_array_equal(found[0].actions, scripted[0].actions)
    other = tabletop_demonstrations(per_goal=1, seed=1)  # the next seed, when one is used up
    np.testing.assert_array_equal(found[4].actions, other[0].actions)


def test_both_directions_of_the_script_alternate(task):
    coming = scripts.scripted(task)
    assert [next(coming).direction for _ in range(4)] == [FORWARD, BACKWARD] * 2


def test_a_script_without_seeds_ends(task, scripted):
    fixed = dataclasses.replace(task, demonstrations=lambda: scripted)
    coming = scripts.scripted(fixed, BACKWARD)
    assert len([next(coming) for _ in range(4)]) == 4
    with pytest.raises(UnresetError, match="takes no seed, and makes no more than 4 forward and 4"):
        next(coming)
    none = dataclasses.replace(task, demonstrations=None)
    with pytest.raises(UnresetError, match="tabletop has no scripted demonstrations"):
        scripts.batch(none)
    forward = dataclasses.replace(task, demonstrations=lambda: scripted[:4])
    with pytest.raises(UnresetError, match="makes none of this direction"):
        next(scripts.scripted(forward, BACKWARD))


# The keyboard.


def keys(text):
    coming = iter(text)
    return lambda: next(coming, "")


def test_keys_become_actions(task):
    lines = []
    act = keyboard.Keyboard(task, keys("dxw s aq"), 0.5, lines.append)
    act.begin()
    found = [act(rules.INITIAL[0], rules.GOALS[0]) for _ in range(7)]
    assert found.pop() is None  # q
    expected = [(0.5, 0, -1), (0, 0.5, -1), (0, 0, 1), (0, -0.5, 1), (0, 0, -1), (-0.5, 0, -1)]
    np.testing.assert_allclose(found, expected)
    assert lines[0].startswith("at +0.00 +0.00 +2.50")
    assert act(rules.INITIAL[0], rules.GOALS[0]) is None  # no more keys


def test_up_and_down_are_for_tasks_with_height(task):
    act = keyboard.Keyboard(dataclasses.replace(task, action_size=4), keys("rf"), 1.0)
    found = [act(np.zeros(6), np.zeros(6)) for _ in range(2)]
    np.testing.assert_allclose(found, [(0, 0, 1, -1), (0, 0, -1, -1)])
    flat = keyboard.Keyboard(task, keys("rfd"), 1.0)
    np.testing.assert_allclose(flat(np.zeros(6), np.zeros(6)), (1, 0, -1))


def test_a_demonstration_by_hand(task, tmp_path):
    """To the mug in 21 steps of 0.12, grip, to (-2.5, -1), let go, and home: by keys alone."""
    text = "d" * 20 + " " + "a" * 41 + "s" * 8 + " " + "d" * 21 + "w" * 8
    act = keyboard.Keyboard(task, keys(text))
    done = recording.session(
        task, recording.Acting(task, act), tmp_path / "hand.npz", 1, recording.only_successes
    )
    assert done.kept == 1
    (one,) = formats.read(tmp_path / "hand.npz", task)
    assert len(one.actions) <= len(text)
    assert rules.success(one.observations[-1], rules.GOALS[0])


def test_the_keyboard_refuses_what_it_cannot_drive(task):
    with pytest.raises(UnresetError, match="9 numbers in an action"):
        keyboard.Keyboard(dataclasses.replace(task, action_size=9), keys(""))
    with pytest.raises(UnresetError, match=r"speed must lie in \(0, 1\], not 2"):
        keyboard.Keyboard(task, keys(""), speed=2)


def test_a_terminal_gives_single_keys_and_is_left_as_it_was(monkeypatch):
    termios = pytest.importorskip("termios")
    master, slave = pty.openpty()
    with os.fdopen(slave, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        before = termios.tcgetattr(slave)
        os.write(master, b"w q")  # without a new line
        assert [keyboard.terminal_key() for _ in range(3)] == ["w", " ", "q"]
        assert termios.tcgetattr(slave) == before
    os.close(master)


def test_without_a_terminal_or_a_display_it_says_so(monkeypatch, tmp_path):
    with (tmp_path / "empty").open("w+") as file:
        monkeypatch.setattr(sys, "stdin", file)
        with pytest.raises(UnresetError, match="needs a terminal"):
            keyboard.terminal_key()
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(UnresetError, match="needs a display"):
        keyboard.Window("tabletop")
