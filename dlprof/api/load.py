"""Opens what a user names: a directory that dlprof wrote, or raw trace files, which are imported into a temporary one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dlprof import temporary
from dlprof.api.import_traces import import_files
from dlprof.errors import StoreError, TraceError
from dlprof.files import check_regular
from dlprof.store import MANIFEST_FILE, Capture
from dlprof.study import STUDY_FILE

if TYPE_CHECKING:
    from dlprof.api.results import CaptureResult, ComparisonResult
    from dlprof.api.study.results import StudyResult


def load(path: str | Path) -> ComparisonResult | CaptureResult | StudyResult:
    """What `dlprof compare`, `capture`, `import` or `run` wrote at `path`. Raises `StoreError` where it is none of these."""
    if (Path(path) / STUDY_FILE).is_file():
        from dlprof.api.study import results as study_results

        return study_results.load(Path(path))

    from dlprof.api import results

    return results.load_run(Path(path))


@contextmanager
def opened(path: Path, *, repair: bool = False) -> Iterator[Capture]:
    """The capture at `path`; for a raw trace file or folder, a temporary import that lives as long as the block."""
    if not path.exists():
        raise TraceError(f"{path}: no such file or directory", hint="give a capture directory or a trace file")
    check_regular(path, TraceError)
    if (path / STUDY_FILE).is_file():
        raise StoreError(
            f"{path}: a study, not one run", hint=f"name one of its cells, such as those in {path / 'cells'}"
        )
    if (path / MANIFEST_FILE).is_file():
        capture = Capture.open(path)
        if capture.manifest.kind == "compare":
            raise StoreError(
                f"{path}: a comparison, not one capture",
                hint=f"name one of its captures: {', '.join(str(path / name) for name in capture.captures())}",
            )
        yield capture
        return
    with temporary.folder() as folder:
        yield import_files([path], folder / "capture", repair=repair, copy=False)


@contextmanager
def opened_pair(a: Path, b: Path, *, repair: bool = False) -> Iterator[ComparisonResult]:
    """Two captures or raw traces side by side."""
    from dlprof.api import results  # late: comparing takes SciPy, opening does not

    with opened(a, repair=repair) as left, opened(b, repair=repair) as right:
        yield results.diff(left, right, kept=[(path / MANIFEST_FILE).is_file() for path in (a, b)])


@contextmanager
def opened_result(a: Path, b: Path | None) -> Iterator[ComparisonResult | CaptureResult]:
    """A comparison directory, two captures or traces, or one."""
    from dlprof.api import results

    if b is not None:
        with opened_pair(a, b) as pair:
            yield pair
    elif (a / MANIFEST_FILE).is_file():
        yield results.load_run(a)
    else:
        with opened(a) as capture:
            yield results.CaptureResult(capture)
