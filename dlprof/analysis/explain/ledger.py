"""The ledger: why B's step takes longer or shorter than A's, in parts that sum to both walls and to the gap exactly.

Work has the time of its threads and streams, and one line takes back what ran at the same time; the other instants go to what
recorded host events say the host did (host.split), else to `unexplained`. The same parts of both sides stand on one line
(align), extra work before the waiting it causes (rank).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import pyarrow as pa

from dlprof import stats
from dlprof.analysis.columns import Floats
from dlprof.analysis.explain import align, asked, bridge, rank, tax, windows
from dlprof.analysis.explain.windows import Key, Window
from dlprof.analysis.model import Alignment, Ledger, LedgerLine, LineKind, Match
from dlprof.analysis.trace import host, steps
from dlprof.analysis.trace.idle import Place
from dlprof.stats.sample import location
from dlprof.units import PS_PER_NS, in_one_unit

_LONGEST: Final = 64
"""Characters of a line's name in a sentence: C++ kernels, which stand for an operator that is not known, have hundreds."""

CONCURRENCY: Final = "work at the same time"
_CONCURRENT: Final = (
    "operators ran on several threads or streams at once: their times, which stand in full on their own lines, count more than "
    "once, and this takes the surplus back"
)


@dataclass(frozen=True, slots=True)
class _Part:
    """A line without its times, and what of each side's windows belongs to it.

    idle: its idle time, None for work
    operators: calls of all its operators per unit, of A and of B
    """

    line: LedgerLine
    a: Sequence[Key] = ()
    b: Sequence[Key] = ()
    idle: asked.Line | None = None
    operators: tuple[float, float] = (0.0, 0.0)

    @property
    def places(self) -> tuple[Place, ...]:
        """What of the windows' idle time belongs to it."""
        return self.idle.places if self.idle else ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """A ledger with the alignment it rests on.

    keys: of the lines, those without any time among them
    windows: of A and of B, each window's ns of a unit on each of these lines: (windows, lines), whose rows sum to the walls
    shared: the same with instants shared among concurrent work, as the lines' `a_share_ns` and `b_share_ns`
    """

    ledger: Ledger
    alignment: Alignment
    keys: tuple[str, ...]
    windows: tuple[Floats, Floats]
    shared: tuple[Floats, Floats]

    @property
    def walls(self) -> tuple[Floats, Floats]:
        """Of each window, ns of a unit: A's windows, B's windows."""
        a, b = self.windows
        return a.sum(axis=1), b.sum(axis=1)

    @property
    def unexplained(self) -> tuple[Floats, Floats]:
        """The same of the time that no recorded event tells of."""
        at = self.keys.index(host.UNEXPLAINED)
        a, b = self.windows
        return a[:, at], b[:, at]


def build(
    a: Sequence[pa.Table],
    b: Sequence[pa.Table],
    *,
    untraced_ns: tuple[float, float] | None = None,
    contrasts: Mapping[str, tuple[str, str]] | None = None,
) -> Explanation:
    """The ledger of A's and B's traced windows (schema.EVENTS each, layers assigned; replicates of the same work).

    untraced_ns: untraced time of a step on both sides (A, B), for the reconciliation. contrasts: settings that differ
    (threads: 2, 1) and that act on every operator; they are added to the names of operator lines and of the overlap. Intervals
    need at least 3 windows on each side; windows are paired in order. Raises `ValueError` when a side has no window.
    """
    if not a or not b:
        raise ValueError("a ledger needs a traced window on each side")
    by_step = all(steps.table(table).num_rows for table in (*a, *b))
    windows_a, windows_b = ([windows.split(table, by_step) for table in side] for side in (a, b))
    return of_windows(windows_a, windows_b, by_step, untraced_ns=untraced_ns, contrasts=contrasts)


def of_windows(
    windows_a: Sequence[Window],
    windows_b: Sequence[Window],
    by_step: bool,
    *,
    untraced_ns: tuple[float, float] | None = None,
    contrasts: Mapping[str, tuple[str, str]] | None = None,
) -> Explanation:
    """As `build`, of windows that are split already (windows.split): so many that their tables would fill the memory."""
    aligned = align.align(windows.merge(windows_a), windows.merge(windows_b))
    parts = _parts(aligned, windows_a, windows_b)
    tables = [_table(parts, windows_a, "a"), _table(parts, windows_b, "b")]
    walls = [round(float(np.mean([w.wall_ps for w in side])) / PS_PER_NS) for side in (windows_a, windows_b)]
    charged = [_whole(parts, table.charged.mean(axis=0), wall) for table, wall in zip(tables, walls, strict=True)]
    shared = [_whole(parts, table.shared.mean(axis=0), wall) for table, wall in zip(tables, walls, strict=True)]
    bounds = _bounds(tables[0].charged, tables[1].charged)
    adjusted = _adjusted(tables[0].charged, tables[1].charged)
    waits = [float(np.mean([window.waits for window in side])) for side in (windows_a, windows_b)]
    basis: Literal["step", "trace"] = "step" if by_step else "trace"
    asked_for = [
        asked.grown(part.idle, float(delta), windows_a, windows_b, basis) if part.idle else ""
        for part, delta in zip(parts, tables[1].charged.mean(axis=0) - tables[0].charged.mean(axis=0), strict=True)
    ]
    finished = [
        _tag(replace(_filled(part, times, shares, bound, (waits[0], waits[1]), more), q=q), contrasts or {})
        for part, times, shares, bound, q, more in zip(
            parts, zip(*charged, strict=True), zip(*shared, strict=True), bounds, adjusted, asked_for, strict=True
        )
        if any(times) or any(shares) or part.line.a_calls or part.line.kind == "unexplained"
    ]
    ledger = _ledger(finished, windows_a, windows_b, walls, untraced_ns, basis)
    keys = tuple(part.line.key for part in parts)
    of_a, of_b = tables
    in_full = of_a.charged / PS_PER_NS, of_b.charged / PS_PER_NS
    return Explanation(ledger, aligned.alignment, keys, in_full, (of_a.shared / PS_PER_NS, of_b.shared / PS_PER_NS))


def _filled(
    part: _Part,
    times: tuple[int, int],
    shares: tuple[int, int],
    bounds: tuple[int | None, int | None],
    waits: tuple[float, float],
    asked_for: str,
) -> LedgerLine:
    (a, b), (low, high), line = times, bounds, part.line
    filled = replace(
        line,
        a_ns=a,
        b_ns=b,
        delta_ns=b - a,
        low_ns=low,
        high_ns=high,
        a_share_ns=shares[0],
        b_share_ns=shares[1],
    )
    if line.kind in ("op", "copy", "communication"):
        calls, matched = (line.a_calls, line.b_calls), bool(line.match_confidence)
        return replace(filled, remark=rank.remark(calls, times, matched, part.operators))
    return replace(filled, remark=rank.waiting(filled, waits) or asked_for)


def _parts(aligned: align.Aligned, a: Sequence[Window], b: Sequence[Window]) -> list[_Part]:
    """The lines: operators by match, then what ran at the same time, then what the host did while none ran."""
    found: list[_Part] = []
    inputs: tuple[list[Key], list[Key]] = ([], [])
    for match, in_a, in_b in zip(aligned.alignment.matches, aligned.a_groups, aligned.b_groups, strict=True):
        keys = [windows.key(aligned.a[i]) for i in in_a], [windows.key(aligned.b[i]) for i in in_b]
        if match.kind == "input":
            inputs[0].extend(keys[0])
            inputs[1].extend(keys[1])
        else:
            operators = sum(aligned.a[i].calls for i in in_a), sum(aligned.b[i].calls for i in in_b)
            found.append(_Part(_op_line(match), *keys, operators=operators))
    found.append(_Part(_host_line(CONCURRENCY, "concurrency", _CONCURRENT, CONCURRENCY)))
    for part, kind in host.KINDS.items():
        of_a, of_b = inputs if part == host.INPUT else ((), ())
        for one in asked.lines(part, a, b):
            line = _host_line(one.name, kind, host.REASONS[part], one.key, one.phase)
            found.append(_Part(line, of_a, of_b, one))
    return found


def _op_line(match: Match) -> LedgerLine:
    kind: LineKind = match.kind
    calls = match.a_calls, match.b_calls
    return LedgerLine(match.name, kind, 0, 0, 0, None, None, match.confidence, match.reason, *calls, key=match.key)


def _host_line(name: str, kind: LineKind, reason: str, key: str, phase: str | None = None) -> LedgerLine:
    return LedgerLine(name, kind, 0, 0, 0, None, None, None, reason, key=key, phase=phase)


@dataclass(frozen=True, slots=True)
class _Table:
    """What each window of a side has on each line, ps: (windows, lines); each row sums to its window's wall.

    charged: work in full; the surplus is taken back on the line of concurrency
    shared: instants shared among concurrent work
    """

    charged: Floats
    shared: Floats


def _table(parts: Sequence[_Part], side: Sequence[Window], name: Literal["a", "b"]) -> _Table:
    keys = [part.a if name == "a" else part.b for part in parts]
    idle = np.array([[sum(window.idle.get(place, 0.0) for place in part.places) for part in parts] for window in side])
    shared = idle + np.array([[sum(window.share.get(one, 0.0) for one in of) for of in keys] for window in side])
    work = idle + np.array([[sum(window.work.get(one, 0.0) for one in of) for of in keys] for window in side])
    # Input work is meant to run beside the step: what of it is hidden is no cost, so it keeps its share.
    in_full = np.array([part.idle is None for part in parts])
    charged = np.where(in_full, work, shared)
    surplus = next(at for at, part in enumerate(parts) if part.line.kind == "concurrency")
    charged[:, surplus] = (shared - charged).sum(axis=1)
    return _Table(charged, shared)


def apportion(parts_ps: Floats, wall_ns: int) -> list[int]:
    """Parts (ps, summing to the wall but for its rounding) as whole ns that sum to wall_ns: largest remainder."""
    ns = np.asarray(parts_ps, dtype=np.float64) / PS_PER_NS
    whole = np.floor(ns).astype(np.int64)
    missing = wall_ns - int(whole.sum())
    order = np.argsort(-(ns - whole), kind="stable")
    whole[order[:missing]] += 1
    return [int(value) for value in whole]


def _whole(parts: Sequence[_Part], mean_ps: Floats, wall_ns: int) -> list[int]:
    """The lines' whole ns, which sum to the wall. All phases of one part of the idle time have the same together, however many of
    them have lines."""
    groups: dict[object, list[int]] = {}
    for at, part in enumerate(parts):
        groups.setdefault(part.idle.part if part.idle else at, []).append(at)
    sums = np.array([mean_ps[mine].sum() for mine in groups.values()])
    found = [0] * len(parts)
    for mine, ns in zip(groups.values(), apportion(sums, wall_ns), strict=True):
        for at, one in zip(mine, apportion(mean_ps[mine], ns) if len(mine) > 1 else [ns], strict=True):
            found[at] = one
    return found


def _bounds(a: Floats, b: Floats) -> list[tuple[int | None, int | None]]:
    """95 % interval of each line's difference over pairs of windows, ns."""
    pairs = min(len(a), len(b))
    if pairs < bridge.FEWEST:
        return [(None, None)] * a.shape[1]
    deltas = (b[:pairs] - a[:pairs]) / PS_PER_NS
    found = [location.t_bounds(deltas[:, line], stats.FIXED_ALPHA) for line in range(deltas.shape[1])]
    return [(int(np.floor(low)), int(np.ceil(high))) for low, high in found]


def _adjusted(a: Floats, b: Floats) -> list[float | None]:
    """Each line's p of no difference over pairs of windows, adjusted over all lines (Benjamini-Hochberg)."""
    pairs = min(len(a), len(b))
    if pairs < bridge.FEWEST:
        return [None] * a.shape[1]
    deltas = (b[:pairs] - a[:pairs]) / PS_PER_NS
    found = [location.t_pvalue(deltas[:, line]) for line in range(deltas.shape[1])]
    q = stats.benjamini_hochberg([math.nan if p is None else p for p in found]).q.tolist()
    return [None if math.isnan(value) else float(value) for value in q]


def _tag(line: LedgerLine, contrasts: Mapping[str, tuple[str, str]]) -> LedgerLine:
    """Name the settings that act on every operator on the lines of operators that both sides ran, and on what overlapped."""
    everywhere = line.kind == "concurrency" or (line.kind == "op" and line.match_confidence)
    if not contrasts or not everywhere:
        return line
    texts = ", ".join(f"{name} {left} → {right}" for name, (left, right) in sorted(contrasts.items()))
    return replace(line, name=f"{line.name} [{texts}]")


def _ledger(
    lines: Sequence[LedgerLine],
    a: Sequence[Window],
    b: Sequence[Window],
    walls: Sequence[int],
    untraced_ns: tuple[float, float] | None,
    basis: Literal["step", "trace"],
) -> Ledger:
    gap = walls[1] - walls[0]
    untraced = None if untraced_ns is None else round(untraced_ns[1]) - round(untraced_ns[0])
    rest = [line for line in lines if line.kind == "unexplained"]
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
        lines=tuple(rank.order(lines, gap)),
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
    words = in_one_unit([ledger.gap_ns, *(line.delta_ns for line in parts)])
    texts = [_delta(line, words) for line in [*parts, *rest] if line.delta_ns or line in parts]
    others = ledger.gap_ns - sum(line.delta_ns for line in [*parts, *rest])
    if len(ledger.lines) > len(parts) + len(rest):
        texts.insert(len(parts), f"{len(ledger.lines) - len(parts) - len(rest)} others {words(others)}")
    return f"B's {what} is {words(abs(ledger.gap_ns))[1:]} {longer} than A's: {', '.join(texts)}"


def _delta(line: LedgerLine, words: Callable[[float], str]) -> str:
    name = line.name if len(line.name) <= _LONGEST else f"{line.name[: _LONGEST - 1]}…"
    if line.remark and not line.remark.startswith("only"):  # the name says that
        name += f" ({line.remark})"
    if line.low_ns is None or line.high_ns is None:
        return f"{name} {words(line.delta_ns)}"
    return f"{name} {words(line.delta_ns)} [{words(line.low_ns)}, {words(line.high_ns)}]"


def _notes(ledger: Ledger) -> tuple[str, ...]:
    found = []
    if ledger.replicates < bridge.FEWEST:
        found.append(f"traced windows a side: {ledger.replicates}; intervals take {bridge.FEWEST}")
    if note := tax.exceeds(ledger):
        found.append(note)
    odd = [line for line in ledger.lines if line.a_calls is not None and line.a_calls != line.b_calls]
    if odd:
        texts = [f"{line.name} ({line.a_calls:g} against {line.b_calls:g})" for line in odd[:3]]
        found.append(f"{len(odd)} line(s) with other call counts per {ledger.basis}: {'; '.join(texts)}")
    if ledger.basis == "trace":
        found.append("no synchronised steps on both sides: the whole traces are set against each other")
    return tuple(found)
