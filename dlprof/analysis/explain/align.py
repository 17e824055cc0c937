"""Alignment: which operators of A are the same work as which of B, with a confidence and the reason for each match.

Operators are first gathered into cells (canonical op, phase, layer). Cells are then matched in passes, the surest
first; what a pass has matched the next ones do not see. A match joins groups: a fused kernel (Conv+Add+Relu)
corresponds to the several operators that the other side runs for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from dlprof.analysis.model import Alignment, Match
from dlprof.analysis.trace.cells import Cell

_BIAS: Final = frozenset({"Add", "BiasAdd", "ReduceSum"})
"""What a layer's bias costs where a framework runs it apart: the addition, and the sum over the batch in the backward."""

_BIASED: Final = frozenset({"Conv", "Gemm"})


@dataclass(frozen=True, slots=True)
class _Group:
    """Indices of matched cells on both sides."""

    a: tuple[int, ...]
    b: tuple[int, ...]
    confidence: float
    reason: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Aligned:
    """An alignment with the cells' indices kept: group i is alignment.matches[i]; used to sum times per match."""

    a: tuple[Cell, ...]
    b: tuple[Cell, ...]
    alignment: Alignment
    a_groups: tuple[tuple[int, ...], ...]
    b_groups: tuple[tuple[int, ...], ...]


Key = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class _Pass:
    """One way to match cells of A with cells of B.

    key: the bucket that a cell falls into; None where this pass does not concern it
    whole: a bucket is matched as one; else the cells in it that share operators
    """

    key: Callable[[Cell], Key | None]
    confidence: float
    reason: str
    whole: bool = False


def _placed(cell: Cell) -> Key | None:
    return (cell.phase, cell.layer) if cell.layer else None


def _whole_phase(cell: Cell) -> Key | None:
    """The loss, the optimizer, transfers and communication correspond as wholes."""
    return (cell.phase,) if not cell.layer and cell.phase in _WHOLES else None


def _loss_gradient(cell: Cell) -> Key | None:
    """Backward work of no layer, in traces that do name layers: the gradient of the loss."""
    return ("backward",) if not cell.layer and cell.phase == "backward" else None


_WHOLES: Final = ("loss", "optimizer", "transfer", "communication")
_WHOLE: Final = "the whole of this phase"
_LAYER: Final = _Pass(_placed, 1.0, "same phase and layer")
_GRADIENT: Final = _Pass(_loss_gradient, 0.9, "backward work of no layer", whole=True)
_PASSES: Final = (
    _Pass(_whole_phase, 0.9, _WHOLE, whole=True),
    _Pass(lambda cell: (cell.phase,) if not cell.layer else None, 0.9, "same operator and phase, neither has layers"),
    _Pass(lambda cell: (cell.phase,), 0.6, "same operator and phase; layers unknown or named otherwise"),
    _Pass(lambda _: (), 0.5, "same operator; phases unknown or different"),
)


def _passes(a: Sequence[Cell], b: Sequence[Cell]) -> tuple[_Pass, ...]:
    """The surest first. Without layers on both sides all of the backward work lacks one, so that says nothing then."""
    layered = all(any(cell.layer and cell.phase == "backward" for cell in side) for side in (a, b))
    return (_LAYER, _GRADIENT, *_PASSES) if layered else (_LAYER, *_PASSES)


def align(a: Sequence[Cell], b: Sequence[Cell]) -> Aligned:
    """Match the cells of two sides (cells.gather), the surest pass first; what is left is unmatched, a match per cell."""
    left_a, left_b = set(range(len(a))), set(range(len(b)))
    groups: list[_Group] = []
    for one in _passes(a, b):
        for group in _run(one, a, b, left_a, left_b):
            group = _absorb_bias(group, a, b, left_a, left_b)
            left_a -= set(group.a)
            left_b -= set(group.b)
            groups.append(group)
    groups += [_Group((i,), (), 0.0, "nothing in B corresponds") for i in sorted(left_a)]
    groups += [_Group((), (i,), 0.0, "nothing in A corresponds") for i in sorted(left_b)]
    pairs = [(group, _match(group, a, b)) for group in groups]
    pairs.sort(key=lambda pair: -(pair[1].a_ns + pair[1].b_ns))
    alignment = Alignment(
        matches=tuple(match for _, match in pairs),
        a_unmatched=_share([a[i].ns for i in left_a], a),
        b_unmatched=_share([b[i].ns for i in left_b], b),
        a_unknown=_unknown(a),
        b_unknown=_unknown(b),
    )
    return Aligned(
        tuple(a), tuple(b), alignment, tuple(group.a for group, _ in pairs), tuple(group.b for group, _ in pairs)
    )


def _run(one: _Pass, a: Sequence[Cell], b: Sequence[Cell], left_a: set[int], left_b: set[int]) -> list[_Group]:
    buckets: dict[Key, tuple[list[int], list[int]]] = {}
    for side, cells, left in ((0, a, left_a), (1, b, left_b)):
        for index in sorted(left):
            key = one.key(cells[index])
            if key is not None:
                buckets.setdefault(key, ([], []))[side].append(index)
    found = []
    for in_a, in_b in buckets.values():
        parts = [(in_a, in_b)] if one.whole else _components(in_a, in_b, a, b)
        for part_a, part_b in parts:
            if part_a and part_b:
                confidence, reason = _judge(one, [a[i] for i in part_a], [b[i] for i in part_b])
                found.append(_Group(tuple(part_a), tuple(part_b), confidence, reason))
    return found


def _components(
    in_a: Sequence[int], in_b: Sequence[int], a: Sequence[Cell], b: Sequence[Cell]
) -> list[tuple[list[int], list[int]]]:
    """Connected groups of cells that share an operator, fused ones included."""
    groups: list[tuple[set[str], list[int], list[int]]] = []
    for side, index in [(0, i) for i in in_a] + [(1, i) for i in in_b]:
        ops = set((a if side == 0 else b)[index].ops)
        merged: tuple[set[str], list[int], list[int]] = (ops, [], [])
        (merged[1] if side == 0 else merged[2]).append(index)
        rest = []
        for group in groups:
            if group[0] & ops:
                merged = (merged[0] | group[0], [*group[1], *merged[1]], [*group[2], *merged[2]])
            else:
                rest.append(group)
        groups = [*rest, merged]
    return [(sorted(group[1]), sorted(group[2])) for group in groups]


def _judge(one: _Pass, a: Sequence[Cell], b: Sequence[Cell]) -> tuple[float, str]:
    """Confidence and reason of a match: the pass's, lowered where kinds, fusing or counts differ, and saying so."""
    confidence, reasons = one.confidence, [one.reason]
    names_a, names_b = {cell.op for cell in a}, {cell.op for cell in b}
    fused = [cell for cell in (*a, *b) if cell.fuses]
    if names_a != names_b:
        confidence -= 0.1
        if fused:
            reasons.append(f"{fused[0].op} fuses {', '.join(sorted(fused[0].fuses))}")
        elif not names_a & names_b:
            reasons.append(f"{_list(names_a)} in A does the work of {_list(names_b)} in B")
        else:
            reasons.append(f"beside what both run, A has {_list(names_a - names_b)}, B has {_list(names_b - names_a)}")
    main = _main(a, b)
    if main and _calls(a, main) != _calls(b, main):
        confidence -= 0.2
        reasons.append(f"calls differ: {main} {_calls(a, main):g} in A, {_calls(b, main):g} in B")
    return round(max(confidence, 0.1), 2), "; ".join(reasons)


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing more"


def _calls(cells: Sequence[Cell], op: str) -> float:
    return sum(cell.calls for cell in cells if cell.op == op)


def _main(a: Sequence[Cell], b: Sequence[Cell]) -> str | None:
    """The operator that takes the most time on both sides: the one whose calls can be compared. None where they differ,
    as where one side has a fused loss and the other its parts."""
    if not a or not b:
        return None
    first, second = (max(cells, key=lambda cell: cell.ns).op for cells in (a, b))
    return first if first == second else None


def _absorb_bias(group: _Group, a: Sequence[Cell], b: Sequence[Cell], left_a: set[int], left_b: set[int]) -> _Group:
    """Add a layer's bias, where one side runs it apart and the other inside its Conv or Gemm."""
    head = [*(a[i] for i in group.a), *(b[i] for i in group.b)]
    place = _placed(head[0])
    if place is None or not any(cell.op in _BIASED for cell in head):
        return group
    apart = [
        tuple(i for i in left - set(used) if _placed(cells[i]) == place and cells[i].op in _BIAS)
        for cells, left, used in ((a, left_a, group.a), (b, left_b, group.b))
    ]
    if bool(apart[0]) == bool(apart[1]):
        return group
    side = "A" if apart[0] else "B"
    reason = f"{group.reason}; {side} runs the bias apart, the other side inside its operator"
    return _Group((*group.a, *apart[0]), (*group.b, *apart[1]), round(group.confidence - 0.05, 2), reason)


def _match(group: _Group, a: Sequence[Cell], b: Sequence[Cell]) -> Match:
    in_a = sorted((a[i] for i in group.a), key=lambda cell: -cell.ns)
    in_b = sorted((b[i] for i in group.b), key=lambda cell: -cell.ns)
    main = _main(in_a, in_b)
    return Match(
        name=_name(in_a, in_b, group.reason.split("; ")[0]),
        kind=_kind([*in_a, *in_b]),
        a_ops=tuple(cell.label for cell in in_a),
        b_ops=tuple(cell.label for cell in in_b),
        confidence=group.confidence,
        reason=group.reason,
        a_ns=sum(cell.ns for cell in in_a),
        b_ns=sum(cell.ns for cell in in_b),
        a_calls=_calls(in_a, main) if main else None,
        b_calls=_calls(in_b, main) if main else None,
    )


def _kind(cells: Sequence[Cell]) -> Literal["op", "copy", "communication", "input"]:
    if all(cell.phase == "input" for cell in cells):
        return "input"
    if all(cell.phase == "communication" for cell in cells):
        return "communication"
    return "copy" if all(cell.copy or cell.phase == "transfer" for cell in cells) else "op"


def _name(a: Sequence[Cell], b: Sequence[Cell], reason: str) -> str:
    """`Conv+Relu forward conv1`; `optimizer (Adam)`, `loss (…)` for wholes; the operators of the longer list, longest first."""
    cells = sorted([*a, *b], key=lambda cell: -cell.ns)
    ops = list(dict.fromkeys(cell.op for cell in cells))
    shown = "+".join(ops[:3]) + ("+…" if len(ops) > 3 else "")
    phase, layer = cells[0].phase, cells[0].layer
    only = "" if a and b else (" (A only)" if a else " (B only)")
    if phase in ("loss", "optimizer", "communication") and not layer:
        return f"{phase} ({shown}){only}"
    if phase == "transfer":
        return f"copies ({shown}){only}"
    if reason == _GRADIENT.reason:
        return f"backward of the loss ({shown})"
    return " ".join(part for part in (shown, phase, layer) if part) + only


def _share(unmatched: Sequence[float], cells: Sequence[Cell]) -> float:
    total = sum(cell.ns for cell in cells)
    return sum(unmatched) / total if total else 0.0


def _unknown(cells: Sequence[Cell]) -> tuple[str, ...]:
    return tuple(cell.op for cell in sorted(cells, key=lambda cell: -cell.ns) if not cell.known)
