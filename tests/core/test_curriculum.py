"""Which start VaPRL chooses, and how the candidates are kept."""

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from unreset.goals import curriculum
from unreset.goals.curriculum import Candidates, Curriculum


def candidates(distances, values):
    distances = jnp.asarray(distances, jnp.float32)
    return Candidates(jnp.zeros((len(distances), 1)), distances, jnp.asarray(values)[None])


def test_the_nearest_of_the_states_from_which_the_goal_is_reachable():
    some = candidates([5, 1, 2, 3], [9.0, 3.9, 4.0, 8.0])
    assert int(curriculum.choose(some, 0, 4.0)) == 2
    assert int(curriculum.choose(some, 0, 3.0)) == 1
    assert int(curriculum.choose(some, 0, 9.5)) == 0  # none is: the most valuable


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.floats(-5, 15, width=32, allow_subnormal=False)),
        min_size=1,
        max_size=12,
    ),
    st.floats(-5, 15, width=32, allow_subnormal=False),
)
def test_no_reachable_state_is_nearer_than_the_chosen_one(states, threshold):
    distances, values = map(np.array, zip(*states, strict=True))
    chosen = int(curriculum.choose(candidates(distances, values), 0, threshold))
    reachable = values >= np.float32(threshold)
    if reachable.any():
        assert reachable[chosen] and distances[chosen] == distances[reachable].min()
    else:
        assert values[chosen] == values.max()


def test_a_better_value_function_moves_the_start_towards_the_initial_states():
    distances = np.arange(10)
    starts = [
        distances[
            int(curriculum.choose(candidates(distances, reach * 0.9 ** (9 - distances)), 0, 4))
        ]
        for reach in (5.0, 7.0, 12.0)
    ]
    assert starts == sorted(starts, reverse=True) and starts[0] > starts[-1]


def test_candidates_are_thinned_evenly_and_replay_states_borrow_the_nearest_distance():
    config = Curriculum(demonstration_states=3, replay_states=2)
    seen = jnp.arange(9.0)[:, None]
    fresh = curriculum.fresh(config, seen, 10 * jnp.arange(9.0), 2, 2)
    np.testing.assert_array_equal(fresh.observations[:3, 0], [0, 4, 8])
    np.testing.assert_array_equal(fresh.distances[:3], [0, 40, 80])
    assert fresh.values.shape == (2, 5) and not fresh.values.any()
    recent = jnp.array([[7.5], [1.0]])
    after = curriculum.refresh(fresh, recent, lambda o: o, lambda o: jnp.stack([o[:, 0], -o[:, 0]]))
    np.testing.assert_array_equal(after.observations[:, 0], [0, 4, 8, 7.5, 1.0])
    np.testing.assert_array_equal(after.distances, [0, 40, 80, 80, 0])
    np.testing.assert_array_equal(after.values[1], [0, -4, -8, -7.5, -1.0])
