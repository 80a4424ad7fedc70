"""A tabletop model's error one step ahead, by what the grip does: ``... RUN OUT.csv``.

Errors are root mean squares over numbers, in deviations, as ``unreset eval RUN --dynamics`` has
them; ``surprised`` is the share of numbers outside of the predicted interval of 99 %. Means over
the run's seeds; the trajectories are those that the command judges, more of them.
"""

import csv
import sys

import jax
import numpy as np

import unreset
from unreset.evaluation import models
from unreset.models.dynamics import MODEL
from unreset.tasks.tabletop.tabletop_expert import tabletop_demonstrations

EPISODES, FRESH, BOUND = 40, 7, 2.576
HELD = 4  # of the observation: 0 while the mug is held, else -1


def judged(training, seed):
    """Rows (along, grip, steps, error, surprised) of one seed's model."""
    method, task = training.method, training.task
    actor, model = jax.tree.map(
        lambda x: x[seed], (training.actors, training.driver.run.signals[MODEL])
    )
    along = {
        f"the policy, {start} starts": models.episodes(method, task, actor, start, EPISODES, 1)
        for start in ("initial", "wide")
    }
    along["fresh demonstrations"] = tabletop_demonstrations(seed=FRESH)
    deviation = np.asarray(model.inputs.deviation)[: task.observation_size]
    for name, trajectories in along.items():
        steps = models._windows(trajectories, 1, 1)
        seen, action, after = steps.begin, steps.action[:, 0], steps.after[:, 0]
        mean, spread = map(
            np.asarray,
            models._mixture(method.models[MODEL], task, model, seen, action, steps.goal),
        )
        guess = np.asarray(models.dynamics.reached(model, seen, mean))
        error = ((guess - after) / deviation) ** 2
        outside = np.abs(after - seen - mean) > BOUND * spread
        held, holds = seen[:, HELD] > -0.5, after[:, HELD] > -0.5
        kinds = {
            "takes": ~held & holds,
            "lets go": held & ~holds,
            "holds": held & holds,
            "is free": ~held & ~holds,
        }
        for kind, rows in kinds.items():
            if rows.any():
                root = float(np.sqrt(error[rows].mean()))
                yield name, kind, int(rows.sum()), root, float(outside[rows].mean())


def main(folder, path):
    training = unreset.load(folder)._training
    found = {}
    for seed in range(len(training.seeds)):
        for along, kind, *figures in judged(training, seed):
            found.setdefault((along, kind), []).append(figures)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["along", "the grip", "steps", "error", "surprised"])
        for (along, kind), figures in found.items():
            steps, error, surprised = np.array(figures).T
            row = [int(steps.sum()), f"{error.mean():.4f}", f"{surprised.mean():.3f}"]
            writer.writerow([along, kind, *row])


if __name__ == "__main__":
    main(*sys.argv[1:])
