"""Where the tests find the project's files and the recorded traces of others."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The project: `dlprof/`, `docs/`, `traces/` and the rest lie here."""

RUNNER = ROOT / "dlprof" / "runner"
"""The child's program."""

TRACES = ROOT.parent / "shared" / "traces"
"""Real traces that others recorded; a checkout may lack them."""
