"""Keras 3 on its three backends: one model, the same work, and operators with layer and phase in each backend's trace."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.frameworks, pytest.mark.slow, pytest.mark.timeout(1200)]


def test_the_three_backends_do_the_same_work_and_their_traces_name_its_layers(dlprof, here, tmp_path):
    out = tmp_path / "three"
    sides = [word for mode in ("tensorflow", "jax", "torch") for word in ("--side", f"keras:{mode}")]
    done = dlprof("compare", "lenet", *sides, "--trials", 1, "--no-reasons", "-o", out, timeout=1000)
    assert done.returncode == 0, done.stderr
    assert "69 of 69 arrays agree over 3 pairs of sides" in done.stderr
    for letter in "abc":
        shown = json.loads(here("show", out / f"{letter}-exact-1", "--by", "layer", "--format", "json").stdout)
        rows = {(row["layer"], row["phase"]) for row in shown["rows"]}
        parts = [(name, phase) for name in ("conv1", "conv2", "dense1") for phase in ("forward", "backward")]
        assert set(parts) <= rows, letter


def test_single_calls_are_refused_before_anything_starts(dlprof, tmp_path):
    refused = dlprof("compare", "relu", "--a", "keras:jax", "--b", "jax", "-o", tmp_path / "no")
    assert refused.returncode != 0
    assert "mode jax of Keras executes whole networks, not the single calls of relu" in refused.stderr
    assert "it runs networks alone: dlprof workloads" in refused.stderr
