"""Runs the fuzz harnesses and appends what happened to log.json; prints the log's totals.

    python tests/fuzz/campaign.py --seconds 500 --seed 1            all harnesses, one behind the other
    python tests/fuzz/campaign.py json --seconds 250 --seed 2       one of them
    python tests/fuzz/campaign.py json --guided --seconds 250       guided by coverage (json and xplane)
    python tests/fuzz/campaign.py --show                            the totals of the log

Without --guided a harness makes its own mutations, which tries several times as many inputs. --guided needs atheris
(`pip install atheris`), which only this uses. A guided harness that ends, with a find or after its share of inputs, is
started again, with the next seed, until its seconds are over. The corpus of interesting
inputs stays in tests/fuzz/.work between runs, so that each run goes on where the last one stopped.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engine import keep

HERE = Path(__file__).resolve().parent
LOG = HERE / "log.json"
HARNESSES = (
    "json",
    "kineto",
    "xplane",
    "manifest",
    "comparison",
    "study",
    "workload",
    "calls",
    "readers",
    "planes",
    "spans",
    "tables",
)
RUNS = {"json": 150_000, "xplane": 30_000}
"""Inputs of a guided process, after which another takes over: the tables of libFuzzer itself grow by 2 and 12 kB an input."""
_STATUS = re.compile(r"^#(\d+)\s.*?cov: (\d+) ft: (\d+) corp: (\d+)/", re.MULTILINE)
_DONE = re.compile(r"^done: (\d+) inputs", re.MULTILINE)
_PEAK = re.compile(r"stat::peak_rss_mb:\s*(\d+)")
_TRIED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


def run_own(harness: str, seconds: int, seed: int) -> dict[str, Any]:
    """One run of one harness with its own mutations."""
    corpus = HERE / f"corpus_{harness}"
    before = {path.name for path in corpus.glob("*")}
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, HERE / f"fuzz_{harness}.py", "--runs", str(10**9), "--seconds", str(seconds), "--seed", str(seed)],
        capture_output=True, text=True,
    )  # fmt: skip
    took = time.monotonic() - begin
    tried = _DONE.search(done.stdout)
    if not tried:
        raise SystemExit(f"{harness}: ended without a count:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
    return {
        "harness": harness, "engine": "own mutations", "seed": seed, "inputs": int(tried[1]), "seconds": round(took, 1),
        "executions_per_second": round(int(tried[1]) / took), "exit_code": done.returncode,
        "finds": sorted({path.name for path in corpus.glob("*")} - before), "commit": _commit(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"), "python": sys.version.split()[0],
    }  # fmt: skip


def run_guided(harness: str, seconds: int, seed: int) -> dict[str, Any]:
    """One run of one harness; what libFuzzer reported of it."""
    work, corpus = HERE / ".work" / harness, HERE / f"corpus_{harness}"
    work.mkdir(parents=True, exist_ok=True)
    before = {path.name for path in corpus.glob("*")}
    begin = time.monotonic()
    with (work.parent / f"{harness}.err").open("w+") as said:
        code = subprocess.call(
            [sys.executable, HERE / f"fuzz_{harness}.py", "--atheris", "--runs", str(RUNS[harness]), "--seconds", str(seconds),
             "--seed", str(seed), "--work", work], stdout=said, stderr=said,
        )  # fmt: skip
        took = time.monotonic() - begin
        said.seek(0)
        text = said.read()
    for artifact in work.parent.glob(f"{harness}-artifact-*"):
        # Hangs and exhausted memory, which end the process; a slow unit is judged by CPU time, in the harness.
        if "slow-unit" not in artifact.name:
            keep(corpus, artifact.read_bytes())
        artifact.unlink()
    status = _STATUS.findall(text)
    if not status:
        raise SystemExit(f"{harness}: libFuzzer reported nothing:\n{text[-3000:]}")
    tried = _TRIED.search(text)
    inputs = int(tried[1]) if tried else int(status[-1][0])
    peak = _PEAK.search(text)
    return {
        "harness": harness, "engine": f"atheris {version('atheris')} (libFuzzer)", "seed": seed, "inputs": inputs,
        "seconds": round(took, 1), "executions_per_second": round(inputs / took), "edges_covered": int(status[-1][1]),
        "features": int(status[-1][2]), "corpus": int(status[-1][3]), "peak_rss_mb": int(peak[1]) if peak else None,
        "exit_code": code, "finds": sorted({path.name for path in corpus.glob("*")} - before),
        "commit": _commit(), "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
    }  # fmt: skip


def _commit() -> str:
    """The state of the code under test; `+` where it is not committed."""
    show = subprocess.run(
        ["git", "log", "-1", "--format=%h", "--", "../../dlprof"], cwd=HERE, capture_output=True, text=True
    )
    dirty = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "../../dlprof"], cwd=HERE)
    return show.stdout.strip() + ("+" if dirty.returncode else "")


def records() -> list[dict[str, Any]]:
    """All runs of the log."""
    found: list[dict[str, Any]] = json.loads(LOG.read_text()) if LOG.exists() else []
    return found


def totals() -> list[str]:
    """A Markdown table: inputs, coverage and finds of each harness."""
    lines = ["| harness | inputs | runs | inputs/s | edges covered | peak MB | finds | code |", "|" + " --- |" * 8]
    runs = records()
    for harness in (*HARNESSES, "native"):
        program = "sanitize.py" if harness == "native" else f"fuzz_{harness}.py"
        mine = [one for one in runs if one["harness"] == harness]
        if mine:
            inputs = sum(one["inputs"] for one in mine)
            commits = ", ".join(dict.fromkeys(one["commit"] for one in mine))
            lines.append(
                f"| {program} | {inputs:,} | {len(mine)} | {inputs / sum(one['seconds'] for one in mine):.0f} "
                f"| {max(one.get('edges_covered') or 0 for one in mine):,} | {max(one.get('peak_rss_mb') or 0 for one in mine)} "
                f"| {sum(len(one['finds']) for one in mine)} | {commits} |"
            )
    lines.append(f"| all | {sum(one['inputs'] for one in runs):,} | {len(runs)} | | | | | |")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("harnesses", nargs="*", choices=[[], *HARNESSES], help="which; none: all")
    parser.add_argument("--seconds", type=int, default=500, help="for each harness")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--guided", action="store_true", help="by coverage, with atheris: json and xplane")
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    run = run_guided if options.guided else run_own
    if options.guided and find_spec("atheris") is None:
        parser.error("atheris is not installed here: pip install atheris")
    for harness in () if options.show else options.harnesses or (RUNS if options.guided else HARNESSES):
        end, seed = time.monotonic() + options.seconds, options.seed
        while (left := int(end - time.monotonic())) > 5:
            record = run(harness, left, seed)
            runs = [*records(), record]
            LOG.write_text(json.dumps(runs, indent=1) + "\n")
            print(json.dumps(record), flush=True)  # noqa: T201
            seed += 1000
    print("\n".join(totals()))  # noqa: T201
    return 1 if any(record["finds"] for record in records()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
