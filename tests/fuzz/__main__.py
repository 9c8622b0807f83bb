"""Fuzzers by name: ``python -m tests.fuzz NAME [--minutes N] [--inputs N] [--seed N]``; NAME may be ``all``.

It ends after so many minutes or inputs. A failure is raised with its input, and the seed of the run repeats it.
"""

from __future__ import annotations

import argparse
import sys
import time
from random import Random

from tests.fuzz.attempt import Attempt
from tests.fuzz.targets import TARGETS


def fuzz(name: str, *, seconds: float, inputs: int, seed: int) -> int:
    """Try inputs of one target for so long, or so many; returns how many were tried. Raises what the target raises."""
    with TARGETS[name]() as attempt:
        return tries(attempt, seconds=seconds, inputs=inputs, seed=seed)


def tries(attempt: Attempt, *, seconds: float, inputs: int, seed: int) -> int:
    """As ``fuzz``, with what was set up already."""
    random = Random(seed)
    until = time.monotonic() + seconds
    tried = 0
    while tried < inputs and time.monotonic() < until:
        tried += attempt(random)
    return tried


def main(arguments: list[str]) -> None:
    """Run the named targets, each for its share of the time."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("name", choices=[*TARGETS, "all"])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--inputs", type=int, default=10**9)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    names = list(TARGETS) if options.name == "all" else [options.name]
    for name in names:
        began = time.monotonic()
        seconds = options.minutes * 60 / len(names)
        tried = fuzz(name, seconds=seconds, inputs=options.inputs, seed=options.seed)
        sys.stdout.write(
            f"{name}: {tried:,} inputs in {time.monotonic() - began:.0f} s, no fault\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
