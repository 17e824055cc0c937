"""What a replicate is: how much identical sides vary between iterations, processes and trials, and how often a test that counts
each of them calls identical sides different.

    python3 benchmarks/units.py [benchmarks/data/calibration.parquet] [--into docs/statistics.md]

The data are a calibration's trials (calibration.py): A against A, every timed iteration. Of LeNet's blocks of training steps in
MXNet and in TensorFlow. Iterations are pooled over the processes of one trial, taking turns, as calibration_others.py does;
rounds are those of one trial; trials are comparisons of six, drawn with replacement, each with a random sign.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import calibration_others as others
import calibration_rates as rates
import marked
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy import stats as tests

DATA = Path(__file__).parent / "data" / "calibration.parquet"
BEGIN, END = "<!-- units: begin -->", "<!-- units: end -->"
CELLS = ("lenet mxnet:hybrid", "lenet tf:graph")
ITEM = "train_block"
ALPHA = 0.05
TRIALS = 6
COMPARISONS = 20_000
SEED = 0


def rounds(data: Path, cell: str) -> Iterator[np.ndarray]:
    """Of each trial the rounds' log-ratios: median log time of B's burst less that of A's, over kept iterations."""
    table = pq.read_table(data, filters=[("cell", "=", cell), ("item", "=", ITEM), ("kept", "=", True)])
    table = table.append_column(
        "log", pc.ln(pc.divide(table["wall_ns"].cast(pa.float64()), table["units"].cast(pa.float64())))
    )
    for trial in sorted(set(table["trial"].to_pylist())):
        mine = table.filter(pc.equal(table["trial"], trial))
        number, log = mine["round"].to_numpy(), mine["log"].to_numpy()
        is_b = np.array(mine["side"].to_pylist()) == "b"
        yield np.array(
            [
                np.median(log[(number == one) & is_b]) - np.median(log[(number == one) & ~is_b])
                for one in np.unique(number)
            ]
        )


def false_rate_of_trials(ratios: np.ndarray) -> float:
    """Share of comparisons of six trials that Student's t calls different, though their signs are random."""
    random = np.random.default_rng(SEED)
    drawn = random.choice(ratios, (COMPARISONS, TRIALS)) * random.choice((-1.0, 1.0), (COMPARISONS, TRIALS))
    return float(np.mean(tests.ttest_1samp(drawn, 0.0, axis=1).pvalue < ALPHA))


def column(data: Path, item: rates.Item) -> dict[str, str]:
    """What the table says of a cell."""
    logs = [np.log(one) for side in (item.a, item.b) for one in side]
    pooled = next(one for one in others.rates_of(item.a, item.b) if (one.design, one.processes) == ("taking turns", 1))
    at_five = {name: rate for name, (rate, _, _) in pooled.rates.items() if ".002" not in name}
    by_process = [float(np.std(one, ddof=1)) for one in logs]
    of_rounds = [tests.ttest_1samp(one, 0.0).pvalue < ALPHA for one in rounds(data, item.cell)]
    return {
        "trials of a side against itself": f"{len(item.trials)}",
        "SD between processes, of the median log time": f"{np.std([np.median(one) for one in logs], ddof=1):.3f}",
        "SD of a process's iterations, of the log time (its median)": f"{np.median(by_process):.3f}",
        "SD between trials, of the lockstep ratio": f"{np.std(item.ratios, ddof=1):.3f}",
        "false, **iterations** counted (Student, Mann-Whitney, Welch)": ", ".join(
            f"{one:.0%}" for one in at_five.values()
        ),
        "false, **rounds** of a trial counted (Student)": f"{np.mean(of_rounds):.0%}",
        "false, six **trials** counted (Student)": f"{false_rate_of_trials(item.ratios):.1%}",
    }


def main() -> None:
    """Prints the table, or puts it into a document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--into", type=Path, help="a document, between whose markers the table goes")
    given = parser.parse_args()
    items = {one.cell: one for one in rates.load([given.data]) if one.item == ITEM and one.cell in CELLS}
    columns = [column(given.data, items[cell]) for cell in CELLS]
    lines = [f"| {' | '.join(['', *(cell.removeprefix('lenet ') for cell in CELLS)])} |", "| --- | --- | --- |"]
    lines += [f"| {' | '.join([name, *(one[name] for one in columns)])} |" for name in columns[0]]
    text = "\n".join(lines)
    print(text)
    if given.into:
        marked.put(given.into, BEGIN, END, text)


if __name__ == "__main__":
    main()
