"""How often `dlprof compare` calls a script different from itself, and how often it finds a planted slow-down and its cause.

    python3 benchmarks/script_rates.py collect --torch PYTHON --jax PYTHON --repeats 20 --planted 0,5,10
    python3 benchmarks/script_rates.py report --into docs/statistics.md

Both sides are one script (toy_projects.py); B's step takes the planted share longer, by calls of one more operator.
`collect` may be stopped at any time: a comparison that has ended is a line of benchmarks/data/script-rates.jsonl; those that are
missing are made, by turns.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import kept
import marked
import numpy as np
import toy_projects
from scipy import special

from dlprof import stats
from dlprof.stats.design.calibration import exact_rate
from dlprof.units import parse_duration

FILE: Final = kept.DATA / "script-rates.jsonl"
BEGIN, END = "<!-- script rates: begin -->", "<!-- script rates: end -->"
CAUSE: Final = {"torch": "MatMul forward (B only)", "jax": "Sort"}
"""Script → what its planted work is called: part of its line's name."""


def collect(pythons: Mapping[str, str], repeats: int, planted: Sequence[str], budget: str) -> None:
    """Comparisons that are missing, until each script and share has `repeats` of them."""
    for number, script, python, share in kept.missing(FILE, pythons, planted, repeats):
        record = {"script": script, "planted": share, **_compared(script, python, share, budget)}
        kept.add(FILE, record)
        print(f"{script} +{share} %, {number}: {record['sentence']}", flush=True)


def _compared(script: str, python: str, share: str, budget: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        began = time.monotonic()
        done = toy_projects.compared(Path(scratch), script, python, share, "--budget", budget, "--format", "json")
        seconds = time.monotonic() - began
        if done.returncode not in (0, 4):
            raise SystemExit(f"{script} +{share} %: exit code {done.returncode}\n{done.stderr}")
        return _told(json.loads(done.stdout), seconds, budget)


def _told(found: Mapping[str, Any], seconds: float, budget: str) -> dict[str, Any]:
    """What is kept of a comparison."""
    (item,) = found["items"]
    lines = sorted((found["ledger"] or {}).get("lines", ()), key=lambda line: -abs(line["delta_ns"]))
    trials = found["facts"]["trials"]
    ratios = {key: item["ratio"][key] for key in ("estimate", "low", "high", "trials", "confidence")}
    return {
        "verdict": item["verdict"],
        "ratio": ratios,
        "lines": [{key: line[key] for key in ("name", "delta_ns", "low_ns", "high_ns", "kind")} for line in lines[:5]],
        "others_cpu": float(np.median([one["machine"]["other_cpu"] for one in trials])),
        "seconds": round(seconds, 1),
        "budget": budget,
        "sentence": item["sentence"],
    }


def rows() -> Iterator[Sequence[str]]:
    told: dict[tuple[str, float], list[dict[str, Any]]] = {}
    for one in kept.read(FILE):
        told.setdefault((one["script"], float(one["planted"])), []).append(one)
    for (script, share), runs in sorted(told.items()):
        count, n = {word: sum(one["verdict"] == word for one in runs) for word in ("faster", "slower")}, len(runs)
        different = sum(count.values())
        rate = exact_rate(different, n, n)
        ratios = np.log([one["ratio"]["estimate"] for one in runs])
        holds = sum((one["ratio"]["low"] or 0) <= 1 + share / 100 <= (one["ratio"]["high"] or np.inf) for one in runs)
        slower = [one for one in runs if one["verdict"] == "slower"]
        first = sum(bool(one["lines"]) and CAUSE[script] in one["lines"][0]["name"] for one in slower)
        yield (
            script,
            f"+{share:g} %",
            str(n),
            f"{different} ({rate.rate:.0%} [{rate.low:.0%}, {rate.high:.0%}])",
            str(count["slower"]),
            f"{100 * np.expm1(ratios.mean()):+.1f} % (SD {100 * ratios.std(ddof=min(n - 1, 1)):.1f} %)",
            f"{holds} of {n}",
            stated(told.get((script, 0.0), ()), share / 100) if share else "",
            f"{first} of {len(slower)}" if share else "",
            f"{np.mean([one['ratio']['trials'] for one in runs]):.1f}",
            f"{np.mean([one['seconds'] for one in runs]):.0f} s",
            f"{np.median([one['others_cpu'] for one in runs]):.0%}",
        )


def stated(equal: Sequence[Mapping[str, Any]], share: float) -> str:
    """The power that dlprof states (`stats.power`) for as many trials as the budget holds at the last look, from the script's
    comparisons with itself: their trials' SD by the width of the intervals, which is more than it is where that is the least one,
    and the seconds that a trial took."""
    if not equal:
        return ""
    deviations, seconds = [], []
    for one in equal:
        ratio, n = one["ratio"], one["ratio"]["trials"]
        half = (np.log(ratio["high"]) - np.log(ratio["low"])) / 2
        deviations.append(half * np.sqrt(n) / special.stdtrit(n - 1, (1 + ratio["confidence"]) / 2))
        seconds.append(one["seconds"] / n)
    sd, fit = float(np.sqrt(np.mean(np.square(deviations)))), parse_duration(equal[0]["budget"]) / np.mean(seconds)
    n = max((look for look in stats.look_schedule() if look <= fit), default=stats.MIN_TRIALS)
    return f"{stats.power(n, sd, share, stats.LOOK_ALPHA):.0%} in {n} (SD {sd:.3f})"


def table() -> str:
    titles = ("script", "planted", "comparisons", "called different [95 %]", "slower", "ratio seen", "interval holds it",
              "power stated", "cause first", "trials", "time", "CPU of others")  # fmt: skip
    return marked.table(titles, rows())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    collecting, reporting = verbs.add_parser("collect"), verbs.add_parser("report")
    for script in ("torch", "jax"):
        collecting.add_argument(f"--{script}", metavar="PYTHON", help=f"a Python that has {script}")
    collecting.add_argument("--repeats", type=int, default=20)
    collecting.add_argument("--planted", default="0,5,10", help="percent, separated by commas")
    collecting.add_argument("--budget", default="3m")
    reporting.add_argument("--into", type=Path, help="also put the table between the markers of this document")
    arguments = parser.parse_args()
    if arguments.verb == "collect":
        given = {script: getattr(arguments, script) for script in ("torch", "jax")}
        pythons = {script: str(Path(python).absolute()) for script, python in given.items() if python}
        collect(pythons, arguments.repeats, arguments.planted.split(","), arguments.budget)
        return
    print(table())
    if arguments.into is not None:
        marked.put(arguments.into, BEGIN, END, table())


if __name__ == "__main__":
    main()
