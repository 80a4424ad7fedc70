"""Open-loop replay: exact where nothing changed, and honest about where something did."""

import dataclasses

import numpy as np
import pytest

from unreset.demos.replaying import replay
from unreset.errors import UnresetError


def test_the_script_replays_as_it_was(task, demonstrations):
    for one, replayed in zip(demonstrations, replay(task, demonstrations), strict=True):
        assert replayed.success
        assert replayed.success_at == replayed.steps == len(one.actions)
        assert replayed.start_error == 0
        assert replayed.max_error < 1e-5
        assert replayed.mean_error <= replayed.max_error


def test_errors_by_hand(task, demonstrations):
    one = demonstrations[0]
    observations = one.observations.copy()
    observations[5, 3] += 0.5  # as if recorded elsewhere
    (replayed,) = replay(task, [one._replace(observations=observations)])
    assert replayed.max_error == pytest.approx(0.5, abs=1e-4)
    assert replayed.mean_error == pytest.approx(0.5 / observations.size, rel=1e-2)
    assert replayed.start_error == 0


def test_other_actions_fail(task, demonstrations):
    one = demonstrations[0]
    (replayed,) = replay(task, [one._replace(actions=-one.actions)])
    assert not replayed.success and replayed.success_at is None
    assert replayed.max_error > 1


def test_success_counts_at_any_step(task, demonstrations):
    one = demonstrations[0]
    away = np.tile(np.array([[1.0, 0.0, -1.0]], np.float32), (20, 1))
    longer = one._replace(
        actions=np.vstack([one.actions, away]),
        observations=np.vstack([one.observations, np.tile(one.observations[-1], (20, 1))]),
    )
    (replayed,) = replay(task, [longer])
    assert replayed.success_at == len(one.actions)
    assert replayed.steps == len(one.actions) + 20


def test_the_tasks_score_has_the_last_word(task, demonstrations):
    asked = []

    def score(environment, observation, goal):
        asked.append(environment.unwrapped.score(goal))
        return 0.0, len(asked) == 7

    (replayed,) = replay(dataclasses.replace(task, score=score), demonstrations[:1])
    assert replayed.success_at == 7
    assert len(asked) == replayed.steps
    assert asked[-1] == (1.0, True)  # it was asked about the live environment


def test_what_cannot_be_replayed_is_refused(task, demonstrations):
    off = demonstrations[1]._replace(observations=demonstrations[1].observations + 9)
    with pytest.raises(UnresetError, match="demonstration 1 cannot be replayed: state puts"):
        list(replay(task, [demonstrations[0], off]))
    with pytest.raises(UnresetError, match="tabletop has no Gymnasium environment"):
        list(replay(dataclasses.replace(task, environment=None), demonstrations))
