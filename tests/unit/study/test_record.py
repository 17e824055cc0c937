"""study.json: what it holds is what the shipped schema describes."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import msgspec
import pytest

import dlprof
from dlprof.api.study import result_directory
from dlprof.api.study.plan import plan
from dlprof.errors import StoreError, UsageError
from dlprof.report.json import json_schema
from dlprof.study import StudyRecord, read

STUDY = 'name = "s"\ntitle = "S"\n[[experiments]]\nname = "e"\nworkloads = ["matmul", "dot"]\nsizes = 50\n'


def planned(folder: Path, text: str = STUDY):
    (folder / "s.toml").write_text(text)
    return plan(read(folder / "s.toml"))


def begin(folder: Path, made) -> None:
    with result_directory.opened(folder / "out", made):
        pass


def flush(value):
    """With texts as `inspect.cleandoc` has them: msgspec 0.23 takes a docstring's indentation away, and earlier ones left it."""
    if isinstance(value, dict):
        return {key: flush(one) for key, one in value.items()}
    if isinstance(value, list):
        return [flush(one) for one in value]
    return inspect.cleandoc(value) if isinstance(value, str) else value


def test_the_shipped_schema_is_that_of_the_record() -> None:
    described = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(StudyRecord)}
    assert flush(json_schema("study")) == flush(described), (
        "write it anew: python3 -c 'import json, msgspec; from dlprof.study import StudyRecord; "
        'print(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(StudyRecord)}, '
        "indent=1, ensure_ascii=False))' > dlprof/report/schemas/study.schema.json"
    )


def test_a_new_study_has_only_pending_cells_and_matches_its_schema(tmp_path) -> None:
    begin(tmp_path, planned(tmp_path))
    value = json.loads((tmp_path / "out" / "study.json").read_text())
    jsonschema.validate(value, json_schema("study"))
    assert [cell["status"] for cell in value["cells"]] == ["pending", "pending"]
    assert (tmp_path / "out" / "study.toml").read_text() == STUDY


def test_two_runs_cannot_work_on_one_study(tmp_path) -> None:
    made = planned(tmp_path)
    with result_directory.opened(tmp_path / "out", made):
        with pytest.raises(StoreError, match="another `dlprof run` is at work"):
            begin(tmp_path, made)
        begin(tmp_path / "other", made)


def test_a_folder_that_is_no_study_is_left_alone(tmp_path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match="exists and is no study"):
        begin(tmp_path, planned(tmp_path))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("left", [[], ["cells/"], [".lock", "cells/"], [".lock", "cells/", "{tmp}"]])
def test_what_a_run_leaves_that_is_killed_at_its_beginning_is_taken_up(tmp_path, left) -> None:
    code = "from dlprof import temporary; print(temporary.owner())"
    owner = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / "out").mkdir()
    for name in left:
        place = tmp_path / "out" / name.format(tmp=f".study.json.tmp-{owner}-0123456789abcdef")
        place.mkdir() if name.endswith("/") else place.write_text("{")
    begin(tmp_path, planned(tmp_path))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".lock", "cells", "study.json", "study.toml"]


@pytest.mark.parametrize("theirs", ["study.toml", "cells/notes.txt", "cells", ".study.json.tmp-me"])
def test_a_folder_that_only_looks_like_one_just_begun_is_left_alone(tmp_path, theirs) -> None:
    file = tmp_path / "out" / theirs
    file.parent.mkdir(parents=True)
    file.write_text("theirs")
    with pytest.raises(StoreError, match="exists and is no study"):
        begin(tmp_path, planned(tmp_path))
    assert file.read_text() == "theirs"


def test_a_done_cell_whose_directory_is_gone_is_to_be_run_again(tmp_path) -> None:
    made = planned(tmp_path)
    with result_directory.opened(tmp_path / "out", made) as directory:
        done = msgspec.structs.replace(directory.record.cells[0], status="done", sentence="faster")
        directory.update(done)
    with result_directory.opened(tmp_path / "out", made) as directory:
        assert (directory.record.cells[0].status, directory.record.cells[0].sentence) == ("pending", None)


def test_quick_and_full_runs_are_not_mixed(tmp_path) -> None:
    begin(tmp_path, planned(tmp_path, STUDY + "[quick]\ntrials = 1\n"))
    with pytest.raises(UsageError, match="was begun without --quick, and this run is with --quick"):
        begin(tmp_path, plan(read(tmp_path / "s.toml"), quick=True))


def test_what_a_killed_run_had_put_aside_comes_back(tmp_path) -> None:
    made = planned(tmp_path)
    cells = tmp_path / "out" / "cells"
    with result_directory.opened(tmp_path / "out", made):
        (cells / ".e-dot-tf-vs-mxnet.before").mkdir()
        (cells / ".e-dot-tf-vs-mxnet.partial-999999999-1-0123456789abcdef").mkdir()
    with result_directory.opened(tmp_path / "out", made):
        assert [path.name for path in cells.iterdir()] == ["e-dot-tf-vs-mxnet"]


def test_the_workload_files_of_a_study_are_kept_with_it(tmp_path) -> None:
    shipped = Path(dlprof.__file__).parent / "workloads" / "mlp.toml"
    (tmp_path / "mine.toml").write_text(shipped.read_text())
    made = planned(tmp_path, STUDY.replace('["matmul", "dot"]', '"mine.toml"').replace("sizes = 50\n", ""))
    begin(tmp_path, made)
    again = plan(read(tmp_path / "out" / "study.toml"))
    assert again.cells[0].record == made.cells[0].record


def test_a_cell_without_a_result_says_why_when_it_is_loaded(tmp_path) -> None:
    begin(tmp_path, planned(tmp_path))
    study = dlprof.load(tmp_path / "out")
    assert isinstance(study, dlprof.StudyResult)
    assert len(study.items) == 0
    with pytest.raises(StoreError, match="cell e-dot-tf-vs-mxnet is pending"):
        study.cell("e-dot-tf-vs-mxnet").load()
    with pytest.raises(StoreError, match="no cell 'e'"):
        study.cell("e")
