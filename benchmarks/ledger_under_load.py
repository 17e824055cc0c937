"""Does a ledger ever contradict its verdict in silence? `dlprof compare lenet --trials 6` while the machine is disturbed.

    python3 benchmarks/ledger_under_load.py measure --runs 10 -o loaded-runs        (resumes)
    python3 benchmarks/ledger_under_load.py report loaded-runs --into docs/ledger.md

During three of the six trials, chosen at random, another process keeps one core busy, from the start of the trial's workers to
their end. A run contradicts itself in silence where its verdict names a faster side, its explanation is not withheld, and the
traced gap points the other way, or differs from the timed one by more than half of it while a part of the bridge between them
is surely not 0 (95 %).
Needs dlprof importable (pip install . in this repository).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import marked
import numpy as np

TRIALS: Final = 6
HALF: Final = 0.5
BEGIN, END = "<!-- under load: begin -->", "<!-- under load: end -->"


def measure(arguments: argparse.Namespace) -> None:
    """Each run into a folder of its own."""
    into = Path(arguments.output)
    into.mkdir(parents=True, exist_ok=True)
    for number in range(arguments.runs):
        target = into / f"run-{number:02d}"
        if not target.exists():
            print(target, flush=True)
            subprocess.run([sys.executable, __file__, "one", str(number), str(target)], check=True)


def one(arguments: argparse.Namespace) -> int:
    """A run, in a process of its own."""
    from dlprof.api.compare import run as walk
    from dlprof.cli.main import main

    chosen = {int(at) for at in np.random.default_rng(arguments.number).permutation(TRIALS)[: TRIALS // 2]}
    load = Load()

    loaded = set()

    class Loaded(walk.WorkloadTrials):
        """The trials of a comparison, some of them beside a busy process."""

        def worker(self, side: str, number: int) -> Any:
            if number in chosen:
                load.start()
                loaded.add(number)
            return super().worker(side, number)

        def finished(self, trial: Any) -> None:
            load.stop()
            super().finished(trial)

    walk.WorkloadTrials = Loaded  # type: ignore[misc]
    words = ["compare", "lenet", "--trials", str(TRIALS), "--seed", str(arguments.number), "-o", arguments.target]
    try:
        code = main(words)
    finally:
        load.stop()
    if loaded != chosen:
        raise RuntimeError(f"trials {sorted(chosen)} were to run beside a busy process, and {sorted(loaded)} did")
    if not code:
        (Path(arguments.target).with_suffix(".load.json")).write_text(json.dumps(sorted(chosen)))
    return code


class Load:
    """A process that keeps one core busy, or none."""

    def __init__(self) -> None:
        self._process: Any = None

    def start(self) -> None:
        if self._process is None:
            self._process = multiprocessing.get_context("spawn").Process(target=_spin)
            self._process.start()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.join()
            self._process = None


def _spin() -> None:
    while True:
        pass


# reading


@dataclass(frozen=True)
class Found:
    """What one run says. Gaps in ms with their 95 % intervals; share: of the timed gap that the ledger's lines explain, with its
    interval; strays: whether traced and timed gap differ by more than half
    of the timed one while a part of the bridge between them is surely not 0."""

    name: str
    loaded: tuple[int, ...]
    verdict: str
    timed: tuple[float, float, float]
    traced: tuple[float, float, float]
    strays: bool
    agrees: bool
    share: tuple[float, float | None, float | None]

    @property
    def opposite(self) -> bool:
        return self.timed[0] * self.traced[0] < 0

    @property
    def silent(self) -> bool:
        """Whether the ledger contradicts the verdict without saying so."""
        return self.verdict in ("faster", "slower") and self.agrees and (self.opposite or self.strays)


def read(target: Path) -> Found:
    """The gaps, the verdict and what the ledger says of them, from comparison.json."""
    written = json.loads((target / "comparison.json").read_text())
    ledger = written["ledger"]
    timed, traced = (
        tuple(ledger[name] / 1e6 for name in (ns, f"{gap}_low_ns", f"{gap}_high_ns"))
        for gap, ns in (("timed_gap", "timed_gap_ns"), ("traced_gap", "gap_ns"))
    )
    return Found(
        name=target.name,
        loaded=tuple(json.loads(target.with_suffix(".load.json").read_text())),
        verdict=written["items"][0]["verdict"],
        timed=timed,
        traced=traced,
        strays=_strays(ledger["bridge"]["parts"], timed[0], traced[0]),
        agrees=ledger["agrees"],
        share=(ledger["explained_share"], ledger["explained_low"], ledger["explained_high"]),
    )


def _strays(parts: list[dict[str, Any]], timed: float, traced: float) -> bool:
    """Whether traced and timed gap differ by more than half of the timed one, and some part between them is surely not 0."""
    sure = any(part["amount"]["low_ns"] > 0 or part["amount"]["high_ns"] < 0 for part in parts)
    return sure and abs(traced - timed) > HALF * abs(timed)


def report(arguments: argparse.Namespace) -> int:
    """The table; exit status 1 where a run contradicts itself in silence."""
    found = [
        read(path) for path in sorted(Path(arguments.source).glob("run-??")) if path.with_suffix(".load.json").exists()
    ]
    text = "\n".join(_lines(found))
    print(text)
    if arguments.into:
        marked.put(Path(arguments.into), BEGIN, END, text)
    return int(any(one.silent for one in found))


def _lines(found: list[Found]) -> list[str]:
    rows = [
        (
            one.name.removeprefix("run-").lstrip("0") or "0",
            ", ".join(str(number + 1) for number in one.loaded),
            one.verdict,
            _gap(one.timed),
            _gap(one.traced),
            _share(one.share),
            "shown" if one.agrees else "withheld",
            "**contradicts**" if one.silent else "no",
        )
        for one in found
    ]
    titles = (
        "run",
        "loaded trials",
        "verdict",
        "timed gap, ms",
        "traced gap, ms",
        "explained share",
        "explanation",
        "contradiction in silence",
    )
    counted = f"{sum(one.silent for one in found)} of {len(found)} runs contradict their verdict in silence; "
    counted += f"{sum(not one.agrees for one in found)} withhold their explanation. "
    shares = [one.share[0] for one in found]
    counted += f"The share that the lines explain is {statistics.mean(shares):.0%} on the mean over the runs"
    counted += f" (standard deviation {statistics.stdev(shares):.0%})." if len(shares) > 1 else "."
    return [
        f"| {' | '.join(titles)} |",
        f"|{' --- |' * len(titles)}",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        counted,
    ]


def _share(values: tuple[float, float | None, float | None]) -> str:
    share, low, high = values
    return f"{share:.0%}" + ("" if low is None or high is None else f" [{low:.0%}, {high:.0%}]")


def _gap(values: tuple[float, float, float]) -> str:
    mean, low, high = values
    return f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]".replace("-", "−")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("measure", help="run what has not run yet")
    verb.add_argument("--runs", type=int, default=10)
    verb.add_argument("-o", "--output", default="loaded-runs")
    verb.set_defaults(run=measure)
    verb = verbs.add_parser("one", help="what `measure` starts")
    verb.add_argument("number", type=int)
    verb.add_argument("target")
    verb.set_defaults(run=one)
    verb = verbs.add_parser("report", help="the table")
    verb.add_argument("source")
    verb.add_argument("--into", help="also put the table between the markers of this document")
    verb.set_defaults(run=report)
    arguments = parser.parse_args()
    return arguments.run(arguments) or 0


if __name__ == "__main__":
    raise SystemExit(main())
