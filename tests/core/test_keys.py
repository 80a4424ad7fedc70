"""Every purpose draws from random bits of its own: what runs draw, key by key."""

import collections
import dataclasses
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset import registry
from unreset.core import practice, teaching
from unreset.core.context import Context
from unreset.core.keys import stream
from unreset.demos import store
from unreset.runs.configured import with_sight

TOY = toy.point()
DRAWS = ("uniform", "normal", "randint", "permutation", "categorical", "exponential", "bits")


@pytest.fixture
def drawn(monkeypatch):
    """Where in the code something was drawn, by the key that it was drawn from."""
    seen = collections.defaultdict(list)

    def spy(name):
        plain = getattr(jax.random, name)

        def spied(key, *rest, **named):
            frame, raw = sys._getframe(1), key
            where = f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"
            if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
                raw = jax.random.key_data(key)
            jax.debug.callback(lambda one: seen[np.asarray(one).tobytes()].append(where), raw)
            return plain(key, *rest, **named)

        return spied

    for name in DRAWS:
        monkeypatch.setattr(jax.random, name, spy(name))
    # By this networks are initialised.
    monkeypatch.setattr("jax._src.random.truncated_normal", spy("truncated_normal"))
    return seen


def test_a_name_is_a_key_that_no_number_gives():
    key = jax.random.key(3)
    assert (
        jax.random.key_data(jax.random.fold_in(key, 2)) == key_of(jax.random.split(key, 4)[2])
    ).all()
    for name in ("views", "pairs", "encoder"):
        number = int(np.log2(2**31))
        assert number == 31
        folded = {key_of(jax.random.fold_in(key, n)).tobytes() for n in range(1000)}
        assert key_of(stream(key, name)).tobytes() not in folded
    assert (key_of(stream(key, "a")) != key_of(stream(key, "b"))).any()


def key_of(key):
    return np.asarray(jax.random.key_data(key))


def test_the_first_reset_has_a_key_of_its_own():
    given = []

    def reset(key, start="initial"):
        jax.debug.callback(lambda raw: given.append(raw.tobytes()), jax.random.key_data(key))
        return toy.reset(key, start)

    task = dataclasses.replace(TOY, reset=reset)
    toy.fused(registry.method(toy.tiny(registry.settings("naive")), task), task, (7,))
    jax.effects_barrier()
    assert given and key_of(jax.random.key(7)).tobytes() not in given  # which the run is split from


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "preset", "changes"),
    [
        ("medal", "default", {}),
        ("mbarl", "explore", {}),
        ("mbarl", "mpc", {}),
        ("medalpp", "default", {}),
        ("paint", "safety", {"switch": "confidence"}),
        ("vaprl", "default", {}),
        ("multitask", "default", {}),
        ("bc", "default", {}),
    ],
)
def test_nothing_is_drawn_twice_from_one_key(drawn, method, preset, changes):
    settings = toy.tiny(registry.settings(method, preset), reset_every=3, **changes)
    made = registry.method(settings, TOY)
    given, task = with_sight(toy.demonstrations(), TOY, made)
    rows, last = store.pinned_rows(given, task)
    run = jax.jit(lambda key: practice.init(made, task, key, rows, last, 60))(jax.random.key(5))
    cloned = made.learner.cloner() is not None
    if cloned:
        two = dataclasses.replace(made.practice, cloning_updates=2)
        cloning = dataclasses.replace(made, practice=two)
        run = jax.jit(lambda run: teaching.clone(Context(cloning, task), run))(run)

    @jax.jit
    def step(run, number):
        if made.practice.offline:
            return practice.study(made, task, run, number)
        seen = jnp.full(task.observation_size, 0.1 * number)
        frames = {name: task.look(seen, 16)[name] for name in made.watched.looking(task)}
        action = practice.act(made, task, practice.view(made, run), seen, number, frames)
        transition = practice.observed(
            task, run.phase, seen, action, seen + 0.1, frames=frames, next_frames=frames
        )
        run, _ = practice.advance(made, task, run, transition, number)
        task.reset(practice.reset_key(run, number), "wide")
        return run

    for number in range(8):
        run = step(run, jnp.int32(number))
    jax.effects_barrier()
    assert len(drawn) > 50
    twice = {tuple(sorted(where)) for where in drawn.values() if len(where) > 1}
    # Whether a phase may be left early is drawn once for the phase, by each of its steps.
    assert {
        where for where in twice if {one.split(":")[0] for one in where} != {"confidence.py"}
    } == set()
