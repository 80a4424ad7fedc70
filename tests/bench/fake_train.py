"""Stands for ``unreset``: writes run folders in no time, and can fail, wait for others, or hang.

FAKE_TEMPLATES names a folder with a configuration for each method; ``oracle`` fails; FAKE_TOGETHER
makes each run wait until so many have begun; FAKE_HANG makes it wait for SIGTERM and save then.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path


def main(words):
    if words[0] == "resume":
        folder = Path(words[1])
        config = json.loads((folder / "config.json").read_text())
        if "--steps" in words:
            config["steps"] = int(words[words.index("--steps") + 1])
    else:
        given = {name: words[words.index(name) + 1] for name in ("--seed", "--seeds", "--steps")}
        folder = Path(words[words.index("--out") + 1])
        template = Path(os.environ["FAKE_TEMPLATES"]) / f"{words[1]}.json"
        config = json.loads(template.read_text()) | {"task": words[2]}
        config |= {name.strip("-"): int(value) for name, value in given.items()}
        folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    if words[1] == "oracle":
        print("some words before")
        sys.exit("unreset: no oracle today")
    if "FAKE_TOGETHER" in os.environ:
        together(int(os.environ["FAKE_TOGETHER"]), folder.parent / "begun")
    if "FAKE_HANG" in os.environ:
        hang(folder, config)
    save(folder, config, config["steps"])


def together(number, place):
    place.mkdir(exist_ok=True)
    (place / str(os.getpid())).write_text(" ".join(map(str, os.sched_getaffinity(0))))
    until = time.monotonic() + 20
    while len(list(place.iterdir())) < number:
        assert time.monotonic() < until, "the others did not begin"
        time.sleep(0.02)


def hang(folder, config):
    def stop(*_):
        save(folder, config, config["steps"] // 2)
        sys.exit(130)

    signal.signal(signal.SIGTERM, stop)
    (folder / "hangs").touch()
    time.sleep(30)


def save(folder, config, steps):
    seeds = range(config["seed"], config["seed"] + config["seeds"])
    lines = ["seed,env_steps,success,wide_success,wall_seconds"]
    lines += [f"{seed},{steps},0.5,0.25,{steps / 10}" for seed in seeds]
    (folder / "eval.csv").write_text("\n".join(lines) + "\n")
    facts = {"env_steps": steps, "seeds": list(seeds), "hard_resets": [1 for _ in seeds]}
    (folder / "summary.json").write_text(json.dumps(facts | {"peak_memory_mb": 100.0}))


main(sys.argv[1:])
