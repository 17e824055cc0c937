"""What it costs a comparison of scripts that its sides are alive one after the other: the same script on both sides, in lockstep
and as interleaved pairs.

    python3 benchmarks/script_pairs.py measure TORCH_PYTHON -o pairs-runs [--trials 8]    (some minutes; goes on where it stopped)
    python3 benchmarks/script_pairs.py report pairs-runs --into docs/statistics.md

The script trains a small convolutional network of PyTorch (steps of some ms). Both comparisons have the same number of trials,
and follow one another: half of the trials in lockstep, all pairs, the other half in lockstep.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
from pathlib import Path

import marked
import pyarrow.parquet as pq
from scipy import stats as scipy_stats

from dlprof.analysis.timing import lockstep

BEGIN, END = "<!-- pairs: begin -->", "<!-- pairs: end -->"
TRAIN = """
import torch
from torch import nn
torch.manual_seed(0)
head = [nn.Flatten(), nn.Linear(16 * 144, 64), nn.ReLU(), nn.Linear(64, 10)]
model = nn.Sequential(nn.Conv2d(1, 16, 5), nn.ReLU(), nn.MaxPool2d(2), *head)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x, y = torch.randn(64, 1, 28, 28), torch.randint(0, 10, (64,))
while True:
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
"""
PARTS = ("lockstep-1", "interleaved", "lockstep-2")


def measure(given: argparse.Namespace) -> None:
    """The three comparisons, those that are there already left out."""
    given.output.mkdir(parents=True, exist_ok=True)
    project = given.output / "project"
    project.mkdir(exist_ok=True)
    (project / "train.py").write_text(TRAIN)
    command = f"{given.python} train.py"
    for part in PARTS:
        folder = given.output.resolve() / part
        if (folder / "comparison.json").exists():
            continue
        trials = given.trials if part == "interleaved" else math.ceil(given.trials / 2)
        words = ["--a", command, "--b", command, "--trials", str(trials), "--traces", "0", "-o", str(folder)]
        if part == "interleaved":
            words.append("--interleaved")
        done = subprocess.run([sys.executable, "-m", "dlprof", "compare", *words], cwd=project)
        if done.returncode:
            raise SystemExit(f"{part}: dlprof compare ended with {done.returncode}")


def log_ratios(folder: Path) -> list[float]:
    """The log-ratio of each trial of the first item."""
    timings = pq.read_table(folder / "timings.parquet")
    item = json.loads((folder / "comparison.json").read_text())["items"][0]["item"]
    return [one.log_ratio for one in lockstep.by_item(timings)[item].values()]


def table(folder: Path) -> str:
    """Markdown."""
    lines = [("sides alive", "trials", "SD of a trial's log-ratio", "95 % interval of it", "B ÷ A"), ("---",) * 5]
    for name, parts in (("in lockstep", ("lockstep-1", "lockstep-2")), ("one after the other", ("interleaved",))):
        groups = [log_ratios(folder / part) for part in parts]
        everything = [one for group in groups for one in group]
        freedom = len(everything) - len(groups)
        sd = math.sqrt(sum((one - statistics.fmean(group)) ** 2 for group in groups for one in group) / freedom)
        low, high = _of_a_deviation(sd, freedom)
        ratio = math.exp(statistics.fmean(everything))
        lines.append((name, str(len(everything)), f"{sd:.3f}", f"{low:.3f} to {high:.3f}", f"{ratio:.3f}"))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _of_a_deviation(sd: float, freedom: int) -> tuple[float, float]:
    """95 % interval of a standard deviation of normal values, by chi-squared."""
    return tuple(sd * math.sqrt(freedom / float(scipy_stats.chi2.ppf(share, freedom))) for share in (0.975, 0.025))  # type: ignore[return-value]


def main() -> None:
    """Measures or reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("measure")
    verb.add_argument("python", help="a Python that has PyTorch")
    verb.add_argument("-o", "--output", type=Path, required=True)
    verb.add_argument("--trials", type=int, default=8)
    verb.set_defaults(run=measure)
    verb = verbs.add_parser("report")
    verb.add_argument("folder", type=Path)
    verb.add_argument(
        "--into", type=Path, metavar="DOCUMENT", help="put the table between the markers of this document"
    )
    verb.set_defaults(run=report)
    given = parser.parse_args()
    given.run(given)


def report(given: argparse.Namespace) -> None:
    """Prints the table, or puts it into a document."""
    made = table(given.folder)
    if given.into is None:
        print(made)
        return
    marked.put(given.into, BEGIN, END, made)


if __name__ == "__main__":
    main()
