"""Two captures of one seed train alike, step by step; another seed does not. docs/determinism.md has all modes."""

from __future__ import annotations

import json

import pytest


@pytest.mark.frameworks
@pytest.mark.parametrize("framework", ["tf", "mxnet"])
def test_the_losses_of_a_seed_are_the_same_in_every_process(dlprof, tmp_path, framework):
    def losses(seed: int, name: str) -> list[float]:
        words = ("capture", "lenet", "--framework", framework, "--seed", seed, "--epochs", 1, "--max-steps", 12)
        done = dlprof(*words, "-o", tmp_path / name, timeout=300)
        assert done.returncode == 0, done.stderr
        child = json.loads((tmp_path / name / "manifest.json").read_text())["child"]
        assert child["runtime"]["seeds"] == {"python": seed, "numpy": seed, "framework": seed}
        return child["epochs"][0]["losses"]

    first = losses(5, "first")
    assert len(first) == 12
    assert losses(5, "second") == first
    assert losses(6, "other") != first
