"""Writes docs/support-matrix.md: workload × framework × mode × version, each cell by really starting it.

    python docs/support_matrix.py                    # all: makes every environment on first use, about an hour
    python docs/support_matrix.py tf@2.15.1 mxnet    # these releases alone; the other cells stay as they were
    python docs/support_matrix.py --resume           # cells not tried yet alone: after an interruption
    python docs/support_matrix.py --table            # only the page, from the cells as they are

A cell is tried as a comparison would use it: the child starts, computes its parity arrays and runs one timed iteration. The
tasks of an op workload share one child. What is refused before a child starts is recorded with the reason given to a user.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

from dlprof.api.lockstep import items
from dlprof.api.options import RunOptions
from dlprof.api.record import Bench, check_mode
from dlprof.capture.workers.worker import Worker
from dlprof.errors import DlprofError, Unsupported
from dlprof.frameworks import registry
from dlprof.workload import load, names

FOLDER = Path(__file__).parent
TABLE, CELLS = FOLDER / "support-matrix.md", FOLDER / "support-matrix.json"
TIMEOUT_S = 900.0
"""Of one child: `torch.compile` makes the code of 23 layers, on a busy machine."""
SMALL = {"op": {"count": "2", "sizes": "50"}, "network": {"train": "400", "validation": "100"}}
"""Enough to see that it runs."""

HEAD = """# What runs where

Written by `python docs/support_matrix.py` ({day}), which really starts every cell: the child computes its parity arrays and
runs one timed iteration. ✓ works; a number points to the reason below{untried}. What can be refused without
a child is refused without one. CPU, Linux x86-64. A cell is a row's workload in the column's release and mode.
"""


class Silent:
    """A progress display that shows nothing."""

    def plan(self, stages: dict[str, float]) -> None: ...
    def stage(self, name: str, estimate_s: float | None = None) -> None: ...
    def expect(self, remaining_s: float) -> None: ...
    def detail(self, text: str) -> None: ...
    def say(self, text: str) -> None: ...


def columns() -> Iterator[tuple[str, str, str]]:
    """(framework, version, mode) of every locked release."""
    for framework in registry().values():
        for version in framework.versions:
            for mode in framework.modes:
                yield framework.name, version, mode


def chosen(wanted: list[str]) -> Iterator[tuple[str, str, str]]:
    """The columns that the words of a command line name (framework, framework@version, with :mode): all without any, none
    with --table."""
    named = {word for word in wanted if not word.startswith("--")}
    for framework, version, mode in [] if "--table" in wanted else columns():
        release = f"{framework}@{version}"
        if not named or {framework, release, f"{release}:{mode}"} & named:
            yield framework, version, mode


def attempt(name: str, framework: str, version: str, mode: str) -> dict[str, str]:
    """Workload (for `ops`: each of its tasks) → '' where it works, else why not, in the words a user gets."""
    found: dict[str, str] = {}
    options = RunOptions(name, None, {}, None, "cpu", None, 0, None, None, None, None, TIMEOUT_S)
    try:
        with tempfile.TemporaryDirectory(prefix="dlprof-matrix-") as scratch:
            bench = Bench(options, Silent(), Path(scratch))
            side = bench.side(f"{framework}@{version}:{mode}")
            loaded = options.resolve(framework)
            small = {key: value for key, value in SMALL.get(loaded.kind, {}).items() if key in loaded.settings}
            options.settings.update(small)
            workload = options.resolve(framework)
            check_mode(side, workload)
            items.check(workload, framework)
            environment, made = bench.environment(side), bench.inputs(workload, 1)
            request = bench.request(side, workload, made, task="serve")
            with Worker(environment, request, Path(scratch) / "child", TIMEOUT_S) as worker:
                with suppress(Unsupported):  # none of them runs: each says why below
                    worker.parity()
                for item in worker.ready.items:
                    key = item.partition("[")[0] if workload.kind == "op" else name
                    found[key] = found.get(key) or worker.missing.get(item) or _run(worker, item)
    except DlprofError as error:
        return {name: _first_line(error)}
    return found


def _run(worker: Worker, item: str) -> str:
    try:
        worker.run(item, 1)
    except DlprofError as error:
        return _first_line(error)
    return ""


def _first_line(error: DlprofError) -> str:
    return error.message.splitlines()[0]


def main(wanted: list[str]) -> None:
    """Try the wanted releases (all without any) and write both files; cells are kept as they come."""
    cells: dict[str, str] = json.loads(CELLS.read_text()) if CELLS.exists() else {}
    for framework, version, mode in chosen(wanted):
        column = f"{framework}@{version}:{mode}"
        for name in started_alone():
            if "--resume" in wanted and all(f"{column} {cell}" in cells for cell in cells_of(name)):
                continue
            found = attempt(name, framework, version, mode)
            # one refusal before a child started stands for all tasks of a workload
            found = dict.fromkeys(cells_of(name), found[name]) if name in found else found
            for cell, why in found.items():
                cells[f"{column} {cell}"] = why
                sys.stdout.write(f"{column} {cell}: {why or 'works'}\n")
                sys.stdout.flush()
            CELLS.write_text(json.dumps(cells, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    TABLE.write_text(page(cells), encoding="utf-8")


def started_alone() -> list[str]:
    """The workloads but for the tasks of `ops`, which are tried together as that."""
    tasks = set(cells_of("ops"))
    return [name for name in names() if name not in tasks]


def cells_of(name: str) -> list[str]:
    """The cells that trying a workload fills: of an op workload its tasks."""
    loaded = load(name)
    return [task["name"] for task in loaded.description["tasks"]] if loaded.kind == "op" else [name]


def page(cells: dict[str, str]) -> str:
    """The tables as Markdown, one a framework release, a row a network or a task, and the reasons as a numbered list."""
    reasons: dict[str, int] = {}
    lines = [HEAD]
    for framework in registry().values():
        for version in framework.versions:
            modes = list(framework.modes)
            lines += [f"\n## {framework.label} {version}\n", f"| workload | {' | '.join(modes)} |"]
            lines += ["| --- |" + " --- |" * len(modes)]
            for name in started_alone():
                for cell in cells_of(name):
                    row = cell if cell == name or name == "ops" else f"{name}: {cell}"
                    found = [cells.get(f"{framework.name}@{version}:{mode} {cell}") for mode in modes]
                    lines.append(f"| {row} | {' | '.join(_cell(one, reasons) for one in found)} |")
    lines += ["\n## Reasons\n", *(f"{number}. {text}" for text, number in reasons.items())]
    text = "\n".join(lines) + "\n"
    untried = "; · was not tried yet" if "| · " in text else ""
    return text.replace("{day}", date.today().isoformat()).replace("{untried}", untried)


def _cell(found: str | None, reasons: dict[str, int]) -> str:
    if found is None:
        return "·"
    return str(reasons.setdefault(found, len(reasons) + 1)) if found else "✓"


def words(given: list[str]) -> list[str]:
    """The command line as it was given, once it is known to be one: an unknown word ends the program with what there is."""
    releases = sorted({one for name, version, mode in columns()
                       for one in (name, f"{name}@{version}", f"{name}@{version}:{mode}")})  # fmt: skip
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "releases", nargs="*", metavar="RELEASE", help="framework, framework@version or that with :mode"
    )
    parser.add_argument("--resume", action="store_true", help="cells not tried yet alone")
    parser.add_argument("--table", action="store_true", help="only the page")
    for one in parser.parse_args(given).releases:
        if one not in releases:
            parser.error(f"no such release: {one} (there are: {', '.join(releases)})")
    return given


if __name__ == "__main__":
    main(words(sys.argv[1:]))
