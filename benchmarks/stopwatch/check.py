"""Does dlprof's verdict on LeNet agree with a stop-watch? Plain scripts in fresh processes, interleaved, beside dlprof.

    python benchmarks/stopwatch/check.py [--pairs 10] [--trials 6] [-o FILE.json]

Runs `dlprof compare lenet --trials N --traces 0`, then at least ten interleaved pairs of the plain scripts beside this
file (no dlprof, no profiler) in the same environments. Prints both 95 % intervals of the time ratio MXNet ÷ TensorFlow and
whether they overlap. The plain pairs run one after the other, so their ratio carries the machine's drift: their interval
is wider.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy import stats

from dlprof.api.sides import parse_side
from dlprof.capture.data import datasets
from dlprof.capture.environments.env_store import EnvStore

HERE = Path(__file__).parent


def seconds_per_step(python: Path, script: str, data: datasets.Dataset) -> float:
    """One fresh process of a plain script; the last number it prints is the mean time of a step."""
    done = subprocess.run(
        [str(python), str(HERE / script), str(data.images), str(data.labels)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(re.findall(r"[0-9]+\.[0-9]+(?:e-?[0-9]+)?", done.stdout.splitlines()[-1])[0])


def plain_pairs(pairs: int) -> np.ndarray:
    """ln(MXNet ÷ TensorFlow) of each interleaved pair of fresh processes, the order alternating. Shape (pairs,)."""
    store = EnvStore()
    pythons = {name: store.ensure(parse_side(name).env).python for name in ("tf", "mxnet")}
    data = datasets.mnist()
    ratios = []
    for i in range(pairs):
        seconds = {}
        for name in ("tf", "mxnet") if i % 2 == 0 else ("mxnet", "tf"):
            seconds[name] = seconds_per_step(pythons[name], f"{name}_lenet.py", data)
        ratios.append(math.log(seconds["mxnet"] / seconds["tf"]))
        print(
            f"pair {i + 1}: TensorFlow {seconds['tf'] * 1e3:.2f} ms, MXNet {seconds['mxnet'] * 1e3:.2f} ms a step",
            file=sys.stderr,
        )
    return np.array(ratios)


def interval(log_ratios: np.ndarray) -> tuple[float, float, float]:
    """Mean ratio and its 95 % t interval over pairs."""
    mean, error = log_ratios.mean(), stats.sem(log_ratios)
    half = stats.t.ppf(0.975, len(log_ratios) - 1) * error
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "dlprof", "compare", "lenet", "--trials", str(arguments.trials), "--traces", "0",
                   "--format", "json", "-o", f"{folder}/comparison"]  # fmt: skip
        ours = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    ratio = ours["ratio"]
    plain, low, high = interval(plain_pairs(arguments.pairs))
    overlap = low <= ratio["high"] and ratio["low"] <= high
    print(
        f"dlprof      {ratio['estimate']:.3f} [{ratio['low']:.3f}, {ratio['high']:.3f}]  "
        f"{ratio['trials']} trials, verdict {ours['verdict']}"
    )
    print(f"stop-watch  {plain:.3f} [{low:.3f}, {high:.3f}]  {arguments.pairs} pairs of fresh processes")
    print(f"the 95 % intervals {'overlap' if overlap else 'DO NOT OVERLAP'}")
    if arguments.output:
        arguments.output.write_text(json.dumps({"dlprof": ratio, "plain": {"estimate": plain, "low": low, "high": high,
                                    "pairs": arguments.pairs}, "overlap": overlap}, indent=1) + "\n")  # fmt: skip
    return 0 if overlap else 1


if __name__ == "__main__":
    raise SystemExit(main())
