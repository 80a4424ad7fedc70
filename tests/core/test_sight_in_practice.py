"""What a method that sees is taught: pictures as goals, a success that is seen, chance at first."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset import registry
from unreset.core import phases, practice, refusals
from unreset.core import replay as replays
from unreset.core.context import Context
from unreset.core.protocols import Beginning, Scope
from unreset.demos import store
from unreset.errors import UnresetError
from unreset.runs import configured as fitted
from unreset.runs import footprint, machine
from unreset.runs.config import RunConfig

TOY = toy.point()
SCALE = 7.0


def settings(hindsight=0.0, **changes):
    """Both roles judged by one yes-or-no goal classifier; goals are pictures."""
    small = toy.tiny(toy.seeing(), hindsight=hindsight, other_goals=0.3)
    judge = dataclasses.replace(small.classifier, form="D > 1/2", scale=SCALE, last_states=2)
    vision = dataclasses.replace(
        small.learner.vision, cameras=("third",), goal_view="image", proprioception=False
    )
    return dataclasses.replace(
        small,
        classifier=judge,
        backward_reward="classifier",
        practice=dataclasses.replace(small.practice, boundary="terminal_on_success"),
        learner=dataclasses.replace(small.learner, vision=vision),
        **changes,
    )


def test_goals_are_shown_and_judged_from_outside_unless_cameras_are_named():
    """Where ``outside``, by the task's first camera; the policy's own cameras stay."""
    task = dataclasses.replace(TOY, cameras=("above", "wrist"))
    chosen = registry.settings("medalpp")

    def cameras(chosen):
        method = chosen.method(task)
        judge = method.rewards["classifier"].sight(method.vision)
        return method.vision.cameras, method.vision.showing(task), judge.cameras

    assert cameras(chosen) == (("wrist",), ("above",), ("above",))
    assert cameras(dataclasses.replace(chosen, outside=False)) == (("wrist",),) * 3
    named = dataclasses.replace(chosen.classifier, cameras=("wrist",))
    assert cameras(dataclasses.replace(chosen, classifier=named))[2] == ("wrist",)


def practised(chosen):
    """A run after some steps, and the task with the pictures of its goals."""
    method = chosen.method(TOY)
    driver = toy.fused(method, TOY)
    driver.advance(0, 60)
    task = fitted.with_sight(toy.demonstrations(), TOY, method)[1]
    return method, task, jax.tree.map(lambda x: x[0], driver.carry.run)


def batch(method, task, run):
    """A batch of its one part, flattened, and the positions of the rows it was made of."""
    seen = []
    following = replays.following

    def spy(replay, positions):
        seen.append(positions)
        return following(replay, positions)

    @jax.jit
    def draw(run):
        roles = tuple(range(len(method.roles)))
        drawn = toy.drawn(method, task, run, roles, 30, jax.random.key(1))
        return jax.tree.map(lambda x: x.reshape(len(seen[0]), *x.shape[2:]), drawn), seen[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replays, "following", spy)
        return jax.tree.map(np.asarray, draw(run))


@pytest.mark.slow
def test_a_later_picture_as_the_goal_is_reached_where_it_was_taken():
    method, task, run = practised(settings(hindsight=1.0))
    rows, at = batch(method, task, run)
    frames = np.asarray(run.replay.rows.frames["third"])
    after = frames[np.asarray(replays.following(run.replay, at))]
    now, goal = rows.inputs.image[..., :3], rows.inputs.image[..., 3:]
    np.testing.assert_array_equal(now, frames[at])
    np.testing.assert_array_equal(rows.next_inputs.image[..., :3], after)
    np.testing.assert_array_equal(rows.next_inputs.image[..., 3:], goal)
    table = np.concatenate([task.goal_pictures["third"]])
    asked = (goal[:, None] == table[None]).all(axis=(2, 3, 4)).any(axis=1)
    assert not asked.all()  # other pictures than the task's
    reached = rows.reward > 0
    assert 0 < reached.sum() < len(reached)
    np.testing.assert_allclose(rows.reward[reached], SCALE)
    assert (goal[reached] == after[reached]).all()
    np.testing.assert_array_equal(rows.discount, 1.0 - reached)
    assert not rows.imitate.any()  # the expert had another goal


@pytest.mark.slow
def test_without_hindsight_goals_are_the_tasks_and_the_classifier_says_what_is_reached():
    method, task, run = practised(settings())
    rows, at = batch(method, task, run)
    goal = rows.inputs.image[..., 3:]
    table = task.goal_pictures["third"]
    which = (goal[:, None] == table[None]).all(axis=(2, 3, 4))
    assert which.any(axis=1).all()
    goals = np.concatenate([task.goals, task.initial_goals])[which.argmax(axis=1)]
    after = replays.following(run.replay, at)
    seen = {name: column[after] for name, column in run.replay.rows.frames.items()}
    scope = Scope(Context(method, task), "classifier", run.signals)
    there = run.replay.rows.observation[after]
    logit = method.rewards["classifier"].scores(scope, there, jnp.asarray(goals), seen)
    np.testing.assert_allclose(rows.reward, SCALE * (logit > 0))
    assert set(np.unique(rows.reward)) <= {0.0, SCALE}
    np.testing.assert_array_equal(rows.discount, 1.0 - (rows.reward > 0))


@pytest.mark.slow
def test_an_expert_is_only_imitated_for_its_own_goal():
    method, task, run = practised(settings())
    rows, at = batch(method, task, run)
    own = np.asarray(run.replay.rows.goal)[at]
    goal, table = rows.inputs.image[..., 3:], task.goal_pictures["third"]
    which = (goal[:, None] == table[None]).all(axis=(2, 3, 4)).argmax(axis=1)
    pursued = np.concatenate([task.goals, task.initial_goals])[which]
    shown = at < run.replay.pinned
    other = (pursued != own).any(axis=1)
    assert (shown & other).any() and (shown & ~other).any()
    assert not rows.imitate[other | ~shown].any()
    assert rows.imitate[shown & ~other].mean() > 0.5  # not where its own goal was drawn by chance


def lists(method, rows, last):
    scope = Scope(Context(method, TOY), "classifier")
    return method.rewards["classifier"].lists(scope, Beginning(rows, last, None, False))


def test_a_classifier_of_returns_is_shown_how_backward_demonstrations_end():
    rows, last = store.pinned_rows(toy.demonstrations(), TOY)
    source = np.asarray(rows.source)
    both, _ = lists(settings().method(TOY), rows, last)
    assert set(source[both]) == {0, 1}
    left = last - np.arange(len(last))
    assert (left[both] < 2).all()
    forward = dataclasses.replace(settings(), backward_reward="discriminator").method(TOY)
    classified, _ = lists(forward, rows, last)
    assert set(source[classified]) == {0}


@pytest.mark.slow
def test_cloning_comes_first_also_of_pictures():
    chosen = dataclasses.replace(settings(), backward_cloning=True)
    method = dataclasses.replace(
        chosen, practice=dataclasses.replace(chosen.practice, cloning_updates=3)
    ).method(TOY)
    driver = toy.fused(method, TOY)
    before = driver.carry.run.learners
    driver.clone()
    after = driver.carry.run.learners
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), before.encoder, after.encoder)
    assert all(jax.tree.leaves(moved))
    jax.tree.map(np.testing.assert_array_equal, after.average, method.learner.actor(after))


@pytest.mark.slow
def test_chance_acts_in_the_seed_steps_and_the_policy_after():
    chosen = settings()
    chance = dataclasses.replace(
        chosen.practice, seed_actions="uniform", seed_steps=5, updates_per_step=1
    )
    method, task, run = practised(dataclasses.replace(chosen, practice=chance))
    act = jax.jit(partial(phases.act, method, task))
    frames = {name: picture[0] for name, picture in run.replay.rows.frames.items()}

    def action(actor_factor, step):
        view = practice.view(method, run)
        view = view._replace(actor=jax.tree.map(lambda x: x * actor_factor, view.actor))
        return float(act(view, jnp.zeros(1), jnp.int32(step), frames)[0])

    seeds = [action(1.0, step) for step in range(5)]
    assert seeds == [action(3.0, step) for step in range(5)]  # whatever the policy is
    assert len(set(seeds)) == 5 and all(-1 <= one <= 1 for one in seeds)
    assert action(1.0, 5) != action(3.0, 5)


def test_a_curriculum_of_states_refuses_pixels():
    small = toy.tiny(registry.METHODS["vaprl"]["default"])
    vision = dataclasses.replace(small.learner.vision, pixels=True)
    learner = dataclasses.replace(small.learner, vision=vision)
    with pytest.raises(UnresetError, match="not among pictures"):
        dataclasses.replace(small, learner=learner).method(TOY)


def test_a_replay_that_does_not_fit_is_refused_with_what_would(monkeypatch):
    method = settings().method(TOY)
    method = dataclasses.replace(
        method, practice=dataclasses.replace(method.practice, replay_capacity=10**6)
    )
    shown, _ = fitted.with_sight(toy.demonstrations(), TOY, method)
    rows, last = store.pinned_rows(shown, TOY)
    configuration = RunConfig(
        "medalpp", "toy", "default", 0, 2, 8000, 20, 0, 20, "fused", settings()
    )
    assert fitted.fitted_capacity(method, configuration) == 9002  # one in eight a reset
    monkeypatch.setattr(machine, "replay_memory", lambda: 10.0)

    def refuse(capacity, loading=False):
        footprint.refuse_too_large(method, TOY, configuration, rows, last, capacity, loading)

    with pytest.raises(UnresetError, match=r"2 seed.* 9,002 rows .*--replay-capacity") as told:
        refuse(9002)
    fits = int(str(told.value).split("--replay-capacity ")[1].split()[0])
    refuse(fits)
    with pytest.raises(UnresetError):
        refuse(fits + 1)
    with pytest.raises(UnresetError, match=r"to load 2 seed.* end other programs"):
        refuse(fits, loading=True)


@pytest.mark.parametrize(
    ("name", "goals", "told"),
    [("naive", 1, None), ("naive", 2, "apart"), ("fbrl", 1, "apart"), ("medal", 1, None)],
)
def test_goals_that_are_not_seen_cannot_be_told_apart(name, goals, told):
    small = toy.tiny(registry.METHODS[name]["default"])
    vision = dataclasses.replace(small.learner.vision, pixels=True, goal_view="none")
    learner = dataclasses.replace(small.learner, vision=vision)
    method = dataclasses.replace(small, learner=learner).method(TOY)
    task = dataclasses.replace(TOY, goals=np.linspace(0, 1, goals, dtype=np.float32)[:, None])
    reason = refusals.misfit(method, task, {0, 1})
    assert (reason is None) if told is None else (told in (reason or ""))
