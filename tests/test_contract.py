"""What every method keeps: finite, the same from the same seed, whoever turns the crank."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset import registry
from unreset.core import practice
from unreset.demos import store
from unreset.drivers import fused
from unreset.drivers.live import Live
from unreset.evaluation import deployed
from unreset.runs.configured import with_sight
from unreset.tasks.tabletop.tabletop_task import tabletop

EVERY = [(name, preset) for name, presets in registry.METHODS.items() for preset in presets]
# Presets that do something else than the default one, or do it another way.
OTHER = [
    ("medal", "paper"),
    ("r3l", "paper"),
    ("vaprl", "paper"),
    ("qwale", "gail_sa"),
    ("paint", "safety"),
    ("mbarl", "explore"),
    ("mbarl", "mpc"),
]
RUN = [(name, "default") for name in registry.METHODS] + OTHER
TOY, TABLETOP = toy.point(), tabletop()
SEEDS = (4, 9)


class Practised:
    """Two seeds of one method on the toy task, compiled once, started over at will."""

    def __init__(self, name, preset):
        self.method = registry.method(toy.tiny(registry.METHODS[name][preset]), TOY)
        self.driver = toy.fused(self.method, TOY, SEEDS)
        self.task = with_sight(toy.demonstrations(), TOY, self.method)[1]
        self._first = jax.tree.map(jnp.copy, self.driver.carry)
        # Else a loaded run, whose leaves are strongly typed, would be another program.
        assert not [x for x in jax.tree.leaves(self._first) if getattr(x, "weak_type", False)]

    def __call__(self, *stops):
        self.driver.carry = jax.tree.map(jnp.copy, self._first)
        for start, stop in zip((0, *stops), stops, strict=False):
            self.driver.advance(start, stop)
        return self.driver.carry


@pytest.mark.slow
@pytest.mark.parametrize(("name", "preset"), [pair for pair in EVERY if pair not in RUN])
def test_a_step_of_the_other_presets_can_be_traced(name, preset):
    method = registry.method(toy.tiny(registry.METHODS[name][preset]), TOY)
    given, task = with_sight(toy.demonstrations(), TOY, method)
    rows, last = store.pinned_rows(given, task)

    def begin(key):
        return fused.Carry(practice.init(method, task, key, rows, last, 600), TOY.reset(key))

    before = jax.eval_shape(begin, jax.random.key(0))
    step = partial(fused.step, method, task, "initial")
    after = jax.eval_shape(step, before, jax.ShapeDtypeStruct((), jnp.int32))
    kinds = (jax.tree.map(lambda x: (x.shape, x.dtype), run) for run in (before, after))
    assert next(kinds) == next(kinds)


@pytest.fixture(scope="module", params=RUN, ids="-".join)
def practised(request):
    return Practised(*request.param)


def finite(tree):
    leaves = [x for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, jnp.floating)]
    return bool(leaves) and all(np.isfinite(np.asarray(leaf)).all() for leaf in leaves)


@pytest.mark.slow
def test_three_hundred_steps_are_finite_and_teach_every_learner(practised):
    run = practised(300).run
    assert finite(run)
    practice = practised.method.practice
    taught = (300 - practice.seed_steps) * practice.updates_per_step
    np.testing.assert_array_equal(np.asarray(run.learners.updates).sum(axis=1), taught)
    assert (np.asarray(run.learners.updates) > 0).all()
    assert (np.asarray(run.ledger.phases).sum(axis=0) > 0).all() != practice.offline


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_however_the_steps_are_cut(practised):
    whole = toy.leaf_bytes(practised(60))
    assert toy.leaf_bytes(practised(60)) == whole
    assert toy.leaf_bytes(practised(23, 24, 60)) == whole
    assert practised.driver._chunk._cache_size() == 1  # compiled once for all of that


@pytest.mark.slow
def test_different_seeds_differ(practised):
    run = practised(60).run
    for leaf in jax.tree.leaves(jax.tree.map(lambda x: x[0] != x[1], run.learners.actor)):
        assert leaf.any()
    if practised.method.practice.offline:
        return
    actions = np.asarray(run.replay.rows.action)[:, run.replay.pinned :][:, :60]
    acted = actions.any(axis=(0, 2))  # rows of a phase's last observation hold no action
    assert acted.sum() > 50
    assert (actions[:, acted][0] != actions[:, acted][1]).all()


@pytest.mark.slow
def test_evaluation_changes_nothing(practised):
    before = toy.leaf_bytes(practised(30))
    actor = jax.tree.map(lambda x: x[0, 0], practised.driver.carry.run.learners.average)
    evaluate = jax.jit(partial(deployed.evaluate, practised.method, practised.task))
    first, second = evaluate(actor), evaluate(actor)
    assert toy.leaf_bytes(first) == toy.leaf_bytes(second)
    assert toy.leaf_bytes(practised.driver.carry) == before


ALONE = [("medal", "default"), ("medal", "paper"), ("fbrl", "default")]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "preset"), ALONE)
def test_seeds_together_equal_seeds_alone(name, preset):
    together = Practised(name, preset)(60).run
    method = toy.tiny(registry.METHODS[name][preset]).method(TOY)
    driver = toy.fused(method, TOY, SEEDS[1:])
    driver.advance(0, 60)
    second = jax.tree.map(lambda x: x[1:], together)
    assert_same_history(second, driver.carry.run)
    for one, other in zip(
        *(jax.tree.leaves(run.learners.actor) for run in (second, driver.carry.run)), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-4)


def assert_same_history(one, other):
    """The same seed's rows: who acted where for what, up to rounding."""
    np.testing.assert_array_equal(one.replay.written, other.replay.written)
    for name in ("role", "source", "end", "segment", "success"):
        columns = [getattr(run.replay.rows, name) for run in (one, other)]
        np.testing.assert_array_equal(*columns, err_msg=name)
    for name in ("observation", "action", "goal", "reward"):
        columns = [getattr(run.replay.rows, name) for run in (one, other)]
        np.testing.assert_allclose(*columns, atol=1e-4, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["medal", "fbrl", "vaprl", "r3l", "multitask"])
def test_both_drivers_agree_on_the_tabletop(name):
    settings = toy.tiny(registry.METHODS[name]["default"], phase_length=40, reset_every=130)
    method, trajectories = settings.method(TABLETOP), toy.noise_demonstrations(TABLETOP)
    compiled = toy.fused(method, TABLETOP, (5,), trajectories)
    rows, last = store.pinned_rows(trajectories, TABLETOP)
    live = Live(method, TABLETOP, (5,), rows, last, 600)
    compiled.advance(0, 300)
    live.advance(0, 120)
    live.advance(120, 300)
    assert_same_history(compiled.carry.run, live.carry.run)
    assert finite(compiled.carry.run)
    ledger = compiled.carry.run.ledger
    assert int(ledger.hard_resets[0]) == 3
    assert int(ledger.phases.sum()) >= 7
    assert toy.leaf_bytes(ledger) == toy.leaf_bytes(live.carry.run.ledger)
    phase = compiled.carry.run.phase
    assert toy.leaf_bytes(phase) == toy.leaf_bytes(live.carry.run.phase)
