"""`dlprof run`: a study, many comparisons or captures declared in one file, run cell by cell."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlprof.api.study.plan import Plan

EXAMPLES = """examples:
  dlprof run study.toml --dry-run               what would run, and for how long
  dlprof run study.toml -o result               again with the same -o: goes on where it was stopped
  dlprof run study.toml -o result --only 'lenet-*'
  dlprof run study.toml -o quick --quick

Finished cells are kept; failed and interrupted ones are tried again. docs/studies.md describes the file."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY.toml", help="the study file")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="the study's directory (default: dlprof-out/NAME)"
    )
    parser.add_argument("--quick", action="store_true", help="lay the file's [quick] over every experiment")
    parser.add_argument(
        "--only", action="append", default=[], metavar="PATTERN", help="only cells whose id matches; may be repeated"
    )
    parser.add_argument(
        "--calls",
        type=Path,
        metavar="FILE.py",
        help="RUN this Python file in the child: functions that the calls of an own workload name",
    )
    parser.add_argument("--dry-run", action="store_true", help="check everything and print the plan")
    parser.add_argument("--format", choices=["text", "json"], default="text")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api.record import OUTPUT_FOLDER
    from dlprof.api.study import plan as planning
    from dlprof.api.study.run import run_study
    from dlprof.cli.output import deliver, show, though_unread
    from dlprof.cli.terminal import Progress
    from dlprof.cli.verbs.show import colour
    from dlprof.report.text import study_text
    from dlprof.study import read as read_study

    read = read_study(arguments.study)
    plan = planning.plan(read, quick=arguments.quick, calls=arguments.calls)
    if arguments.dry_run:
        _tell_plan(planning.restricted(plan, arguments.only), arguments.format)
        return 0
    output = arguments.output or Path(OUTPUT_FOLDER) / (read.spec.name + ("-quick" if arguments.quick else ""))
    with Progress() as progress:
        ran = run_study(plan, output, arguments.only, progress)
        if ran.stopped:
            progress.say(f"what was finished is kept: the same command again, with -o {output}, goes on with it")
    with though_unread():
        if arguments.format == "json":
            deliver(ran.record.encoded().decode(), None)
        else:
            show(study_text.summary(ran.record, str(output), colour=colour()), colour=colour())
    return ran.exit_code


def _tell_plan(plan: Plan, form: str) -> None:
    """The plan for people, or as JSON."""
    import json

    from dlprof.api.study.plan import plain
    from dlprof.cli.output import deliver, show
    from dlprof.cli.verbs.show import colour
    from dlprof.report.text import study_text

    if form == "json":
        deliver(json.dumps(plain(plan), indent=1, ensure_ascii=False) + "\n", None)
        return
    cells = [(cell.record, cell.hindrance) for cell in plan.cells]
    show(study_text.plan(cells, plan.environments, plan.estimate_s, colour=colour()), colour=colour())
