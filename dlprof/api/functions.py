"""dlprof as a library: `dlprof.load`, `dlprof.diff` and `dlprof.compare`, the verbs of the command line as functions."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dlprof.api import load as loading
from dlprof.errors import StoreError, UsageError
from dlprof.store import MANIFEST_FILE
from dlprof.study import STUDY_FILE
from dlprof.units import parse_duration

if TYPE_CHECKING:
    from dlprof.api.options import Method
    from dlprof.api.progress import Progress
    from dlprof.api.rankings import RankingResult
    from dlprof.api.results import CaptureResult, ComparisonResult
    from dlprof.api.study.results import StudyResult

_Kept = TypeVar("_Kept")


def load(path: str | Path, *, repair: bool = False) -> ComparisonResult | CaptureResult | RankingResult | StudyResult:
    """What `dlprof compare`, `capture`, `import` or `run` wrote at `path`, or a raw trace file or folder of any framework.

    repair: of a raw trace keep what stands before damage

    Raises `StoreError` where there is nothing that dlprof reads, `TraceError` for a trace that cannot be read.

    >>> import dlprof
    >>> dlprof.load("traces/lenet-tf-exact")
    <CaptureResult: lenet, TensorFlow 2.21.0 (graph), exact, 2749 events>
    """
    path = Path(path)
    if not path.exists():
        raise StoreError(f"{path}: no such file or directory", hint="name a result's directory or a trace")
    if path.is_dir() and ((path / STUDY_FILE).is_file() or (path / MANIFEST_FILE).is_file()):
        return loading.load(path)
    from dlprof.api.results import CaptureResult

    stack = ExitStack()
    return _kept(CaptureResult(stack.enter_context(loading.opened(path, repair=repair))), stack)


def diff(a: str | Path, b: str | Path, *, repair: bool = False) -> ComparisonResult:
    """Two captures or raw traces side by side: an estimate and where the time goes, never a verdict.

    repair: of raw traces keep what stands before damage

    Raises `StoreError` and `TraceError` as `load` does.

    >>> import dlprof
    >>> found = dlprof.diff("traces/lenet-tf-exact", "traces/lenet-mxnet-exact")
    >>> found.verdict, round(found.ratio.estimate, 2)
    ('inconclusive', 2.18)
    >>> found.ledger[0]["name"]
    'Conv backward conv1'
    """
    stack = ExitStack()
    return _kept(stack.enter_context(loading.opened_pair(Path(a), Path(b), repair=repair)), stack)


def compare(
    workload: str | Path,
    a: str = "tf",
    b: str = "mxnet",
    *more: str,
    preset: str | None = None,
    settings: Mapping[str, object] | None = None,
    budget: float | str = "5m",
    trials: int | None = None,
    precision: float | None = None,
    margin: float = 0.05,
    traces: int | None = None,
    gate: float | None = None,
    allow: Sequence[str] = (),
    device: str = "cpu",
    seed: int = 0,
    threads: int | None = None,
    epochs: int | None = None,
    max_steps: int | None = None,
    timeout: float | str = "30m",
    python: str | Path | None = None,
    data: str | Path | None = None,
    calls: str | Path | None = None,
    reasons: bool = True,
    epoch_capture: bool = False,
    method: Method = "lockstep",
    output: str | Path | None = None,
    progress: Progress | None = None,
) -> ComparisonResult | RankingResult:
    """Run a workload on two sides or more in lockstep, as `dlprof compare` does; this takes minutes.

    workload: its name, or the path of its TOML file
    a, b, more: the sides, such as `tf@2.21:graph`
    settings: of the workload, such as {"batch_size": 100}
    budget, timeout: seconds, or a text such as "10m"
    precision, margin, gate: shares, such as 0.05
    output: the directory to make (default: a dated one below dlprof-out/)
    progress: where it tells how far it is (api.progress.Progress); None: nowhere

    The other arguments are those of the options of the same names. Sides that did different work give the verdict
    `not_comparable`, which is no exception. Raises `DlprofError`: `UsageError`, `EnvironmentFailed`, `ChildFailed`, …
    """
    from dlprof.analysis.timing.ranking import Ranking
    from dlprof.api.compare import run
    from dlprof.api.options import CompareOptions, RunOptions
    from dlprof.api.progress import Stages

    one = RunOptions(
        workload=str(workload),
        preset=preset,
        settings={name: str(value) for name, value in (settings or {}).items()},
        epochs=_positive("epochs", epochs),
        device=device,
        mode=None,
        seed=seed,
        python=_path(python),
        data=_path(data),
        threads=_positive("threads", threads),
        max_steps=_positive("max_steps", max_steps),
        timeout_s=_seconds(timeout),
        calls=_path(calls),
    )
    options = CompareOptions(
        run=one,
        a=a,
        b=b,
        more=more,
        budget_s=_seconds(budget),
        trials=_positive("trials", trials),
        precision=_share("precision", precision),
        margin=_share("margin", margin) or margin,
        traces=traces,
        gate=_share("gate", gate),
        allow=tuple(allow),
        output=_path(output),
        reasons=reasons,
        epoch_capture=epoch_capture,
        method=method,
    )
    found, _ = run.compare(options, progress or Stages())
    first = next(iter(found.comparisons.values())) if isinstance(found, Ranking) else found
    return _of_folder(first.facts.folder)


def _of_folder(folder: str | None) -> ComparisonResult | RankingResult:
    assert folder is not None
    made = loading.load(folder)
    from dlprof.api.rankings import RankingResult
    from dlprof.api.results import ComparisonResult

    assert isinstance(made, ComparisonResult | RankingResult)
    return made


def _kept(result: _Kept, stack: ExitStack) -> _Kept:
    """The result, whose temporary folders go when it goes."""
    weakref.finalize(result, stack.close)
    return result


def _seconds(value: float | str) -> float:
    return parse_duration(value if isinstance(value, str) else f"{value:f}")


def _share(name: str, value: float | None) -> float | None:
    if value is not None and not 0 < value < 1:
        raise UsageError(f"{name}={value}: a share lies between 0 and 1", hint="5 % is 0.05")
    return value


def _positive(name: str, value: int | None) -> int | None:
    if value is not None and value < 1:
        raise UsageError(f"{name}={value}: must be at least 1", hint="leave it out for the usual")
    return value


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else Path(value)
