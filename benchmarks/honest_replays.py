"""How far apart honest sides are when the timed network is asked after a trial, and whether the check would refuse them.

    python3 benchmarks/honest_replays.py lenet tf:graph mxnet:hybrid [--replays 45] [--into docs/same-work.md]

Starts one worker of each side, as a trial does, and again and again trains some blocks and asks it, each time on other batches
(what a comparison asks in its trials). Printed for each kind of array: the largest difference of how far, and of whereto, any
parameter was moved; how far blocks lead elsewhere than their steps do one by one; how long a check takes; and how many replays
`analysis/same_work/after.py` finds to be other work. No side cheats, so that should be few: a comparison asks again on other
batches, and refuses only where three replays in a row are.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import marked
import numpy as np
from numpy.typing import NDArray

from dlprof.analysis.same_work import after, blocks, moves, parity
from dlprof.api.options import RunOptions
from dlprof.api.record import Bench
from dlprof.capture.workers.worker import Worker
from dlprof.workload import Workload

BEGIN, END = "<!-- honest replays: begin -->", "<!-- honest replays: end -->"
BURST = 3  # blocks at a time, as in a trial's rounds
KINDS = (*moves.MOVES, "run/last", "replay/still")


class Silent:
    """A progress display that shows nothing."""

    def stage(self, text: str) -> None: ...
    def detail(self, text: str) -> None: ...
    def say(self, text: str) -> None: ...
    def plan(self, stages: object) -> None: ...
    def expect(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class Asked:
    """What a worker answered.

    before: arrays made before the training
    answers: to each check
    seconds: that each check took
    """

    workload: Workload
    before: Mapping[str, NDArray[Any]]
    answers: Sequence[after.Answer]
    seconds: Sequence[float]


def asked(given: argparse.Namespace, side: str, scratch: Path, first: Asked | None) -> Asked:
    """What a worker of the side (tf:graph) answers to checks, each after some blocks of training. first: the other side's."""
    framework, _, mode = side.partition(":")
    options = RunOptions(
        workload=given.workload, preset=None, settings={}, epochs=None, device="cpu", mode=mode or None, seed=0, python=None,
        data=None, threads=given.threads, max_steps=None, timeout_s=600,
    )  # fmt: skip
    bench = Bench(options, Silent(), scratch)
    place = bench.side(framework)
    resolved = options.resolve(place.framework.name)
    if resolved.kind != "network":
        raise SystemExit(
            f"{given.workload} has no network to train: this asks workloads of kind network alone, such as lenet and mlp"
        )
    request = bench.request(place, resolved, bench.inputs(resolved, 1), task="serve")
    found, seconds = [], []
    with Worker(bench.environment(place), request, scratch / "worker", 600) as worker:
        before = worker.parity()
        scales = after.scales(first.before if first else before)
        for number in range(given.replays):
            for done in range(0, given.blocks, BURST):
                worker.run("train_block", min(BURST, given.blocks - done), timed=True)
            began = time.perf_counter()
            found.append(after.Answer(*worker.recheck(1000 * (number + 1), worker.trained, scales)))
            seconds.append(time.perf_counter() - began)
    return Asked(resolved, before, found, seconds)


@dataclass(frozen=True)
class Apart:
    """How far honest sides are apart in all replays: of each the parameter that is the furthest.

    distance, direction: largest, then median, of `moves.Gap`'s values of the same name
    """

    distance: tuple[float, float]
    direction: tuple[float, float]


def apart(kind: str, pairs: Sequence[tuple[after.Answer, after.Answer]]) -> Apart:
    """The movements that a kind of array tells of."""
    gaps = [
        [moves.gap(name, a.arrays, b.arrays) for name in moves.parameters(a.arrays, b.arrays, kind)] for a, b in pairs
    ]
    far, whereto = (
        np.array([max(getattr(gap, which) for gap in found) for found in gaps]) for which in ("distance", "direction")
    )
    return Apart((far.max(), float(np.median(far))), (whereto.max(), float(np.median(whereto))))


def in_blocks(answers: Sequence[after.Answer]) -> float:
    """How far blocks of a side lead elsewhere than their steps do one by one, at most, in parts of the way."""
    return max(gap for answer in answers for _, gap, _ in blocks.apart(answer.arrays))


def into(document: Path, row: str) -> None:
    """The row in the document's table, in place of an earlier one of the same sides and blocks, or as its last."""
    kept = document.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    rows = [row if _which(line) == _which(row) else line for line in kept]
    marked.put(document, BEGIN, END, "\n".join(rows if row in rows else [*rows, row]))


def _which(row: str) -> tuple[str, str]:
    """Whom a row of the table is of: the sides, and the blocks before each check."""
    cells = row.split("|")
    return cells[1], cells[7].partition(" after ")[2]


def main() -> None:
    """Asks both sides and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload")
    parser.add_argument("sides", nargs=2)
    parser.add_argument("--replays", type=int, default=45)
    parser.add_argument("--into", type=Path, help="a document in whose table the sides get a row")
    parser.add_argument("--threads", type=int, help="of each side; else as the frameworks choose")
    parser.add_argument("--blocks", type=int, default=10, help="of training before each check")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dlprof-replays-") as folder:
        sides: list[Asked] = []
        for letter, side in zip("ab", given.sides, strict=True):
            (scratch := Path(folder) / letter).mkdir()
            sides.append(asked(given, side, scratch, sides[0] if sides else None))
    workloads = dict(zip("ab", (side.workload for side in sides), strict=True))
    pairs = list(zip(*(side.answers for side in sides), strict=True))
    print(f"{given.workload}, {' against '.join(given.sides)}, {len(pairs)} replays after {given.blocks} blocks each")
    found = {kind: apart(kind, pairs) for kind in KINDS}
    for kind, one in found.items():
        print(
            f"{kind}: as far to {one.distance[0]:.2g} (median {one.distance[1]:.2g}), "
            f"the same way to {one.direction[0]:.2g} (median {one.direction[1]:.2g})"
        )
    for side, one in zip(given.sides, sides, strict=True):
        shares = [share for answer in one.answers for share in (*answer.saved.values(), *answer.deferred.values())]
        saved = max(share or 0.0 for answer in one.answers for share in answer.saved.values())
        print(
            f"{side}: {np.median(one.seconds):.2f} s a check; known images save {saved:.0%} of the passes at most; blocks and "
            f"their steps {in_blocks(one.answers):.2g} apart at most; not settled: {sum(share is None for share in shares)}"
        )
    refused = [blocked for a, b in pairs if (blocked := parity.blocking(after.check(a, b, workloads)))]
    print(f"refused: {len(refused)}" + "".join(f"\n  {one['sentence']}" for blocked in refused for one in blocked))
    if given.into:
        apart_in_blocks = max(in_blocks(one.answers) for one in sides)
        into(given.into, table_row(given, found, apart_in_blocks, len(refused)))


def table_row(given: argparse.Namespace, found: Mapping[str, Apart], apart_in_blocks: float, refused: int) -> str:
    """The row of the table in docs/same-work.md: sides, replays, the largest differences of each kind, refused."""
    known, bright = (found[kind] for kind in ("replay/moved", "replay/bright"))
    cells = (
        f"`{given.workload} {' '.join(given.sides)}`",
        f"{given.replays}",
        f"{known.distance[0]:.1g}, {known.direction[0]:.1g}",
        f"{found['replay/one'].direction[0]:.1g}",
        f"{found['replay/given'].direction[0]:.1g}",
        f"{bright.distance[0]:.1g}, {bright.direction[0]:.1g}",
        f"{found['run/last'].distance[0]:.1g} after {given.blocks}",
        f"{apart_in_blocks:.1g}",
        f"{refused}",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
