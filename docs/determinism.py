"""Writes docs/determinism.md: do two captures of one seed give identical losses? Asked of every locked release and mode.

    python docs/determinism.py                    # all: makes every environment on first use
    python docs/determinism.py tf@2.15.1 mxnet    # these alone; the others stay as they were
    python docs/determinism.py --table            # only the page, from docs/determinism.json

Each row is two captures of LeNet (`dlprof capture lenet --seed 7 --max-steps 60`), each in a fresh process.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from support_matrix import Silent, chosen, columns

from dlprof.api.options import RunOptions
from dlprof.api.record import Bench, check_mode, record
from dlprof.errors import DlprofError
from dlprof.frameworks import registry

FOLDER = Path(__file__).parent
PAGE, FOUND = FOLDER / "determinism.md", FOLDER / "determinism.json"
SEED, STEPS, TIMEOUT_S = 7, 60, 300.0

HEAD = """# Do two captures of one seed give identical losses?

Written by `python docs/determinism.py` ({day}): LeNet, batch 200, {steps} training steps with seed {seed}, captured twice in
fresh processes on a CPU with {cores} cores (Linux x86-64). The seed sets Python's, NumPy's and the framework's generators
(manifest.json: `child.runtime.seeds`); data, order and initial weights are files that both processes read.

*strays by*: largest |difference| between the two losses of a step, as a share of the loss. A share above 0 would mean sums that
threads added up in another order; GPUs, where that is known to happen, were not tried.

| framework | mode | losses | strays by | first at step |
| --- | --- | --- | --- | --- |
"""


def losses(side_text: str) -> list[float]:
    """The losses of all steps of one capture."""
    options = RunOptions("lenet", None, {}, 1, "cpu", None, SEED, None, None, None, STEPS, TIMEOUT_S)
    with tempfile.TemporaryDirectory(prefix="dlprof-determinism-") as scratch:
        bench = Bench(options, Silent(), Path(scratch))
        side = bench.side(side_text)
        workload = options.resolve(side.framework.name)
        check_mode(side, workload)
        made = record(bench, side, workload, fidelity="exact", epochs=1, target=Path(scratch) / "capture")
        return [float(loss) for epoch in made.manifest.child["epochs"] for loss in epoch["losses"]]


def measure(side_text: str) -> dict[str, Any]:
    """What two captures of a side show; `why` where it does not run."""
    try:
        first, second = losses(side_text), losses(side_text)
    except DlprofError as error:
        return {"why": error.message.splitlines()[0]}
    if len(first) != len(second) or not first:
        return {"why": f"{len(first)} and {len(second)} losses"}
    strays = [abs(one - other) / abs(one) for one, other in zip(first, second, strict=True)]
    unequal = [step for step, stray in enumerate(strays, 1) if stray]
    return {"steps": len(first), "strays": max(strays), "first": unequal[0] if unequal else None}


def page(found: Mapping[str, Any], cores: int) -> str:
    """The table as Markdown."""
    lines = [HEAD.format(day=date.today().isoformat(), steps=STEPS, seed=SEED, cores=cores)]
    for framework, version, mode in columns():
        one = found.get(f"{framework}@{version}:{mode}", {"why": "not tried yet"})
        if "why" in one:
            cells = ["–", "", one["why"]]
        elif one["first"] is None:
            cells = ["identical", "0", ""]
        else:
            cells = ["differ", f"{one['strays']:.1g}", str(one["first"])]
        label = registry()[framework].label
        lines.append(f"| {label} {version} | {mode} | {' | '.join(cells)} |\n")
    return "".join(lines)


def main(wanted: list[str]) -> None:
    """Measure the wanted releases (all without any); what is measured is kept as it comes."""
    kept: dict[str, Any] = json.loads(FOUND.read_text()) if FOUND.exists() else {}
    for framework, version, mode in chosen(wanted):
        side = f"{framework}@{version}:{mode}"
        kept[side] = measure(side)
        sys.stdout.write(f"{side}: {kept[side]}\n")
        sys.stdout.flush()
        FOUND.write_text(json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    PAGE.write_text(page(kept, os.cpu_count() or 0), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
