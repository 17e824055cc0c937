"""Installs the packages of this folder for a test, as far as Python's metadata can tell: a dist-info folder on the path."""

from __future__ import annotations

import os
from pathlib import Path

from places import ROOT

ENTRY_POINTS = """
[dlprof.frameworks]
np = numpy_framework:NumpyFramework
[dlprof.readers]
numpy-calls = numpy_trace:numpy_calls
"""


def installed(site: Path, entry_points: str = ENTRY_POINTS) -> dict[str, str]:
    """The environment variables under which a process finds the package."""
    info = site / "numpy_framework-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy-framework\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)
    return {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "plugin", site)))}
