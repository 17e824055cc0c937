"""Opens what a user names: a directory that dlprof wrote, or raw trace files, which are imported into a temporary one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dlprof import temporary
from dlprof.api.findings.evidence import view_stored, view_unstored
from dlprof.api.import_traces import import_files, read_summed, read_unstored
from dlprof.errors import StoreError, TraceError, UsageError
from dlprof.files import check_regular
from dlprof.store import MANIFEST_FILE, Capture

if TYPE_CHECKING:
    from dlprof.analysis.of_one_trace import View
    from dlprof.api.rankings import RankingResult
    from dlprof.api.results import CaptureResult, ComparisonResult
    from dlprof.api.study.results import StudyResult


def load(path: str | Path) -> ComparisonResult | CaptureResult | RankingResult | StudyResult:
    """What `dlprof compare`, `capture`, `import` or `run` wrote at `path`. Raises `StoreError` where it is none of these."""
    from dlprof.study import STUDY_FILE

    if (Path(path) / STUDY_FILE).is_file():
        from dlprof.api.study import results as study_results

        return study_results.load(Path(path))

    return _run_at(Path(path))


def _run_at(path: Path) -> ComparisonResult | CaptureResult | RankingResult:
    from dlprof.api import rankings, results  # late: comparing takes SciPy, opening does not

    if Capture.open(path).manifest.kind == "ranking":
        return rankings.RankingResult(Capture.open(path))
    return results.load_run(path)


def comparison_at(path: Path) -> ComparisonResult | RankingResult | None:
    """The comparison whose directory `path` is; None where it is anything else. Raises `StoreError`."""
    if not (path / MANIFEST_FILE).is_file() or not Capture.open(path).manifest.of_sides:
        return None
    from dlprof.api.results import CaptureResult

    found = _run_at(path)
    return None if isinstance(found, CaptureResult) else found


@contextmanager
def opened(path: Path, *, repair: bool = False, columns: Collection[str] | None = None) -> Iterator[Capture]:
    """The capture at `path`; for a raw trace file or folder, a temporary import that lives as long as the block.

    columns: all of its events that will be asked for; a raw trace is then read for these alone, and nothing is stored
    """
    capture = _stored(path)
    if capture is not None:
        yield capture
    elif columns is not None:
        yield read_unstored(path, columns, repair=repair)
    else:
        with temporary.folder() as folder:
            yield import_files([path], folder / "capture", repair=repair, copy=False)


def viewed(path: Path, by: str, where: Literal["work", "host"] = "work", *, repair: bool = False) -> View:
    """A breakdown of the capture at `path`, or of a raw trace file or folder, of which nothing is stored. Of either no more is
    kept in memory than the breakdown needs (view_stored says of which captures more is).

    Raises `UsageError` for an unknown `by`.
    """
    capture = _stored(path)
    if capture is None:
        return view_unstored(*read_summed(path, by, where, repair=repair))
    return view_stored(capture, by, where)


def _stored(path: Path) -> Capture | None:
    """The capture whose directory `path` is; None for a raw trace. Raises for anything else."""
    if not path.exists():
        raise TraceError(f"{path}: no such file or directory", hint="give a capture directory or a trace file")
    check_regular(path, TraceError)
    if not path.is_dir():
        return None
    from dlprof.store.rank_set import is_rank_set  # late, as what follows: a trace file starts without them
    from dlprof.study import STUDY_FILE

    if (path / STUDY_FILE).is_file():
        raise StoreError(
            f"{path}: a study, not one run", hint=f"name one of its cells, such as those in {path / 'cells'}"
        )
    if is_rank_set(path):
        raise StoreError(
            f"{path}: a data set of ranks, not one capture",
            hint=f"dlprof ranks {path}; to show one rank, name its trace",
        )
    if not (path / MANIFEST_FILE).is_file():
        return None
    capture = Capture.open(path)
    if capture.manifest.of_sides:
        raise StoreError(
            f"{path}: a comparison, not one capture",
            hint=f"name one of its captures: {', '.join(str(path / name) for name in capture.captures())}",
        )
    return capture


@contextmanager
def opened_pair(
    a: Path, b: Path, *, repair: bool = False, columns: Collection[str] | None = None
) -> Iterator[ComparisonResult]:
    """Two captures or raw traces side by side. columns: as of `opened`; of a stored one those of a comparison are read."""
    from dlprof.api import results  # late: comparing takes SciPy, opening does not

    with opened(a, repair=repair, columns=columns) as left, opened(b, repair=repair, columns=columns) as right:
        yield results.diff(left, right, kept=[(path / MANIFEST_FILE).is_file() for path in (a, b)])


@contextmanager
def opened_any(
    a: Path, b: Path | None, pair: str | None = None
) -> Iterator[ComparisonResult | CaptureResult | RankingResult]:
    """A comparison directory, two captures or traces, or one. pair: two sides (a,c) of a comparison of more than two, which is
    then opened as a comparison of these."""
    from dlprof.api import rankings, results

    if pair is not None and (b is not None or not (a / MANIFEST_FILE).is_file()):
        raise UsageError("--pair names two sides of one comparison directory", hint="leave it out")
    if b is not None:
        with opened_pair(a, b) as both:
            yield both
    elif (a / MANIFEST_FILE).is_file():
        found = _run_at(a)
        if pair is not None and not isinstance(found, rankings.RankingResult):
            raise UsageError(f"{a}: --pair is for a comparison of more than two sides", hint="leave it out")
        yield found.named(pair) if pair is not None and isinstance(found, rankings.RankingResult) else found
    else:
        with opened(a) as capture:
            yield results.CaptureResult(capture)


@contextmanager
def opened_result(a: Path, b: Path | None, pair: str | None = None) -> Iterator[ComparisonResult | CaptureResult]:
    """As `opened_any`, of two sides at most. Raises `UsageError` for a comparison of more without `pair`."""
    from dlprof.api import rankings

    with opened_any(a, b, pair) as found:
        yield found.named(pair) if isinstance(found, rankings.RankingResult) else found
