"""The page of a job's ranks, from a data set that was opened."""

from __future__ import annotations

import shlex

from dlprof.analysis.ranks import drawn
from dlprof.api.ranks.read import Opened
from dlprof.report.html import ranks_html
from dlprof.version import __version__


def page(opened: Opened) -> str:
    """One HTML file: findings, heat map, the worst steps, tables."""
    found = opened.found()
    command = shlex.join(["dlprof", "ranks", str(opened.path), "--run", opened.run])
    return ranks_html.ranks(
        found,
        drawn.build(opened.job, found),
        commands=[command, f"{command} --by step --format csv"],
        version=__version__,
    )
