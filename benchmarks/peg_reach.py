"""From where the scripted expert inserts the peg: ``python benchmarks/peg_reach.py OUT.csv``.

The peg lies with its head at each place of a grid, the hand begins at home; three tries each. A row
for each place: successes, and what ``stuck`` says.
"""

import contextlib
import csv
import sys

import numpy as np

from unreset.tasks.sawyer import sawyer_peg
from unreset.tasks.sawyer.sawyer_experts import Lost, SawyerHand, insert_peg

TRIES, SEED = 3, 0
XS = (-0.1, 0.0, 0.1, 0.25, 0.4)
YS = (
    0.3,
    0.33,
    0.36,
    0.375,
    0.38,
    0.385,
    0.39,
    0.4,
    0.5,
    0.6,
    0.7,
    0.8,
    0.84,
    0.88,
    0.92,
    0.96,
    1.0,
)


def main(path):
    env, generator = sawyer_peg.SawyerPegEnv(), np.random.default_rng(SEED)
    env.reset(seed=SEED)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["x", "y", "tries", "inserted", "stuck"])
        for y in YS:
            for x in XS:
                inserted = 0
                for _ in range(TRIES):
                    state = env.reset(options={"start": "initial"})[0]["observation"]
                    state[4:7] = x, y, sawyer_peg.HEIGHT
                    env.reset(options={"state": state})
                    hand = SawyerHand(env, generator, env.goals[0])
                    with contextlib.suppress(Lost):
                        insert_peg(hand)
                    inserted += hand.success
                writer.writerow([x, y, TRIES, inserted, int(sawyer_peg.stuck(state))])


if __name__ == "__main__":
    main(sys.argv[1])
