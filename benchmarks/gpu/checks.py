"""Kernel times as dlprof reads them, beside what torch.profiler and CUDA events say of the same run.

    python checks.py FOLDER-OF-torch_lenet.py        (needs dlprof)

Prints one JSON object: a list of checks, each with ours, theirs, their ratio and whether it is within 2 %.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dlprof.api.load import opened

TOLERANCE = 0.02


def check(what: str, ours: float, theirs: float) -> dict[str, Any]:
    """One pair of numbers of the same quantity, µs or a count."""
    ratio = ours / theirs if theirs else (1.0 if ours == theirs else None)
    return {
        "what": what,
        "ours": ours,
        "theirs": theirs,
        "ratio": ratio,
        "ok": ratio is not None and abs(ratio - 1) <= TOLERANCE,
    }


def sums(trace: Path, levels: tuple[str, ...]) -> dict[str, tuple[int, float]]:
    """Name → (count, µs) of the rows of a trace at some levels."""
    with opened(trace, repair=False) as capture:
        events = capture.events(["name", "level", "duration_ps", "occurrences"])
    found: dict[str, list[float]] = defaultdict(lambda: [0, 0.0])
    for row in events.filter(pc.is_in(events["level"].cast("string"), pa.array(levels))).to_pylist():
        found[row["name"]][0] += row["occurrences"]
        found[row["name"]][1] += row["duration_ps"] / 1e6
    return {name: (int(count), us) for name, (count, us) in found.items()}


def of_profiler(trace: Path, facts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each kernel and copy (on a CPU each operator) against torch.profiler's own sums of the same run: the count must be the
    same, the time within 2 %."""
    on_gpu = any(row["where"] == "CUDA" for row in facts["totals"])
    ours = sums(trace, ("kernel", "copy") if on_gpu else ("op",))
    theirs = {row["name"]: row for row in facts["totals"] if (row["where"] == "CUDA") == on_gpu}
    total = [0.0, 0.0]
    for name in sorted(set(ours) & set(theirs)):
        count, us = ours[name]
        yield {
            **check(f"{trace.name}: count of {name}", count, theirs[name]["count"]),
            "ok": count == theirs[name]["count"],
        }
        total[0] += us
        total[1] += theirs[name]["us"]
    yield check(f"{trace.name}: time of all these against torch.profiler, µs", *total)
    annotations = set(
        sums(trace, ("marker",))
    )  # spans that the program marked; the profiler lists them among its operators
    missing = sorted(set(theirs) - set(ours) - annotations - {"[memory]", "ProfilerStep*"})
    yield {
        **check(f"{trace.name}: names that only torch.profiler has: {missing[:5]}", len(missing), 0),
        "ok": not missing,
    }


def of_events(trace: Path, facts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The sum of the kernels of each large operation against the CUDA events around it. Nothing on a CPU."""
    with opened(trace, repair=False) as capture:
        events = capture.events()
    kernels = events.filter(pc.equal(events["level"].cast("string"), "kernel")).sort_by("start_ps").to_pylist()
    order, at = list(facts["cuda_events_us"].items()), 0
    if not any(times for _, times in order):
        return
    # cuBLAS may split a product into several kernels: what is left when the additions, one kernel each, are taken off.
    per_call = {"matmul": max(len(kernels) // facts["repeats"] - 1, 1), "add": 1}
    for name, times in order:
        count = per_call[name] * facts["repeats"]
        ours = sum(row["duration_ps"] for row in kernels[at : at + count]) / 1e6
        at += count
        yield check(f"{trace.name}: {name}, kernels against CUDA events, µs", ours, sum(times))
    yield {**check(f"{trace.name}: kernels accounted for", at, len(kernels)), "ok": at == len(kernels)}


def main(folder: Path) -> int:
    facts = json.loads((folder / "facts.json").read_text())
    found = [
        *of_profiler(folder / "lenet.json", facts["lenet"]),
        *of_profiler(folder / "kernels.json", facts["kernels"]),
        *of_events(folder / "kernels.json", facts["kernels"]),
    ]
    bad = [entry for entry in found if not entry["ok"]]
    print(json.dumps({"checks": len(found), "failed": bad, "times": [e for e in found if "µs" in e["what"]]}, indent=1))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
