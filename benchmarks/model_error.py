"""A model's errors and calibration as a CSV: ``python benchmarks/model_error.py RUN OUT.csv``.

The figures are those that ``unreset eval RUN --dynamics`` prints.
"""

import csv
import sys

import unreset
from unreset.evaluation.models import LEVELS


def main(folder, path):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["along", "what", "steps ahead or level", "value", "nothing changes"])
        for along, quality in unreset.load(folder).judge_model().items():
            errors = zip(quality.horizons, quality.error, quality.unchanged, strict=True)
            for horizon, error, unchanged in errors:
                writer.writerow([along, "error", horizon, f"{error:.4f}", f"{unchanged:.4f}"])
            for level, share in zip(LEVELS, quality.within, strict=True):
                writer.writerow([along, "within", round(100 * level), f"{share:.3f}", ""])


if __name__ == "__main__":
    main(*sys.argv[1:])
