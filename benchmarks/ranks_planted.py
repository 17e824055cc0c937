"""Real ranks with one planted fault: whether `dlprof ranks` names it, and whether its size lies in the interval.

    python3 benchmarks/ranks_planted.py record TORCH_PYTHON --times 3
    python3 benchmarks/ranks_planted.py report --into docs/guides/ranks.md

Each recording is the job of the tests (tests/integration/ranks_job.py): PyTorch with gloo, four processes, each traced by its own
profiler, twelve steps. Planted is one of

- slow-rank: rank 2 sleeps 30 ms in its forward pass
- slow-input: rank 1 waits 30 ms for its batch
- pinned: rank 3 is kept on one processor, beside as many processes as there are ranks, always busy there (on two processors a
  single one takes no more from rank 3 than the other ranks take from each other)
- slow-collective: an all-reduce of 16 MiB that all enter at the same time

Named: that rank is the first straggler and persists, in the right part; of the collective: it has the greatest share of the
critical path after its last arrival, and no rank persists. Sized, where the size is known: the interval reaches 30 ms from
below, and begins no more than a tenth above, for a sleep lasts longer than it was asked to.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from marked import put

BEGIN, END = "<!-- planted: begin -->", "<!-- planted: end -->"
KEPT = Path(__file__).parent / "data" / "ranks_planted.json"
JOB = Path(__file__).parents[1] / "tests" / "integration" / "ranks_job.py"
WORLD = 4
SLEEP_NS = 30e6
FAULTS: dict[str, tuple[int | None, tuple[str, ...]]] = {
    "slow-rank": (2, ("host",)),
    "slow-input": (1, ("input",)),
    "pinned": (3, ("compute", "host")),
    "slow-collective": (None, ()),
}
"""Fault → the rank at fault, and the parts in which it may show."""


def record(python: str, fault: str, folder: Path) -> None:
    """One job with a fault, its traces in folder/traces."""
    (folder / "traces").mkdir()
    words = [str(JOB), "{rank}", str(WORLD), str(folder / "store"), str(folder / "traces"), fault]
    spin = "import os; os.sched_setaffinity(0, {0})\nwhile True: pass"
    busy = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(WORLD if fault == "pinned" else 0)]
    try:
        ranks = [
            subprocess.Popen([python, *(word.format(rank=rank) for word in words)], stderr=subprocess.DEVNULL)
            for rank in range(WORLD)
        ]
        if busy:
            os.sched_setaffinity(ranks[3].pid, {0})
        codes = [rank.wait(timeout=300) for rank in ranks]
    finally:
        for one in busy:
            one.kill()
            one.wait()
    if any(codes):
        raise SystemExit(f"{fault}: a rank ended with {codes}")


def judged(fault: str, folder: Path) -> dict[str, Any]:
    """What dlprof says of a recording, and whether that is what was planted."""
    from dlprof.api.ranks.build import build
    from dlprof.api.ranks.read import analyse

    build(folder / "traces", folder / "set", jobs=1)
    found = analyse(folder / "set")
    rank, parts = FAULTS[fault]
    said = [
        {"rank": one.rank, "part": one.part, "pattern": one.pattern, "low": one.excess.low, "high": one.excess.high,
         "part_ns": one.part_ns}
        for one in found.stragglers
    ]  # fmt: skip
    lasting = [one for one in said if one["pattern"] == "persistent"]
    if rank is None:
        large = max(found.by_collective, key=lambda one: one.share)
        named = large.bytes == 16 << 20 and not lasting
        return {"fault": fault, "named": named, "sized": None, "share": large.share, "said": said}
    first = said[0] if said else None
    named = first is not None and first in lasting and (first["rank"], first["part"] in parts) == (rank, True)
    sized = None
    if fault != "pinned":
        sized = named and first["low"] is not None and first["low"] <= SLEEP_NS * 1.1 and first["high"] >= SLEEP_NS
    return {"fault": fault, "named": named, "sized": sized, "said": said}


def table(kept: dict[str, Any]) -> str:
    """A line a fault, and the whole."""
    lines = ["| planted | named | sized in its interval |", "| --- | ---: | ---: |"]
    runs = kept["runs"]
    for fault in FAULTS:
        mine = [run for run in runs if run["fault"] == fault]
        sizes = [run["sized"] for run in mine if run["sized"] is not None]
        size = f"{sum(sizes)} of {len(sizes)}" if sizes else "size not known"
        lines.append(f"| {fault} | {sum(run['named'] for run in mine)} of {len(mine)} | {size} |")
    sizes = [run["sized"] for run in runs if run["sized"] is not None]
    lines.append(f"| all | {sum(run['named'] for run in runs)} of {len(runs)} | {sum(sizes)} of {len(sizes)} |")
    loads = [run["load"] for run in runs]
    lines += [
        "",
        f"PyTorch {kept['torch']}, gloo, {WORLD} processes on {kept['cpus']} processors with a load of {min(loads):.0f} to "
        f"{max(loads):.0f} after the recordings: the job's four, and others' work, which competes with all ranks.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    recording = verbs.add_parser("record")
    recording.add_argument("python", help="of an environment with PyTorch")
    recording.add_argument("--times", type=int, default=3, help="recordings of each fault")
    reporting = verbs.add_parser("report")
    reporting.add_argument("--into", type=Path, help="also put the table between the markers of this document")
    given = parser.parse_args()
    if given.verb == "report":
        shown = table(json.loads(KEPT.read_text(encoding="utf-8")))
        print(shown)
        if given.into is not None:
            put(given.into, BEGIN, END, shown)
        return
    version = subprocess.run(
        [given.python, "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True, check=True
    )
    kept: dict[str, Any] = {"torch": version.stdout.strip(), "cpus": os.cpu_count(), "runs": []}
    for _ in range(given.times):
        for fault in FAULTS:
            with tempfile.TemporaryDirectory(prefix="dlprof-ranks-") as folder:
                record(given.python, fault, Path(folder))
                load = os.getloadavg()[0]
                kept["runs"].append({**judged(fault, Path(folder)), "load": load})
            print(kept["runs"][-1], file=sys.stderr, flush=True)
            KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
