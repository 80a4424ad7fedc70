"""Discriminators are judged on fresh states, by the task's success or by who was there."""

import dataclasses

import jax
import numpy as np
import pytest

import judges
import toy
from unreset import registry
from unreset.core.types import Transition
from unreset.demos import pictures
from unreset.errors import UnresetError
from unreset.evaluation import discriminators
from unreset.runs.configured import with_sight

SHOWN = [one for one in toy.demonstrations() if one.direction == toy.FORWARD]
LENGTH = len(SHOWN[0].actions)


@pytest.fixture(scope="module")
def seeing():
    """A method that sees pictures, the task with those of its goals, and one seed of a run."""
    task = toy.point()
    method = toy.tiny(toy.seeing()).method(task)
    task = with_sight(toy.demonstrations(), task, method)[1]
    driver = toy.fused(method, toy.point())
    run = jax.tree.map(lambda x: x[0], driver.run)
    return method, task, jax.tree.map(lambda x: x[0], run.learners.average), run.signals


def judged(seeing, task=None, episodes=3):
    method, usual, actor, states = seeing
    task = task or usual
    shown = pictures.seen(SHOWN, usual, method.watched)
    return discriminators.judge(method, task, actor, states, shown, episodes)


@pytest.mark.slow
def test_what_is_asked_of_which_states(seeing, monkeypatch):
    seen = {}

    def logits(method, task, name, state, observation, goal, frames):
        seen.setdefault(name, []).append(np.asarray(observation)[:, 0])
        return np.asarray(observation)[:, 0]

    monkeypatch.setattr(discriminators, "_logits", logits)
    found = judged(seeing)
    assert list(found) == ["discriminator", "classifier"]
    classifier, expert = found["classifier"], found["discriminator"]
    # One episode of the policy from the only initial state, three from wide starts; 10 steps each.
    numbers = {origin: number for origin, (number, _) in classifier.origins.items()}
    assert numbers == {
        discriminators.POLICY: 40,
        discriminators.RANDOM: 60,
        discriminators.DEMONSTRATIONS: LENGTH,
    }
    where = np.log(classifier.scores / (1 - classifier.scores))
    clear = abs(abs(where - toy.GOAL) - toy.RADIUS) > 1e-4
    reached = abs(where - toy.GOAL) < toy.RADIUS
    np.testing.assert_array_equal(classifier.positive[clear], reached[clear])
    assert 0 < reached[clear].sum() < clear.sum()
    # Of a demonstration the last state is a success, and no other; it is not acted from.
    assert classifier.origins[discriminators.DEMONSTRATIONS] == (LENGTH, 1)
    assert expert.positives == "demonstrated" and classifier.positives == "success"
    own = {discriminators.POLICY: (40, 0), discriminators.RANDOM: (60, 0)}
    assert expert.origins == own | {discriminators.DEMONSTRATIONS: (LENGTH, LENGTH)}
    shown = SHOWN[0].observations[:, 0]
    np.testing.assert_allclose(seen["discriminator"][-1][:LENGTH], shown[:-1])
    np.testing.assert_allclose(seen["classifier"][-1][:LENGTH], shown[1:])


@pytest.mark.slow
def test_a_score_is_the_discriminators_own(seeing):
    method, task, _, states = seeing
    found = judged(seeing)["classifier"]
    for place in (0, LENGTH - 1):  # the demonstration's states come last
        after, goal = SHOWN[0].observations[1:][place], SHOWN[0].goal
        step = Transition(after, None, after, 0, 0, 0, 0, next_frames=task.look(after, 16))
        logit = float(judges.log_odds(method, task, "classifier", states["classifier"], step, goal))
        score = found.scores[len(found.scores) - LENGTH + place]
        assert score == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-4)
    again = judged(seeing)["classifier"]
    np.testing.assert_array_equal(found.scores, again.scores)


class Pictured(toy.PointEnv):
    """The toy's environment, with its pictures."""

    def _seen(self):
        looked = {name: np.asarray(one) for name, one in toy.look(self.at, 16).items()}
        return super()._seen() | looked


@pytest.mark.slow
def test_a_gymnasium_environment_leads_to_the_same_states(seeing, monkeypatch):
    _, task, _, _ = seeing
    live = dataclasses.replace(
        task,
        step=None,
        look=None,
        starts=("initial",),
        environment=lambda render_mode=None: Pictured(),
        score=lambda environment, observation, goal: (0.0, bool(toy.reached(observation, goal))),
    )
    one = dataclasses.replace(task, starts=("initial",))
    there, here = judged(seeing, live, 1)["classifier"], judged(seeing, one, 1)["classifier"]
    # There states are those after a step, here those before.
    np.testing.assert_allclose(there.scores[:9], here.scores[1:10], rtol=1e-4)
    np.testing.assert_array_equal(there.positive[:9], here.positive[1:10])
    assert there.origins[discriminators.RANDOM][0] == 10


def test_a_method_without_a_discriminator_is_refused():
    method = registry.METHODS["r3l"]["default"].method(toy.point())
    with pytest.raises(UnresetError, match=r"r3l has no discriminator .* environment, novelty"):
        discriminators.discriminators(method)


def test_the_text_by_hand():
    judgement = discriminators.Judgement(
        "success",
        np.array([0.9, 0.6, 0.2, 0.001]),
        np.array([True, False, True, False]),
        {"the policy": (3, 2), "random actions": (1, 0)},
    )
    lines = judgement.text().splitlines()
    assert lines[0] == "4 states, 2 of them success: 3 by the policy (2), 1 by random actions (0)"
    rows = {float(line.split()[0]): line.split()[1:] for line in lines[2:-1]}
    assert rows[0.5] == ["0.500", "0.500", "0.500", "2", "1"]
    assert rows[0.95] == ["nan", "0.000", "0.000", "0", "0"]
    assert rows[0.1005] == ["0.667", "1.000", "0.800", "3", "2", "best", "F1"]
    assert lines[-1] == "average precision 0.833 (by chance 0.500), accuracy at .5 0.500"
