"""How often `dlprof bisect` finds the commit, measured: searches over 64 commits of a small training script.

    python3 benchmarks/bisect_toys.py collect -o searches --searches 20 --changes 1
    python3 benchmarks/bisect_toys.py report --into docs/bisect.md

Each of `--changes` planted commits (0, 1 or 2) makes the step `--planted` percent slower; where they lie is drawn
anew for each search.
`collect` may be stopped at any time: a search that was under way goes on with its trials (`dlprof bisect --resume`), and one that
has ended is a line of benchmarks/data/bisect-toys.jsonl.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import kept
import marked
import numpy as np
import toy_projects

from dlprof.stats.design.calibration import exact_rate

COMMITS: Final = 64
BEGIN, END = "<!-- measured searches: begin -->", "<!-- measured searches: end -->"
FILE: Final = kept.DATA / "bisect-toys.jsonl"
TRUTH, SPENT = "truth.json", "seconds.txt"


def collect(folder: Path, searches: int, changes: Sequence[int], planted: float, script: str, python: str) -> None:
    """Searches that are missing, by turns of the numbers of changes."""
    for at in range(searches):
        for count in changes:
            asked = {"script": script, "changes": count, "planted": planted, "search": at}
            if not any(one.items() >= asked.items() for one in kept.read(FILE)):
                search = folder / f"{script}-{count}-of-{planted:g}" / f"search-{at:03d}"
                told = _search(search, _places(at, count), planted / 100, script, python)
                kept.add(FILE, {**asked, **told})
                minutes = told["seconds"] / 60
                print(f"{search}: {told['answer']} in {told['trials']} trials, {minutes:.1f} min", flush=True)


def _places(at: int, count: int) -> list[int]:
    drawn = np.random.default_rng((64, at, count)).choice(np.arange(1, COMMITS + 1), count, replace=False)
    return sorted(int(one) for one in drawn)


def _search(search: Path, places: Sequence[int], share: float, script: str, python: str) -> dict[str, Any]:
    if not (search / TRUTH).is_file():
        shutil.rmtree(search, ignore_errors=True)
        slower = [(1 + share) ** sum(at >= place for place in places) - 1 for at in range(COMMITS + 1)]
        toy_projects.made(search / "project", script, slower)
        (search / TRUTH).write_text(json.dumps({"places": list(places), "share": share}))
    made = (search / "made").absolute()
    where = ["--resume" if (made / "bisect.json").is_file() else "--output", str(made)]
    words = ["bisect", *where, "--good", "main~64", "--bad", "main", *toy_projects.STEPS[script], "--format", "json"]
    spent = search / SPENT
    began, before = time.monotonic(), float(spent.read_text()) if spent.is_file() else 0.0
    try:
        done = subprocess.run(
            [sys.executable, "-m", "dlprof", *words, "--", python, "train.py"],
            cwd=search / "project", capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        seconds = before + time.monotonic() - began
        spent.write_text(f"{seconds:.1f}")
    if done.returncode not in (0, 4):
        raise SystemExit(f"{search}: exit code {done.returncode}\n{done.stderr}")
    found = json.loads(done.stdout)
    return _told(found, places, made, seconds)


def _told(found: dict[str, Any], places: Sequence[int], made: Path, seconds: float) -> dict[str, Any]:
    """What is kept of a search: what it named, whether that is right, how many trials and seconds it took."""
    at = {one["name"]: number for number, one in enumerate(found["row"])}
    named = sorted(at[one["revision"]] for one in found["culprits"])
    state = found["state"]
    right = state in ("found", "no difference") and named == list(places)
    folders = [one["neighbours"]["folder"] for one in found["culprits"] if one["neighbours"]]
    trials = len(found["probes"]) + sum(
        len(json.loads((made / folder / "manifest.json").read_text())["trials"]) for folder in folders
    )
    answer = "right" if right else "wrong" if state in ("found", "no difference") else "not known"
    sizes = [one["neighbours"]["ratio"] for one in found["culprits"] if one["neighbours"]]
    return {
        "answer": answer, "state": state, "named": named, "places": list(places), "sizes": sizes, "trials": trials,
        "seconds": round(seconds, 1),
    }  # fmt: skip


def rows() -> Iterator[Sequence[str]]:
    found: dict[tuple[str, int, float], list[dict[str, Any]]] = {}
    for one in kept.read(FILE):
        found.setdefault((one["script"], one["changes"], one["planted"]), []).append(one)
    for (script, count, size), told in sorted(found.items()):
        answers = [one["answer"] for one in told]
        rate = exact_rate(answers.count("wrong"), len(told), len(told))
        what = ("nothing", f"+{size:g} % once", f"+{size:g} % twice")[count]
        trials, minutes = sorted(one["trials"] for one in told), sorted(one["seconds"] / 60 for one in told)
        yield (
            script,
            what,
            str(len(told)),
            *(str(answers.count(answer)) for answer in ("right", "wrong", "not known")),
            f"[{rate.low:.0%}, {rate.high:.0%}]",
            f"{np.mean(trials):.0f} ({trials[0]} to {trials[-1]})",
            f"{np.mean(minutes):.1f} ({minutes[0]:.1f} to {minutes[-1]:.1f})",
        )


def table() -> str:
    titles = ("script", "planted", "searches", "right", "wrong", "not known", "wrong [95 %]", "trials", "minutes")
    return marked.table(titles, rows())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    collecting, reporting = verbs.add_parser("collect"), verbs.add_parser("report")
    collecting.add_argument("-o", "--output", type=Path, required=True, help="folder of the searches")
    collecting.add_argument("--searches", type=int, default=20)
    collecting.add_argument("--changes", default="1", help="how many commits are planted, such as 1,2,0")
    collecting.add_argument("--planted", type=float, default=10.0, help="percent")
    collecting.add_argument("--script", choices=sorted(toy_projects.SCRIPTS), default="numpy")
    collecting.add_argument("--python", default=sys.executable, help="in which the script runs")
    reporting.add_argument("--into", type=Path, help="also put the table between the markers of this document")
    arguments = parser.parse_args()
    if arguments.verb == "collect":
        changes, python = [int(one) for one in arguments.changes.split(",")], str(Path(arguments.python).absolute())
        collect(arguments.output, arguments.searches, changes, arguments.planted, arguments.script, python)
        return
    print(table())
    if arguments.into is not None:
        marked.put(arguments.into, BEGIN, END, table())


if __name__ == "__main__":
    main()
