"""How far apart honest sides are when the timed network is asked after a trial, and whether the check would refuse them.

    python3 benchmarks/honest_replays.py lenet tf:graph mxnet:hybrid [--replays 45]

Starts one worker of each side, as a trial does, trains two blocks, and asks it again and again, each time on other batches (what
a comparison asks in its trials). Printed for each kind of array: the largest difference of how far, and of whereto, each
parameter was moved, and how many replays `analysis/same_work/after.py` finds to be other work. No side cheats, so that should be
few: a comparison asks again on other batches, and refuses only where three replays in a row are.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from dlprof.analysis.same_work import after
from dlprof.api.options import RunOptions
from dlprof.api.record import Bench
from dlprof.capture.workers.worker import Worker
from dlprof.workload import Workload


class Silent:
    """A progress display that shows nothing."""

    def stage(self, text: str) -> None: ...
    def detail(self, text: str) -> None: ...
    def say(self, text: str) -> None: ...
    def plan(self, stages: object) -> None: ...
    def expect(self, seconds: float) -> None: ...


def answers(workload: str, side: str, replays: int, scratch: Path) -> tuple[Workload, list[after.Answer]]:
    """What a worker of the side (tf:graph) answers to so many checks after two blocks of training."""
    framework, _, mode = side.partition(":")
    options = RunOptions(
        workload=workload, preset=None, settings={}, epochs=None, device="cpu", mode=mode or None, seed=0, python=None,
        data=None, threads=None, max_steps=None, timeout_s=600,
    )  # fmt: skip
    bench = Bench(options, Silent(), scratch)
    place = bench.side(framework)
    resolved = options.resolve(place.framework.name)
    if resolved.kind != "network":
        raise SystemExit(
            f"{workload} has no network to train: this asks workloads of kind network alone, such as lenet and mlp"
        )
    request = bench.request(place, resolved, bench.inputs(resolved, 1), task="serve")
    with Worker(bench.environment(place), request, scratch / "worker", 600) as worker:
        worker.run("train_block", 2)
        steps = worker.trained
        found = [after.Answer(*worker.recheck(1000 * (number + 1), steps)) for number in range(replays)]
    return resolved, found


def apart(a: after.Answer, b: after.Answer, kind: str) -> tuple[float, float]:
    """Largest relative difference, over the parameters, of how far and of whereto the weights were moved."""
    found = [(0.0, 0.0)]
    for name in a.arrays:
        if name.startswith(f"{kind}/"):
            x, y = (np.asarray(one.arrays[name], np.float64) for one in (a, b))
            norms = float(np.linalg.norm(x)), float(np.linalg.norm(y))
            found.append(
                (abs(norms[0] - norms[1]) / max(*norms, 1e-300), float(np.linalg.norm(x - y)) / max(norms[0], 1e-300))
            )
    return max(one[0] for one in found), max(one[1] for one in found)


def main() -> None:
    """Asks both sides and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload")
    parser.add_argument("sides", nargs=2)
    parser.add_argument("--replays", type=int, default=45)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dlprof-replays-") as folder:
        asked = []
        for letter, side in zip("ab", given.sides, strict=True):
            (scratch := Path(folder) / letter).mkdir()
            asked.append(answers(given.workload, side, given.replays, scratch))
    workloads = {letter: workload for letter, (workload, _) in zip("ab", asked, strict=True)}
    pairs = list(zip(asked[0][1], asked[1][1], strict=True))
    print(f"{given.workload}, {' against '.join(given.sides)}, {len(pairs)} replays")
    for kind, moves in after.MOVES.items():
        gaps = np.array([apart(a, b, kind) for a, b in pairs])
        print(
            f"{moves.what}: as far to {gaps[:, 0].max():.2g} (median {np.median(gaps[:, 0]):.2g}), "
            f"the same way to {gaps[:, 1].max():.2g} (median {np.median(gaps[:, 1]):.2g})"
        )
    checked = [after.check(a, b, workloads) for a, b in pairs]
    refused = [found for found in checked if any(one["blocks"] == "yes" for one in found)]
    print(f"refused: {len(refused)}" + "".join(f"\n  {one['sentence']}" for found in refused for one in found))


if __name__ == "__main__":
    main()
