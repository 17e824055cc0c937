"""Two data sets of ranks against each other."""

from __future__ import annotations

from pathlib import Path

from dlprof.analysis.ranks import two_jobs
from dlprof.analysis.ranks.two_jobs import Recorded, TwoJobs
from dlprof.api.ranks.read import opened
from dlprof.units import PS_PER_NS


def diff(a: Path, b: Path, run: str | None = None) -> TwoJobs:
    """B against A. run: which, where a data set holds several. Raises `StoreError`, `UsageError`."""
    return two_jobs.compare(_recorded(a, run), _recorded(b, run))


def _recorded(path: Path, run: str | None) -> Recorded:
    read = opened(path, run)
    return Recorded(read.found(), (read.job.wall - read.job.parts["communication_ps"]) / PS_PER_NS)
