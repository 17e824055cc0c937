"""dlprof: which deep-learning framework is faster, by how much, how sure that is, and why.

>>> import dlprof
>>> found = dlprof.diff("traces/lenet-tf-exact", "traces/lenet-mxnet-exact")    # two recordings, of any frameworks
>>> found
<ComparisonResult: MXNet 1.9.1 (hybrid) inconclusive against TensorFlow 2.21.0 (graph), lenet: 2.181, 1 trial>
>>> found.items[0].item, found.rows.to_arrow().num_rows
('step', 48)

`dlprof.load(path)` opens a directory of `dlprof compare`, `capture`, `import` or `run`, and raw traces; `dlprof.compare("lenet",
"tf", "mxnet")` measures.

>>> capture = dlprof.load("traces/lenet-tf-exact")
>>> capture.view("layer").table.num_rows
23
>>> study = dlprof.load("analysis/audit/data")
>>> study.items[0].verdict, study.items[0].cell.status
('inconclusive', 'done')
"""

from typing import TYPE_CHECKING, Any, Final

from dlprof.version import __version__

if TYPE_CHECKING:
    from dlprof.api.frames import Frame, Records
    from dlprof.api.functions import compare, diff, load
    from dlprof.api.rankings import RankingResult
    from dlprof.api.results import CaptureResult, ComparisonResult, ViewResult
    from dlprof.api.study.results import StudyCell, StudyItem, StudyResult
    from dlprof.errors import DlprofError

__all__ = [
    "CaptureResult",
    "ComparisonResult",
    "DlprofError",
    "Frame",
    "RankingResult",
    "Records",
    "StudyCell",
    "StudyItem",
    "StudyResult",
    "ViewResult",
    "__version__",
    "compare",
    "diff",
    "load",
]

_HOMES: Final = {
    "dlprof.api.frames": ("Frame", "Records"),
    "dlprof.api.functions": ("compare", "diff", "load"),
    "dlprof.api.rankings": ("RankingResult",),
    "dlprof.api.results": ("CaptureResult", "ComparisonResult", "ViewResult"),
    "dlprof.api.study.results": ("StudyCell", "StudyItem", "StudyResult"),
    "dlprof.errors": ("DlprofError",),
}


def __getattr__(name: str) -> Any:
    # Loaded when asked for: `dlprof --help` must not pay for pyarrow.
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'dlprof' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
