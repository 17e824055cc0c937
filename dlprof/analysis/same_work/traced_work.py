"""Same work? What traces, timings and descriptions of two sides show of differences in the work or in how it was
measured.

Each finding is a mapping like those of parity: what, where, a, b, blocks ('yes' where the sides cannot be
compared), and `sentence`. Nothing is inferred from a fact that a side does not record. Several of the checks name
what went wrong in the study that dlprof redoes: times of CPU instead of the clock, no wait for the asynchronous
engine, one side wholly before the other, one process, no replication, a profiler on one side only, other optimizers
and layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dlprof import names
from dlprof.analysis import columns
from dlprof.analysis.columns import NULL
from dlprof.analysis.explain import align
from dlprof.analysis.model import Recording, Side
from dlprof.analysis.trace import cells, steps
from dlprof.analysis.trace.cells import Cell
from dlprof.analysis.trace.layers import family
from dlprof.names import Marker
from dlprof.units import format_share

Finding = Mapping[str, str]

OUTSIDE: Final = 0.05
"""Share of executed work outside its steps from which on a window is called unsynchronised. A synchronised window has
none; without waits only 0–4 % of MXNet's work lies inside."""

_SHARE: Final = 0.01
"""Operators below this share of a side's time are not worth a finding of their own."""

_WORK_KEYS: Final = ("model", "optimizer", "loss", "data", "run.batch_size", "task", "kind", "op", "items")


def traces(a: pa.Table, b: pa.Table) -> tuple[Finding, ...]:
    """What two event tables (layers assigned where the workload is known) show."""
    unit = _Unit.of(a, b)
    found = [*_windows(a, b), *_optimizers(a, b), *_dtypes(a, b), *(_flops(a, b, unit) if unit else [])]
    gathered = [cells.gather(table).cells for table in (a, b)]
    found += _bulks(*gathered) or _operators(gathered[0], gathered[1], unit)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Unit:
    """What amounts of both sides are of: a step, or the whole trace where neither marks any.

    counts: how many of it each trace holds
    words: how an amount of it is told
    """

    counts: tuple[int, int]
    words: str

    @classmethod
    def of(cls, a: pa.Table, b: pa.Table) -> _Unit | None:
        """None where one trace marks steps and the other none: nothing is counted alike then."""
        marked = steps.table(a).num_rows, steps.table(b).num_rows
        if all(marked):
            return cls(marked, " per step")
        return None if any(marked) else cls((1, 1), " over the whole trace")


def _bulks(a: Sequence[Cell], b: Sequence[Cell]) -> list[Finding]:
    """Work that a trace records as bulks without saying what is in them: its operators cannot be compared."""
    shares = [
        sum(cell.ns for cell in side if cell.op in cells.OPAQUE) / max(sum(c.ns for c in side), 1e-9) for side in (a, b)
    ]
    if max(shares) <= OUTSIDE:
        return []
    names = " and ".join(name for name, share in zip("AB", shares, strict=True) if share > OUTSIDE)
    texts = [format_share(share) for share in shares]
    text = (
        f"{names} runs much of its work in bulks that do not say what they hold ({texts[0]} of A's, {texts[1]} of B's): "
        "operators cannot be compared; record with fidelity exact"
    )
    return [_finding("bulks", names, texts[0], texts[1], text)]


def _finding(what: str, where: str, a: object, b: object, sentence: str, *, blocks: bool = False) -> Finding:
    texts = {"what": what, "where": where, "a": str(a), "b": str(b), "blocks": "yes" if blocks else "no"}
    return {**texts, "sentence": sentence}


def _windows(a: pa.Table, b: pa.Table) -> list[Finding]:
    found = []
    counts = [steps.table(table).num_rows for table in (a, b)]
    if counts[0] != counts[1]:
        text = f"the traces hold {counts[0]} (A) and {counts[1]} (B) marked steps: compare per step"
        found.append(_finding("steps", "window", counts[0], counts[1], text))
    outside = [outside_steps(table) for table in (a, b)]
    for name, share in zip("AB", outside, strict=True):
        if share is not None and share > OUTSIDE:
            text = (
                f"{name}'s steps are not synchronised: {format_share(share)} of the executed work lies outside the steps that "
                "asked for it, so a step's time is that of queueing it"
            )
            found.append(
                _finding("unsynchronised", name, _percent(outside[0]), _percent(outside[1]), text, blocks=True)
            )
    return found


def outside_steps(events: pa.Table) -> float | None:
    """Share of executed work (self time) that lies outside all marked steps, synchronised or not; None without any.

    Work after the last marked step (validation) counts if it began before that step ended: it is the tail of what the steps
    asked for. Work that was launched between the steps, as the trace tells, does not count: no step asked for it.
    """
    name, level = columns.text(events, "name"), columns.text(events, "level")
    marked = level.where("marker") & name.flags([_is_step(value) for value in name.values])
    if not marked.any():
        return None
    own_launch = (columns.integers(events, "launch") != columns.NULL) & steps.outside(events)
    asked_for = steps.work(events) & ~own_launch & ~steps.settling(events)
    times, work = steps.Times.of(events), np.flatnonzero(asked_for)
    start, end = np.sort(times.start[marked]), np.sort(times.end[marked])
    begun = work[(times.start[work] >= start[0]) & (times.start[work] < _horizon(events, int(end[-1])))]
    own = columns.integers(events, "self_ps")[begun]
    at = np.searchsorted(start, times.start[begun], side="right") - 1
    inside = times.end[begun] <= end[at]
    total = int(own.sum())
    return float(own[~inside].sum()) / total if total else 0.0


def _horizon(events: pa.Table, last_end: int) -> int:
    """The end of the wait that follows the last step, if there is one: until then the steps' work is still running."""
    times = steps.Times.of(events)
    waits = columns.text(events, "name").where(names.SYNC) & (times.end >= last_end)
    return int(times.end[waits].min()) if waits.any() else last_end


def _is_step(name: str) -> bool:
    marker = Marker.parse(name)
    return marker is not None and marker.kind in ("step", "profiler_step")


def _percent(share: float | None) -> str:
    return "not marked" if share is None else format_share(share, 1)


def _optimizers(a: pa.Table, b: pa.Table) -> list[Finding]:
    rules = [_rules(table) for table in (a, b)]
    if not all(rules) or rules[0] & rules[1]:
        return []
    left, right = (", ".join(sorted(rule)) for rule in rules)
    text = f"the optimizers differ: {left} in A, {right} in B"
    return [_finding("optimizer", "optimizer", left, right, text, blocks=True)]


_RULES: Final = frozenset(
    {
        "Adam",
        "AdamW",
        "SGD",
        "Momentum",
        "Adagrad",
        "Adadelta",
        "RMSProp",
        "Ftrl",
        "LAMB",
        "NAG",
        "Nadam",
        "Signum",
        "FTML",
    }
)


def _rules(events: pa.Table) -> set[str]:
    """Update rules that the trace's optimizer operators name."""
    op = columns.text(events, "op")
    rows = steps.work(events) & columns.text(events, "phase").where("optimizer")
    return {op.values[code] for code in np.unique(op.codes[rows]).tolist() if code != NULL} & _RULES


def _dtypes(a: pa.Table, b: pa.Table) -> list[Finding]:
    main = [_main_dtype(table) for table in (a, b)]
    if None in main or main[0] == main[1]:
        return []
    text = f"most of the work is in {main[0]} in A and in {main[1]} in B"
    return [_finding("dtype", "work", main[0], main[1], text, blocks=True)]


_DTYPES: Final = {
    "float": "float32",
    "f32": "float32",
    "double": "float64",
    "f64": "float64",
    "half": "float16",
    "f16": "float16",
    "c10::BFloat16": "bfloat16",
    "c10::Half": "float16",
    "bf16": "bfloat16",
}


def _main_dtype(events: pa.Table) -> str | None:
    """The floating-point type of the operators that take the most time; None where types are not recorded."""
    dtype = columns.text(events, "dtype")
    rows = (columns.text(events, "level").where("op", "kernel")) & (dtype.codes != NULL)
    if not rows.any():
        return None
    time = np.bincount(dtype.codes[rows], columns.integers(events, "self_ps")[rows], minlength=len(dtype.values))
    totals: dict[str, float] = {}
    for value, spent in zip(dtype.values, time.tolist(), strict=True):
        for part in value.strip("[]()").replace('"', "").split(","):
            name = _DTYPES.get(part.strip(), part.strip())
            if name.startswith(("float", "bfloat")):
                totals[name] = totals.get(name, 0.0) + spent
                break
    return max(totals, key=lambda name: totals[name]) if totals else None


def _flops(a: pa.Table, b: pa.Table, unit: _Unit) -> list[Finding]:
    totals = []
    for table, count in zip((a, b), unit.counts, strict=True):
        flops = columns.integers(table, "flops")
        rows = steps.work(table) & (flops != NULL)
        totals.append(int(flops[rows].sum()) / count if rows.any() else None)
    left, right = totals
    if left is None or right is None or not left or abs(right / left - 1) <= _SHARE:
        return []
    text = f"recorded floating-point operations{unit.words} differ: {left:.4g} in A, {right:.4g} in B"
    return [_finding("flops", "step", f"{left:.4g}", f"{right:.4g}", text)]


def _operators(a: Sequence[Cell], b: Sequence[Cell], unit: _Unit | None) -> list[Finding]:
    """Other kinds of layers, other call counts (None: the traces have no common unit), one side's work."""
    found: list[Finding] = []
    aligned = align.align(a, b)
    whole = [max(sum(cell.ns for cell in side), 1e-9) for side in (a, b)]
    for match, in_a, in_b in zip(aligned.alignment.matches, aligned.a_groups, aligned.b_groups, strict=True):
        found += _kinds([a[i] for i in in_a], [b[i] for i in in_b])
        counts = unit.counts if unit else (1, 1)
        calls = [(count or 0) / of for count, of in zip((match.a_calls, match.b_calls), counts, strict=True)]
        if unit and match.a_calls is not None and calls[0] != calls[1]:
            text = f"{match.name}: {calls[0]:g} calls{unit.words} in A, {calls[1]:g} in B"
            found.append(_finding("calls", match.name, f"{calls[0]:g}", f"{calls[1]:g}", text))
        share = max(match.a_ns / whole[0], match.b_ns / whole[1])
        if match.confidence == 0 and share > _SHARE:
            shares = format_share(match.a_ns / whole[0], 1), format_share(match.b_ns / whole[1], 1)
            text = f"only one side runs {match.name.rsplit(' (', 1)[0]}: {shares[0]} of A's, {shares[1]} of B's work"
            found.append(_finding("unmatched", match.name, shares[0], shares[1], text))
    return found


def _kinds(a: Sequence[Cell], b: Sequence[Cell]) -> list[Finding]:
    """Layers of one family but of another kind: maximum against average pooling, tanh against ReLU."""
    found = []
    for kind in ("Pool", "Activation"):
        left, right = ({c.op for c in side if family(c.op) == kind and c.op != kind} for side in (a, b))
        if left and right and not left & right:
            where = " ".join(part for part in (a[0].phase, a[0].layer) if part)
            names = ", ".join(sorted(left)), ", ".join(sorted(right))
            text = f"{where or kind}: A runs {names[0]}, B runs {names[1]}"
            found.append(_finding("operator", where or kind, names[0], names[1], text, blocks=True))
    return found


def workloads(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Differences of two resolved workload descriptions; those in model, optimizer, loss, data or batch size block.

    A description that is absent (a trace from elsewhere) states nothing, so nothing differs.
    """
    if not a or not b:
        return ()
    left, right = dict(_flat("", a)), dict(_flat("", b))
    found = []
    for key in sorted({*left, *right}):
        x, y = left.get(key, "absent"), right.get(key, "absent")
        if x != y:
            blocks = key.startswith(_WORK_KEYS)
            found.append(
                _finding("workload", key, x, y, f"the workloads differ in {key}: {x} in A, {y} in B", blocks=blocks)
            )
    return tuple(found)


def other_workload(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[str, str] | None:
    """The names of two workloads of dlprof's that are not the same one; None for the same, and for what is none (a script)."""
    if a.get("kind") is None or b.get("kind") is None or a.get("name") == b.get("name"):
        return None
    return str(a.get("name")), str(b.get("name"))


def telling(found: Sequence[Finding]) -> list[Finding]:
    """What `workloads` found, that first which says most of how the work differs: its kind and sizes before single layers."""

    def place(one: Finding) -> tuple[bool, int, bool, str]:
        key = one["where"]
        at = next((n for n, start in enumerate(_TELLING) if key.startswith(start)), len(_TELLING))
        return one["blocks"] != "yes" and key != "name", at, "absent" in (one["a"], one["b"]), key

    return sorted(found, key=place)


_TELLING: Final = (
    *("name", "kind", "task", "run.batch_size", "data.dataset", "model.dtype"),
    *("optimizer.op", "optimizer.learning_rate", "loss.op", "model.input", "model.layers", "items"),
)


def _flat(prefix: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [pair for key, inner in value.items() for pair in _flat(f"{prefix}.{key}".lstrip("."), inner)]
    if isinstance(value, list | tuple) and any(isinstance(inner, Mapping) for inner in value):
        named = [
            (inner.get("name", index) if isinstance(inner, Mapping) else index, inner)
            for index, inner in enumerate(value)
        ]
        return [pair for name, inner in named for pair in _flat(f"{prefix}.{name}", inner)]
    return [(prefix, str(value))]


def sides(a: Side, b: Side, said_a: Recording, said_b: Recording) -> tuple[Finding, ...]:
    """Differences in how the two sides were run, from what each states: profiler (on, off), synchronisation, clock, pid."""
    found: list[Finding] = []
    profiler = [said.profiler for said in (said_a, said_b)]
    if None not in profiler and bool(profiler[0]) != bool(profiler[1]):
        slow = a if profiler[0] else b
        text = f"the profiler was on for {slow.label} only, and profiling costs time"
        found.append(_finding("profiler", "one side", profiler[0], profiler[1], text, blocks=True))
    for name, side, said in (("A", a, said_a), ("B", b, said_b)):
        if said.synchronised is False:
            text = f"{side.label} was timed without waiting for its work: that is the time of queueing it"
            stated = (said_a.synchronised, said_b.synchronised)
            found.append(_finding("unsynchronised", name, *stated, text, blocks=True))
        if said.clock in ("process_time", "cpu", "thread_time"):
            text = f"{side.label} was timed in CPU seconds summed over all threads, not in elapsed time"
            found.append(_finding("cpu_clock", name, said_a.clock, said_b.clock, text, blocks=True))
    pids = [said.pid for said in (said_a, said_b)]
    if None not in pids and pids[0] == pids[1]:
        text = "both sides ran in one process: the first one's threads, memory and unfinished work weigh on the second"
        found.append(_finding("one_process", "process", pids[0], pids[1], text, blocks=True))
    return tuple(found)
