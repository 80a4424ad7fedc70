"""Tasks made of other people's environments."""

from functools import partial

import gymnasium
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit

from unreset import from_environment
from unreset.drivers.world import World
from unreset.errors import UnresetError

GOALS = [[1.0, 0.0], [0.0, 1.0]]


class Slide(gymnasium.Env):
    """A point [2] that an action in [0, 4] x [-1, 1] moves by a tenth, sensed with a constant."""

    def __init__(self, seen=None, acted=None):
        self.observation_space = seen or spaces.Box(-9.0, 9.0, (3,))
        self.action_space = acted or spaces.Box(
            np.array([0.0, -1.0]), np.array([4.0, 1.0]), dtype=np.float64
        )
        self.memory = np.zeros(3)  # every observation is written here

    def sense(self):
        self.memory[:2], self.memory[2] = self.at, 7.0
        return self.memory

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = self.np_random.choice([0.0, 0.5], 2)
        return self.sense(), {}

    def step(self, action):
        self.acted = action
        self.at = self.at + 0.1 * action
        return self.sense(), -1.0, False, False, {"success": self.at[0] > 1}


class Reach(Slide):
    """The same with goals, as gymnasium-robotics lays them out; it keeps its goal in ``goal``."""

    distance_threshold = 0.25

    def __init__(self, render_mode=None):
        super().__init__()
        self.render_mode = render_mode
        keys = {"observation": 3, "achieved_goal": 2, "desired_goal": 2}
        self.observation_space = spaces.Dict(
            {key: spaces.Box(-9.0, 9.0, (size,), np.float64) for key, size in keys.items()}
        )

    def sense(self):
        flat = super().sense()
        return {"observation": flat, "achieved_goal": flat[:2], "desired_goal": self.goal}

    def reset(self, *, seed=None, options=None):
        gymnasium.Env.reset(self, seed=seed)
        self.goal = self.np_random.choice([1.0, 2.0], 2)
        return super().reset()


def slide(**options):
    defaults = {"achieved": (0, 1), "goals": GOALS, "success": 0.25, "horizon": 30}
    return from_environment(Slide, **(defaults | options))


def begun(task, seed=0):
    environment = task.environment()
    return environment, environment.reset(seed=seed)[0]


def test_a_plain_environment():
    task = slide()
    assert (task.name, task.observation_size, task.action_size, task.horizon) == ("Slide", 3, 2, 30)
    assert task.pure and task.goals.dtype == np.float32 and task.goals.tolist() == GOALS
    assert sorted(task.initial_goals.tolist()) == [[0, 0], [0, 0.5], [0.5, 0], [0.5, 0.5]]
    goal = np.array([1, 0], np.float32)
    near, far = np.array([1, 0.25, 7], np.float32), np.array([1, 0.2501, 7], np.float32)
    for convert in (np.asarray, jnp.asarray):
        assert bool(task.success(convert(near), convert(goal)))
        assert not bool(task.success(convert(far), convert(goal)))
        assert float(task.reward(convert(near), convert(goal))) == 1
        assert float(task.reward(convert(far), convert(goal))) == 0
    assert task.achieved(near).tolist() == [1, 0.25]


@pytest.mark.parametrize(
    ("asked", "done"),
    [([-1, -1], [0, -1]), ([1, 1], [4, 1]), ([0, 0.5], [2, 0.5]), ([9, -9], [4, -1])],
)
def test_actions_are_stretched_and_clipped(asked, done):
    environment, _ = begun(slide())
    environment.step(np.array(asked, np.float32))
    acted = environment.inner.unwrapped.acted
    assert acted.tolist() == done and acted.dtype == np.float64


def test_observations_are_copies_in_float32():
    environment, first = begun(slide())
    before = first["observation"].copy()
    after = environment.step(np.ones(2))[0]["observation"]
    assert first["observation"].tolist() == before.tolist() != after.tolist()
    assert after.dtype == np.float32
    assert environment.observation_space.contains(environment.step(np.ones(2))[0])


def test_an_environment_with_goals():
    task = from_environment(Reach, horizon=10, samples=40)
    assert task.pure and task.observation_size == 5 and task.position == (3, 4)
    assert sorted(task.goals.tolist()) == [[1, 1], [1, 2], [2, 1], [2, 2]]
    assert len(task.initial_goals) == 4
    environment, observation = begun(task)
    state = observation["observation"]
    assert task.achieved(state).tolist() == environment.inner.unwrapped.at.tolist()
    assert observation["desired_goal"].tolist() == environment.inner.unwrapped.goal.tolist()
    environment.set_goal(np.array([5, 6], np.float32))
    assert environment.inner.unwrapped.goal.tolist() == [5, 6]
    assert environment.step(np.zeros(2))[0]["desired_goal"].tolist() == [5, 6]
    offset = np.array([0.2, -0.15], np.float32)  # a quarter away
    assert bool(task.success(state, task.achieved(state) + offset))
    assert not bool(task.success(state, task.achieved(state) + 1.01 * offset))


def test_offsets_are_the_way_left_in_units_of_its_spread():
    task = slide(goals=[[2.5, 0.5]], samples=1)
    start = begun(task)[1]["observation"]
    way = np.array([2.5, 0.5]) - start[:2]
    seen = task.offsets @ np.concatenate([start, [2.5, 0.5]])
    np.testing.assert_allclose(seen[:3], start)
    np.testing.assert_allclose(seen[3:], way / np.sqrt((way**2).mean()), rtol=1e-6)
    assert slide(achieved=lambda o: o[:2]).offsets is None
    assert slide(offsets=np.eye(5)).offsets.tolist() == np.eye(5).tolist()


def numpy_success(observation, goal):
    return bool(np.hypot(*(observation[:2] - goal)) < 0.25)  # floats of tracers cannot be had


def test_a_predicate_in_numpy_is_stored():
    task = slide(success=numpy_success)
    assert not task.pure
    world = World(task)
    observation = world.reset(0)
    near, far = observation[:2] + 0.1, observation[:2] + 1
    assert world.scores(observation, near, far).tolist() == [1, 1, 0]
    assert world.scores(observation, far, near).tolist() == [0, 0, 1]
    assert float(task.reward(observation, near)) == 1


def test_a_predicate_in_jax_is_recomputed_only_if_goals_can_be_read():
    def success(observation, goal):
        return jnp.abs(observation[0] - goal[0]) < 0.1

    assert slide(success=success).pure
    assert not slide(success=success, achieved=None).pure
    assert len(slide(success=success, achieved=None).initial_goals) == 0


def test_a_reward_of_ones_own():
    task = slide(reward=lambda observation, goal: -((observation[:2] - goal) ** 2).sum())
    assert task.pure
    reward = task.reward(np.array([0, 0, 7], np.float32), np.array([1, 2], np.float32))
    assert float(reward) == -5
    assert not slide(reward=lambda o, g: -float(np.abs(o[0] - g[0]))).pure


def test_one_thing_to_do_without_goals():
    task = from_environment(
        Slide, success=lambda o: o[0] > 1, initial_success=lambda o: o[0] < 0.7, horizon=9
    )
    assert not task.pure and task.goals.tolist() == [[0]] and task.initial_goals.tolist() == [[1]]
    done, undone = np.array([1.5, 0, 7], np.float32), np.array([0.5, 0, 7], np.float32)
    scores = [task.score(None, o, g) for o in (done, undone) for g in ([0.0], [1.0])]
    assert scores == [(1, True), (0, False), (0, False), (1, True)]
    assert bool(task.success(done, task.goals[0])) and not task.success(done, task.initial_goals[0])
    assert len(from_environment(Slide, success=lambda o: o[0] > 1, horizon=9).initial_goals) == 0


def test_success_and_reward_of_the_environment():
    task = from_environment(Slide, success="environment", reward="environment", horizon=9)
    world = World(task)
    seen = world.reset(0)
    scores = []
    for _ in range(4):  # from 0 or 0.5, by 0.4
        seen, _ = world.step(np.array([1, 0], np.float32))
        scores.append(world.scores(seen, task.goals[0], task.goals[0]).tolist())
    assert [s[0] for s in scores] == [-1] * 4
    assert [bool(s[1]) for s in scores][-1] and not scores[0][1]
    with pytest.raises(UnresetError, match="known only to its environment"):
        task.success(seen, task.goals[0])


class Limited(Slide):
    def __init__(self):
        super().__init__()
        self.render_mode = "rgb_array"


def test_time_limits_are_taken_off_unless_wanted():
    make = lambda: gymnasium.wrappers.TransformReward(TimeLimit(Slide(), 5), lambda r: 2 * r)  # noqa: E731
    options = {"achieved": (0, 1), "goals": GOALS, "success": 0.25}
    for limit, wanted in ((False, [False] * 7), (True, [False] * 4 + [True])):
        task = from_environment(make, time_limit=limit, name="limited", **options)
        assert task.horizon == 5
        environment, _ = begun(task)
        ends = [environment.step(np.zeros(2))[3] for _ in wanted]
        assert ends == wanted
        assert environment.step(np.zeros(2))[1] == -2  # other wrappers stay


def test_render_mode_is_passed_where_it_is_taken():
    assert from_environment(Reach, horizon=5).environment(render_mode="rgb_array").render_mode == (
        "rgb_array"
    )
    assert slide().environment(render_mode="rgb_array").render_mode is None


class Remembering(Slide):
    def get_state(self):
        return {"at": self.at.copy()}

    def set_state(self, state):
        self.at = np.array(state["at"])


class Mujocoish(Slide):
    def set_state(self, qpos, qvel):  # as Gymnasium's own, of another meaning
        raise AssertionError


def test_saving_where_the_environment_can():
    options = {"success": lambda o: o[0] > 1, "horizon": 5}
    assert World(from_environment(Remembering, **options)).exact
    assert not World(from_environment(Mujocoish, **options)).exact
    assert not World(
        from_environment(lambda: TimeLimit(Remembering(), 5), time_limit=True, **options)
    ).exact  # the steps that the limit has counted are lost


class Pictures(Slide):
    def __init__(self, keys):
        kinds = {
            "camera": spaces.Box(0, 255, (4, 4, 3), np.uint8),
            "arm": spaces.Box(-9.0, 9.0, (2,)),
            "hand": spaces.Box(-9.0, 9.0, (1,)),
            "grey": spaces.Box(0, 255, (4, 4), np.uint8),
        }
        super().__init__(spaces.Dict({key: kinds[key] for key in keys}))

    def sense(self):
        seen = {"camera": np.zeros((4, 4, 3), np.uint8), "arm": self.at, "hand": np.ones(1)}
        seen["grey"] = seen["camera"][..., 0]
        return {key: seen[key] for key in self.observation_space}


def test_entries_of_a_dictionary():
    options = {"success": lambda o: o[0] > 1, "horizon": 5}
    make = partial(Pictures, ["arm", "camera", "hand"])
    task = from_environment(make, **options)
    observation = begun(task)[1]
    assert observation["observation"][2] == 1 and task.observation_size == 3
    assert task.cameras == ("camera",) and observation["camera"].shape == (4, 4, 3)
    assert task.environment().observation_space.contains(observation)
    grey = partial(Pictures, ["arm", "grey"])
    with pytest.warns(UserWarning, match="grey of the observation are left out: neither"):
        assert from_environment(grey, **options).cameras == ()
    assert from_environment(make, state="hand", **options).observation_size == 1
    assert from_environment(make, state=["hand", "arm"], **options).observation_size == 3
    halved = from_environment(make, state=lambda o: o["arm"] / 2, **options)
    environment, observation = begun(halved)
    assert (2 * observation["observation"]).tolist() == environment.inner.unwrapped.at.tolist()
    with pytest.raises(UnresetError, match="holds no vectors, by which success"):
        from_environment(partial(Pictures, ["camera"]), **options)
    with pytest.raises(UnresetError, match=r"names \['leg'\], but .* \['arm', 'camera', 'hand'\]"):
        from_environment(make, state="leg", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"success": None}, "nothing says what success is"),
        ({"success": lambda o, g: o[:2] > g}, r"success must return True or False.*shape \(2,\)"),
        ({"success": lambda o, g: 0.5}, "success must return True or False, not float32 of"),
        ({"success": lambda o: True}, "success must be a function of an observation and a goal"),
        ({"success": lambda o, g: o["x"]}, "success failed on arrays of 3 and 2 numbers"),
        ({"reward": lambda o, g: o}, "reward must return one number"),
        ({"achieved": (0, 5)}, "achieved must be 2 numbers' places"),
        ({"achieved": (0, 0.5)}, r"achieved must be 2 numbers' places.* not \(0, 0.5\)"),
        ({"success": -0.1}, "success must be a distance of at least 0, or a function, not -0.1"),
        ({"success": np.nan}, "success must be a distance.* not nan"),
        ({"success": True}, "success must be a distance.* not True"),
        ({"horizon": 1.5}, "horizon must be a whole number, not 1.5"),
        ({"horizon": "a"}, "horizon must be a whole number, not 'a'"),
        ({"horizon": -1}, "horizon must be at least 1, not -1"),
        ({"position": (0, 9)}, r"position must be 2 numbers' places.* not \(0, 9\)"),
        ({"position": "ab"}, "position must be 2 numbers' places"),
        ({"proprioception": (9,)}, r"proprioception must be numbers' places.* not \(9,\)"),
        ({"proprioception": 1}, "proprioception must be numbers' places.* not 1"),
        ({"achieved": None}, "success is a distance; give achieved="),
        ({"goals": None}, "success depends on a goal"),
        ({"goals": [1.0, 2.0]}, r"goals must be rows .* not of shape \(2,\)"),
        ({"goals": [[np.nan, 0]]}, "goals contain NaN"),
        ({"initial_goals": [[1.0]]}, "initial_goals must be rows of 2 numbers each"),
        ({"initial_success": lambda o: True}, "initial_success is for tasks without goals"),
        ({"success": "environment"}, "several goals only where it has a method set_goal"),
        ({"horizon": None}, "give horizon="),
        ({"samples": 0}, "samples must be at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(UnresetError, match=message) as caught:
        slide(**options)
    assert "\n" not in str(caught.value) and str(caught.value).startswith("Slide: ")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(Slide, acted=spaces.Discrete(3)), "only continuous actions"),
        (partial(Slide, acted=spaces.Box(-np.inf, np.inf, (2,))), "without bounds"),
        (partial(Slide, seen=spaces.Discrete(3)), "not vectors"),
        (
            partial(Slide, seen=spaces.Box(0, 255, (8, 8, 3), np.uint8)),
            "under their cameras' names",
        ),
        ("CartPole-v1", "only continuous actions"),
        ("NoSuch-v0", "Gymnasium"),
        (lambda: 3, "returned 3, not a gymnasium.Env"),
    ],
)
def test_environments_that_cannot_be_practised_in(make, message):
    with pytest.raises(UnresetError, match=message):
        from_environment(make, success=lambda o: o[0] > 1, horizon=5)


def test_success_that_the_environment_does_not_tell():
    with pytest.raises(UnresetError, match="neither is_success nor success"):
        from_environment("Pendulum-v1", success="environment")


# gymnasium-robotics


@pytest.fixture(scope="module")
def robotics():
    return pytest.importorskip("gymnasium_robotics")


@pytest.mark.usefixtures("robotics")
@pytest.mark.parametrize(
    ("name", "observation", "goals", "initials", "horizon", "radius"),
    [
        ("FetchReach-v4", 13, 100, 1, 50, 0.05),  # its gripper always begins in one place
        ("FetchPush-v4", 28, 100, 100, 50, 0.05),
        ("PointMaze_UMaze-v3", 6, 100, 100, 300, 0.45),
    ],
)
def test_robotics_out_of_the_box(name, observation, goals, initials, horizon, radius):
    task = from_environment(name)
    assert task.pure and task.observation_size == observation and task.horizon == horizon
    assert (len(task.goals), len(task.initial_goals)) == (goals, initials)
    world = World(task)
    assert world.exact
    seen = world.reset(3)
    aside = np.eye(task.goal_size, dtype=np.float32)[0]
    own = world.environment.inner.unwrapped
    for distance in (0.9 * radius, 1.1 * radius):
        # The goal moves to the right distance of where the next step will be, which is still.
        goal = task.achieved(seen) + distance * aside
        world.show(goal)
        np.testing.assert_allclose(own.goal, goal, rtol=1e-6)
        still = np.zeros(task.action_size, np.float32)
        _, _, terminated, truncated, info = world.environment.step(still)
        assert not terminated and not truncated
        assert bool(info.get("is_success", info.get("success"))) == (distance < radius)
        assert bool(task.success(seen, goal)) == (distance < radius)


@pytest.mark.usefixtures("robotics")
def test_a_maze_neither_ends_nor_moves_its_goal():
    registered = partial(
        gymnasium.make, "PointMaze_UMaze-v3", continuing_task=False, reset_target=True
    )
    environment, _ = begun(from_environment(registered, name="maze"))
    own = environment.inner.unwrapped
    environment.set_goal(own.data.qpos.copy())
    for _ in range(400):  # longer than its limit of 300
        _, _, terminated, truncated, info = environment.step(np.zeros(2))
        assert info["success"] and not terminated and not truncated
    mark = own.model.site_pos[own.target_site_id]
    np.testing.assert_allclose(mark[:2], own.goal)


@pytest.mark.usefixtures("robotics")
def test_mujoco_goes_on_exactly_from_a_saved_state():
    task = from_environment("FetchPickAndPlace-v4")
    actions = np.random.default_rng(0).uniform(-1, 1, (30, 4)).astype(np.float32)
    one, other = World(task), World(task)
    one.reset(1)
    one.show(task.goals[3])
    for action in actions:
        one.step(action)
    here, state = one.step(actions[0])[0], one.save()
    path = np.stack([one.step(action)[0] for action in actions])
    other.reset(2)
    assert other.restore(here, state, {})
    assert other.environment.inner.unwrapped.goal.tolist() == task.goals[3].tolist()
    np.testing.assert_array_equal(np.stack([other.step(a)[0] for a in actions]), path)


@pytest.mark.usefixtures("robotics")
def test_mujoco_that_keeps_more_than_its_state_is_not_saved():
    task = from_environment("AdroitHandDoor-v1", success="environment")  # resets move its door
    assert not World(task).exact


@pytest.mark.usefixtures("robotics")
def test_success_that_is_more_than_a_distance():
    with pytest.raises(UnresetError, match="more than a distance"):
        from_environment("HandManipulateBlock-v1")
