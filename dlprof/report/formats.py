"""What was found in the form that `--format` names; text is the rooms' own (report.text), for it has a width and colours."""

from __future__ import annotations

from dlprof.analysis.model import Comparison
from dlprof.analysis.timing.ranking import Ranking
from dlprof.errors import UsageError
from dlprof.report import brief as brief_json
from dlprof.report import csv, json, markdown, ranking_json


def comparison(found: Comparison, form: str, *, brief: bool = False) -> str:
    """form: json, csv or markdown. brief: of JSON the few lines that answer. Raises `UsageError` for another brief form."""
    check(form, brief)
    if form == "json":
        return brief_json.comparison(found) if brief else json.comparison(found)
    return markdown.comparison(found) if form == "markdown" else csv.comparison(found)


def ranking(found: Ranking, form: str, *, brief: bool = False) -> str:
    """The same of more than two sides."""
    check(form, brief)
    if form == "json":
        return brief_json.ranking(found) if brief else ranking_json.ranking(found)
    return markdown.ranking(found) if form == "markdown" else csv.ranking(found)


def check(form: str, brief: bool) -> None:
    """That only JSON is asked to be brief. Raises `UsageError`."""
    if brief and form != "json":
        raise UsageError(f"--brief is a form of JSON, not of {form}", hint="say --format json --brief")
