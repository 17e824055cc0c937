"""Two captures of one seed train alike, step by step; another seed does not. docs/determinism.md has all modes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from short_runs import STEPS


@pytest.mark.frameworks
@pytest.mark.parametrize("framework", ["tf", "mxnet"])
def test_the_losses_of_a_seed_are_the_same_in_every_process(here, captures, tmp_path, framework):
    def losses(capture: Path, seed: int) -> list[float]:
        child = json.loads((capture / "manifest.json").read_text())["child"]
        assert child["runtime"]["seeds"] == {"python": seed, "numpy": seed, "framework": seed}
        return child["epochs"][0]["losses"]

    def captured(seed: int, name: str) -> list[float]:
        words = ("capture", "lenet", "--framework", framework, "--seed", seed, "--epochs", 1, "--max-steps", STEPS)
        done = here(*words, "-o", tmp_path / name)
        assert done.returncode == 0, done.stderr
        return losses(tmp_path / name, seed)

    first = losses(captures[framework], 0)
    assert len(first) == STEPS
    assert captured(0, "second") == first
    assert captured(6, "other") != first
