"""What a model costs: ``python benchmarks/model_cost.py OUT.csv``.

``medal``, ``medal`` with 16 updates a step, ``mbarl``, and ``mbarl`` whose model is never updated
take turns of 100 steps on the tabletop, one seed each; a row for each turn, since shared machines
drift: compare within turns.
"""

import csv
import dataclasses
import sys
import time

from unreset import registry
from unreset.demos import store
from unreset.drivers.fused import Fused
from unreset.methods.mbarl import Mbarl
from unreset.methods.medal import Medal

TURNS, STEPS, SEED = 9, 100, 0
CONTENDERS = {
    "medal": Medal(),
    "medal, 16 updates": Medal(practice=dataclasses.replace(Medal().practice, updates_per_step=16)),
    "mbarl": Mbarl(),
    "mbarl, model never updated": Mbarl(model=dataclasses.replace(Mbarl().model, interval=10**9)),
}


def main(path):
    task = registry.task("tabletop")
    rows, last = store.pinned_rows(task.demonstrations(seed=0), task)
    drivers = {
        name: Fused(registry.method(settings, task), task, [SEED], rows, last, 20_000)
        for name, settings in CONTENDERS.items()
    }
    for driver in drivers.values():
        driver.advance(0, STEPS)  # compiles
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["turn", *(f"{name}: ms a step" for name in drivers)])
        for turn in range(TURNS):
            took = []
            for driver in drivers.values():
                began, done = time.perf_counter(), driver.done
                driver.advance(done, done + STEPS)
                took.append(f"{1000 * (time.perf_counter() - began) / STEPS:.2f}")
            writer.writerow([turn, *took])
            file.flush()


if __name__ == "__main__":
    main(sys.argv[1])
