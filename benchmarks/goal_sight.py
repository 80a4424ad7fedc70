"""How soon an encoder sees where a goal's picture says that things shall be.

    python benchmarks/goal_sight.py OUT.csv

Regression of mug from gripper, goal's gripper and goal's mug, from a picture by the gripper's
camera, one of another scene, the goal, from above, and the gripper's position: 16,000 random pairs,
mean absolute errors over 1,000 others in table units.
"""

from __future__ import annotations

import csv
import sys
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from encoders import BATCH, SEED, pictures
from unreset.networks.encoders import Encoder
from unreset.networks.mlp import MLP, Trunk
from unreset.networks.views import Vision
from unreset.tasks.tabletop.tabletop_render import CAMERAS

PAIRS, OTHERS, EVERY, UPDATES, SIZE = 16_000, 1_000, 1_000, 2_000, 32
KEYPOINTS = Vision(image_size=SIZE, patch=4, encoder="keypoints", features=0)
SETTINGS = {
    "tiles of 8": (Vision(image_size=SIZE, patch=8), 1e-3),
    "tiles of 4": (Vision(image_size=SIZE, patch=4), 1e-3),
    "tiles of 4, no bottleneck": (Vision(image_size=SIZE, patch=4, features=0), 1e-3),
    "keypoints of tiles of 4": (KEYPOINTS, 1e-3),
    "keypoints of tiles of 4, step size 2e-3": (KEYPOINTS, 2e-3),
}


class Regressor(nn.Module):
    vision: Vision

    @nn.compact
    def __call__(self, image: jax.Array, gripper: jax.Array) -> jax.Array:
        features = Trunk(self.vision.features)(Encoder(self.vision)(image))
        return MLP((128, 128), 6)(jnp.concatenate([features, gripper], axis=-1))


def pairs(key: jax.Array, number: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Pictures [N, size, size, 6], gripper [N, 2], and what is asked [N, 6]."""
    now, state = pictures(key, number, SIZE, CAMERAS["wrist"])
    goal, wanted = pictures(jax.random.fold_in(key, 7), number, SIZE)
    gripper, mug = state[:, :2], state[:, 2:4]
    asked = jnp.concatenate([mug - gripper, wanted[:, :4]], axis=-1)
    return jnp.concatenate([now, goal], axis=-1), gripper, asked


def measured(vision: Vision, rate: float) -> list[dict[str, float]]:
    key = jax.random.key(SEED)
    images, grippers, asked = pairs(key, PAIRS)
    others, their, wanted = pairs(jax.random.fold_in(key, 2), OTHERS)
    network, optimizer = Regressor(vision), optax.adam(rate)
    params: Any = network.init(key, images[0], grippers[0])
    state = optimizer.init(params)

    @jax.jit
    def taught(params: Any, state: Any, key: jax.Array) -> Any:
        def one(carry: Any, key: jax.Array) -> Any:
            params, state = carry
            at = jax.random.randint(key, (BATCH,), 0, PAIRS)
            gradient = jax.grad(
                lambda p: jnp.mean((network.apply(p, images[at], grippers[at]) - asked[at]) ** 2)
            )(params)
            updates, state = optimizer.update(gradient, state)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(one, (params, state), jax.random.split(key, EVERY))[0]

    found = []
    for number in range(UPDATES // EVERY):
        params, state = taught(params, state, jax.random.fold_in(key, number))
        error = jnp.abs(network.apply(params, others, their) - wanted).mean(axis=0)
        parts = {"mug": error[:2].mean(), "goal_gripper": error[2:4].mean()}
        parts |= {"goal_mug": error[4:].mean()}
        about = {"updates": (number + 1) * EVERY}
        found.append(about | {name: round(float(value), 4) for name, value in parts.items()})
    return found


if __name__ == "__main__":
    rows = []
    for name, (vision, rate) in SETTINGS.items():
        for figures in measured(vision, rate):
            rows.append({"encoder": name, "learning_rate": rate, "seed": SEED} | figures)
            print(rows[-1], flush=True)
    with open(sys.argv[1], "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
