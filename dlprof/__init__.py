"""dlprof: which deep-learning framework is faster, by how much, how sure that is, and why.

import dlprof
comparison = dlprof.load("my-comparison")     # a directory of `dlprof compare`
comparison.verdict, comparison.ratio, comparison.rows.to_pandas()
capture = dlprof.load("my-capture")           # of `dlprof capture` or `import`
capture.view("layer").table
study = dlprof.load("my-study")               # of `dlprof run`
study.items.to_pandas(), study.cells[0].load()
"""

from typing import TYPE_CHECKING, Any

from dlprof.version import __version__

__all__ = ["CaptureResult", "ComparisonResult", "Records", "StudyCell", "StudyResult", "__version__", "load"]

if TYPE_CHECKING:
    from dlprof.api.load import load
    from dlprof.api.results import CaptureResult, ComparisonResult, Records
    from dlprof.api.study.results import StudyCell, StudyResult


def __getattr__(name: str) -> Any:
    # Loaded when asked for: `dlprof --help` must not pay for pyarrow.
    if name in __all__:
        from dlprof.api import load, results
        from dlprof.api.study import results as study_results

        home = load if name == "load" else study_results if name.startswith("Study") else results
        return getattr(home, name)
    raise AttributeError(f"module 'dlprof' has no attribute {name!r}")
