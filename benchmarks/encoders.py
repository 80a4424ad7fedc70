"""How soon an encoder sees where things are: regression of the tabletop's state from pictures.

    python benchmarks/encoders.py OUT.csv

Each encoder, with the learner's bottleneck and two layers of 128, learns gripper, mug and grip from
16,000 random pictures of the camera above; errors are means over 500 others, in table units.
"""

from __future__ import annotations

import csv
import sys
import time
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from unreset.networks.encoders import Encoder
from unreset.networks.mlp import MLP, Trunk
from unreset.networks.views import Vision, augment
from unreset.tasks.tabletop.tabletop_render import look

PICTURES, BATCH, UPDATES, SEED = 16_000, 128, 4_000, 0
SETTINGS = {
    "tiles of 6": (Vision(patch=6), 1e-3),
    "tiles of 6, shifts of 2": (Vision(patch=6, shift=2), 1e-3),
    "tiles of 6, slower": (Vision(patch=6), 3e-4),
    "tiles of 4": (Vision(image_size=32, patch=4), 1e-3),
}


class Regressor(nn.Module):
    vision: Vision

    @nn.compact
    def __call__(self, image: jax.Array) -> jax.Array:
        features = Encoder(self.vision)(image)
        return MLP((128, 128), 5)(Trunk(self.vision.features)(features))


def pictures(
    key: jax.Array, number: int, size: int, look: Any = look
) -> tuple[jax.Array, jax.Array]:
    """Pictures of random scenes, in four of ten of which the mug is held, and their states [5]."""
    where = jax.random.uniform(key, (number, 4), minval=-2.8, maxval=2.8)
    held = jax.random.bernoulli(jax.random.fold_in(key, 1), 0.4, (number,))[:, None]
    mug = jnp.where(held, where[:, :2] + 0.1, where[:, 2:])
    flag = jnp.where(held, 0.0, -1.0)
    state = jnp.concatenate([where[:, :2], mug, flag, flag], axis=-1)
    return jax.lax.map(lambda one: look(one, size), state, batch_size=500), state[:, :5]


def measured(vision: Vision, rate: float) -> dict[str, float]:
    key = jax.random.key(SEED)
    images, states = pictures(key, PICTURES, vision.image_size)
    others, wanted = pictures(jax.random.fold_in(key, 2), 500, vision.image_size)
    network, optimizer = Regressor(vision), optax.adam(rate)
    params: Any = network.init(key, images[0])

    @jax.jit
    def step(params: Any, state: Any, images: jax.Array, states: jax.Array, number: int) -> Any:
        draw, vary = jax.random.split(jax.random.fold_in(key, number))
        rows = jax.random.randint(draw, (BATCH,), 0, PICTURES)
        seen = augment(vision, images[rows], vary)
        loss, gradient = jax.value_and_grad(
            lambda p: jnp.mean((network.apply(p, seen) - states[rows]) ** 2)
        )(params)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, updates), state, loss

    state = optimizer.init(params)
    params, state, _ = step(params, state, images, states, 0)
    began = time.monotonic()
    for number in range(1, UPDATES):
        params, state, loss = step(params, state, images, states, number)
    loss.block_until_ready()
    took = (time.monotonic() - began) / UPDATES
    error = jnp.abs(network.apply(params, others) - wanted).mean(axis=0)
    parts = {"gripper": error[:2].mean(), "mug": error[2:4].mean(), "grip": error[4]}
    return {name: round(float(v), 4) for name, v in parts.items()} | {"ms": round(1e3 * took, 2)}


if __name__ == "__main__":
    rows = []
    for name, (vision, rate) in SETTINGS.items():
        about = {"encoder": name, "image_size": vision.image_size, "learning_rate": rate}
        rows.append(about | {"seed": SEED, "updates": UPDATES} | measured(vision, rate))
        print(rows[-1], flush=True)
    with open(sys.argv[1], "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
