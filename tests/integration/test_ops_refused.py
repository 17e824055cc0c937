"""Bad values of op workloads, modes and --allow are refused in one line with a hint, before anything is made or started."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["compare", "matmul", "--set", "size=-1"], 2, "-1 is out of bounds"),
        (["compare", "matmul", "--set", "sizes=50..10"], 2, "FROM must not exceed TO"),
        (["compare", "matmul", "--set", "sizes=a"], 2, "N, N,M or FROM..TO/STEP"),
        (["compare", "matmul", "--set", "dtype=int3"], 2, "float32"),
        (["compare", "matmul", "--set", "size=1000000"], 1, "of memory are free"),
        (["compare", "matmul", "--a", "tf:quick"], 2, "its modes: graph"),
        (["compare", "matmul", "--a", "tf@2.0:xla"], 2, "it came with 2.1"),
        (["compare", "matmul", "--a", "tf:keras"], 1, "executes whole networks"),
        (["compare", "matmul", "--allow", "output"], 2, "did you mean outputs?"),
        (["compare", "lenet", "--infer", "--train"], 2, "not allowed with argument"),
        (["compare", "lenet", "--infer", "--set", "task=train"], 2, "contradict each other"),
        (["compare", "lenet", "--batch-size", "0"], 2, "0 is out of bounds"),
        (["compare", "lenet", "--a", "tf@1.12.2:keras"], 2, "from 2.0 on"),
        (["compare", "matmull"], 2, "did you mean matmul?"),
        (["compare", "missing.toml"], 2, "missing.toml: No such file"),
        (["compare", "lenet", "--method", "as-published"], 2, "the study's tasks"),
        (["capture", "matmul", "--framework", "tf", "--set", "size=1000000"], 1, "of memory are free"),
    ],
)
def test_a_bad_value_is_refused_before_anything_starts(here, words, code, told, tmp_path):
    cache = tmp_path / "cache"
    done = here(*words, cwd=tmp_path, env={"DLPROF_CACHE": str(cache)})
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert "dlprof itself failed" not in done.stderr
    assert list(tmp_path.iterdir()) == []
