"""Do a ledger's own intervals keep what they promise? Collects traced trials of a side against itself and resamples them.

    python3 benchmarks/ledger_coverage.py collect --minutes 10 -o traced-trials      (resumes; run it as often as you like)
    python3 benchmarks/ledger_coverage.py pack traced-trials -o benchmarks/data/traced-trials.parquet
    python3 benchmarks/ledger_coverage.py report benchmarks/data/traced-trials.parquet --into docs/calibration.md

A trial is dlprof's own: fresh workers, warm-up, two timed rounds (as few as a plan allows: they decide nothing here) and the
traced window of `dlprof compare`, read as the comparison reads it. What is kept of a window is its time on each line of the
ledger. Needs dlprof importable (pip install . in this repository).
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

sys.path.insert(0, str(Path(__file__).parent))

SIDES_OF: Final = ("tf:graph", "mxnet:hybrid")
ITEM: Final = "train_step_sync"


@dataclass
class Pool:
    """The traced trials of one side against itself, being collected into a folder of their own."""

    side: str
    bench: Any
    folder: Path
    seed: int
    made: Any = None

    @property
    def finished(self) -> int:
        return len(list(self.folder.glob("*.json")))

    def trial(self) -> None:
        """One more, written when whole: both windows' events (schema.EVENTS) and a JSON of facts."""
        from dlprof.api.compare.trials import STEPS
        from dlprof.api.lockstep.plan import enough_of, plan_of
        from dlprof.api.options import DEFAULT_BUDGET_S
        from dlprof.api.record import keep_window
        from dlprof.capture.workers.schedule import run_trials
        from dlprof.capture.workers.window import WindowPlan
        from dlprof.temporary import atomic

        spec = self.bench.side(self.side)
        workload = self.bench.options.resolve(spec.framework.name)
        self.bench.environment(spec)
        self.made = self.made or self.bench.inputs(workload, 1)
        number = self.finished
        plan = plan_of(workload, trials=1, seed=self.seed, budget_s=DEFAULT_BUDGET_S)
        window = WindowPlan(most=STEPS, items=lambda timed: timed[-1:], marked=STEPS)
        plan = replace(plan, items=(ITEM,), min_rounds=2, max_rounds=2, window=window)
        with tempfile.TemporaryDirectory(dir=self.bench.scratch) as scratch:
            self._scratch = Path(scratch)
            found = run_trials(plan, self._worker, lambda _: True, enough=enough_of(workload), first=number)
            if found.interrupted:
                raise KeyboardInterrupt
            done = found.trials[0]
            self.folder.mkdir(parents=True, exist_ok=True)
            facts: dict[str, Any] = {
                "side": self.side,
                "created": time.time(),
                "machine": msgspec.to_builtins(done.machine),
            }
            for side, traced in done.windows.items():
                capture = keep_window(
                    self.bench, spec, workload, traced, ready=done.ready[side], trial=number,
                    target=Path(scratch) / f"{side}-window",
                )  # fmt: skip
                facts["versions"] = done.ready[side].versions
                facts[side] = {"untraced_step_ns": traced.window.untraced_step_ns}
                with atomic(self.folder / f"{number:05d}-{side}.parquet") as temporary:
                    shutil.copyfile(capture.path / "events.parquet", temporary)
            (self.folder / f"{number:05d}.json").write_text(json.dumps(facts))

    def _worker(self, side: str, _: int) -> Any:
        from dlprof.capture.workers.worker import Worker

        spec = self.bench.side(self.side)
        workload = self.bench.options.resolve(spec.framework.name)
        request = self.bench.request(spec, workload, self.made, task="serve")
        return Worker(self.bench.environment(spec), request, self._scratch / side, 600.0)


def collect(arguments: argparse.Namespace) -> None:
    """Trials in turn until the time is up; what is finished is on disk."""
    from dlprof.api.options import RunOptions
    from dlprof.api.record import Bench
    from dlprof.cli.terminal import Progress

    deadline = time.monotonic() + arguments.minutes * 60
    options = RunOptions(
        workload="lenet", preset=None, settings={}, epochs=None, device="cpu", mode=None, seed=0, python=None, data=None,
        threads=None, max_steps=None, timeout_s=600.0,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="dlprof-coverage-") as scratch, Progress() as progress:
        bench = Bench(options, progress, Path(scratch))
        chosen = arguments.sides or SIDES_OF
        pools = [Pool(side, bench, Path(arguments.output) / side.replace(":", "-"), arguments.seed) for side in chosen]
        while time.monotonic() < deadline:
            pool = min(pools, key=lambda one: one.finished)
            if pool.finished >= arguments.trials:
                break
            began = time.monotonic()
            pool.trial()
            print(f"{pool.side}: {pool.finished} trials ({time.monotonic() - began:.1f} s)", file=sys.stderr)


def pack(arguments: argparse.Namespace) -> None:
    """All windows of a collection as one Parquet file: ns of a step on each line of the ledger, a row a window and line."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from dlprof.analysis.explain import ledger, windows
    from dlprof.analysis.trace import layers
    from dlprof.manifest import Described
    from dlprof.workload import resolve

    tables, facts = [], {}
    described = msgspec.convert(resolve("lenet").description, Described)
    for folder in sorted(one for one in Path(arguments.source).iterdir() if one.is_dir()):
        told = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
        cut: dict[str, list[Any]] = {"a": [], "b": []}
        for number in range(len(told)):
            for letter, found in cut.items():
                events = pq.read_table(folder / f"{number:05d}-{letter}.parquet")
                found.append(windows.split(layers.assign(events, described.model.layers).events, by_step=True))
        explanation = ledger.of_windows(cut["a"], cut["b"], by_step=True)
        count, lines = explanation.windows[0].shape
        for letter, values in zip(("a", "b"), explanation.windows, strict=True):
            columns = {
                "of": pa.array([told[0]["side"]] * values.size).dictionary_encode(),
                "trial": pa.array(np.repeat(np.arange(count), lines).astype(np.int32)),
                "side": pa.array([letter] * values.size).dictionary_encode(),
                "line": pa.array([*explanation.keys] * count).dictionary_encode(),
                "ns": pa.array(values.ravel()),
            }
            tables.append(pa.table(columns))
        facts[told[0]["side"]] = {"versions": told[0]["versions"], "busy": [one["machine"] for one in told]}
    whole = pa.concat_tables(tables).unify_dictionaries().replace_schema_metadata({"facts": json.dumps(facts)})
    pq.write_table(whole, arguments.output, compression="zstd", compression_level=19)
    print(f"{arguments.output}: {len(whole)} rows, {Path(arguments.output).stat().st_size / 1e6:.2f} MB")


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % interval by a bootstrap over whole trials."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}]"


@dataclass(frozen=True)
class Coverage:
    """What one side's pool says. lines: above 1 % of the step, of so many. worst: the line that is covered least, and how often.
    covered, any_false: over resampled comparisons. ran, ran_any_false: of the disjoint comparisons as they ran, counts.
    biased: lines whose mean over the whole pool differs from 0 (q at most .05)."""

    of: str
    trials: int
    step_ns: float
    busy: float
    lines: int
    all_lines: int
    covered: Rate
    worst: tuple[str, float]
    any_false: Rate
    ran: tuple[int, int]
    ran_any_false: tuple[int, int]
    biased: int


SIX: Final = 6
LEAST_SHARE: Final = 0.01
POOLS: Final = 200
"""Bootstrap samples of the pool, and below: comparisons in each."""
IN_POOL: Final = 500


def evaluate(path: Path, comparisons: int) -> list[Coverage]:
    """Coverage and false lines of each side's pool."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    facts = json.loads(table.schema.metadata[b"facts"])
    return [
        _coverage(of, table.filter(pc.equal(table["of"].cast("string"), of)), facts[of], comparisons) for of in facts
    ]


def _coverage(of: str, table: Any, facts: Any, comparisons: int) -> Coverage:
    import numpy as np

    from dlprof import stats

    keys = list(dict.fromkeys(table["line"].cast("string").to_pylist()))
    rows = table["ns"].to_numpy().reshape(2, -1, len(keys))  # written side by side, window by window
    a, b = rows
    step = float(rows.sum(axis=2).mean())
    large = rows.mean(axis=(0, 1)) >= LEAST_SHARE * step
    deltas = b - a
    generator = np.random.default_rng(0)

    def drawn(pool: Any, count: int) -> tuple[Any, Any]:
        """`judged` of comparisons of six trials, each with a random sign."""
        sample = pool[generator.integers(0, len(pool), (count, SIX))] * generator.choice((-1.0, 1.0), (count, SIX, 1))
        return judged(sample)

    covered, false = drawn(deltas, comparisons)
    spread = []
    for _ in range(POOLS):
        pool = deltas[generator.integers(0, len(deltas), len(deltas))]
        held, wrong = drawn(pool, IN_POOL)
        spread.append((held[:, large].mean(), wrong.mean()))
    low, high = np.quantile(np.array(spread), (0.025, 0.975), axis=0)
    disjoint = deltas[: len(deltas) // SIX * SIX].reshape(-1, SIX, len(keys))
    held, wrong = judged(disjoint)
    by_line = covered.mean(axis=0)
    worst = min(np.flatnonzero(large), key=lambda line: by_line[line])
    whole = [p for line in range(len(keys)) if (p := _p(deltas[:, line])) is not None]
    return Coverage(
        of=of,
        trials=len(deltas),
        step_ns=step,
        busy=float(np.median([one.get("other_cpu", float("nan")) for one in facts["busy"]])),
        lines=int(large.sum()),
        all_lines=len(keys),
        covered=Rate(float(covered[:, large].mean()), float(low[0]), float(high[0])),
        worst=(keys[worst], float(by_line[worst])),
        any_false=Rate(float(false.mean()), float(low[1]), float(high[1])),
        ran=(int(held[:, large].sum()), int(held[:, large].size)),
        ran_any_false=(int(wrong.sum()), len(wrong)),
        biased=int((stats.benjamini_hochberg(whole).q <= 0.05).sum()),
    )


def _p(values: Any) -> float | None:
    from dlprof.stats.sample import location

    return location.t_pvalue(values)


def judged(samples: Any) -> tuple[Any, Any]:
    """The ledger's own intervals and q (ledger._bounds, ledger._adjusted) of many comparisons at once: (comparisons, trials,
    lines) -> (whether each line's 95 % interval holds 0, whether any line of the comparison has a q of at most .05)."""
    import numpy as np
    from scipy import special

    from dlprof import stats
    from dlprof.stats.sample import location

    n = samples.shape[1]
    mean, error = samples.mean(axis=1), samples.std(axis=1, ddof=1) / np.sqrt(n)
    held = np.abs(mean) <= location.t_quantile(1 - stats.FIXED_ALPHA / 2, n - 1) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * special.stdtr(n - 1, -np.abs(mean / error))
    p[np.ptp(samples, axis=1) == 0] = np.nan
    wrong = np.array([bool((stats.benjamini_hochberg(row).q <= 0.05).any()) for row in p])
    return held, wrong


def report(arguments: argparse.Namespace) -> int:
    """Print the table; exit status 1 where a promise is missed and --check was given."""
    found = evaluate(Path(arguments.source), arguments.comparisons)
    text = "\n".join(_lines(found))
    print(text)
    if arguments.into:
        import marked  # of this folder, which is on the path since above

        marked.put(Path(arguments.into), BEGIN, END, text)
    missed = any(one.covered.high < PROMISED or one.any_false.low > FALSE for one in found)
    return int(arguments.check and missed)


BEGIN, END = "<!-- ledger coverage: begin -->", "<!-- ledger coverage: end -->"
PROMISED: Final = 0.93
FALSE: Final = 0.05


def _lines(found: list[Coverage]) -> list[str]:
    titles = ["", *(one.of for one in found)]
    rows = [
        ("traced trials of a side against itself", [str(one.trials) for one in found]),
        ("mean traced step", [f"{one.step_ns / 1e6:.1f} ms" for one in found]),
        ("CPU of other processes during the rounds, median", [f"{one.busy:.0%}" for one in found]),
        ("lines of the ledger; above 1 % of the step", [f"{one.all_lines}; {one.lines}" for one in found]),
        (
            "**coverage** of those above 1 %, six trials (promised: 93 % or more)",
            [_kept(one.covered, one.covered.high >= PROMISED) for one in found],
        ),
        ("least covered of them", [f"{one.worst[0]}: {one.worst[1]:.1%}" for one in found]),
        (
            "**any line false** by Benjamini-Hochberg (promised: 5 % or less)",
            [_kept(one.any_false, one.any_false.low <= FALSE) for one in found],
        ),
        ("as they ran, six by six: intervals that hold 0", [_share(*one.ran) for one in found]),
        ("as they ran: comparisons with any line false", [_share(*one.ran_any_false) for one in found]),
        ("lines that all trials together call different", [str(one.biased) for one in found]),
    ]
    return [
        f"| {' | '.join(titles)} |",
        f"|{' --- |' * len(titles)}",
        *(f"| {title} | {' | '.join(values)} |" for title, values in rows),
    ]


def _share(hits: int, of: int) -> str:
    return f"{hits} of {of} ({hits / of:.1%})"


def _kept(rate: Rate, kept: bool) -> str:
    return f"{rate}, {'kept' if kept else 'missed'}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("collect", help="measure trials until the time is up")
    verb.add_argument("--minutes", type=float, default=30.0)
    verb.add_argument("--trials", type=int, default=200, help="at most so many a side")
    verb.add_argument("--sides", nargs="*", choices=SIDES_OF)
    verb.add_argument("--seed", type=int, default=0)
    verb.add_argument("-o", "--output", default="traced-trials")
    verb.set_defaults(run=collect)
    verb = verbs.add_parser("pack", help="one Parquet file from a collection")
    verb.add_argument("source")
    verb.add_argument("-o", "--output", required=True)
    verb.set_defaults(run=pack)
    verb = verbs.add_parser("report", help="the table")
    verb.add_argument("source", help="a packed file")
    verb.add_argument("--comparisons", type=int, default=5_000, help="resampled comparisons a side (default 5000)")
    verb.add_argument("--into", help="also put the table between the markers of this document")
    verb.add_argument("--check", action="store_true", help="exit 1 where a promise is missed")
    verb.set_defaults(run=report)
    arguments = parser.parse_args()
    return arguments.run(arguments) or 0


if __name__ == "__main__":
    raise SystemExit(main())
