"""A ranking of more than two sides as versioned JSON (schemas/ranking.schema.json); each of its pairs as a comparison of two."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from dlprof.analysis.timing.ranking import Ranking
from dlprof.report import json

SCHEMA_VERSION: Final = 1
"""Rises when a key is renamed, removed or changes its meaning; the comparisons inside have a version of their own."""


def ranking(found: Ranking) -> str:
    """Indented, with a final newline: what `--format json` writes and ranking.json holds."""
    return json.dump(ranking_value(found))


def ranking_value(found: Ranking) -> dict[str, Any]:
    """The same as plain values."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "ranking",
        "workload": found.workload,
        "ranked_by": found.item,
        "statement": found.statement,
        "trials": found.trials,
        "confidence": found.confidence,
        "pair_confidence": found.pair_confidence,
        "sides": [json.plain(one) for one in found.sides],
        "pairs": [json.plain(asdict(one)) for one in found.pairs],
        "warnings": list(found.warnings),
        "comparisons": {"".join(pair): json.comparison_value(one) for pair, one in found.comparisons.items()},
    }
