"""Where the tests find the project's files and the recorded traces of others."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The project: `dlprof/`, `docs/`, `traces/` and the rest lie here."""

RUNNER = ROOT / "dlprof" / "runner"
"""The child's program."""

ADAPTERS = [str(ROOT / "dlprof" / "frameworks" / name / "adapter") for name in ("jax", "mxnet", "tensorflow", "torch")]
"""Folders of the child's half of frameworks; their modules have names of their own."""

TRACES = ROOT.parent / "shared" / "traces"
"""Real traces that others recorded; a checkout may lack them."""
