"""Raw traces that `show` and `diff` read for the columns they need and store nowhere: the same as from a stored import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final, Literal

import pytest
from kineto_files import event, launched, write
from places import ROOT, TRACES

from dlprof import schema, temporary
from dlprof.analysis.model import View
from dlprof.analysis.trace import breakdown
from dlprof.api import load
from dlprof.api.findings.evidence import COMPARED, placed_events, view_of
from dlprof.cli.main import main
from dlprof.native import library
from dlprof.store import Capture, Unstored

WHERE: Final[tuple[Literal["work", "host"], ...]] = ("work", "host")
DATA = ROOT / "tests" / "unit" / "ingest" / "data"
RECORDED = [DATA / "lenet-tf-2.21.xplane.pb", DATA / "tf-2.0.0.local.trace", *sorted(DATA.glob("*.timeline.json"))]
OTHERS = [
    TRACES / "mxnet" / "gpu-mnist-2019" / "gpu_mnist_cnn_profile_output.json",
    TRACES / "kineto" / "h100" / "Qwen_Qwen1.5-0.5B-Chat__1016005.json.gz",
]


def views(capture: Capture, columns: tuple[str, ...]) -> dict[tuple[str, str], View]:
    """Every breakdown that these columns suffice for."""
    events, counted = placed_events(capture, columns)
    return {
        (by, where): view_of(capture, events, counted, by, where)
        for by in breakdown.KEYS
        for where in WHERE
        if set(breakdown.columns_of(by)) <= set(columns)
    }


@pytest.mark.parametrize("path", [*RECORDED, *OTHERS], ids=lambda path: path.name[:40])
def test_every_view_is_that_of_the_stored_table(path: Path) -> None:
    if not path.exists():
        pytest.skip("../shared/traces is not here")
    found: dict[tuple[str, str], View] = {}
    for by in ("op", "source"):  # the columns of these two are those of all
        columns = breakdown.columns_of(by)
        with load.opened(path, columns=columns) as capture:
            assert isinstance(capture, Unstored)
            found |= views(capture, columns)
    assert {by for by, _ in found} == set(breakdown.KEYS)
    with load.opened(path) as capture:
        assert found == views(capture, tuple(schema.EVENTS.names))


@pytest.mark.parametrize("path", [*RECORDED, *OTHERS], ids=lambda path: path.name[:40])
def test_a_breakdown_of_events_that_go_by_is_that_of_the_stored_table(path: Path) -> None:
    if not path.exists():
        pytest.skip("../shared/traces is not here")
    with load.opened(path) as capture:
        expected = views(capture, tuple(schema.EVENTS.names))
    if path in OTHERS:  # large ones
        expected = {key: view for key, view in expected.items() if key in (("op", "work"), ("step", "host"))}
    assert {key: load.viewed(path, *key) for key in expected} == expected


def test_a_breakdown_keeps_no_table_of_the_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "t.json", launched("aten::mm", [("gemm", 20, 9)], at=0, length=10))

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the events are kept")

    monkeypatch.setattr(load, "read_unstored", refused)
    assert load.viewed(path, "op").table["op"].to_pylist() == ["MatMul"]


@pytest.mark.parametrize("columns", [("id", "name"), ("start_ps", "args"), COMPARED, tuple(schema.EVENTS.names)])
def test_columns_asked_for_are_those_of_the_whole_table(tmp_path: Path, columns: tuple[str, ...]) -> None:
    path = write(
        tmp_path / "t.json",
        launched("aten::mm", [("gemm", 20, 9)], at=0, first=1),
        event("user_annotation", "ProfilerStep#0", 0, 100),
    )
    with load.opened(path) as stored, load.opened(path, columns=columns) as unstored:
        whole, part = stored.events(), unstored.events()
        assert part.column_names == [name for name in schema.EVENTS.names if name in columns]
        assert part.to_pylist() == whole.select(part.column_names).to_pylist()
        assert part.schema.metadata == whole.schema.metadata
        with pytest.raises(KeyError, match="read without"):
            unstored.events(["id", "no_such_column"])


def test_nothing_is_stored_to_show_or_compare_raw_traces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "t.json", launched("aten::mm", [("gemm", 20, 9)], at=0, length=10))

    def refused(*_: object) -> None:
        raise AssertionError("a folder is made")

    monkeypatch.setattr(temporary, "folder", refused)
    assert main(["show", str(path)]) == 0
    assert main(["show", str(path), "--view", "kernels"]) == 0
    assert main(["diff", str(path), str(path)]) == 0
    assert "MatMul" in capsys.readouterr().out


@pytest.mark.parametrize(
    "kind",
    [
        "kineto",
        pytest.param(
            "xplane", marks=pytest.mark.skipif(library.found().functions is None, reason="stats become JSON by Arrow")
        ),
    ],
)
def test_a_breakdown_loads_neither_scipy_nor_the_reports_of_comparisons(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "t.json", launched("aten::mm", [("gemm", 20, 9)], at=0, length=10))
    if kind == "xplane":
        path = RECORDED[0]
    unneeded = (
        "scipy",
        "filelock",
        "psutil",
        "numpy.ma",
        "pyarrow.parquet",
        "pyarrow.compute",
        "dlprof.frameworks.torch",
        "dlprof.frameworks.jax",
        "dlprof.workload",
        "dlprof.study",
        "dlprof.store.rank_set",
        "dlprof.analysis.trace.layers",
        "dlprof.ingest.directories",
        "dlprof.ingest.json.mend",
        "dlprof.analysis.model",
        "dlprof.analysis.compare",
        "dlprof.report.text.comparison_text",
    )
    if kind == "kineto":  # formats of other packages are asked before XPlane
        unneeded = (*unneeded, "importlib.metadata")
    code = f"""
import sys
from dlprof.cli.main import main
from dlprof.native import library
assert main(["show", {str(path)!r}]) == 0
print([name for name in {unneeded!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ("MatMul" if kind == "kineto" else "Conv") in done.stdout
    assert done.stderr == "[]\n"
