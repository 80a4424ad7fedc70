"""What a goal classifier is shown: contrasts, pairs, chosen segments; and whose encoder it has."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset.core import fitting
from unreset.core.context import Context
from unreset.core.protocols import Scope
from unreset.demos import store
from unreset.errors import UnresetError
from unreset.rewards import Discriminator, expert_rows
from unreset.rewards.expert_rows import FAR
from unreset.runs import configured as fitted

TOY = toy.point()
KEY = jax.random.key(0)


def settings(hindsight=0.0, **judge):
    """Both roles judged by one yes-or-no goal classifier; goals are pictures."""
    small = toy.tiny(toy.seeing(), hindsight=hindsight)
    told = {"form": "D > 1/2", "last_states": 1, "batch_size": 40, "contrast": 0.0, "pairs": 0.0}
    vision = dataclasses.replace(
        small.learner.vision,
        cameras=("third",),
        goal_cameras=(),
        goal_view="image",
        proprioception=False,
    )
    plain = {"cameras": (), "encoder": None, "proprioception": None}
    return dataclasses.replace(
        small,
        classifier=dataclasses.replace(small.classifier, **(plain | told | judge)),
        backward_reward="classifier",
        practice=dataclasses.replace(small.practice, boundary="terminal_on_success"),
        learner=dataclasses.replace(small.learner, vision=vision),
    )


def practised(chosen, steps=60):
    method = chosen.method(TOY)
    driver = toy.fused(method, TOY)
    driver.advance(0, steps)
    task = fitted.with_sight(toy.demonstrations(), TOY, method)[1]
    return method, task, jax.tree.map(lambda x: x[0], driver.carry.run)


def taken(method, task, run):
    """The rows of one update of the classifier."""
    seen = []

    def spy(config, *rest):
        seen.append(drawn(config, *rest))
        return seen[-1]

    drawn = expert_rows.drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expert_rows, "drawn", spy)
        fitting.fit_states(Context(method, task), run, jnp.int32(0), KEY)
    return seen[-1][1]


@pytest.mark.slow
def test_contrasts_are_earlier_states_and_last_ones_of_another_goal():
    method, task, run = practised(settings(contrast=0.5))
    rows = taken(method, task, run)
    shown = {float(one.goal[0]): one.observations[:, 0] for one in toy.demonstrations()}
    goal, place = np.asarray(rows.goal[1, :10, 0]), np.asarray(rows.observation[1, :10, 0])
    for number in range(10):
        other, own = shown[-goal[number]], shown[goal[number]]
        if number % 2 == 0:  # where the other goal is reached
            assert place[number] == other[-1]
        else:
            assert place[number] in own[:-3]
    # The rest is as without.
    plain = practised(settings())
    other = taken(*plain)
    np.testing.assert_array_equal(rows.goal[0], other.goal[0])
    np.testing.assert_array_equal(rows.observation[0], other.observation[0])


@pytest.mark.slow
def test_with_one_goal_only_earlier_states_are_contrasts():
    chosen = dataclasses.replace(settings(contrast=1.0), backward_reward="discriminator")
    method, task, run = practised(chosen)
    rows = taken(method, task, run)
    own = toy.demonstrations()[0].observations[:-3, 0]
    assert np.isin(np.asarray(rows.observation[1, :, 0]), own).all()
    np.testing.assert_array_equal(rows.goal[1], np.full((20, 1), toy.GOAL, np.float32))


@pytest.mark.slow
def test_pairs_are_next_to_each_other_or_far_apart():
    method, task, run = practised(settings(pairs=0.5))
    rows = taken(method, task, run)
    pair, goals, _ = rows.shown
    assert pair[0, 10:].all() and pair[1, 10:].sum() > 5 and not pair[:, :10].any()
    frames = np.asarray(run.replay.rows.frames["third"])
    first = {picture.tobytes(): [] for picture in frames}
    for number, picture in enumerate(frames):
        first[picture.tobytes()].append(number)
    last = np.concatenate([np.asarray(run.replay.pinned_last), np.full(len(frames), 10**6)])
    for half in range(2):
        for number in np.flatnonzero(pair[half]):
            begin = first[np.asarray(rows.frames["third"][half, number]).tobytes()]
            end = first[np.asarray(goals["third"][half, number]).tobytes()]
            distances = [e - b for b in begin for e in end if b <= e <= last[b]]
            assert any(0 <= d <= 1 for d in distances) if not half else max(distances) >= FAR


@pytest.mark.slow
def test_a_classifier_of_pairs_says_where_pictures_of_hindsight_are_reached():
    found = {}
    for pairs in (0.0, 0.5):
        method, task, run = practised(settings(hindsight=1.0, pairs=pairs, scale=3.0))
        batch = toy.drawn(method, task, run, (0, 1), 20, KEY)
        same = (batch.next_inputs.image[..., :3] == batch.next_inputs.image[..., 3:]).all(
            (-1, -2, -3)
        )
        found[pairs] = np.asarray(batch.reward), np.asarray(same)
    reward, same = found[0.0]
    assert set(np.unique(reward)) == {0.0, 3.0}
    assert same[reward > 0].all()
    reward, same = found[0.5]
    assert set(np.unique(reward)) == {0.0, 3.0}
    assert not same[reward > 0].all()  # others that it takes for the same


def test_chosen_segments_are_first_states_forward_and_last_ones_backward():
    chosen = dataclasses.replace(settings(), backward_reward="discriminator")
    judge = dataclasses.replace(chosen.matching, first_states=3, last_states=2)
    rows, last = store.pinned_rows(toy.demonstrations(), TOY)
    expert, before = expert_rows.lists(judge, False, rows, last)
    end = int(last[-1])
    np.testing.assert_array_equal(expert, [0, 1, 2, end - 1, end])
    assert len(before)


def test_arrivals_are_the_states_after_those_acted_from():
    chosen = dataclasses.replace(settings(), backward_reward="discriminator")
    rows, last = store.pinned_rows(toy.demonstrations(), TOY)

    def expert(**fields):
        judge = dataclasses.replace(chosen.matching, **fields)
        return expert_rows.lists(judge, False, rows, last)[0]

    acted = expert()
    assert (np.asarray(rows.role)[acted] == 0).all()
    np.testing.assert_array_equal(expert(arrivals=True), acted + 1)


@pytest.mark.slow
def test_a_classifier_may_see_the_goal_in_another_way_than_the_policy():
    chosen = settings(pairs=0.5, goal_view="image")
    vision = dataclasses.replace(chosen.learner.vision, goal_view="vector")
    learner = dataclasses.replace(chosen.learner, vision=vision)
    method, task, run = practised(dataclasses.replace(chosen, learner=learner))
    observation, goal = (
        run.replay.rows.observation[:2],
        jnp.repeat(jnp.asarray(TOY.goals)[:1], 2, axis=0),
    )
    frames = {name: seen[:2] for name, seen in run.replay.rows.frames.items()}
    context = Context(method, task)
    scope = Scope(context, "classifier", run.signals)
    judged = method.rewards["classifier"].inputs(scope, observation, goal, frames)
    np.testing.assert_array_equal(judged.image[0, ..., 3:], task.goal_pictures["third"][0])
    assert judged.vector.shape == (2, 0)
    seen = method.inputs(task, observation, goal, 0, frames)
    assert seen.image.shape[-1] == 3
    assert seen.vector.shape[-1] >= TOY.goal_size
    assert not method.relabels(context, 0)  # what the policy sees cannot be told of a picture


@pytest.mark.slow
@pytest.mark.parametrize("shared", ["frozen", "trained"])
def test_a_shared_encoder_is_the_policys(shared):
    method, task, run = practised(settings(shared_encoder=shared))
    before = jax.tree.map(lambda x: x[0], run.learners.encoder)
    told, _ = fitting.fit_states(Context(method, task), run, jnp.int32(0), KEY)
    state = told.signals["classifier"]
    assert "encoder" not in state.params["params"]
    jax.tree.map(np.testing.assert_array_equal, state.encoder, before)
    after = jax.tree.map(lambda x: x[0], told.learners.encoder)
    moved = [
        bool((a != b).any()) for a, b in zip(*map(jax.tree.leaves, (before, after)), strict=True)
    ]
    assert all(moved) if shared == "trained" else not any(moved)
    others = told.learners._replace(encoder=(), encoder_optimizer=())
    same = run.learners._replace(encoder=(), encoder_optimizer=())
    jax.tree.map(np.testing.assert_array_equal, others, same)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"contrast": 0.5}, "last_states must be 1 or more"),
        ({"contrast": 0.5, "last_states": 1, "first_states": 2}, "first_states 0"),
        ({"contrast": 0.6, "pairs": 0.5, "last_states": 1}, "together at most 1"),
        ({"weighted": True, "pairs": 0.5}, "last_states and pairs must be 0"),
        ({"arrivals": True, "last_states": 1}, "last_states and pairs must be 0"),
        ({"shared_encoder": "frozen", "cameras": ("wrist",)}, "neither cameras nor an encoder"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(fields, message):
    with pytest.raises(UnresetError, match=message):
        Discriminator(**fields)


@pytest.mark.parametrize(
    ("judge", "vision", "message"),
    [
        ({"pairs": 0.5}, {"goal_view": "vector"}, "cannot compare pairs"),
        ({"shared_encoder": "frozen", "see_goal": False}, {}, "either both see goals"),
        ({"shared_encoder": "frozen", "goal_view": "vector"}, {}, "either both see goals"),
        ({"pairs": 0.5, "goal_view": "vector"}, {}, "cannot compare pairs"),
        ({"shared_encoder": "frozen"}, {"stack": 2}, "one picture"),
    ],
)
def test_what_a_method_cannot_see_is_refused(judge, vision, message):
    chosen = settings(**judge)
    seen = dataclasses.replace(chosen.learner.vision, **vision)
    chosen = dataclasses.replace(chosen, learner=dataclasses.replace(chosen.learner, vision=seen))
    with pytest.raises(UnresetError, match=message):
        chosen.method(TOY)
