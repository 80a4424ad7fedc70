"""Single lives: what they begin with, when they end, what is counted."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset import api, cli, registry, single_life
from unreset.core import replay as replays
from unreset.demos import store
from unreset.errors import UnresetError
from unreset.learners.sac import SAC
from unreset.methods.fbrl import FBRL
from unreset.methods.finetuning import FineTuning
from unreset.runs import lives, priors

SHORT = {"eval_every": 20, "checkpoint_every": 20}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    toy.install(monkeypatch.setitem)


@pytest.fixture(scope="module")
def prior(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lives") / "prior"
    with pytest.MonkeyPatch.context() as patch:
        toy.install(patch.setitem)
        words = ["prior", "toy", "--steps", "60", "--eval-every", "20", "--checkpoint-every", "20"]
        assert cli.main([*words, "--wide-starts", "0", "--no-report", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def practised():
    """One seed's replay after 250 steps of two roles with resets, in a ring of 100 rows."""
    task = toy.point()
    method = toy.tiny(FBRL(), reset_every=30).method(task)
    driver = toy.fused(method, task, capacity=100)
    driver.advance(0, 250)
    return jax.tree.map(lambda x: x[0], driver.carry.run.replay)


@pytest.mark.slow
def test_a_prior_is_the_latest_practice_in_trajectories_that_hold_together(practised):
    found = priors.trajectories(practised, 60)
    rows = practised.rows
    kept = np.arange(int(practised.written) - 60, int(practised.written))
    at = practised.pinned + kept % practised.capacity
    acted = np.asarray(rows.role)[at] >= 0
    assert sum(len(one.actions) for one in found) == acted.sum()
    np.testing.assert_array_equal(
        np.concatenate([one.actions for one in found]), np.asarray(rows.action)[at][acted]
    )
    np.testing.assert_array_equal(
        np.concatenate([one.rewards for one in found]), np.asarray(rows.reward)[at][acted]
    )
    assert {one.direction for one in found} == {store.FORWARD, store.BACKWARD}
    for one in found:
        assert one.goal == (toy.GOAL if one.direction == store.FORWARD else toy.START)
        moved = np.clip(one.observations[:-1] + toy.SPEED * one.actions, -toy.WALL, toy.WALL)
        np.testing.assert_allclose(one.observations[1:], moved, atol=1e-6)
    store.check(found, toy.point())


def test_a_prior_is_no_more_than_what_the_ring_still_holds(practised):
    found = priors.trajectories(practised, 10_000)
    assert 80 < sum(len(one.actions) for one in found) < practised.capacity


def test_only_the_first_success_for_the_lifes_own_goal_counts():
    task = toy.point()
    pinned, last = store.pinned_rows(toy.demonstrations(), task)
    empty = replays.init(pinned, last, [np.arange(3)], 1, 20)
    known, rows = len(last), jax.tree.map(np.array, empty.rows)
    role, success, source = rows.role, rows.success, rows.source
    rows.goal[:] = toy.GOAL
    role[known : known + 9] = [0, 0, -1, 0, 0, 0, 0, 0, 0]  # the third is a frame without a step
    success[known + 1], source[known + 1] = True, 1  # back where it began
    success[known + 3], rows.goal[known + 3] = True, 0.0  # another of the task's goals
    success[known + 5] = success[known + 7] = True
    success[known + 12] = True  # of before the ring was begun anew
    replay = empty._replace(rows=rows, written=np.int32(9))
    both = jax.tree.map(lambda x, y: np.stack([x, y]), replay, replay._replace(written=np.int32(5)))
    assert lives.first_successes(both, [[toy.GOAL]] * 2) == [5, None]
    assert lives.first_successes(both, [[0.0], [toy.START]]) == [3, None]


NOWHERE = 9.0  # beyond the wall
SEEDS_OF_GOALS = [6, 0]  # seeds that draw the first and the second of two goals


@pytest.fixture
def forked(monkeypatch):
    """The toy task with two goals: one that is reached wherever one is, and one that never is."""
    task = dataclasses.replace(
        toy.point(),
        goals=np.array([[toy.GOAL], [NOWHERE]], np.float32),
        success=lambda observation, goal: goal[0] <= toy.WALL,
        environment=lambda render_mode=None: toy.PointEnv(),
    )
    monkeypatch.setitem(registry.TASKS, "forked", lambda: task)
    return task


def lived(training):
    """By seed, the goals of the task that were pursued, in the order of the steps."""
    rows, run = training.driver.carry.run.replay.rows, training.driver.run
    acted = (np.asarray(rows.role) >= 0) & (np.asarray(rows.source) == 0)
    return [np.asarray(rows.goal)[n][acted[n]] for n in range(len(run.phase.asked))]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["finetuning", "multitask"])
def test_a_life_has_one_goal_and_success_for_another_does_not_end_it(
    forked, tmp_path, capsys, method
):
    words = [
        "life",
        method,
        "forked",
        "--demos",
        "none",
        "--seed",
        "6",
        "--seeds",
        "6",
        "--steps",
        "40",
    ]
    words += ["--eval-every", "20", "--checkpoint-every", "20", "--out", str(tmp_path / "life")]
    assert cli.main(words) == cli.OK
    run = api.load(tmp_path / "life")
    training, found = run._training, run.summary
    assert run.env_steps == 40 > 3 * training.method.roles[0].length
    logged = json.loads((run.folder / "summary.json").read_text())
    assert logged["life_goals"] == found["life_goals"]
    goals = found["life_goals"]
    near, far = goals.count(0), goals.count(1)
    assert near and far and near + far == 6
    printed = capsys.readouterr().out
    assert f"{near} of 6 reached their goal" in printed
    assert f"goals    reached, by their number: 0: {near} of {near}, 1: 0 of {far}" in printed
    for goal, steps, pursued in zip(goals, found["life_steps"], lived(training), strict=True):
        assert (steps is None) == (goal == 1)
        if method == "multitask":  # which has a role for each goal, and reaches one of them
            assert len(np.unique(pursued)) == 2
        else:
            assert (pursued == forked.goals[goal]).all() and len(pursued) == 40


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS_OF_GOALS)
def test_a_life_in_an_environment_has_one_goal_whatever_is_reset(forked, tmp_path, seed):
    class Ending(toy.PointEnv):
        def step(self, action):
            return (*super().step(action)[:3], self.number % 5 == 0, {})

    folder, goal = tmp_path / "life", SEEDS_OF_GOALS.index(seed)
    given = {"driver": "live", "environment": Ending(), "seed": seed, "steps": 30, "out": folder}
    run = single_life.life("finetuning", "forked", demonstrations="none", **given, **SHORT)
    found, (pursued,) = run.summary, lived(run._training)
    assert found["life_goals"] == [goal]  # the seed's, also where others live beside it
    assert (pursued == forked.goals[goal]).all()
    if goal == 0:
        assert (run.env_steps, found["life_steps"]) == (1, [1])
        return
    assert (run.env_steps, found["life_steps"], found["hard_resets"]) == (30, [None], [7])
    again = api.load(folder, environment=toy.PointEnv()).resume(40)
    assert any("counted reset" in note for note in again.notes)
    assert again.summary["life_goals"] == [goal]  # also after a reset from outside


def test_a_goal_that_changes_is_no_life(tmp_path):
    settings = toy.tiny(FineTuning(), goal_change_every=10)
    with pytest.raises(UnresetError, match="a life has one goal"):
        single_life.life(settings, "toy", steps=20, out=tmp_path / "life", **SHORT)
    assert not (tmp_path / "life").exists()


def test_a_life_without_success_counts_with_its_budget():
    found = lives.figures([10, 30, None, 20], 100)
    assert found["life_steps"] == [10, 30, None, 20]
    assert (found["life_solved"], found["life_mean"], found["life_median"]) == (0.75, 40.0, 25.0)
    low, high = found["life_mean_interval"]
    assert 10 <= low < 40 < high <= 100
    assert lives.figures([7], 100)["life_mean_interval"] == [None, None]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["qwale", "finetuning"])
def test_a_life_begins_with_what_the_prior_run_did_and_learned(prior, tmp_path, method):
    run = single_life.life(method, "toy", prior=prior, steps=20, out=tmp_path / "life", **SHORT)
    before = api.load(prior)._training
    mine = run._training
    assert mine.demonstrations == len(
        priors.trajectories(jax.tree.map(lambda x: x[0], before.driver.carry.run.replay), 50_000)
    )
    fresh = single_life.life(
        dataclasses.replace(toy.tiny(FineTuning()), learner=mine.configuration.settings.learner),
        "toy",
        prior=prior,
        steps=1,
        out=tmp_path / "fresh",
        **SHORT,
    )._training
    learned, begun = before.driver.run.learners, fresh.driver.run.learners
    for one, other in zip(
        jax.tree.leaves(learned.critics), jax.tree.leaves(begun.critics), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_life_ends_with_its_first_success_and_is_taken_up_as_it_is(prior, tmp_path):
    folder = tmp_path / "life"
    run = single_life.life(
        "finetuning", "toy", prior=prior, seeds=2, steps=2_000, out=folder, **SHORT
    )
    found = run.summary
    assert found["life_solved"] == 1.0
    assert max(found["life_steps"]) <= run.env_steps < 2_000
    assert found["hard_resets"] == [1, 1]
    logged = json.loads((folder / "summary.json").read_text())
    assert logged["life_steps"] == found["life_steps"]
    (folder.parent / "gone").mkdir()
    again = api.load(folder)
    assert again.summary["life_steps"] == found["life_steps"]
    assert again.resume().env_steps == run.env_steps


@pytest.mark.slow
def test_a_life_is_remembered_from_its_beginning_and_reported(tmp_path):
    settings = toy.tiny(FineTuning(), replay_capacity=30)
    run = single_life.life(
        settings, "toy", seeds=2, steps=300, out=tmp_path / "life", report=True, **SHORT
    )
    replay = run._training.driver.carry.run.replay
    assert replay.capacity >= 300
    solved = sum(step is not None for step in run.summary["life_steps"])
    assert min(step or 300 for step in run.summary["life_steps"]) >= 7  # 2 units, .25 a step
    page = (tmp_path / "life" / "report.html").read_text()
    assert "Lives that succeeded" in page
    assert f"{solved / 2:.2f}" in page


@pytest.mark.slow
def test_a_life_in_an_environment_stops_where_it_succeeds(prior, tmp_path):
    run = single_life.life(
        "finetuning",
        "toy",
        prior=prior,
        driver="live",
        environment=toy.PointEnv(),
        steps=2_000,
        out=tmp_path / "life",
        **SHORT,
    )
    assert run.summary["life_steps"] == [run.env_steps]


@pytest.mark.slow
def test_from_the_command_line(prior, tmp_path, capsys):
    words = ["--steps", "2000", "--eval-every", "20", "--checkpoint-every", "20"]
    folder = tmp_path / "life"
    command = ["life", "finetuning", "toy", "--prior", str(prior), "--seeds", "2"]
    assert cli.main([*command, *words, "--out", str(folder)]) == cli.OK
    printed = capsys.readouterr().out
    assert "2 of 2 reached their goal" in printed
    steps = json.loads((folder / "summary.json").read_text())["life_steps"]
    assert f"mean {np.mean(steps):,.0f}" in printed
    scratch = ["life", "finetuning", "toy", "--demos", "none", "--steps", "20"]
    assert cli.main([*scratch, *words[2:], "--out", str(tmp_path / "scratch")]) == cli.OK
    assert "0 demonstrations" in capsys.readouterr().out


def test_a_prior_that_is_there_is_not_made_again(prior, capsys):
    before = (prior / "summary.json").read_bytes()
    assert cli.main(["prior", "toy", "--out", str(prior)]) == cli.OK
    assert "is there already" in capsys.readouterr().out
    assert (prior / "summary.json").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "oracle"}, "oracle asks for resets, and a life has none"),
        ({"method": "paint"}, "paint asks for resets, and a life has none"),
        ({"method": "qwale", "demonstrations": "none"}, "qwale needs forward demonstrations"),
        ({"method": "qwale", "prior_rows": 0}, "prior_rows must be at least 1, not 0"),
        ({"method": "qwale", "demonstrations": []}, "from a prior run or from demonstrations"),
        ({"task": "tabletop"}, "actions have shape|observations have shape"),
        ({"method": FineTuning()}, "does not fit finetuning on toy: .* has shape"),
    ],
)
def test_what_cannot_begin_is_refused(prior, tmp_path, arguments, message):
    given = {"method": "finetuning", "task": "toy", "steps": 20, **SHORT} | arguments
    if arguments.get("demonstrations") != "none" and given["method"] != "oracle":
        given["prior"] = prior
    with pytest.raises(UnresetError, match=message):
        single_life.life(out=tmp_path / "life", **given)
    assert not (tmp_path / "life").exists()


def test_every_single_life_method_is_listed_with_what_it_is(capsys):
    assert cli.main(["methods"]) == cli.OK
    printed = capsys.readouterr().out
    for name in ("qwale", "finetuning"):
        assert name in registry.METHODS
        assert f"{name} " in printed


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data set of walks forward, and the folder of what implicit Q-learning made of it."""
    folder = tmp_path_factory.mktemp("data")
    shown = [one for one in toy.demonstrations() if one.direction == store.FORWARD] * 2
    store.save(folder / "walks.safetensors", shown)
    with pytest.MonkeyPatch.context() as patch:
        toy.install(patch.setitem)
        words = [
            "prior",
            "toy",
            "--prior-learner",
            "iql",
            "--demos",
            str(folder / "walks.safetensors"),
        ]
        words += ["--steps", "40", "--eval-every", "20", "--checkpoint-every", "20"]
        words += ["--wide-starts", "0", "--no-report", "--out", str(folder / "prior")]
        assert cli.main(words) == cli.OK
    return folder


@pytest.mark.slow
def test_a_life_begins_with_what_was_learned_from_data_without_acting(data, tmp_path):
    before = api.load(data / "prior")
    assert before.summary["method"] == "iql"
    assert before.summary["hard_resets"] == [0]
    mine = single_life.life(
        "qwale", "toy", prior=data / "prior", steps=1, out=tmp_path / "life", **SHORT
    )._training
    assert mine.demonstrations == 2
    learner = mine.configuration.settings.learner
    assert type(learner) is SAC and learner.target_entropy == -1.0
    learned, begun = before._training.driver.run.learners, mine.driver.run.learners
    assert learned.value is not None
    assert begun.value is None
    for name in ("actor", "average", "critics", "target"):
        pairs = zip(*(jax.tree.leaves(getattr(x, name)) for x in (learned, begun)), strict=True)
        for one, other in pairs:
            np.testing.assert_array_equal(one, other)
    worth = mine.driver.run.signals["prior"].worth
    for one, other in zip(
        jax.tree.leaves(worth.critics), jax.tree.leaves(learned.critics), strict=True
    ):
        np.testing.assert_array_equal(one[0], other[0, 0])


@pytest.mark.slow
def test_a_life_learns_from_data_first_where_that_is_asked_for(data, tmp_path, capsys, monkeypatch):
    iql = registry.METHODS["iql"]["default"]
    short = {"default": dataclasses.replace(iql, steps=30)}
    monkeypatch.setitem(registry.METHODS, "iql", short)
    folder = tmp_path / "life"
    words = ["life", "finetuning", "toy", "--prior-learner", "iql", "--steps", "20"]
    words += ["--demos", str(data / "walks.safetensors"), "--out", str(folder)]
    words += ["--eval-every", "20", "--checkpoint-every", "20", "--expectile", "0.8"]
    assert cli.main(words) == cli.OK
    assert "2 demonstrations" in capsys.readouterr().out
    before, after = (api.load(one)._training for one in (tmp_path / "life-prior", folder))
    assert before.configuration.settings.learner.expectile == 0.8
    assert type(after.configuration.settings.learner) is SAC
    assert after.configuration.prior == str(tmp_path / "life-prior")
    assert int(np.asarray(before.driver.run.learners.updates).max()) == 30 * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prior": "prior"}, "not both"),
        ({"demonstrations": "none"}, "there are none for it"),
        ({"prior_learner": "cql"}, "prior learner"),
    ],
)
def test_what_implicit_learning_cannot_begin_with_is_refused(data, tmp_path, arguments, message):
    given = {"prior_learner": "iql", "steps": 20, **SHORT} | arguments
    if "prior" in given:
        given["prior"] = data / given["prior"]
    with pytest.raises(UnresetError, match=message):
        single_life.life("finetuning", "toy", out=tmp_path / "life", **given)
    assert not list(tmp_path.iterdir())


def test_behaviour_cloning_has_no_critics_to_begin_with(tmp_path):
    cloned = api.train("bc", "toy", steps=20, out=tmp_path / "bc", report=False, **SHORT)
    with pytest.raises(UnresetError, match="has learned no critics"):
        single_life.life(
            "finetuning", "toy", prior=cloned.folder, steps=20, out=tmp_path / "life", **SHORT
        )


@pytest.mark.slow
def test_a_prior_can_have_another_preset(tmp_path):
    folder = tmp_path / "prior"
    words = ["prior", "toy", "--prior-learner=iql", "--preset", "paper", "--steps", "20"]
    words += ["--eval-every", "20", "--checkpoint-every", "20", "--wide-starts", "0"]
    assert cli.main([*words, "--no-report", "--out", str(folder)]) == cli.OK
    config = api.load(folder)._training.configuration
    assert (config.method, config.preset) == ("iql", "paper")
    assert config.settings.learner.reward_scale == 1.0


@pytest.mark.slow
@pytest.mark.parametrize(("share", "doubted"), [(0.2, True), (0.5, False)])
def test_a_life_tells_of_a_prior_run_that_does_not_know_its_task(prior, tmp_path, share, doubted):
    folder = shutil.copytree(prior, tmp_path / "prior")
    (folder / "summary.json").write_text(json.dumps({"final_success_per_seed": [share]}))
    run = single_life.life(
        "finetuning", "toy", prior=folder, steps=1, out=tmp_path / "life", **SHORT
    )
    assert any("20% of its last evaluation" in note for note in run.notes) == doubted


@pytest.mark.slow
def test_a_prior_run_that_was_judged_by_one_of_many_starts_is_judged_anew(
    tmp_path, prior, monkeypatch
):
    """As of an earlier version; nine of ten starts are where the point has succeeded already."""
    folder = shutil.copytree(prior, tmp_path / "prior")
    task = dataclasses.replace(
        toy.point(),
        reset=lambda key, start="initial": jnp.where(jax.random.uniform(key, (1,)) < 0.9, 1.0, 0.0),
        step=lambda state, action: state,
    )
    monkeypatch.setitem(registry.TASKS, "toy", lambda: task)
    training = api.load(folder)._training
    (folder / "summary.json").write_text(json.dumps({"final_success_per_seed": [0.2]}))
    assert priors.doubts(folder, training.task, training.evaluate) == []
    facts = {"final_success_per_seed": [0.2], "evaluation_episodes": 50}
    (folder / "summary.json").write_text(json.dumps(facts))
    assert (
        "20% of its last evaluation (50 episodes)"
        in priors.doubts(folder, training.task, training.evaluate)[0]
    )
