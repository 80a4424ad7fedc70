"""How well small ensembles learn the tabletop's grip: ``python benchmarks/model_fit.py OUT.csv``.

Models of 5,000 uniformly drawn transitions, in half of which the mug is within reach, after 4,000
updates; a row for each kind of model and seed. ``wrong`` is the share of 2,000 fresh transitions in
which the mean is on the wrong side of "held", ``changed`` the share in which that changes.
"""

import csv
import sys
from functools import partial

import jax
import jax.numpy as jnp

from unreset.models import dynamics
from unreset.models.dynamics import Dynamics, Rows
from unreset.tasks.tabletop import tabletop, tabletop_task

TASK = tabletop_task.tabletop()
TRANSITIONS, FRESH, UPDATES, SEEDS = 5_000, 2_000, 4_000, (0, 1, 2)
KINDS = [
    {"beta": beta, "relative": relative, "octaves": octaves}
    for beta, relative, octaves in (
        (0.0, False, 0),
        (0.0, True, 0),
        (0.0, True, 3),
        (0.5, True, 0),
        (0.5, True, 3),
        (1.0, True, 3),
    )
]


def transitions(key, number):
    """Uniform states, in half of which the mug is near the gripper, and uniform actions."""
    keys = jax.random.split(key, 5)
    gripper = jax.random.uniform(keys[0], (number, 2), minval=-2.8, maxval=2.8)
    near = jax.random.bernoulli(keys[1], 0.5, (number, 1))
    beside = gripper + jax.random.uniform(keys[2], (number, 2), minval=-0.5, maxval=0.5)
    anywhere = jax.random.uniform(keys[2], (number, 2), minval=-2.8, maxval=2.8)
    held = jax.random.bernoulli(keys[3], 0.5, (number,)) & near[:, 0]
    action = jax.random.uniform(keys[4], (number, TASK.action_size), minval=-1.0)
    before = tabletop.State(gripper, jnp.where(near, beside, anywhere), held)
    after = jax.vmap(tabletop.step)(before, action)
    goal = jnp.zeros((number, TASK.goal_size))
    seen = (jax.vmap(tabletop.observe)(state) for state in (before, after))
    observation, following = seen
    unseen = jnp.arange(number) % 10 == 0
    return Rows(observation, action, following, goal, jnp.zeros(number), unseen)


@partial(jax.jit, static_argnums=0)
def wrong(config, seed):
    """Shares of fresh transitions: wrong about the grip, and with a change of it."""
    data_key, fresh_key, key = jax.random.split(jax.random.key(seed), 3)
    rows, fresh = transitions(data_key, TRANSITIONS), transitions(fresh_key, FRESH)

    def one(number, model):
        shape = config.members, config.batch_size
        at = jax.random.randint(jax.random.fold_in(key, number), shape, 0, TRANSITIONS)
        return dynamics.update(config, TASK, model, jax.tree.map(lambda x: x[at], rows))[0]

    model = jax.lax.fori_loop(0, UPDATES, one, dynamics.fresh_model(config, TASK, key))
    chosen = dynamics.elites(config, model)
    steps = fresh.observation, fresh.action, fresh.goal
    found = dynamics.predict(config, TASK, model, chosen, *steps, key, sampled=False)
    held = fresh.next_observation[:, 4]
    missed = jnp.abs(found.observation[:, 4] - held) > 0.5
    return missed.mean(), (held != fresh.observation[:, 4]).mean()


def main(path):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["beta", "relative", "octaves", "seed", "wrong", "changed"])
        for kind in KINDS:
            for seed in SEEDS:
                missed, changed = wrong(Dynamics(**kind), seed)
                writer.writerow([*kind.values(), seed, f"{missed:.4f}", f"{changed:.4f}"])
                file.flush()


if __name__ == "__main__":
    main(sys.argv[1])
