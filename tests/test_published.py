"""The presets that are named after publications, against what those say.

"MEDAL" and the like name the released code, "table 1" and "A.2" the pipeline paper (MEDAL++), and
"poster" that of MBARL. docs/published.md lists what differs all the same.
"""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

import toy
import unreset
from unreset import registry
from unreset.core.context import Context
from unreset.core.phases import switch
from unreset.core.practice import view
from unreset.core.protocols import Draws, Scope, Wanted
from unreset.core.types import Transition
from unreset.errors import UnresetError
from unreset.interventions import help as helping
from unreset.interventions.stuck_labels import ASKING
from unreset.runs.config import RunConfig
from unreset.runs.configured import fitted_method
from unreset.tasks.tabletop import tabletop_edge

TOY = toy.point()
PAGE = Path(__file__).parents[1] / "docs" / "published.md"

LOOP = {  # MEDAL 1.1, 1.3
    "practice.updates_per_step": 1,
    "practice.batch_size": 256,
    "practice.demonstration_share": None,
    "practice.teach": "acting",
    "practice.hindsight": 0.0,
    "practice.other_goals": 0.0,
    "practice.seed_steps": 10_000,
}
NETWORKS = {  # MEDAL 1.2, 1.3
    "learner.hidden": (256, 256),
    "learner.trunk": 50,
    "learner.critics": 2,
    "learner.learning_rate": 3e-4,
    "learner.discount": 0.99,
    "learner.tau": 0.005,
    "learner.average_tau": 1.0,
    "learner.reward_scale": 10.0,
    "learner.initial_temperature": 1.0,
    "learner.target_entropy": -0.5,
    "learner.layer_norm": False,
    "learner.relative": False,
    "learner.octaves": 0,
    "learner.cloning_start": 0.0,
    "learner.self_cloning": 0.0,
}
EARL = LOOP | NETWORKS | {"practice.phase_length": None, "practice.phase_share": 1.0}
RESETS = {"practice.reset_every": None, "practice.boundary": "terminal"}
DISCRIMINATOR = {  # MEDAL 1.4, 1.5
    "matching.hidden": (128,),
    "matching.learning_rate": 3e-4,
    "matching.interval": 10,
    "matching.batch_size": 800,
    "matching.mixup": True,
    "matching.spectral_norm": False,
    "matching.see_goal": True,
    "matching.form": "-log(1-D)",
    "matching.scale": 10.0,
}
MODEL = {  # MBPO, Hopper
    "practice.updates_per_step": 20,
    "imagination.share": 0.95,
    "model.members": 7,
    "model.elites": 5,
    "model.hidden": (200,) * 4,
    "model.learning_rate": 1e-3,
    "model.batch_size": 256,
    "model.held_out": 0.2,
    "model.beta": 0.0,
}
TABLE_1 = {
    "practice.seed_actions": "uniform",
    "practice.phase_length": 100,  # "episode length"
    "practice.batch_size": 256,
    "practice.boundary": "bootstrap",
    "learner.vision.stack": 1,
    "learner.vision.encoder": "drq",
    "learner.vision.shift": 4,
    "learner.critics": 5,
    "learner.target_subset": 2,
    "learner.policy_every": 1,
    "learner.learning_rate": 3e-4,
    "learner.hidden": (256, 256),
    "learner.discount": 0.99,
    "learner.tau": 0.005,
    "learner.initial_temperature": 0.0,  # "entropy bonus"
    "learner.learn_temperature": False,
    "learner.reward_scale": 1.0,
    "learner.cloning_form": "likelihood",
    "matching.batch_size": 512,
    "matching.learning_rate": 3e-4,
    "matching.mixup": True,
    "matching.spectral_norm": True,
    "matching.form": "-log(1-D)",
    "matching.scale": 1.0,
    "classifier.form": "-log(1-D)",
}
WHERE = {
    ("medal", "paper"): EARL
    | RESETS
    | DISCRIMINATOR
    | {
        "practice.replay_capacity": 10_000_000,
        "practice.seed_actions": "policy",
        "practice.share_learner": False,
        "backward_cloning": False,
        "both_directions": False,
        "end_when_expert": 1.0,
        "steps": 10_000_000,
    },
    ("fbrl", "paper"): EARL
    | RESETS
    | {
        "practice.replay_capacity": 5_000_000,
        "practice.seed_actions": "policy",
        "practice.share_learner": False,
        "attempts": 0,
        "steps": 5_000_000,
    },
    ("naive", "paper"): EARL | RESETS,
    ("oracle", "paper"): EARL
    | {
        "practice.reset_every": 0,  # but after every phase
        "practice.boundary": "terminal",
        "practice.seed_actions": "uniform",
        "practice.replay_capacity": 5_000_000,
        "steps": 5_000_000,
    },
    ("bc", "paper"): {"practice.batch_size": 256, "learner.hidden": (256, 256)},
    ("vaprl", "paper"): EARL | {"practice.share_learner": True, "practice.goals_per_row": 4},
    ("leave_no_trace", "paper"): EARL
    | {"safety": 0.3, "attempts": 1, "practice.boundary": "terminal_on_success"},
    ("multitask", "paper"): NETWORKS | {"order.choice": "uniform"},
    ("r3l", "paper"): EARL
    | {
        "practice.boundary": "bootstrap",
        "forward_reward": "classifier",
        "both_directions": False,
        "novelty.learning_rate": 3e-4,
        "novelty.batch_size": 256,
        "novelty.interval": 1,
    },
    ("medalpp", "paper"): TABLE_1
    | {
        "practice.seed_steps": 10_000,
        "practice.updates_per_step": 1,
        "practice.demonstration_share": 16 / 256,
        "practice.reset_every": 10_000,
        "classifier.interval": 50,  # ten in 500
        "classifier.shared_encoder": "frozen",
        "matching.interval": 10,  # ten in 100
        "matching.shared_encoder": "no",
        "learner.cloning_end": 0.0,
        "steps": 600_000,
    },
    ("medalpp", "robot"): TABLE_1  # A.2: as in table 1, but for
    | {
        "practice.seed_steps": 2_000,
        "practice.updates_per_step": 1,
        "practice.demonstration_share": 32 / 256,
        "learner.vision.proprioception": True,
        "learner.cloning_start": 1.0,
        "learner.cloning_end": 0.0,
        "learner.cloning_after": 0,
        "learner.cloning_steps": 10_000,
        "backward_cloning": True,
        "classifier.interval": 1000,
        "classifier.cameras": ("wrist",),
        "classifier.proprioception": False,
        "matching.interval": 500,
        "matching.cameras": ("wrist",),
        "matching.proprioception": True,
        "steps": 300_000,
    },
    ("medalpp", "released"): {  # MEDAL++ 3.1 to 3.9, simulation
        "practice.seed_steps": 10_000,
        "practice.seed_actions": "uniform",
        "practice.updates_per_step": 2,
        "practice.demonstration_share": 32 / 256,
        "practice.phase_length": 200,
        "practice.reset_every": 25_000,
        "practice.boundary": "bootstrap",
        "learner.vision.image_size": 84,
        "learner.vision.features": 50,
        "learner.hidden": (256, 256),
        "learner.critics_hidden": (256,) * 4,
        "learner.own_trunks": True,
        "learner.critics": 10,
        "learner.target_subset": 2,
        "learner.policy_every": 2,
        "learner.cloning_start": 1.0,
        "learner.cloning_end": 0.1,
        "learner.cloning_after": 10_000,
        "learner.cloning_steps": 40_000,
        "classifier.interval": 1000,
        "classifier.form": "log D",
        "classifier.shared_encoder": "no",
        "classifier.trunk": 50,
        "classifier.hidden": (128,),
        "classifier.last_states": 10,
        "matching.interval": 100,
        "matching.form": "-log(1-D)",
        "matching.encoder": "strided",
        "backward_cloning": False,
        "wide_resets": True,
        "steps": 1_000_000,
    },
    ("medalpp", "robot_released"): {  # the same, robot
        "practice.seed_steps": 2_000,
        "practice.seed_actions": "uniform",
        "practice.updates_per_step": 1,
        "practice.demonstration_share": 64 / 256,
        "practice.phase_length": 200,
        "learner.vision.image_size": 100,
        "learner.vision.features": 256,
        "learner.vision.proprioception": True,
        "learner.hidden": (1024, 1024),
        "learner.critics_hidden": (1024,) * 4,
        "learner.critics": 5,
        "learner.cloning_end": 0.1,
        "learner.cloning_after": 2_500,
        "learner.cloning_steps": 47_500,  # until 50,000
        "classifier.interval": 1000,
        "classifier.form": "log D",
        "classifier.trunk": 256,
        "classifier.hidden": (256,),
        "classifier.cameras": ("wrist",),
        "classifier.proprioception": False,
        "classifier.last_states": 21,
        "matching.interval": 500,
        "matching.form": "log D",
        "matching.cameras": (),
        "matching.proprioception": False,
        "matching.first_states": 51,
        "matching.last_states": 21,
        "backward_cloning": True,
        "steps": 10_000_000,
    },
    ("qwale", "paper"): {  # QWALE 1.3, 1.4
        "practice.updates_per_step": 1,
        "practice.batch_size": 256,
        "practice.demonstration_share": None,
        "practice.boundary": "terminal",
        "practice.phase_length": 100,
        "practice.seed_steps": 1_000,
        "learner.hidden": (256, 256),
        "learner.trunk": 0,
        "learner.target_entropy": -1.0,
        "learner.reward_scale": 10.0,
        "matching.hidden": (128,),
        "matching.learning_rate": 3e-4,
        "matching.interval": 1,
        "matching.batch_size": 512,
        "matching.mixup": True,
        "matching.weighted": True,
        "matching.baseline": None,
        "matching.form": "-log(1-D)",
        "matching.scale": 10.0,
        "steps": 200_000,
    },
    ("iql", "paper"): {
        "practice.batch_size": 256,
        "learner.expectile": 0.7,
        "learner.advantage_scale": 3.0,
        "learner.reward_scale": 1.0,
        "steps": 1_000_000,
    },
    ("paint", "paper"): LOOP
    | NETWORKS
    | RESETS  # PAINT 2.2, 2.3, tabletop and peg
    | {
        "base": "medal",
        "practice.phase_length": 300,
        "practice.seed_steps": 1_000,
        "practice.seed_actions": "uniform",
        "practice.seed_reset": True,
        "asking.threshold": 0.5,
        "asking.patience": 300,
        "asking.withdraw": False,
        "asking.visit_after": 0,  # the period of resets is the tasks'
        "asking.examples": 1_000,
        "asking.classifier.hidden": (128, 128),
        "asking.classifier.learning_rate": 1e-3,
        "asking.classifier.batch_size": 64,
        "asking.classifier.octaves": 0,
        "steps": 3_000_000,
    },
    ("mbarl", "paper"): {**LOOP, **NETWORKS, **MODEL}
    | {
        "base": "medal",
        "imagination.length": 20,
        "imagination.last_length": 20,
        "imagination.demonstrations": None,
    },
    ("mbpo", "paper"): MODEL
    | {
        "practice.batch_size": 256,
        "practice.seed_steps": 5_000,
        "practice.demonstration_share": 0.0,
        "practice.phase_share": 1.0,
        "learner.hidden": (256, 256),
        "learner.learning_rate": 3e-4,
        "learner.target_entropy": -1 / 3,  # -1 for Hopper's three
        "learner.reward_scale": 1.0,
        "imagination.length": 1,
        "imagination.last_length": 15,
        "imagination.growing_from": 20_000,
        "imagination.growing_to": 150_000,
        "imagination.demonstrations": 0.0,
    },
}
PUBLISHED = ("paper", "released", "robot", "robot_released")


@pytest.mark.parametrize(("name", "preset"), WHERE, ids="-".join)
def test_a_preset_has_the_published_values(name, preset):
    settings = registry.settings(name, preset)
    found = {}
    for place in WHERE[name, preset]:
        value = settings
        for part in place.split("."):
            value = getattr(value, part)
        found[place] = value
    assert found == WHERE[name, preset]


def test_every_published_preset_is_compared_here_and_in_the_documentation():
    known = {(name, each) for name, ps in registry.METHODS.items() for each in ps}
    assert {pair for pair in known if pair[1] in PUBLISHED} == set(WHERE)
    page = PAGE.read_text()
    for name, preset in WHERE:
        rows = [line for line in page.splitlines() if line.startswith(f"| `{name}` `{preset}` |")]
        assert rows, f"docs/published.md says nothing of {name}'s preset {preset}"


@pytest.mark.parametrize(
    ("task", "steps", "resets"),
    [
        ("tabletop", 200, 200_000),
        ("sawyer_door", 300, 200_000),
        ("sawyer_peg", 200, 100_000),
        ("kitchen", 400, 100_000),
        ("minitaur", 1000, 100_000),
    ],
)
def test_phases_and_resets_are_those_of_the_benchmarks_task(task, steps, resets):
    """EARL: evaluation horizon, and steps between resets in training."""
    settings, made = registry.settings("medal", "paper"), registry.task(task)
    config = RunConfig("medal", task, "paper", 0, 1, 9, 9, 0, 9, "fused", settings)
    method, _ = fitted_method(registry.method(settings, made), made, config)
    assert [role.length for role in method.roles] == [steps, steps]
    assert method.practice.reset_every == resets
    paint = registry.method(registry.settings("paint", "paper"), made)
    assert [role.length for role in paint.roles] == [300, 300]  # whatever the task
    assert registry.settings("medal").practice.length(made) == 3 * steps // 4  # ours


# --- Single life --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "added"),
    [
        ("pointmass_windy", False),
        ("tabletop_placing_moved", False),
        ("cheetah_hurdles", True),
        ("kitchen_together", True),
    ],
)
def test_qwale_adds_the_tasks_reward_where_it_is_dense(task, added):
    made = registry.task(task)
    for preset, wanted in (("paper", added), ("default", True)):  # ours: always
        method = registry.settings("qwale", preset).method(made)
        assert ("environment" in method.reward_of(0).uses) == wanted


# --- PAINT --------------------------------------------------------------------------------------


def test_paint_is_published_medal_with_a_longer_evaluation_at_the_edge():
    settings = registry.settings("paint", "paper")
    edge = registry.task("tabletop_edge")
    _, signal = settings.method(edge).rewards.values()
    assert signal == registry.settings("medal", "paper").matching
    assert settings.method(edge).roles[1].imitate == ()
    assert settings.horizon_of(edge) == 1000
    assert settings.horizon_of(registry.task("sticky_maze")) == 50
    assert registry.settings("paint").horizon_of(edge) == 200
    assert settings.asking.worth(edge, settings.learner.discount) == pytest.approx(-10)


@pytest.mark.slow
def test_a_hard_reset_follows_the_seed_steps():
    settings = toy.tiny(registry.settings("paint", "paper"), seed_steps=12, phase_length=30)
    settings = dataclasses.replace(settings, asking=registry.settings("paint", "paper").asking)
    method = registry.method(settings, TOY)
    run = jax.tree.map(lambda x: x[0], toy.fused(method, TOY).carry.run)
    seen, no = jnp.zeros(1), jnp.asarray(False)
    step = Transition(seen, seen, seen, jnp.float32(0), no, no, no)
    now = view(method, run)
    resets = [bool(switch(method, TOY, now, step, jnp.int32(n))[2]) for n in range(14)]
    assert resets == [n == 11 for n in range(14)]


def begun(settings, task, trajectories=None):
    """The first seed's run before its first step, and the method."""
    method = registry.method(settings, task)
    driver = toy.fused(method, task, trajectories=trajectories)
    return method, jax.tree.map(lambda x: x[0], driver.carry.run)


def taught(method, task, run):
    """Whether the classifier has seen a stuck state after an update."""
    return bool(fitted(method, task, run).classifier.taught)


def fitted(method, task, run):
    """The state of asking for help after an update."""
    scope = Scope(Context(method, task), ASKING, run.signals)
    draws = Draws(run.replay, run.learners, 0)
    help_ = method.interventions[ASKING]
    return help_.fit(scope, draws, jnp.asarray(True), jax.random.key(1)).state


@pytest.mark.slow
def test_the_classifier_knows_stuck_states_from_the_start():
    edge = registry.task("tabletop_edge")
    given = toy.noise_demonstrations(edge)
    settings = toy.tiny(registry.settings("paint", "paper"))
    method, run = begun(settings, edge, given)
    examples = run.signals[ASKING].examples
    assert examples.shape == (1000, 6)
    assert bool(jax.vmap(edge.stuck)(examples).all())
    assert float(jnp.abs(examples[:, :4]).max()) <= tabletop_edge.REACH
    assert taught(method, edge, run)
    nobody = dataclasses.replace(settings, asking=dataclasses.replace(settings.asking, examples=0))
    method, run = begun(nobody, edge, given)
    assert run.signals[ASKING].examples == ()
    assert not taught(method, edge, run)


@pytest.mark.slow
def test_what_is_shown_counts_among_stuck_states_as_often_as_it_is_many(monkeypatch):
    """Five examples beside fifteen stuck rows that practice has had: a quarter."""
    alone = dataclasses.replace(TOY, stuck_examples=lambda key, number: jnp.full((number, 1), 9.0))
    settings = toy.tiny(registry.settings("paint"))
    config = dataclasses.replace(settings.asking.classifier, batch_size=4000)
    asking = dataclasses.replace(settings.asking, examples=5, classifier=config)
    method, run = begun(dataclasses.replace(settings, asking=asking), alone)
    seen = []
    known = jnp.zeros(2000, int), jnp.zeros(2000, int), jnp.int32(15)
    monkeypatch.setattr(helping, "known_rows", lambda *_: known)
    monkeypatch.setattr(
        helping.stuck_classifier,
        "update",
        lambda config, state, free, stuck, some: (state, seen.append(stuck) or {}),
    )
    with jax.disable_jit():
        fitted(method, alone, run)
    assert float((seen[0] == 9.0).mean()) == pytest.approx(0.25, abs=0.03)


def test_examples_are_no_pictures():
    paint = toy.tiny(registry.settings("paint", "paper"))
    vision = dataclasses.replace(paint.learner.vision, pixels=True)
    seeing = dataclasses.replace(paint.learner, vision=vision)
    with pytest.raises(UnresetError, match=r"asking\.examples must be 0"):
        begun(dataclasses.replace(paint, learner=seeing), TOY)


# --- Models -------------------------------------------------------------------------------------


def test_mbarl_is_published_medal_in_a_world_that_it_imagines():
    settings = registry.settings("mbarl", "paper")
    method = registry.method(settings, TOY)
    assert method.rewards["discriminator"] == registry.settings("medal", "paper").matching
    assert not method.shared
    assert settings.model == registry.settings("mbpo", "paper").model


@pytest.mark.slow
def test_imagined_rollouts_begin_with_demonstrations_as_often_as_those_are_rows():
    """Of the stage's own rows and demonstrations (the poster's R)."""
    settings = toy.tiny(registry.settings("mbarl", "paper"))
    method, run = begun(settings, TOY)
    replay = run.replay
    known = int(replay.pinned_count[0])
    mark = replay.rows.observation.at[: replay.pinned].set(7.0)
    replay = replay._replace(
        rows=replay.rows._replace(observation=mark), heads=replay.heads.at[0].set(3 * known)
    )
    run = run._replace(replay=replay)
    scope = Scope(Context(method, TOY), "imagination", run.signals)
    wanted = Wanted((0,), (4, 2000), jnp.int32(0), jax.random.key(0))
    first, _ = settings.imagination._starts(scope, run, wanted, 2000, jax.random.key(0))
    assert float((first == 7.0).mean()) == pytest.approx(0.25, abs=0.03)


# --- MEDAL++ ------------------------------------------------------------------------------------


def test_medalpp_looks_through_one_camera_in_simulation_and_two_on_the_robot():
    task = dataclasses.replace(TOY, cameras=("above", "wrist"))
    looking = {}
    for preset in PUBLISHED:
        method = registry.settings("medalpp", preset).method(task)
        sights = [judge.sight(method.vision) for judge in method.rewards.values()]
        seen = [sight.looking(task) for sight in sights if sight is not None]
        looking[preset] = [tuple(method.vision.looking(task)), *map(tuple, reversed(seen))]
    everywhere, one, wrist = ("above", "wrist"), ("above",), ("wrist",)
    assert looking == {
        "paper": [one, one, one],
        "released": [one, one, one],
        "robot": [everywhere, wrist, wrist],
        "robot_released": [everywhere, wrist, everywhere],
    }


def test_where_resets_lead_is_the_presets_choice():
    narrow = dataclasses.replace(TOY, starts=("initial", "goal"))
    medalpp = registry.settings("medalpp")
    assert (medalpp.resets_to(TOY), medalpp.resets_to(narrow)) == ("wide", "initial")
    assert registry.settings("medalpp", "released").resets_to(TOY) == "wide"
    assert registry.settings("medalpp", "paper").resets_to(TOY) == "initial"


@pytest.mark.slow
def test_starts_and_horizon_are_as_settings_say_unless_somebody_says_otherwise(
    tmp_path, monkeypatch
):
    toy.install(monkeypatch.setitem)
    naive = toy.tiny(registry.settings("naive"))
    monkeypatch.setattr(type(naive), "horizon_of", lambda self, task: task.horizon + 3)
    monkeypatch.setattr(type(naive), "resets_to", lambda self, task: "wide")
    quick = {"steps": 20, "eval_every": 20, "wide_starts": 0, "report": False}
    train = partial(unreset.train, naive, "toy", **quick)
    run = train(out=tmp_path / "run")
    config = json.loads((run.folder / "config.json").read_text())
    assert (config["start"], config["horizon"]) == ("wide", TOY.horizon + 3)
    for asked, message in (({"start": "goal"}, "no start 'goal'"), ({"horizon": 0}, "not 0")):
        with pytest.raises(UnresetError, match=message):
            train(out=tmp_path / "other", **asked)


def test_a_renamed_preset_says_its_new_name():
    with pytest.raises(UnresetError, match="'laptop' is its default now: leave --preset away"):
        registry.settings("medalpp", "laptop")
