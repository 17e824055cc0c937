"""The notebooks of examples/ run from end to end and print what is stored in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from places import ROOT

nbformat = pytest.importorskip("nbformat", reason="the extra `test` brings nbclient and ipykernel")
nbclient = pytest.importorskip("nbclient")

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def printed(notebook: Any) -> list[str]:
    """The text of each code cell's outputs."""
    return [
        "".join(output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_there_are_examples() -> None:
    assert len(NOTEBOOKS) >= 2


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::RuntimeWarning")
def test_a_notebook_runs_and_prints_what_it_shows(path: Path) -> None:
    stored = nbformat.read(path, as_version=4)
    ran = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(ran, timeout=200, resources={"metadata": {"path": str(path.parent)}}).execute()
    assert all(printed(stored)), "stored without its outputs"
    assert printed(ran) == printed(stored)
