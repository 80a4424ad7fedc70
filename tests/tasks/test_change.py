"""What is different about a task: felt actions, shifted starts, a box in the way."""

import dataclasses
import inspect

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset import api, cli
from unreset.core.replay import Rows
from unreset.demos import store
from unreset.drivers.live import Live
from unreset.drivers.world import World
from unreset.errors import UnresetError
from unreset.methods.finetuning import FineTuning
from unreset.runs import folder as folders
from unreset.tasks.change import Change, ChangedEnv, changed, enters
from unreset.tasks.pointmass.pointmass import pointmass
from unreset.tasks.tabletop.tabletop_task import tabletop

KEY = jax.random.key(3)
SHORT = {"eval_every": 20, "checkpoint_every": 20}


class SavedEnv(toy.PointEnv):
    """The toy's environment with what tasks' own have: it can be saved, and begins where told."""

    def reset(self, *, seed=None, options=None):
        info = super().reset(seed=seed)[1]
        if options and "state" in options:
            self.at = np.array(options["state"], np.float32)
        return self._seen(), info

    def get_state(self):
        return {"at": self.at.copy()}

    def set_state(self, state):
        self.at = np.array(state["at"])
        return self._seen()


def simulated(environment=SavedEnv):
    """The toy task outside of JAX."""
    made = lambda render_mode=None: environment()  # noqa: E731
    return dataclasses.replace(toy.point(), step=None, environment=made)


@pytest.mark.parametrize(
    ("change", "felt"),
    [
        (Change(wind=(0.3, -0.2)), [0.8, -0.7]),
        (Change(wind=(0.9, 0.0)), [1.0, -0.5]),  # no more than full strength
        (Change(actuator=0), [0.0, -0.5]),
        (Change(actuator=1, strength=0.5), [0.5, -0.25]),
        (Change(actuator=0, strength=-1.0, wind=(0.1, 0.1)), [-0.4, -0.4]),
        (Change(noise=0.5), [0.0, 0.0]),
    ],
)
def test_what_is_felt_of_an_action(change, felt):
    action, drawn = np.array([0.5, -0.5], np.float32), np.array([-1.0, 1.0], np.float32)
    found = change.felt(action, drawn)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, felt, rtol=1e-6)
    np.testing.assert_allclose(change.felt(jnp.array(action), jnp.array(drawn)), felt, rtol=1e-6)


def test_no_change_is_the_same_task():
    task = toy.point()
    assert changed(task, Change()) is task


def test_a_jax_task_feels_the_wind_and_says_where_it_is():
    task = changed(toy.point(), Change(wind=(0.4,)))
    state = task.reset(KEY)
    assert float(task.observe(state)[0]) == toy.START
    state = task.step(state, jnp.array([0.2]))
    np.testing.assert_allclose(task.observe(state), [toy.START + 0.6 * toy.SPEED])


def test_noise_has_its_deviation_is_new_at_every_step_and_its_own_for_every_reset():
    task = changed(toy.point(), Change(noise=0.2))

    def walk(key):
        def one(state, _):
            after = task.step(state, jnp.zeros(1))
            return after, (task.observe(after) - task.observe(state))[0] / toy.SPEED

        return jax.lax.scan(one, task.reset(key), None, length=5)[1]

    drawn = np.asarray(jax.vmap(walk)(jax.random.split(KEY, 400)))
    assert abs(drawn.std() - 0.2) < 0.02
    assert abs(drawn.mean()) < 0.02
    assert abs(np.corrcoef(drawn.T)[np.triu_indices(5, 1)]).max() < 0.2
    np.testing.assert_array_equal(walk(KEY), walk(KEY))


def test_a_start_is_shifted_through_the_numbers_of_the_state_that_are_shown():
    before, shift = pointmass(), (3.0, -2.0, 0.0, 0.5)
    after = changed(before, Change(start=shift))
    seen = [np.asarray(task.observe(task.reset(KEY))) for task in (before, after)]
    np.testing.assert_allclose(seen[1] - seen[0], shift, rtol=1e-5)
    one = after.step(after.reset(KEY), jnp.array([1.0, 0.0]))
    np.testing.assert_allclose(one.state.position, seen[1][:2] + np.array([1.0, 0.0]), rtol=1e-6)
    moved = changed(tabletop(), Change(start=(0.0, 0.0, 0.3, 0.1, 0.0, 0.0)))
    wide = moved.observe(moved.reset(KEY, "wide")) - tabletop().observe(
        tabletop().reset(KEY, "wide")
    )
    np.testing.assert_allclose(wide, [0, 0, 0.3, 0.1, 0, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("before", "after", "into"),
    [
        ([0.0, 0.0], [1.5, 1.5], True),
        ([0.0, 0.0], [3.0, 3.0], True),  # through it
        ([0.0, 1.5], [3.0, 1.5], True),  # along an axis
        ([0.0, 0.0], [0.9, 0.9], False),
        ([0.0, 0.0], [3.0, 0.0], False),
        ([0.0, 2.5], [2.5, 2.5], False),
        ([3.0, 1.5], [4.0, 1.5], False),  # away from it
        ([1.5, 1.5], [3.0, 1.5], False),  # out of it
        ([1.5, 0.5], [1.5, 0.5], False),  # standing beside it
    ],
)
def test_a_way_leads_into_a_box_from_outside(before, after, into):
    box = (1.0, 1.0, 2.0, 2.0)
    assert bool(enters(jnp.array(before), jnp.array(after), box)) == into


def test_an_obstacle_stops_who_walks_into_it_and_nobody_else():
    task = changed(pointmass(windy=True), Change(obstacle=(0.5, -9.0, 2.0, 9.0)))
    assert task.environment is None
    state = task.reset(KEY)
    before = np.asarray(task.observe(state))
    state = task.step(state, jnp.array([1.0, 0.0]))
    np.testing.assert_array_equal(task.observe(state), before)
    again = task.step(state, jnp.array([1.0, 0.0]))
    assert (jax.random.key_data(again.state.key) != jax.random.key_data(state.state.key)).any()
    state = task.step(again, jnp.array([-0.5, 0.0]))
    np.testing.assert_allclose(task.observe(state)[0], before[0] - 0.7, rtol=1e-5)


def test_an_environment_feels_the_same_and_can_be_saved():
    task = changed(simulated(), Change(wind=(0.3,), noise=0.1, start=(0.25,)))
    world = World(task)
    assert world.reset(5) == toy.START + 0.25
    went = [world.step(np.array([0.2], np.float32))[0] for _ in range(3)]
    drawn = np.diff([[toy.START + 0.25], *went], axis=0) / toy.SPEED - 0.5
    assert 0 < abs(drawn).max() < 0.5
    assert len(np.unique(drawn)) == 3
    assert world.exact
    saved, last = world.save(), went[-1]
    then = [world.step(np.array([0.2], np.float32))[0] for _ in range(4)]
    other = World(task)
    other.reset(8)
    assert other.restore(last, saved, {})
    again = [other.step(np.array([0.2], np.float32))[0] for _ in range(4)]
    np.testing.assert_array_equal(then, again)
    world.reset(5)
    np.testing.assert_array_equal(world.step(np.array([0.2], np.float32))[0], went[0])


def test_what_wraps_an_environment_decides_whether_it_can_be_saved():
    change = Change(noise=0.1)
    assert not hasattr(ChangedEnv(toy.PointEnv(), change), "get_state")
    limited = gymnasium.wrappers.TimeLimit(SavedEnv(), 5)  # whose count would be lost
    assert not hasattr(ChangedEnv(limited, change), "get_state")
    made = gymnasium.wrappers.OrderEnforcing(SavedEnv())
    assert hasattr(ChangedEnv(made, change), "get_state")


def test_a_tasks_own_environment_is_changed_with_all_that_it_takes():
    task = dataclasses.replace(tabletop(), step=None)
    shift = np.array([0.0, 0.0, 0.1, 0.2, 0.0, 0.0], np.float32)
    other = changed(task, Change(start=tuple(map(float, shift)), actuator=0))
    plain, world = World(task), World(other)
    before, seen = plain.reset(1), world.reset(1)
    np.testing.assert_allclose(seen, before + shift, atol=1e-6)
    after, _ = world.step(np.array([1.0, 0.5, -1.0], np.float32))
    np.testing.assert_allclose(after[:2] - seen[:2], [0.0, 0.1], atol=1e-6)
    assert world.exact
    assert "cameras" in inspect.signature(other.environment).parameters
    made = other.environment(cameras=("above",), camera_size=16)
    assert made.reset(seed=0)[0]["above"].shape == (16, 16, 3)


@pytest.mark.parametrize(
    ("task", "change", "message"),
    [
        (toy.point, Change(wind=0.1), "change.wind must be 1 numbers in a tuple, or none, not 0.1"),
        (
            toy.point,
            Change(wind=(0.1, 0.1)),
            r"change.wind has 2 number\(s\), and task 'toy' needs",
        ),
        (toy.point, Change(noise=-0.1), "change.noise must be at least 0, not -0.1"),
        (toy.point, Change(strength=float("nan")), "change.strength must be finite, not nan"),
        (toy.point, Change(actuator=1), "change.actuator is 1, and those of task 'toy' are 0 to 0"),
        (toy.point, Change(obstacle=(1.0, 0.0, 1.0, 2.0)), "is no box"),
        (simulated, Change(obstacle=(0.0, 0.0, 1.0, 2.0)), "outside of JAX"),
        (tabletop, Change(start=(0.0, 0.0, 0.0, 0.0, 1.0, 0.0)), r"observation\[4\] does not show"),
    ],
)
def test_what_cannot_be_changed_is_refused(task, change, message):
    with pytest.raises(UnresetError, match=message):
        changed(task(), change)


def test_an_environment_that_begins_elsewhere_than_it_is_told_is_refused():
    with pytest.raises(UnresetError, match="do not begin in the state that they are asked for"):
        World(changed(simulated(toy.PointEnv), Change(start=(0.5,)))).reset(0)


@pytest.fixture
def small(monkeypatch):
    toy.install(monkeypatch.setitem)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_a_changed_life_is_stored_and_goes_on_changed(tmp_path):
    folder = tmp_path / "life"
    words = ["life", "finetuning", "toy", "--demos", "none", "--steps", "40", "--out", str(folder)]
    words += ["--eval-every", "20", "--checkpoint-every", "20"]
    change = ["--change.wind", "-1.0", "--change.start", "0.5", "--change.noise", "0.01"]
    assert cli.main([*words, *change]) == cli.OK
    known = Change(wind=(-1.0,), start=(0.5,), noise=0.01)
    assert folders.read_configuration(folder).change == known
    run = api.load(folder)
    rows: Rows = jax.tree.map(lambda x: x[0], run._training.driver.carry.run.replay.rows)
    place, action = np.asarray(rows.observation)[:41, 0], np.asarray(rows.action)[:40, 0]
    assert place[0] == toy.START + 0.5
    moved = np.diff(place)[place[1:] > -toy.WALL] / toy.SPEED
    told = action[place[1:] > -toy.WALL]
    np.testing.assert_allclose(moved, np.clip(told - 1.0, -1, 1), atol=0.06)
    assert run.resume(steps=60).env_steps == 60
    with pytest.raises(UnresetError, match="driver='fused' practises in the task's JAX"):
        api.load(folder, toy.PointEnv())


def test_a_change_is_not_made_to_an_environment_that_is_given():
    with pytest.raises(UnresetError, match="not to one that is given: wrap that in"):
        api.train(
            "fbrl",
            "pointmass",
            driver="live",
            change=Change(noise=0.01),
            environment=toy.PointEnv(),
        )


@pytest.mark.slow
def test_both_drivers_feel_the_same_wind():
    change = Change(wind=(0.3,), actuator=0, strength=0.5)
    task = changed(dataclasses.replace(simulated(), step=toy.point().step), change)
    method = toy.tiny(FineTuning()).method(task)
    shown = toy.demonstrations()
    fused = toy.fused(method, task, (5,), shown)
    live = Live(method, task, (5,), *store.pinned_rows(shown, task), 600)
    fused.advance(0, 30)
    live.advance(0, 30)
    rows = [driver.carry.run.replay.rows for driver in (fused, live)]
    np.testing.assert_allclose(rows[0].observation, rows[1].observation, atol=1e-4)
