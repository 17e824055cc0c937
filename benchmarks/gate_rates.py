"""How often a gate passes, fails and is undecided at known slow-downs, measured: `dlprof gate` run again and again.

    python3 benchmarks/gate_rates.py collect -o runs --repeats 40 --planted 0,5,10
    python3 benchmarks/gate_rates.py collect -o runs-torch --repeats 40 --planted 10 --script torch --python venv/bin/python
    python3 benchmarks/gate_rates.py report -o runs --into docs/statistics.md

`collect` may be stopped at any time and goes on where it was: each run is a folder of its own, and those
that are missing are made,
by turns of the planted shares. A run whose folder is not whole is made again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import toy_projects

from dlprof.stats.design.calibration import exact_rate

BEGIN, END = "<!-- measured gates: begin -->", "<!-- measured gates: end -->"
STATES: Final = {0: "passed", 3: "failed", 4: "undecided"}
ENDED: Final = "run.json"
"""Of a run, written when it has ended well: exit code, seconds, state, ratio, trials, the answer's sentence."""


def collect(
    folder: Path, repeats: int, planted: Sequence[str], script: str, python: str, gate: str, budget: str
) -> None:
    """Runs that are missing, until each share has `repeats` of them."""
    for at in range(repeats):
        for share in planted:
            run = folder / f"{script}-planted-{share}" / f"run-{at:03d}"
            if not (run / ENDED).is_file():
                _run(run, float(share) / 100, script, python, gate, budget)
                print(f"{run}: {json.loads((run / ENDED).read_text())['sentence']}", flush=True)


def _run(run: Path, share: float, script: str, python: str, gate: str, budget: str) -> None:
    shutil.rmtree(run, ignore_errors=True)
    project = toy_projects.made(run / "project", script, [0.0])
    (project / "planted.py").write_text(f"PLANTED = {share!r}\n")
    words = [
        *("-m", "dlprof", "gate", "--base", "main", "--max-slowdown", gate, "--budget", budget),
        *(["--traces", "2"] if script == "torch" else ["--traces", "0"]),
        *toy_projects.STEPS[script],
        *("-o", str((run / "made").absolute()), "--format", "json", "--", python, "train.py"),
    ]
    began = time.monotonic()
    done = subprocess.run([sys.executable, *words], cwd=project, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    if done.returncode not in STATES:
        raise SystemExit(f"{run}: exit code {done.returncode}\n{done.stderr}")
    (run / "said.txt").write_text(done.stderr)
    found = json.loads(done.stdout)
    (run / "comparison.json").write_text(done.stdout)
    shutil.rmtree(run / "made")
    shutil.rmtree(project)
    (item,) = found["gate"]["items"]
    told = {
        "exit_code": done.returncode, "seconds": round(seconds, 1), "state": found["gate"]["state"],
        "ratio": item["ratio"], "sentence": found["gate"]["sentence"], "gate": gate, "budget": budget,
    }  # fmt: skip
    (run / ENDED).write_text(json.dumps(told, indent=1))


def runs(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Script and share → its runs."""
    found: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(folder.glob(f"*-planted-*/run-*/{ENDED}")):
        found.setdefault(file.parents[1].name, []).append(json.loads(file.read_text()))
    return dict(sorted(found.items(), key=lambda item: float(item[0].rpartition("-")[2])))


def rows(folder: Path) -> Iterator[Sequence[str]]:
    for name, told in runs(folder).items():
        script, _, share = name.partition("-planted-")
        count = Counter(one["state"] for one in told)
        wrong = [STATES[code] for code in (0, 3) if (code == 0) == (float(share) > 0)]  # at 0 % a failure, else a pass
        rate = exact_rate(count[wrong[0]], len(told), len(told))
        ratios = np.log([one["ratio"]["estimate"] for one in told])
        named = sum("because" in one["sentence"] for one in told if one["state"] == "failed")
        yield (
            script,
            f"+{share} %",
            told[0]["gate"],
            str(len(told)),
            *(str(count[state]) for state in STATES.values()),
            f"{wrong[0]} {rate.rate:.0%} [{rate.low:.0%}, {rate.high:.0%}]",
            f"{100 * np.expm1(ratios.mean()):+.1f} % (SD {100 * ratios.std(ddof=min(len(told) - 1, 1)):.1f} %)",
            f"{np.mean([one['ratio']['trials'] for one in told]):.0f}",
            f"{np.mean([one['seconds'] for one in told]) / 60:.1f}",
            str(named) if script == "torch" else "",
        )


def table(folder: Path) -> str:
    titles = ("script", "planted", "gate", "runs", "passed", "failed", "undecided", "wrong way [95 %]", "ratio seen",
              "trials", "minutes", "reason named")  # fmt: skip
    lines = [titles, ["---"] * len(titles), *rows(folder)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def put(text: str, into: Path, begin: str, end: str) -> None:
    """Between the markers of a document, or at its end where it has none yet."""
    before, found, rest = into.read_text().partition(begin)
    after = rest.partition(end)[2] if found else "\n"
    into.write_text(f"{before if found else before.rstrip() + chr(10) * 2}{begin}\n\n{text}\n\n{end}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    collecting, reporting = verbs.add_parser("collect"), verbs.add_parser("report")
    for verb in (collecting, reporting):
        verb.add_argument("-o", "--output", type=Path, required=True, help="folder of the runs")
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
        collect(
            arguments.output, arguments.repeats, planted, arguments.script, python, arguments.gate, arguments.budget
        )
        return
    print(table(arguments.output))
    if arguments.into is not None:
        put(table(arguments.output), arguments.into, BEGIN, END)


if __name__ == "__main__":
    main()
