"""Some ranks and steps of a data set as one trace on one clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from dlprof.api.ranks.read import Opened
from dlprof.errors import UsageError
from dlprof.report.traces import chrome_ranks
from dlprof.store.rank_set import RankSet

MOST: Final = 8
"""Ranks that are exported where nobody says which."""


@dataclass(frozen=True, slots=True)
class Exported:
    """Chunks of one JSON object; ranks and steps that it shows."""

    chunks: Iterator[bytes]
    ranks: tuple[int, ...]
    first: int
    last: int


def export(opened: Opened, ranks: Sequence[int] | None, steps: tuple[int, int] | None) -> Exported:
    """The events of some ranks in some steps. Raises `UsageError` for ranks and steps that are not there.

    ranks: None for those of the worst step that took longest themselves and shortest. steps: the first and the last; None for
    the step in which the others waited longest.
    """
    job, found = opened.job, opened.found()
    there = {one.rank: at for at, one in enumerate(job.members)}
    numbers = job.steps.tolist()
    waited = {one.step: one.waited for one in found.by_step}
    worst = max(numbers, key=lambda number: waited.get(number, 0.0))
    first, last = steps or (worst, worst)
    if not any(first <= number <= last for number in numbers):
        raise UsageError(
            f"no step that all ranks have lies in {first}..{last}", hint=f"there are {numbers[0]} to {numbers[-1]}"
        )
    if ranks is None:
        order = sorted(found.by_rank, key=lambda one: -one.excess.mean)
        kept = order if len(order) <= MOST else [*order[: MOST // 2], *order[-MOST // 2 :]]
        ranks = sorted(one.rank for one in kept if one.rank is not None)
    for rank in ranks:
        if rank not in there:
            raise UsageError(
                f"no rank {rank} in run {opened.run}", hint=f"it has {len(there)}, from {min(there)} to {max(there)}"
            )
    told = {"run": opened.run, "ranks": list(ranks), "first_step": first, "last_step": last}
    data = RankSet(opened.path)

    def parts() -> Iterator[tuple[int, pa.Table]]:
        for rank in ranks:
            yield there[rank], data.events(opened.run, rank)

    return Exported(chrome_ranks.export(parts(), job, first, last, told), tuple(ranks), first, last)
