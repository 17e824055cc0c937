"""Deeper reasons: a short run a side with oneDNN's own printing on, and what it says of the primitives.

The run is a process of its own, for printing costs time: nothing of it enters a verdict or the ledger. oneDNN prints to
standard output, which the child sends to its log; it flushes after each line, and the child answers after its work is
done, so what stands in the log between two answers is what was done between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from dlprof.analysis.explain import primitives, verbose
from dlprof.analysis.explain.verbose import Verbose
from dlprof.analysis.facts import OneDnn, Primitives
from dlprof.api.record import Bench
from dlprof.api.sides import SideSpec
from dlprof.capture.workers.worker import Worker
from dlprof.errors import ChildFailed, DlprofError
from dlprof.names import SIDES, Pair
from dlprof.workload import Workload

STEPS: Final = 6
WARMUP: Final = 3
"""Steps before those that count: primitives are created and weights reordered in the first ones."""

SWITCHES: Final = {"ONEDNN_VERBOSE": "1", "DNNL_VERBOSE": "1", "MKLDNN_VERBOSE": "1"}
"""The names of the switch in oneDNN 3, 1 to 2, and 0.x."""

ITEM: Final = {"train": "train_step_sync", "infer": "infer_block"}


@dataclass(frozen=True, slots=True)
class Printed:
    """What one side printed over `units` steps (or forward passes)."""

    verbose: Verbose
    units: int


def find(
    bench: Bench, sides: Mapping[str, SideSpec], workloads: Mapping[str, Workload], pairs: Sequence[Pair] = (SIDES,)
) -> dict[Pair, Primitives]:
    """What `explained` gives of each pair, from a run a side; where there is none, `statement` says why and the rest is empty.

    A run that fails costs the comparison these reasons and nothing else: a warning says how it failed.
    """
    why = _pointless(sides, workloads)
    if why is not None:
        return dict.fromkeys(pairs, Primitives(why))
    printed = {}
    for name, side in sides.items():
        bench.progress.stage(f"oneDNN's own account of {side.label}")
        try:
            printed[name] = _listen(bench, side, workloads[name], bench.scratch / f"reasons-{name}")
        except DlprofError as error:
            text = f"no oneDNN lines of {side.label}: {error.message.splitlines()[0]}"
            bench.warn(text)
            return dict.fromkeys(pairs, Primitives(text))
    return {(a, b): explained(printed[a], printed[b]) for a, b in pairs}


def _pointless(sides: Mapping[str, SideSpec], workloads: Mapping[str, Workload]) -> str | None:
    """Why there is nothing to ask oneDNN here; None where there is."""
    if any(workload.kind != "network" for workload in workloads.values()):
        return "oneDNN is asked for networks only, not for single operators"
    if any(side.device != "cpu" for side in sides.values()):
        return "oneDNN computes on the CPU, and a side ran on a GPU"
    return None


def _listen(bench: Bench, side: SideSpec, workload: Workload, control: Path) -> Printed:
    """Run a few synchronised steps with oneDNN printing. Raises what a worker raises."""
    environment = bench.environment(side)
    talking = replace(environment, environ={**environment.environ, **SWITCHES})
    request = bench.request(side, workload, bench.inputs(workload, 1), task="serve")
    log = control / "stderr.log"
    with Worker(talking, request, control, bench.options.timeout_s) as worker:
        items = worker.ready.items
        item = next((name for name in ITEM.values() if name in items), items[0])
        worker.run(item, WARMUP)
        before = log.stat().st_size
        units = worker.run(item, STEPS).units * STEPS
        said = log.read_bytes()
        if worker.log_was_cut:
            raise ChildFailed("oneDNN printed more than dlprof keeps of a child's log")
    return Printed(verbose.parse([*_information(said[:before]), *_lines(said[before:])]), units)


def explained(a: Printed, b: Printed) -> Primitives:
    """Both sides' primitives set against each other."""
    found = primitives.explain(a.verbose, b.verbose, a_units=a.units, b_units=b.units)
    return Primitives(
        statement=found.statement,
        absent=found.absent,
        by_reason_ns=found.by_reason,
        primitives=found.primitives,
        a=_said(a),
        b=_said(b),
    )


def _said(one: Printed) -> OneDnn:
    said = one.verbose
    return OneDnn(said.version, said.isa, said.runtime, said.threads, one.units, said.unread)


def _lines(said: bytes) -> list[str]:
    return said.decode("utf-8", "replace").splitlines()


def _information(said: bytes) -> list[str]:
    """What oneDNN says of itself at its first use, which lies before the steps that count."""
    return [line for line in _lines(said) if "_verbose," in line and ",info," in line]
