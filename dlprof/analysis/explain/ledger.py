"""The ledger: why B's step takes longer or shorter than A's, in parts that sum to both walls and to the gap exactly.

Every instant of the traced steps goes to the work that ran then (shared among concurrent work), else to what recorded host
events say the host did (host.split), else to `unexplained`. The same parts of both sides stand on one line (align).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import pyarrow as pa

from dlprof import stats
from dlprof.analysis.columns import Floats
from dlprof.analysis.explain import align
from dlprof.analysis.model import Alignment, Ledger, LedgerLine, LineKind, Match
from dlprof.analysis.trace import cells, host, steps
from dlprof.analysis.trace.cells import Cell
from dlprof.stats import location
from dlprof.units import PS_PER_NS, format_ns

_LONGEST: Final = 64
"""Characters of a line's name in a sentence: C++ kernels, which stand for an operator that is not known, have hundreds."""

Key = tuple[str, str | None, str | None]


@dataclass(frozen=True, slots=True)
class _Window:
    """One traced window, split: ps of each cell and of each host part, of one unit (a step, or the whole trace)."""

    units: int
    wall_ps: float
    work: Mapping[Key, float]
    idle: Mapping[str, float]
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A ledger with the alignment it rests on."""

    ledger: Ledger
    alignment: Alignment


def build(
    a: Sequence[pa.Table],
    b: Sequence[pa.Table],
    *,
    untraced_ns: tuple[float, float] | None = None,
    contrasts: Mapping[str, tuple[str, str]] | None = None,
) -> Explanation:
    """The ledger of A's and B's traced windows (schema.EVENTS each, layers assigned; replicates of the same work).

    untraced_ns: untraced time of a step on both sides (A, B), for the reconciliation. contrasts: settings that differ
    (threads: 2, 1) and that act on every operator; they are added to the names of operator lines. Intervals need at least
    6 windows on each side; windows are paired in order. Raises `ValueError` when a side has no window.
    """
    if not a or not b:
        raise ValueError("a ledger needs a traced window on each side")
    by_step = all(steps.table(table).num_rows for table in (*a, *b))
    windows_a, windows_b = ([_window(table, by_step) for table in side] for side in (a, b))
    aligned = align.align(_merge(windows_a), _merge(windows_b))
    lines, table_a, table_b = _parts(aligned, windows_a, windows_b)
    walls = [round(float(np.mean([w.wall_ps for w in side])) / PS_PER_NS) for side in (windows_a, windows_b)]
    filled = zip(
        lines,
        apportion(table_a.mean(axis=0), walls[0]),
        apportion(table_b.mean(axis=0), walls[1]),
        _bounds(table_a, table_b),
        strict=True,
    )
    finished = [
        _tag(replace(line, a_ns=x, b_ns=y, delta_ns=y - x, low_ns=low, high_ns=high), contrasts or {})
        for line, x, y, (low, high) in filled
        if x or y or line.a_calls or line.kind == "unexplained"
    ]
    ledger = _ledger(finished, windows_a, windows_b, walls, untraced_ns, "step" if by_step else "trace")
    return Explanation(ledger, aligned.alignment)


def _window(events: pa.Table, by_step: bool) -> _Window:
    """Split one window, per step or as a whole."""
    idle, gathered = host.split(events), cells.gather(events)
    units = steps.table(events).num_rows if by_step else 1
    times = gathered.times() / units
    return _Window(
        units=units,
        wall_ps=idle.frame.length / units,
        work={_key(cell): float(ps) for cell, ps in zip(gathered.cells, times, strict=True)},
        idle={name: part.length / units for name, part in idle.parts.items()},
        cells=gathered.cells,
    )


def _key(cell: Cell) -> Key:
    return (cell.op, cell.phase, cell.layer)


def _merge(windows: Sequence[_Window]) -> tuple[Cell, ...]:
    """One side's cells over all its windows: mean time per unit; calls per unit of the first window that has the cell."""
    found: dict[Key, Cell] = {}
    for window in windows:
        for cell in window.cells:
            mean = float(np.mean([other.work.get(_key(cell), 0.0) for other in windows])) / PS_PER_NS
            per_unit = replace(cell, ns=mean, calls=round(cell.calls / window.units, 6))
            found.setdefault(_key(cell), per_unit)
    return tuple(found.values())


def _parts(
    aligned: align.Aligned, a: Sequence[_Window], b: Sequence[_Window]
) -> tuple[list[LedgerLine], Floats, Floats]:
    """The lines, times not yet filled in, and what each window of a side has on each line: (windows, lines), ps."""
    lines: list[LedgerLine] = []
    groups: list[tuple[list[Key], list[Key], tuple[str, ...]]] = []
    for match, in_a, in_b in zip(aligned.alignment.matches, aligned.a_groups, aligned.b_groups, strict=True):
        if match.kind != "input":
            lines.append(_op_line(match))
            groups.append(([_key(aligned.a[i]) for i in in_a], [_key(aligned.b[i]) for i in in_b], ()))
    inputs = [i for i, match in enumerate(aligned.alignment.matches) if match.kind == "input"]
    input_keys = (
        [_key(aligned.a[i]) for index in inputs for i in aligned.a_groups[index]],
        [_key(aligned.b[i]) for index in inputs for i in aligned.b_groups[index]],
    )
    for name, kind in host.KINDS.items():
        lines.append(LedgerLine(name, kind, 0, 0, 0, None, None, None, host.REASONS[name]))
        keys: tuple[list[Key], list[Key]] = input_keys if name == host.INPUT else ([], [])
        groups.append((*keys, (name,)))
    table_a = np.array([[_sum(w, keys, names) for keys, _, names in groups] for w in a])
    table_b = np.array([[_sum(w, keys, names) for _, keys, names in groups] for w in b])
    return lines, table_a, table_b


def _sum(window: _Window, keys: Sequence[Key], names: Sequence[str]) -> float:
    return sum(window.work.get(key, 0.0) for key in keys) + sum(window.idle.get(name, 0.0) for name in names)


def _op_line(match: Match) -> LedgerLine:
    kind: LineKind = match.kind
    calls = (match.a_calls, match.b_calls)
    return LedgerLine(match.name, kind, 0, 0, 0, None, None, match.confidence, match.reason, *calls)


def apportion(parts_ps: Floats, wall_ns: int) -> list[int]:
    """Parts (ps, summing to the wall but for its rounding) as whole ns that sum to wall_ns: largest remainder."""
    ns = np.asarray(parts_ps, dtype=np.float64) / PS_PER_NS
    whole = np.floor(ns).astype(np.int64)
    missing = wall_ns - int(whole.sum())
    order = np.argsort(-(ns - whole), kind="stable")
    whole[order[:missing]] += 1
    return [int(value) for value in whole]


def _bounds(a: Floats, b: Floats) -> list[tuple[int | None, int | None]]:
    """95 % interval of each line's difference over pairs of windows, ns."""
    pairs = min(len(a), len(b))
    if pairs < stats.MIN_TRIALS:
        return [(None, None)] * a.shape[1]
    deltas = (b[:pairs] - a[:pairs]) / PS_PER_NS
    found = [location.t_bounds(deltas[:, line], stats.FIXED_ALPHA) for line in range(deltas.shape[1])]
    return [(int(np.floor(low)), int(np.ceil(high))) for low, high in found]


def _tag(line: LedgerLine, contrasts: Mapping[str, tuple[str, str]]) -> LedgerLine:
    """Name the settings that act on every operator on the lines of operators that both sides ran."""
    if line.kind != "op" or not contrasts or not line.match_confidence:
        return line
    texts = ", ".join(f"{name} {left} → {right}" for name, (left, right) in sorted(contrasts.items()))
    return replace(line, name=f"{line.name} [{texts}]")


def _ledger(
    lines: Sequence[LedgerLine],
    a: Sequence[_Window],
    b: Sequence[_Window],
    walls: Sequence[int],
    untraced_ns: tuple[float, float] | None,
    basis: Literal["step", "trace"],
) -> Ledger:
    gap = walls[1] - walls[0]
    untraced = None if untraced_ns is None else round(untraced_ns[1]) - round(untraced_ns[0])
    rest = [line for line in lines if line.kind == "unexplained"]
    ordered = [*sorted((li for li in lines if li.kind != "unexplained"), key=lambda li: -abs(li.delta_ns)), *rest]
    draft = Ledger(
        basis=basis,
        a_steps=a[0].units if basis == "step" else 0,
        b_steps=b[0].units if basis == "step" else 0,
        replicates=min(len(a), len(b)),
        a_wall_ns=walls[0],
        b_wall_ns=walls[1],
        gap_ns=gap,
        untraced_gap_ns=untraced,
        profiling_ns=None if untraced is None else gap - untraced,
        lines=tuple(ordered),
        unexplained_ns=sum(line.a_ns + line.b_ns for line in rest),
        statement="",
    )
    return replace(draft, statement=_statement(draft), notes=_notes(draft))


def _statement(ledger: Ledger, shown: int = 4) -> str:
    """`B's step is 12.3 ms shorter: Conv backward conv2 −9.1 ms [−9.8 ms, −8.4 ms], …, unexplained +0.2 ms`."""
    what = "step" if ledger.basis == "step" else "trace"
    longer = "longer" if ledger.gap_ns >= 0 else "shorter"
    parts = [line for line in ledger.lines if line.kind != "unexplained"][:shown]
    rest = [line for line in ledger.lines if line.kind == "unexplained"]
    texts = [_delta(line) for line in [*parts, *rest] if line.delta_ns or line in parts]
    others = ledger.gap_ns - sum(line.delta_ns for line in [*parts, *rest])
    if len(ledger.lines) > len(parts) + len(rest):
        texts.insert(len(parts), f"{len(ledger.lines) - len(parts) - len(rest)} others {_signed(others)}")
    return f"B's {what} is {format_ns(abs(ledger.gap_ns))} {longer} than A's: {', '.join(texts)}"


def _delta(line: LedgerLine) -> str:
    name = line.name if len(line.name) <= _LONGEST else f"{line.name[: _LONGEST - 1]}…"
    if line.low_ns is None or line.high_ns is None:
        return f"{name} {_signed(line.delta_ns)}"
    return f"{name} {_signed(line.delta_ns)} [{_signed(line.low_ns)}, {_signed(line.high_ns)}]"


def _signed(ns: float) -> str:
    return f"{'−' if ns < 0 else '+'}{format_ns(abs(ns))}"


def _notes(ledger: Ledger) -> tuple[str, ...]:
    found = []
    if ledger.replicates < stats.MIN_TRIALS:
        found.append(f"{ledger.replicates} traced window(s) a side: no intervals below {stats.MIN_TRIALS}")
    gap, profiling = ledger.untraced_gap_ns, ledger.profiling_ns
    if gap is not None and profiling is not None and abs(profiling) > abs(gap):
        found.append(
            f"profiling changes the gap by {format_ns(abs(profiling))}, more than the gap itself without profiler "
            f"({format_ns(abs(gap))}): the traces cannot explain this difference"
        )
    odd = [line for line in ledger.lines if line.a_calls is not None and line.a_calls != line.b_calls]
    if odd:
        texts = [f"{line.name} ({line.a_calls:g} against {line.b_calls:g})" for line in odd[:3]]
        found.append(f"{len(odd)} line(s) with other call counts per {ledger.basis}: {'; '.join(texts)}")
    if ledger.basis == "trace":
        found.append("no synchronised steps on both sides: the whole traces are set against each other")
    return tuple(found)
