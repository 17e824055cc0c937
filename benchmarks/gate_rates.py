"""How often a gate passes, fails and is undecided at known slow-downs, measured: `dlprof gate` run again and again.

    python3 benchmarks/gate_rates.py collect --repeats 40 --planted 0,5,10
    python3 benchmarks/gate_rates.py collect --repeats 40 --planted 10 --script torch --python venv/bin/python
    python3 benchmarks/gate_rates.py report --into docs/statistics.md

`collect` may be stopped at any time: a run that has ended is a line of benchmarks/data/gate-rates.jsonl; those missing are
made, by turns of the planted shares.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import kept
import marked
import numpy as np
import toy_projects
from script_rates import stated

from dlprof.stats.design.calibration import exact_rate

BEGIN, END = "<!-- measured gates: begin -->", "<!-- measured gates: end -->"
STATES: Final = {0: "passed", 3: "failed", 4: "undecided"}
FILE: Final = kept.DATA / "gate-rates.jsonl"


def collect(repeats: int, planted: Sequence[str], script: str, python: str, gate: str, budget: str) -> None:
    """Runs that are missing, until each share has `repeats` of them."""
    for at in range(repeats):
        for share in planted:
            asked = {"script": script, "planted": share, "gate": gate, "budget": budget}
            if sum(one.items() >= asked.items() for one in kept.read(FILE)) <= at:
                kept.add(FILE, {**asked, **_run(float(share) / 100, script, python, gate, budget)})
                print(f"{script} +{share} %, {at + 1}: {kept.read(FILE)[-1]['sentence']}", flush=True)


def _run(share: float, script: str, python: str, gate: str, budget: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        project = toy_projects.made(Path(scratch, "project"), script, [0.0])
        (project / "planted.py").write_text(f"PLANTED = {share!r}\n")
        words = [
            *("-m", "dlprof", "gate", "--base", "main", "--max-slowdown", gate, "--budget", budget),
            *(["--traces", "2"] if script == "torch" else ["--traces", "0"]),
            *toy_projects.STEPS[script],
            *("-o", str(Path(scratch, "made")), "--format", "json", "--", python, "train.py"),
        ]
        began = time.monotonic()
        done = subprocess.run([sys.executable, *words], cwd=project, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - began
    if done.returncode not in STATES:
        raise SystemExit(f"{script} +{100 * share:g} %: exit code {done.returncode}\n{done.stderr}")
    found = json.loads(done.stdout)
    (item,) = found["gate"]["items"]
    others = [one["machine"]["other_cpu"] for one in found["facts"]["trials"]]
    return {
        "exit_code": done.returncode, "seconds": round(seconds, 1), "state": found["gate"]["state"],
        "ratio": item["ratio"], "sentence": found["gate"]["sentence"], "others_cpu": float(np.median(others)),
    }  # fmt: skip


def runs() -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    """Script, planted share and gate → its runs."""
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for one in kept.read(FILE):
        found.setdefault((one["script"], one["planted"], one["gate"]), []).append(one)
    return dict(sorted(found.items(), key=lambda item: (item[0][0], float(item[0][1]))))


def rows() -> Iterator[Sequence[str]]:
    every = runs()
    for (script, share, gate), told in every.items():
        away = abs((1 + float(share) / 100) / (1 + float(gate.rstrip("%")) / 100) - 1)
        count = Counter(one["state"] for one in told)
        wrong = [STATES[code] for code in (0, 3) if (code == 0) == (float(share) > 0)]  # at 0 % a failure, else a pass
        rate = exact_rate(count[wrong[0]], len(told), len(told))
        ratios = np.log([one["ratio"]["estimate"] for one in told])
        named = sum("because" in one["sentence"] for one in told if one["state"] == "failed")
        yield (
            script,
            f"+{share} %",
            gate,
            str(len(told)),
            *(str(count[state]) for state in STATES.values()),
            stated(every.get((script, "0", gate), ()), away) if away else "",
            f"{wrong[0]} {rate.rate:.0%} [{rate.low:.0%}, {rate.high:.0%}]",
            f"{100 * np.expm1(ratios.mean()):+.1f} % (SD {100 * ratios.std(ddof=min(len(told) - 1, 1)):.1f} %)",
            f"{np.mean([one['ratio']['trials'] for one in told]):.0f}",
            f"{np.mean([one['seconds'] for one in told]) / 60:.1f}",
            str(named) if script == "torch" else "",
            f"{np.median([one['others_cpu'] for one in told]):.0%}",
        )


def table() -> str:
    titles = ("script", "planted", "gate", "runs", "passed", "failed", "undecided", "power stated", "wrong way [95 %]",
              "ratio seen", "trials", "minutes", "reason named", "CPU of others")  # fmt: skip
    return marked.table(titles, rows())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    collecting, reporting = verbs.add_parser("collect"), verbs.add_parser("report")
    collecting.add_argument("--repeats", type=int, default=40)
    collecting.add_argument("--planted", default="0,5,10", help="percent, separated by commas")
    collecting.add_argument("--script", choices=sorted(toy_projects.SCRIPTS), default="numpy")
    collecting.add_argument("--python", default=sys.executable, help="in which the script runs")
    collecting.add_argument("--gate", default="5%")
    collecting.add_argument("--budget", default="5m")
    reporting.add_argument("--into", type=Path, help="also put the table between the markers of this document")
    arguments = parser.parse_args()
    if arguments.verb == "collect":
        planted, python = arguments.planted.split(","), str(Path(arguments.python).absolute())
        collect(arguments.repeats, planted, arguments.script, python, arguments.gate, arguments.budget)
        return
    print(table())
    if arguments.into is not None:
        marked.put(arguments.into, BEGIN, END, table())


if __name__ == "__main__":
    main()
