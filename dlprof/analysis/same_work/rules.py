"""Did both sides do the same work? Workers' outputs and facts compared, and what was allowed or meant to differ."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from dlprof.analysis.facts import Agreement
from dlprof.analysis.same_work import parity
from dlprof.analysis.same_work.moves import OF_PARAMETERS
from dlprof.names import RUNTIME_THREADS, ArrayName
from dlprof.protocol import Ready
from dlprof.workload import Workload

Difference = Mapping[str, str]

_ARRAYS: Final = ("outputs", "loss", "gradients", "weights")
_MAIN_THREAD: Final = 0.2
"""What a thread that hands out work, and does none, adds to the number of busy threads (measured: 0.0 to 0.4)."""

_LOSSES: Final = (ArrayName("loss"), ArrayName("after", "losses"), ArrayName("replay", "losses"))
_OF_KIND: Final[Mapping[str, str]] = {
    "grad": "gradients",
    "after": "weights",
    "run": "weights",
    **dict.fromkeys(OF_PARAMETERS, "weights"),
}
"""Kind of array → what --allow and presets call it; any other is one of the outputs."""

_IMPLIED: Final[Mapping[str, frozenset[str]]] = {
    "model": frozenset({*_ARRAYS, "layers"}),
    "data": frozenset({*_ARRAYS, "data", "order", "steps"}),
    "loss": frozenset({"loss", "gradients", "weights"}),
    "optimizer": frozenset({"optimizer", "loss", "weights"}),
    "run": frozenset({*_ARRAYS, "batch_size", "steps", "order", "dtype", "items"}),
}
"""First key of a description → kinds of differences that follow where a preset lets the sides differ in it. An optimizer
changes the losses and weights of later steps, never the outputs or gradients of the first."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a worker said before it was timed.

    ready: of itself
    arrays: outputs from the common inputs, by name (names.ArrayName)
    missing: item → why it cannot run
    busy_threads: how many threads share a large matrix product, as seen; None where that cannot be seen
    """

    ready: Ready
    arrays: Mapping[str, np.ndarray[Any, Any]]
    missing: Mapping[str, str]
    busy_threads: float | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What the check of equal work found.

    differences: all of them; those with blocks = yes forbid a verdict, of one item alone where they name it under `item`
    compared: names of the arrays that were held against each other
    agreement: how closely they agree, within what, and the facts that are the same on both sides
    """

    differences: tuple[Difference, ...]
    compared: int
    agreement: Agreement | None = None

    @property
    def blocks(self) -> tuple[Difference, ...]:
        """Differences that forbid any verdict."""
        return tuple(d for d in parity.blocking(self.differences) if "item" not in d)

    @property
    def refused(self) -> frozenset[str]:
        """Items that are not comparable, while others are."""
        return frozenset(d["item"] for d in parity.blocking(self.differences) if "item" in d)


def kinds() -> tuple[str, ...]:
    """What --allow takes: arrays that may differ, and facts that otherwise forbid a verdict."""
    return tuple(sorted({*_ARRAYS, *parity.BLOCKING_FACTS}))


def check(a: Answers, b: Answers, workloads: Mapping[str, Workload], allow: Collection[str] = ()) -> Work:
    """Compare both workers' outputs from the same inputs, and what each says of itself."""
    arrays = [dict(one.arrays) for one in (a, b)]
    dtype = dtype_of(workloads["a"])
    found = (placed(one) for one in parity.check(arrays[0], arrays[1], dtype=dtype))
    unable = tuple(_unable(a.missing, b.missing))
    named = {one["item"] for one in unable}
    stated = _facts(a), _facts(b)
    designed = by_design(workloads["a"], workloads["b"])
    rest = (one for one in (*found, *parity.facts(*stated)) if one.get("item") not in named)
    differences = (*designed, *unable, *judged(rest, workloads, allow))
    agreement = Agreement(
        dtype=dtype,
        tolerance=parity.tolerance(dtype),
        largest_relative_difference=parity.distances(*arrays),
        same_facts={name: str(value) for name, value in stated[0].items() if stated[1].get(name) == value},
    )
    return Work(differences, len(arrays[0].keys() & arrays[1].keys()), agreement)


def judged(
    differences: Iterable[Difference], workloads: Mapping[str, Workload], allow: Collection[str]
) -> Iterator[Difference]:
    """The differences, those that were allowed or follow from the preset no longer blocking, with the reason."""
    reasons = _reasons(allow, workloads["a"], by_design(workloads["a"], workloads["b"]))
    return (_judged(one, reasons) for one in differences)


def _unable(a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[Difference]:
    """Items that a side cannot run at all, with its reason."""
    for item in dict.fromkeys([*a, *b]):
        sides = " and ".join(name for name, missing in (("A", a), ("B", b)) if item in missing)
        yield {
            "what": "unsupported",
            "where": str(ArrayName("out", item)),
            "item": item,
            "a": a.get(item, "works"),
            "b": b.get(item, "works"),
            "blocks": "yes",
            "sentence": f"{item} does not run on {sides}: {a.get(item) or b.get(item)}",
        }


def dtype_of(workload: Workload) -> str:
    """Element type that the workload computes in; it sets the tolerance."""
    description = workload.description
    found = description.get("run", {}).get("dtype") or description.get("model", {}).get("dtype")
    return str(found or "float32")


def by_design(a: Workload, b: Workload) -> tuple[Difference, ...]:
    """What a preset lets differ between the sides: each setting by its dotted name, with both values."""
    left, right = dict(_flat("", a.description)), dict(_flat("", b.description))
    return tuple(
        {
            "what": "design",
            "where": name,
            "a": left.get(name, "none"),
            "b": right.get(name, "none"),
            "blocks": "no",
            "sentence": f"{name} differs by design of the preset {a.preset}: "
            f"A {left.get(name, 'none')}, B {right.get(name, 'none')}",
        }
        for name in dict.fromkeys([*left, *right])
        if left.get(name) != right.get(name)
    )


def _reasons(allow: Collection[str], workload: Workload, designed: Sequence[Difference]) -> Mapping[str, str]:
    """Kind of difference → why it does not block."""
    reasons: dict[str, str] = {}
    named = ", ".join(workload.differs) or "see above"
    for difference in designed:
        for kind in _IMPLIED.get(difference["where"].partition(".")[0], frozenset()):
            reasons[kind] = f"follows from the preset {workload.preset}: {named}"
    return reasons | {kind: f"allowed by --allow {kind}" for kind in allow}


def _kind(difference: Difference) -> str:
    where = difference["where"]
    if difference["what"] == "fact":
        return where
    name = ArrayName.parse(where)
    return "loss" if name in _LOSSES else _OF_KIND.get(name.kind, "outputs")


def placed(difference: Difference) -> Difference:
    """With the item that it concerns, where it is an array of one item."""
    item = ArrayName.parse(difference["where"]).item if difference["what"] != "fact" else None
    return {**difference, "item": item} if item else difference


def _judged(difference: Difference, reasons: Mapping[str, str]) -> Difference:
    reason = reasons.get(_kind(difference))
    if difference["blocks"] != "yes" or reason is None:
        return difference
    return {
        **difference,
        "blocks": "no",
        "allowed": reason,
        "sentence": f"{parity.statement(difference)} ({reason})",
    }


def _facts(worker: Answers) -> dict[str, object]:
    """What a worker says of itself, flat, for parity."""
    versions, runtime = worker.ready.versions, worker.ready.runtime
    stated: dict[str, object] = {"python": versions.get("python"), "numpy": versions.get("numpy")}
    claimed = next((runtime[key] for key in RUNTIME_THREADS if key in runtime), None)
    # What was seen, where it could be seen: MXNet takes half of the processors by itself, whatever it was thought to take.
    seen = worker.busy_threads
    stated["compute_threads"] = claimed if seen is None else max(1, round(seen - _MAIN_THREAD))
    stated.update(runtime.get("facts", {}))
    return {name: str(value) for name, value in stated.items() if value is not None}


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """Leaves of nested tables by dotted name; entries of a list by their `name`, else by position."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), entry)
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        for at, entry in enumerate(value):
            yield from _flat(f"{prefix}.{entry.get('name', at)}", entry)
    else:
        yield prefix, str(value)
