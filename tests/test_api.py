"""The library's front door: train, load, evaluate, act, resume, and what it refuses."""

import csv
import dataclasses
import json
import shutil

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium import spaces

import toy
import unreset
from unreset import api, registry
from unreset.errors import Failure, UnresetError
from unreset.evaluation import deployed
from unreset.methods import naive
from unreset.runs import checkpoint, starting
from unreset.runs.config import RunConfig
from unreset.runs.folder import read_configuration
from unreset.runs.training import Training

QUICK = {"eval_every": 20, "checkpoint_every": 20, "wide_starts": 2, "report": False}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    toy.install(monkeypatch.setitem)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        toy.install(patch.setitem)
        folder = tmp_path_factory.mktemp("api") / "run"
        seed = np.uint32(3)  # stored as a plain number
        return unreset.train("naive", "toy", seed=seed, seeds=2, steps=60, out=folder, **QUICK)


def columns(path):
    with path.open(newline="") as file:
        return next(csv.reader(file))


@pytest.mark.slow
def test_a_run_folder_holds_what_is_promised(run):
    names = {entry.name for entry in run.folder.iterdir()}
    assert names >= {
        "config.json",
        "demonstrations.safetensors",
        "metrics.csv",
        "eval.csv",
        "phases.csv",
        "visits.csv",
        "summary.json",
        "checkpoints",
    }
    assert [name for name in names if name.startswith(".")] == [".lock"]
    metrics = columns(run.folder / "metrics.csv")
    assert metrics[:4] == ["seed", "env_steps", "wall_seconds", "steps_per_second"]
    learned = {"critic_loss", "q", "policy_loss", "entropy", "temperature", "cloning_loss"}
    assert set(metrics) >= learned
    assert set(columns(run.folder / "eval.csv")) >= {
        "seed",
        "env_steps",
        "success",
        "success_at_end",
        "object_success_at_end",
        "wide_success_at_end",
        "episodes",
        "return",
        "discounted_return",
        "wide_success",
        "wall_seconds",
    }
    phases = ["seed", "env_steps", "role", "phase", "goal", "success", "x", "y"]
    phases += ["steps", "ended", "value", "return", "reached"]
    assert columns(run.folder / "phases.csv") == phases
    assert columns(run.folder / "visits.csv") == ["seed", "env_steps", "role", "x", "y"]
    assert checkpoint.steps(run.folder / "checkpoints") == [40, 60]


def test_the_configuration_says_everything_that_was_asked_for(run):
    stored = json.loads((run.folder / "config.json").read_text())
    asked = {"method": "naive", "task": "toy", "seed": 3, "seeds": 2, "steps": 60, "eval_every": 20}
    assert {name: stored[name] for name in asked} == asked
    assert stored["settings"]["learner"]["hidden"] == [8]
    assert read_configuration(run.folder).settings == registry.settings("naive")


def test_the_summary_agrees_with_the_run(run):
    summary = json.loads((run.folder / "summary.json").read_text())
    assert summary["env_steps"] == 60 and summary["seeds"] == [3, 4]
    assert summary["demonstrations"] == 2
    with (run.folder / "eval.csv").open(newline="") as file:
        last = list(csv.DictReader(file))[-2:]
    assert summary["final_success_per_seed"] == [float(row["success"]) for row in last]
    at_end = [float(row["success_at_end"]) for row in last]
    assert summary["final_success_at_end_per_seed"] == at_end
    assert summary["final_success_at_end"] == np.mean(at_end)
    assert summary["robustness_at_end"] == pytest.approx(
        np.mean([float(row["wide_success_at_end"]) for row in last]), abs=1e-4
    )
    assert summary["evaluation_episodes"] == int(last[0]["episodes"]) == 1
    assert summary["hard_resets"] == [1, 1]
    ledger = run._training.driver.carry.run.ledger
    ended = int(np.asarray(ledger.phases).sum())
    assert summary["phases"]["forward"]["ended"] == sum(summary["phase_switches"]) == ended
    with (run.folder / "phases.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == ended
    assert sum(int(row["success"]) for row in rows) == summary["phases"]["forward"]["successful"]
    practice = registry.settings("naive").practice
    assert summary["updates"] == (60 - practice.seed_steps) * practice.updates_per_step


def test_train_load_evaluate_act_resume(run):
    loaded = unreset.load(run.folder)
    assert loaded.env_steps == 60 and loaded.notes == []
    seen = np.array([0.2], np.float32)
    np.testing.assert_array_equal(loaded.policy(seen, [1.0]), run.policy(seen, [1.0]))
    before = toy.leaf_bytes(loaded._training.driver.carry)
    fixed, wide = loaded.evaluate(), loaded.evaluate("wide", episodes=6)
    assert fixed == run.evaluate()
    assert fixed["episodes"] == 2 and wide["episodes"] == 12
    assert toy.leaf_bytes(loaded._training.driver.carry) == before
    assert loaded.resume().env_steps == 60


def test_a_summary_that_was_lost_is_written_again(tmp_path, run):
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    whole = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").unlink()
    unreset.load(folder).resume()
    found = json.loads((folder / "summary.json").read_text())
    clocks = {"wall_seconds", "steps_per_second", "peak_memory_mb"}
    assert {k: v for k, v in found.items() if k not in clocks} == {
        k: v for k, v in whole.items() if k not in clocks
    }


def test_a_full_disk_at_the_start_leaves_no_half_made_run(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(starting.files, "write_json", full)
    with pytest.raises(UnresetError, match=r"cannot write to .*: No space left on device"):
        unreset.train("naive", "toy", steps=20, out=tmp_path / "run", **QUICK)
    assert not (tmp_path / "run").exists()


def test_a_policy_acts_as_the_network_does(run):
    training = run._training
    act = jax.jit(
        jax.vmap(
            lambda a, o, g: deployed.deterministic_action(training.method, training.task, a, o, g),
            (None, 0, 0),
        )
    )
    generator = np.random.default_rng(0)
    seen, goal = generator.normal(size=(2, 50, 1)).astype(np.float32)
    for number in range(2):
        actor = jax.tree.map(lambda x, n=number: x[n], training.actors)
        policy = run.export(number)
        np.testing.assert_allclose(policy(seen, goal), act(actor, seen, goal), atol=1e-5)
        one = policy({"observation": seen[0], "desired_goal": goal[0], "achieved_goal": seen[0]})
        assert one.shape == (1,)
        np.testing.assert_allclose(one, policy(seen, goal)[0], atol=1e-6)


VARIANTS = [
    {},
    {"relative": False},
    {"octaves": 2},
    {"trunk": 4},
    {"policy_layer_norm": True},
    {"hidden": (6, 5, 4)},
]


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_every_architecture_can_be_exported(variant, tmp_path, monkeypatch):
    """Without training: the policy of a fresh run, whose weights are stirred."""
    settings = registry.settings("naive")
    settings = dataclasses.replace(
        settings, learner=dataclasses.replace(settings.learner, **variant)
    )
    configuration = dataclasses.replace(_configuration(), settings=settings)
    training = Training(tmp_path, configuration, toy.demonstrations())
    noise = np.random.default_rng(0)
    carry = training.driver.carry
    learners = jax.tree.map(
        lambda x: x + noise.normal(0, 0.3, x.shape).astype(x.dtype), carry.run.learners.actor
    )
    stirred = carry.run.learners._replace(actor=learners)
    if hasattr(stirred, "average"):
        stirred = stirred._replace(average=learners)
    training.driver.carry = carry._replace(run=carry.run._replace(learners=stirred))
    file = api.Run(training).export().save(tmp_path / "policy.safetensors")
    policy = unreset.Policy.load(file)
    actor = jax.tree.map(lambda x: x[0], training.actors)
    seen, goal = noise.normal(size=(2, 20, 1)).astype(np.float32)
    wanted = deployed.deterministic_action(training.method, training.task, actor, seen, goal)
    np.testing.assert_allclose(policy(seen, goal), wanted, atol=1e-5)


def _configuration():
    return RunConfig(
        "naive", "toy", "default", 0, 1, 20, 20, 0, 20, "fused", registry.settings("naive")
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ([0.0, 1.0], [1.0]),
            r"toy needs an observation of 1 .* shape \(2,\) and a goal of .* \(1,\)",
        ),
        (([], [0.0, 1.0]), r"of shape \(0,\) and a goal of shape \(2,\)"),
        (([0.0, 1.0],), r"of shape \(2,\) and no goal"),
        (([0.0],), r"of shape \(1,\) and no goal"),
        ((np.float32(0.0), [1.0]), r"observation of shape \(\) and a goal"),
        ((np.zeros((3, 1)), [1.0]), r"observation of shape \(3, 1\) and a goal of shape \(1,\)"),
        ((np.zeros((3, 1)), np.zeros((2, 1))), r"\(3, 1\) and a goal of shape \(2, 1\)"),
        (([np.nan], [1.0]), r"the observation contains NaN or infinity: nan at \[0\]"),
        (([[0.0], [np.inf]], np.zeros((2, 1))), r"infinity: inf at \[1, 0\]"),
        (([0.0], [-np.inf]), "the goal contains NaN or infinity: -inf"),
        (([1e300], [0.0]), r"NaN or infinity: 1e\+300"),
        (([3e38], [-3e38]), "the action is not finite"),
        ((["0.5"], [0.0]), "the observation must be numbers, not of type <U3"),
        (([0.5], [None]), "the goal must be numbers, not of type object"),
        (([0.5 + 0j], [0.0]), "not of type complex128"),
        ((np.ma.masked_array([0.5], [True]), [0.0]), "the observation is masked"),
        (([[0.5], []], [0.0]), "the observation must be an array of numbers"),
        (({"desired_goal": [1.0]},), r"holds \['desired_goal'\], but this policy for toy needs"),
        (({"observation": [1.0], "achieved_goal": [1.0]},), "and no goal"),
        (({"observation": [1.0], "desired_goal": [1.0]}, [0.0]), "the goal is given twice"),
        (({"observation": [1.0, 2.0], "desired_goal": []},), r"\(2,\) and a goal of shape \(0,\)"),
    ],
)
def test_a_policy_refuses_what_it_cannot_see(run, arguments, message):
    with pytest.raises(UnresetError, match=message):
        run.policy(*arguments)


def test_a_policy_acts_for_batches_of_any_shape(run):
    for shape in [(0,), (2, 0), (2, 3)]:
        actions = run.policy(np.zeros((*shape, 1)), np.ones((*shape, 1)))
        assert actions.shape == (*shape, 1)
        assert (actions == run.policy([0.0], [1.0])).all()


def test_what_is_not_a_policy_is_refused(run, tmp_path):
    other = run.folder / "demonstrations.safetensors"
    text = tmp_path / "text"
    text.write_text("hello")
    for path in (other, text, tmp_path / "nothing", tmp_path):
        with pytest.raises(UnresetError, match="is not a policy file"):
            unreset.Policy.load(path)
    with pytest.raises(UnresetError, match=r"episodes must be a whole number, not 2\.5"):
        run.evaluate(episodes=2.5)
    with pytest.raises(UnresetError, match=r"steps must be a whole number, not 100000\.0"):
        run.resume(steps=1e5)
    with pytest.raises(UnresetError, match="seed number 2 does not exist; this run has 2"):
        run.export(2)
    with pytest.raises(UnresetError, match=r"seed_number must be a whole number, not 0\.5"):
        run.export(0.5)


FRAMES = len(toy.demonstrations()[1].observations)


def wrong(**changes):
    first, second = toy.demonstrations()
    return [first, second._replace(**changes)]


@pytest.mark.parametrize(
    ("demonstrations", "message"),
    [
        (
            wrong(observations=np.zeros((10, 3), np.float32)),
            "demonstration 1: observations have sh",
        ),
        (wrong(actions=np.zeros(9, np.float32)), "demonstration 1: actions have shape"),
        (wrong(goal=np.zeros(2, np.float32)), "demonstration 1: goal have shape"),
        (wrong(actions=np.full((FRAMES - 1, 1), np.nan, np.float32)), "actions contain NaN"),
        (wrong(actions=np.full((FRAMES - 1, 1), 2, np.float32)), r"outside \[-1, 1\]"),
        (wrong(actions=np.zeros((3, 1), np.float32)), f"{FRAMES} observations for 3 actions"),
        (wrong(direction=7), "direction is 7"),
    ],
)
def test_unfit_demonstrations_are_refused_before_anything_is_written(
    tmp_path, demonstrations, message
):
    folder = tmp_path / "run"
    with pytest.raises(UnresetError, match=message):
        unreset.train("naive", "toy", steps=60, out=folder, demonstrations=demonstrations, **QUICK)
    assert not folder.exists()


@pytest.mark.slow
def test_without_demonstrations_one_can_practise_what_does_not_need_them(tmp_path):
    quick = {"steps": 60, "demonstrations": []} | QUICK
    run = unreset.train("naive", "toy", out=tmp_path / "naive", **quick)
    assert run.summary["demonstrations"] == 0
    with pytest.raises(UnresetError, match="demonstration"):
        unreset.train("medal", "toy", out=tmp_path / "medal", **quick)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, not 0"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"steps": 1e5}, "steps must be a whole number, not 100000.0"),
        ({"eval_every": 2.5}, "eval_every must be a whole number, not 2.5"),
        ({"wide_starts": "3"}, "wide_starts must be a whole number, not '3'"),
        ({"horizon": 2.5}, "horizon must be a whole number, not 2.5"),
        ({"checkpoint_every": True}, "checkpoint_every must be a whole number, not True"),
        ({"checkpoint_every": 30}, "must be a multiple of eval_every=20"),
        ({"driver": "robot"}, "must be 'fused' or 'live'"),
        ({"method": "naif"}, "did you mean 'naive'"),
        ({"task": "tabeltop"}, "did you mean 'tabletop'"),
        ({"preset": "papper"}, "did you mean 'paper'"),
        ({"driver": "live", "seeds": 2}, "one seed at a time"),
    ],
)
def test_what_cannot_work_is_one_line(tmp_path, changes, message):
    asked = {"method": "naive", "task": "toy", "steps": 60, "out": tmp_path / "run"} | QUICK
    with pytest.raises(UnresetError, match=message) as refusal:
        unreset.train(**(asked | changes))
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_in_use_is_refused(run, tmp_path):
    with pytest.raises(UnresetError, match="exists already"):
        unreset.train("naive", "toy", steps=60, out=run.folder, **QUICK)
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(UnresetError):
        unreset.train("naive", "toy", steps=60, out=file, **QUICK)
    assert file.read_text() == "mine"


@pytest.mark.parametrize("updates", [1, 3])
def test_updates_that_cannot_be_shared_out_are_refused_with_a_reason(tmp_path, updates):
    """Between two learners who take turns."""
    medal = registry.settings("medal")
    practice = dataclasses.replace(medal.practice, updates_per_step=updates, share_learner=False)
    settings = dataclasses.replace(medal, practice=practice)
    with pytest.raises(UnresetError, match="update"):
        unreset.train(settings, "toy", steps=60, out=tmp_path / "run", **QUICK)


@pytest.mark.slow
def test_a_budget_that_grows_gives_what_it_would_have_given_at_once(tmp_path):
    once = unreset.train("naive", "toy", steps=60, out=tmp_path / "once", **QUICK)
    grown = unreset.train("naive", "toy", steps=20, out=tmp_path / "grown", **QUICK)
    grown.resume(60)
    actors = [toy.leaf_bytes(run._training.actors) for run in (once, grown)]
    assert actors[0] == actors[1]
    again = unreset.load(grown.folder)
    assert again.notes == [] and again.env_steps == 60
    assert toy.leaf_bytes(again._training.actors) == actors[0]
    with pytest.raises(UnresetError, match="is behind"):
        again.resume(50)


# The live driver, around an environment that breaks.


def live(folder, breaks, **changes):
    asked = {"steps": 60, "eval_every": 10, "checkpoint_every": 10, "wide_starts": 0}
    environment = toy.PointEnv(breaks)
    return unreset.train(
        "naive",
        "toy",
        driver="live",
        environment=environment,
        report=False,
        out=folder,
        **(asked | changes),
    )


def raises(number):
    if number == 35:
        raise RuntimeError("the gripper is stuck")


def at_35(value):
    return lambda number: np.array(value, np.float32) if number == 35 else None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("breaks", "message"),
    [
        (at_35([np.nan]), r"observation\[0\] is nan"),
        (at_35([np.inf]), r"observation\[0\] is inf"),
        (at_35([1.0, 2.0]), r"has shape \(2,\), but the task says \(1,\)"),
        (raises, "the gripper is stuck"),
    ],
    ids=["NaN", "infinity", "shape", "raises"],
)
def test_an_environment_that_breaks_stops_the_run_with_a_usable_checkpoint(
    tmp_path, breaks, message
):
    folder = tmp_path / "run"
    with pytest.raises(Failure, match=message) as stop:
        live(folder, breaks)
    assert "\n" not in str(stop.value)
    last = checkpoint.steps(folder / "checkpoints")[-1]
    assert 30 <= last <= 34
    assert f"step {last}" in str(stop.value), "the message must name the last good checkpoint"
    run = unreset.load(folder, toy.PointEnv())
    assert run.env_steps == last
    assert any("counted reset" in note for note in run.notes)
    run.resume()
    assert run.env_steps == 60
    assert run.summary["hard_resets"] == [2]
    rows = run._training.driver.carry.run
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(rows.learners))


@pytest.mark.slow
def test_the_live_driver_counts_every_reset_of_the_environment(tmp_path, monkeypatch):
    settings = registry.settings("naive")
    settings = dataclasses.replace(
        settings, practice=dataclasses.replace(settings.practice, reset_every=9)
    )
    environment = toy.PointEnv()
    run = unreset.train(
        settings,
        "toy",
        driver="live",
        environment=environment,
        steps=30,
        out=tmp_path / "run",
        **(QUICK | {"eval_every": 10, "checkpoint_every": 10}),
    )
    assert run.summary["hard_resets"] == [environment.resets] == [4]


def test_methods_of_one_family_are_settings_too():
    assert isinstance(registry.settings("naive"), naive.Naive)


@pytest.mark.slow
def test_a_given_environment_is_used_or_refused(tmp_path):
    environment = toy.PointEnv()
    run = unreset.train(
        "naive", "toy", environment=environment, steps=20, out=tmp_path / "run", **QUICK
    )
    assert run._training.configuration.driver == "live" and environment.number == 20
    assert run.summary["hard_resets"] == [environment.resets] == [1]
    fused = {"driver": "fused", "environment": environment}
    with pytest.raises(UnresetError, match="environment= would not be used: driver='fused'"):
        unreset.train("naive", "toy", out=tmp_path / "other", **fused, **QUICK)
    assert not (tmp_path / "other").exists()
    with pytest.raises(UnresetError, match="one seed at a time, not 2"):
        unreset.train("naive", "toy", out=tmp_path / "two", seeds=2, environment=environment)


def test_an_environment_is_not_given_to_a_run_that_cannot_use_it(run):
    with pytest.raises(UnresetError, match="environment= would not be used"):
        unreset.load(run.folder, environment=toy.PointEnv())


def test_a_supervisor_is_asked_or_refused(run, tmp_path):
    for method in ("naive", "paint"):  # paint asks a simulated one
        with pytest.raises(UnresetError, match=f"supervisor= would not be asked: {method}"):
            unreset.train(
                method, "toy", supervisor=object(), out=tmp_path / "run", driver="live", **QUICK
            )
    assert not (tmp_path / "run").exists()
    with pytest.raises(UnresetError, match="supervisor= would not be asked"):
        unreset.load(run.folder, supervisor=object())


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ("Pendulum-v1", "a Gymnasium environment, made already, not 'Pendulum-v1'"),
        (toy.PointEnv, "made already, not <class"),
        (spaces.Box(-0.05, 0.05, (1,)), r"Box\(-0\.05, 0\.05, .*RescaleAction"),
        (spaces.Box(-1.0, 2.0, (1,)), r"practice acts with 1 numbers in \[-1, 1\]"),
        (spaces.Box(-1.0, 1.0, (2,)), "practice acts with 1 numbers"),
        (spaces.Discrete(3), r"actions are Discrete\(3\)"),
    ],
    ids=str,
)
def test_an_environment_of_other_actions_is_refused(tmp_path, environment, message):
    if isinstance(environment, gymnasium.Space):
        space, environment = environment, toy.PointEnv()
        environment.action_space = space
    with pytest.raises(UnresetError, match=message):
        unreset.train("naive", "toy", environment=environment, out=tmp_path / "run", **QUICK)
    assert not (tmp_path / "run").exists()
