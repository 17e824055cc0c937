"""Does the ledger's first line name what makes a side slow? Side B is side A with one cause planted, ten causes a framework.

    python3 benchmarks/planted_causes.py measure -o planted-runs                        (all; resumes)
    python3 benchmarks/planted_causes.py measure tf:graph/slower-loss -o planted-runs   (one of them)
    python3 benchmarks/planted_causes.py report planted-runs --into docs/planted-causes.md

Each run is `dlprof compare lenet --a SIDE --b SIDE` at its default settings, in which side B's workers load
planted_adapter.py; a planted difference that the check of equal work refuses is let through by --allow, as a user would.
What the cause costs is measured apart, by a stop-watch: time.perf_counter around the planted piece where that is Python, in the
steps that are traced, else steps of the plain and of the planted network in turns in one process (planted_stopwatch.py), in
several processes. Run it on an idle machine.
Needs dlprof importable (pip install . in this repository).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import marked
import msgspec
import numpy as np
from scipy.stats import ttest_ind

from dlprof.stats.sample import location

HERE: Final = Path(__file__).parent
SIDES: Final = ("tf:graph", "mxnet:hybrid")
THREADS: Final = "fewer threads"
LEVEL: Final = 0.99
COVERED: Final = 0.9
PROCESSES: Final = 6
"""Of the stop-watch, where it runs in processes of its own."""
BEGIN, END = "<!-- planted causes: begin -->", "<!-- planted causes: end -->"


@dataclass(frozen=True)
class Cause:
    """A planted cause. named: what a line's name or remark must hold to name it, any of these texts. python: it is timed where
    it happens. allow: differences in the work that a user would have to let through."""

    name: str
    named: tuple[str, ...]
    python: bool = False
    allow: tuple[str, ...] = ()

    def of(self, words: str) -> bool:
        """Whether a line's name and remark name it."""
        return any(text in words for text in self.named)


CAUSES: Final = (
    Cause("sleeping input", ("input pipeline",), python=True),
    Cause("extra copy", ("Copy",)),
    Cause("slower convolution", ("conv1",)),
    Cause("float64 layer", ("conv2", "Cast (B only)")),
    Cause(THREADS, ("[threads 2 → 1]",)),
    Cause("slower optimizer", ("optimizer",)),
    Cause("garbage collection", ("garbage collection",), python=True),
    Cause("slower loss", ("loss", "Expand (B only)", "Tile (B only)")),
    Cause("Python loop", ("Python",), python=True),
    Cause("extra synchronisation", ("synchronisation", "waits for its work", "ReadVariable")),
)


@dataclass(frozen=True)
class Run:
    """One cause on one side."""

    side: str
    cause: Cause

    @property
    def name(self) -> str:
        return f"{self.side}/{self.cause.name.replace(' ', '-')}"

    def folder(self, into: Path) -> Path:
        return into / self.name.replace(":", "-").replace("/", "-")


RUNS: Final = tuple(Run(side, cause) for side in SIDES for cause in CAUSES)


# measuring


def measure(arguments: argparse.Namespace) -> None:
    """Each run into a folder of its own: the comparison, and what the stop-watch said."""
    into = Path(arguments.output)
    chosen = [run for run in RUNS if not arguments.runs or any(part in run.name for part in arguments.runs)]
    for run in chosen:
        folder = run.folder(into)
        if (folder / "stopwatch.json").exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, __file__, "one", run.name, str(folder.absolute())]
        print(run.name, flush=True)
        subprocess.run(words, check=True)


def one(arguments: argparse.Namespace) -> int:
    """A run, in a process of its own."""
    run = next(run for run in RUNS if run.name == arguments.run_name)
    folder = Path(arguments.folder)
    watched = folder / "watched"
    watched.mkdir(exist_ok=True)
    if not (folder / "comparison").exists():
        code = _compare(run, folder / "comparison", watched)
        if code and not (folder / "comparison" / "comparison.json").exists():
            return code  # one that was interrupted has the trials that were finished
    if run.cause.python:
        pieces = [json.loads(path.read_text()) for path in sorted(watched.iterdir())]
        traced = [1e3 * piece["traced_seconds"] / piece["traced_steps"] for piece in pieces if piece["traced_steps"]]
        found = {"how": "around the piece, traced steps", "ms": traced}
    else:
        found = {"how": "steps in turns", "ms": _stopwatch(run)}
    (folder / "stopwatch.json").write_text(json.dumps(found))
    return 0


def _planted(run: Run, request: Any, watched: Path | None) -> Any:
    """The request of a child with the cause in it."""
    if run.cause.name == THREADS:
        return msgspec.structs.replace(request, threads=1)
    options = {"inner_adapter": request.adapter, "plant": run.cause.name}
    if watched is not None:
        options["stopwatch"] = str(watched)
    return msgspec.structs.replace(request, adapter=str(HERE / "planted_adapter.py"), options=options)


def _compare(run: Run, target: Path, watched: Path) -> int:
    """`dlprof compare lenet --a SIDE --b SIDE`, with B planted."""
    from dlprof.api.compare import run as walk
    from dlprof.capture.workers.worker import Worker
    from dlprof.cli.main import main
    from dlprof.names import trial_folder

    planted = []

    class Planted(walk.WorkloadTrials):
        """The trials of a comparison, in which B's workers are others."""

        def worker(self, side: str, number: int) -> Worker:
            if side == "a":
                return super().worker(side, number)
            spec, bench = self.prepared.sides[side], self.prepared.bench
            request = bench.request(spec, self.prepared.workloads[side], self._inputs[side], task="serve")
            planted.append(number)
            control = bench.scratch / trial_folder(number, side)
            return Worker(bench.environment(spec), _planted(run, request, watched), control, 600.0)

    walk.WorkloadTrials = Planted  # type: ignore[misc]
    allowed = [word for kind in run.cause.allow for word in ("--allow", kind)]
    code = main(["compare", "lenet", "--a", run.side, "--b", run.side, *allowed, "-o", str(target)])
    if not planted:
        raise RuntimeError(f"{run.name}: nothing was planted, for the comparison made its workers in another way")
    return code


def _stopwatch(run: Run) -> list[float]:
    """Milliseconds that the cause adds to a step: a value for each of several processes (pairs of them, for threads)."""
    from dlprof.api.options import RunOptions
    from dlprof.api.record import Bench
    from dlprof.cli.terminal import Progress
    from dlprof.protocol import encode

    options = RunOptions(
        workload="lenet", preset=None, settings={}, epochs=None, device="cpu", mode=None, seed=0, python=None, data=None,
        threads=None, max_steps=None, timeout_s=600.0,
    )  # fmt: skip
    found = []
    with tempfile.TemporaryDirectory(prefix="dlprof-planted-") as scratch, Progress() as progress:
        bench = Bench(options, progress, Path(scratch))
        side = bench.side(run.side)
        workload = options.resolve(side.framework.name)
        plain = bench.request(side, workload, bench.inputs(workload, 1), task="serve")
        python = bench.environment(side).python

        def clocked(request: Any) -> dict[str, list[float]]:
            path, out = Path(scratch) / "request.json", Path(scratch) / "clocked.json"
            path.write_bytes(encode(request))
            subprocess.run([str(python), str(HERE / "planted_stopwatch.py"), str(path), str(out)], check=True)
            answer: dict[str, list[float]] = json.loads(out.read_text())
            return answer

        for _ in range(PROCESSES):
            if run.cause.name == THREADS:
                series = clocked(plain)["plain"], clocked(_planted(run, plain, None))["plain"]
            else:
                both = clocked(_planted(run, plain, None))
                series = both["plain"], both["planted"]
            found.append(1e3 * (float(np.mean(series[1])) - float(np.mean(series[0]))))
    return found


# reading


@dataclass(frozen=True)
class Amount:
    """Milliseconds with a 99 % interval (Student, over pairs of windows)."""

    ms: float
    low: float
    high: float

    @classmethod
    def of(cls, deltas_ns: Any) -> Amount:
        low, high = location.t_bounds(deltas_ns / 1e6, 1 - LEVEL)
        return cls(float(deltas_ns.mean()) / 1e6, low, high)

    @classmethod
    def between(cls, ms: Any, others: Any) -> Amount:
        """Of the difference of two means that were measured apart (Welch)."""
        bounds = ttest_ind(ms, others, equal_var=False).confidence_interval(LEVEL)
        return cls(float(np.mean(ms) - np.mean(others)), float(bounds.low), float(bounds.high))

    def __str__(self) -> str:
        return f"{self.ms:+.2f} [{self.low:+.2f}, {self.high:+.2f}]".replace("-", "−")


@dataclass(frozen=True)
class Found:
    """What a run's ledger says of its cause. first: the first line's name. lines: how many name the cause. work: the time of
    their threads, summed. wall: their share of the step's wall time, summed, of each window. planted: what the stop-watch said,
    ms a step: a value for each process."""

    run: Run
    windows: int
    timed_ms: float
    first: str
    remark: str
    first_amount: Amount
    lines: int
    work: Amount
    wall: Amount
    off: Amount
    planted: tuple[float, ...]
    how: str
    agrees: bool | None

    @property
    def names(self) -> bool:
        return self.run.cause.of(f"{self.first} {self.remark}")

    @property
    def excludes(self) -> bool:
        return self.first_amount.low > 0 or self.first_amount.high < 0

    @property
    def planted_ms(self) -> float:
        return float(np.mean(self.planted))

    @property
    def covers(self) -> bool:
        """Whether the lines and the stop-watch agree: both have an error."""
        return self.off.low <= 0 <= self.off.high

    @property
    def covers_alone(self) -> bool:
        """The same, as if the stop-watch had no error."""
        return self.wall.low <= self.planted_ms <= self.wall.high


def read(folder: Path, run: Run) -> Found:
    """The ledger of the run's traced windows, window by window, and what the stop-watch said."""
    explanation, ledger = explained(folder / "comparison")
    names = {line.key: f"{line.name} {line.remark}" for line in ledger.lines}
    a, b = explanation.windows
    deltas = b - a
    mine = [at for at, key in enumerate(explanation.keys) if run.cause.of(names.get(key, ""))]
    first = explanation.keys.index(ledger.lines[0].key)
    stopwatch = json.loads((folder / "stopwatch.json").read_text())
    shared_a, shared_b = explanation.shared
    wall = (shared_b - shared_a)[:, mine].sum(axis=1)
    return Found(
        run=run,
        windows=len(deltas),
        timed_ms=ledger.bridge.timed.ns / 1e6,
        first=ledger.lines[0].name,
        remark=ledger.lines[0].remark,
        first_amount=Amount.of(deltas[:, first]),
        lines=len(mine),
        work=Amount.of(deltas[:, mine].sum(axis=1)),
        wall=Amount.of(wall),
        off=Amount.between(wall / 1e6, np.array(stopwatch["ms"])),
        planted=tuple(stopwatch["ms"]),
        how=stopwatch["how"],
        agrees=ledger.bridge.agrees,
    )


def explained(place: Path) -> tuple[Any, Any]:
    """(the ledger's windows, the ledger) of a comparison directory."""
    import dlprof
    from dlprof.analysis.compare import explain
    from dlprof.api.findings.evidence import evidence_of, side_of
    from dlprof.names import SIDES as LETTERS
    from dlprof.names import CaptureName
    from dlprof.store import Capture

    folders = [path.name for path in place.iterdir()]
    evidence = []
    for letter in LETTERS:
        captures = [Capture.open(place / name) for name in CaptureName.exact_runs(folders, letter)]
        evidence.append(evidence_of(captures, side_of(captures[0], path=None)))
    explanation = explain(*evidence)
    assert explanation is not None
    return explanation, dlprof.load(place).found.ledger


def found_in(source: Path) -> list[Found]:
    """All runs that are finished."""
    return [read(run.folder(source), run) for run in RUNS if (run.folder(source) / "stopwatch.json").exists()]


def show(arguments: argparse.Namespace) -> None:
    """The first lines of each run, for a reader who wants to know why."""
    for run in RUNS:
        folder = run.folder(Path(arguments.source))
        if not (folder / "stopwatch.json").exists() or (
            arguments.runs and not any(p in run.name for p in arguments.runs)
        ):
            continue
        explanation, ledger = explained(folder / "comparison")
        found = read(folder, run)
        print(f"{run.name}: {found.windows} windows, timed {found.timed_ms:+.2f}, stop-watch {found.planted_ms:+.2f}")
        deltas = explanation.windows[1] - explanation.windows[0]
        for line in ledger.lines[:8]:
            amount = Amount.of(deltas[:, explanation.keys.index(line.key)])
            print(f"    {amount}  {line.name}  {line.remark} ({line.a_calls} → {line.b_calls})")


def report(arguments: argparse.Namespace) -> int:
    """The table; exit status 1 where a target is missed and --check was given."""
    found = found_in(Path(arguments.source))
    text = "\n".join(_lines(found))
    print(text)
    if arguments.into:
        marked.put(Path(arguments.into), BEGIN, END, text)
    reached = all(one.names and one.excludes for one in found) and sum(one.covers for one in found) >= COVERED * len(
        found
    )
    return int(arguments.check and not reached)


def _lines(found: list[Found]) -> list[str]:
    titles = (
        "side",
        "cause",
        "windows",
        "first line, ms a step",
        "named",
        "not 0",
        "cause's lines: threads, ms",
        "on the wall, ms",
        "stop-watch, ms (processes)",
        "wall − stop-watch, ms",
        "timed gap, ms",
        "covered",
    )
    rows = [
        (
            one.run.side,
            one.run.cause.name,
            str(one.windows),
            f"{one.first}{f' ({one.remark})' if one.remark else ''} {one.first_amount}",
            _yes(one.names),
            _yes(one.excludes),
            f"{one.work} ({one.lines})",
            str(one.wall),
            f"{one.planted_ms:+.2f} ({min(one.planted):+.2f} to {max(one.planted):+.2f}, {len(one.planted)})".replace(
                "-", "−"
            ),
            str(one.off),
            f"{one.timed_ms:+.2f}".replace("-", "−"),
            _yes(one.covers),
        )
        for one in found
    ]
    n = len(found)
    said = (
        f"The first line names the cause in {sum(o.names for o in found)} of {n} runs, its 99 % interval excludes 0 in "
        f"{sum(o.excludes for o in found)}, and what the cause's lines take on the wall covers the stop-watch in "
        f"{sum(o.covers for o in found)} (in {sum(o.covers_alone for o in found)} if the stop-watch had no error)."
    )
    return [
        f"| {' | '.join(titles)} |",
        f"|{' --- |' * len(titles)}",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        said,
    ]


def _yes(value: bool) -> str:
    return "yes" if value else "**no**"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("measure", help="run what has not run yet")
    verb.add_argument("runs", nargs="*", help="those whose names hold one of these: " + ", ".join(r.name for r in RUNS))
    verb.add_argument("-o", "--output", default="planted-runs")
    verb.set_defaults(run=measure)
    verb = verbs.add_parser("one", help="what `measure` starts")
    verb.add_argument("run_name")
    verb.add_argument("folder")
    verb.set_defaults(run=one)
    verb = verbs.add_parser("show", help="the first lines of each run")
    verb.add_argument("source")
    verb.add_argument("runs", nargs="*")
    verb.set_defaults(run=show)
    verb = verbs.add_parser("report", help="the table")
    verb.add_argument("source")
    verb.add_argument("--into", help="also put the table between the markers of this document")
    verb.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    verb.set_defaults(run=report)
    arguments = parser.parse_args()
    return arguments.run(arguments) or 0


if __name__ == "__main__":
    raise SystemExit(main())
