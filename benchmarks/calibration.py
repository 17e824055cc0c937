"""Is the verdict right? Collects real trials of a side against itself and prints how often dlprof, and others, err.

    python3 benchmarks/calibration.py collect --minutes 60 -o calibration-trials     (resumes; run it as often as you like)
    python3 benchmarks/calibration.py pack calibration-trials -o benchmarks/data/calibration.parquet
    python3 benchmarks/calibration.py report benchmarks/data/calibration.parquet --into docs/calibration.md

A cell is one configuration: A against A, A against A slowed by a known share (slowed_adapter.py), or A against A on a
disturbed machine. Cells take turns, one trial each, so that all see the same weather. Each finished trial is one Parquet
file of schema.TIMINGS and one JSON of facts. `report` reads those folders, packed files, and comparison directories of
`dlprof compare … --a X --b X` alike. Needs dlprof importable (pip install . in this repository).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent))

SLOWED = Path(__file__).with_name("slowed_adapter.py")
PACKED = ("trial", "side", "item", "round", "position", "kept", "units", "wall_ns")
SPIN_S = 3.0


@dataclass(frozen=True)
class Cell:
    """One configuration. slower: extra share of work on side B; load: another process on the machine, or ''. turns: how
    many trials it gets for each one of a cell with one. rounds: the same in all trials."""

    name: str
    side: str
    workload: str = "lenet"
    settings: dict[str, str] = field(default_factory=dict)
    items: tuple[str, ...] | None = ("train_block", "train_step_sync", "infer_block")
    slower: float = 0.0
    load: str = ""
    turns: int = 2
    rounds: int = 20


OPS = (
    *("relu[size=500]", "softsign[size=500]", "dot[size=1000]"),  # dispatch-bound: a call is dearer than its arithmetic
    *("matmul[size=150]", "tanh[size=57500]", "softrelu[size=19500]"),  # compute-bound
    *("normalize[size=250]", "relu[size=57500]", "dot[size=91000]"),  # memory-bound: 50 operand sets exceed caches
)
BLOCK = ("train_block",)
CALLS = {"count": "60"}  # one call in twenty made twice is 5 % of each iteration
TWICE = ("matmul[size=150]", "dot[size=1000]")
STEPS = {"block_steps": "10"}  # one step more is 10 %; rounds are halved, so that trials are as long as the others
CELLS = (
    Cell("lenet tf:graph", "tf:graph", turns=4),
    Cell("lenet mxnet:hybrid", "mxnet:hybrid", turns=4),
    Cell("lenet torch:eager", "torch:eager", turns=4, rounds=10),
    Cell("lenet jax:jit", "jax:jit", turns=4, rounds=10),
    Cell("ops tf:graph", "tf:graph", workload="ops", items=OPS, turns=4, rounds=12),
    Cell("ops mxnet:hybrid", "mxnet:hybrid", workload="ops", items=OPS, turns=4, rounds=12),
    Cell("lenet tf:graph, steps +5%", "tf:graph", settings=STEPS, items=BLOCK, slower=0.05, rounds=10),
    Cell("lenet tf:graph, steps +10%", "tf:graph", settings=STEPS, items=BLOCK, slower=0.10, rounds=10),
    Cell("lenet mxnet:hybrid, steps +5%", "mxnet:hybrid", settings=STEPS, items=BLOCK, slower=0.05, rounds=10),
    Cell("lenet mxnet:hybrid, steps +10%", "mxnet:hybrid", settings=STEPS, items=BLOCK, slower=0.10, rounds=10),
    Cell("ops tf:graph, calls +5%", "tf:graph", "ops", CALLS, TWICE, slower=0.05, rounds=12),
    Cell("ops tf:graph, calls +10%", "tf:graph", "ops", CALLS, TWICE, slower=0.10, rounds=12),
    Cell("ops mxnet:hybrid, calls +5%", "mxnet:hybrid", "ops", CALLS, TWICE, slower=0.05, rounds=12),
    Cell("ops mxnet:hybrid, calls +10%", "mxnet:hybrid", "ops", CALLS, TWICE, slower=0.10, rounds=12),
    Cell("lenet tf:graph loaded half the time", "tf:graph", items=BLOCK, load="half"),
    Cell("lenet tf:graph load switched on midway", "tf:graph", items=BLOCK, load="midway"),
)


def collect(arguments: argparse.Namespace) -> None:
    """Trials in turn until the time is up; what is finished is on disk."""
    from dlprof.api.options import RunOptions
    from dlprof.api.record import Bench
    from dlprof.cli.terminal import Progress
    from dlprof.errors import DlprofError

    deadline = time.monotonic() + arguments.minutes * 60
    cells = [c for c in CELLS if not arguments.cells or any(part in c.name for part in arguments.cells)]
    with tempfile.TemporaryDirectory(prefix="dlprof-calibration-") as scratch, Progress() as progress:
        benches = {}
        for cell in cells:
            options = RunOptions(
                workload=cell.workload, preset=None, settings=cell.settings, epochs=None, device="cpu", mode=None,
                seed=0, python=None, data=None, threads=None, max_steps=None, timeout_s=600.0,
            )  # fmt: skip
            benches[cell.name] = _Cell(cell, Bench(options, progress, Path(scratch)), arguments)
        while time.monotonic() < deadline:
            cell = min(benches.values(), key=lambda c: (c.finished / c.cell.turns, cells.index(c.cell)))
            if cell.finished >= arguments.trials:
                break
            try:
                cell.trial()
            except DlprofError as error:
                cell.failed(error)
            print(f"{cell.cell.name}: {cell.finished} trials", file=sys.stderr)


@dataclass
class _Cell:
    """A cell being collected. Trial numbers go on from what its folder holds."""

    cell: Cell
    bench: Any
    arguments: argparse.Namespace
    ready: tuple[Any, ...] | None = None
    in_a_row: int = 0

    @property
    def folder(self) -> Path:
        return Path(self.arguments.output) / self.cell.name.replace(" ", "_").replace(":", "-").replace("%", "pct")

    @property
    def finished(self) -> int:
        return len(list(self.folder.glob("trial-*.parquet")))

    def failed(self, error: Exception) -> None:
        """A trial that failed is kept on record, so that `pack` can say how many did; the third in a row ends it all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "failures.jsonl").open("a") as stream:
            stream.write(json.dumps({"trial": self.finished, "error": str(error), "created": time.time()}) + "\n")
        self.in_a_row += 1
        if self.in_a_row == 3:
            raise error

    def trial(self) -> None:
        """One more trial, written when whole."""
        from dlprof.api.lockstep.plan import enough_of, plan_of
        from dlprof.api.options import DEFAULT_BUDGET_S
        from dlprof.capture.workers.schedule import run_trials
        from dlprof.temporary import atomic

        if self.ready is None:
            side = self.bench.side(self.cell.side)
            workload = self.bench.options.resolve(side.framework.name)
            self.ready = side, workload, self.bench.environment(side), self.bench.inputs(workload, 1)
        workload = self.ready[1]
        number, rounds = self.finished, self.cell.rounds
        plan = plan_of(workload, trials=1, seed=self.arguments.seed, budget_s=DEFAULT_BUDGET_S)
        plan = replace(plan, items=self.cell.items, min_rounds=rounds, max_rounds=rounds)
        enough = enough_of(workload)
        with _load(self.cell.load) as on_step:
            found = run_trials(plan, self._worker, lambda _: True, on_step=on_step, enough=enough, first=number)
        if found.interrupted:
            raise KeyboardInterrupt
        done = found.trials[0]
        self.folder.mkdir(parents=True, exist_ok=True)
        facts = {"cell": self.cell.name, "slower": self.cell.slower, "load": self.cell.load, "rounds": done.rounds,
                 "idle": dict(done.idle), "machine": msgspec.to_builtins(done.machine), "wall_s": done.wall_s,
                 "versions": done.ready["a"].versions, "created": time.time()}  # fmt: skip
        (self.folder / f"trial-{number:05d}.json").write_text(json.dumps(facts, indent=1))
        with atomic(self.folder / f"trial-{number:05d}.parquet") as temporary:
            pq.write_table(done.timings, temporary, compression="zstd")
        self.in_a_row = 0

    def _worker(self, name: str, number: int) -> Any:
        from dlprof.capture.workers.worker import Worker

        assert self.ready is not None
        side, workload, environment, made = self.ready
        request = self.bench.request(side, workload, made, task="serve")
        if self.cell.slower and name == "b":
            options = {"inner_adapter": request.adapter, "extra_permille": round(self.cell.slower * 1000)}
            request = msgspec.structs.replace(request, adapter=str(SLOWED), options=options)
        control = Path(tempfile.mkdtemp(dir=self.bench.scratch, prefix=f"trial-{number}-{name}-"))
        return Worker(environment, request, control, 600.0)


@contextmanager
def _load(kind: str) -> Iterator[Any]:
    """A busy process: `half` works and rests 3 s in turn all the time, `midway` begins when half of the rounds are done."""
    process = multiprocessing.get_context("spawn").Process(target=_spin, args=(SPIN_S if kind == "half" else 0.0,))

    def on_step(_: int, __: str, fraction: float) -> None:
        if kind == "midway" and fraction >= 0.5 and process.pid is None:
            process.start()

    if kind == "half":
        process.start()
    try:
        yield on_step
    finally:
        if process.pid is not None:
            process.terminate()
            process.join()


def _spin(rest_s: float) -> None:
    while True:
        until = time.monotonic() + SPIN_S
        while time.monotonic() < until:
            pass
        time.sleep(rest_s)


def pack(arguments: argparse.Namespace) -> None:
    """All trials of collections as one Parquet file: the timed iterations, and the columns that the report needs. Sources
    that are packed already go first, and the trials of a cell that others have too are numbered on."""
    tables: list[pa.Table] = []
    trials: dict[str, dict[int, dict[str, Any]]] = {}
    failures: dict[str, int] = {}
    for source in sorted(map(Path, arguments.sources), key=Path.is_dir):
        taken = {cell: max(known) + 1 for cell, known in trials.items()}
        for cell, number, table, facts in (
            _packed(source, failures) if source.is_file() else _collected(source, failures)
        ):
            number += taken.get(cell, 0)
            trials.setdefault(cell, {})[number] = facts
            table = table.set_column(
                table.schema.get_field_index("trial"), "trial", pa.array([number] * len(table), pa.int32())
            )
            tables.append(table.append_column("cell", pa.array([cell] * len(table))))
    metadata = {"trials": json.dumps(trials), "failures": json.dumps(failures)}
    whole = pa.concat_tables(tables).replace_schema_metadata(metadata)
    Path(arguments.output).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(whole, arguments.output, compression="zstd", compression_level=19)
    done, failed = sum(map(len, trials.values())), sum(failures.values())
    size = Path(arguments.output).stat().st_size / 1e6
    print(f"{arguments.output}: {len(whole)} iterations, {done} trials, {failed} failed, {size:.1f} MB")


def _collected(source: Path, failures: dict[str, int]) -> Iterator[tuple[str, int, pa.Table, dict[str, Any]]]:
    """Cell, number, timed iterations and facts of each trial of a collection."""
    import calibration_rates as rates

    for folder in sorted(p for p in source.iterdir() if p.is_dir()):
        log = folder / "failures.jsonl"
        failed = len(log.read_text().splitlines()) if log.is_file() else 0
        failures[folder.name] = failures.get(folder.name, 0) + failed
        for file in sorted(folder.glob("trial-*.parquet")):
            facts = rates.facts_of(file)
            table = pq.read_table(file)
            timed = table.filter(pa.compute.equal(table["stage"].cast(pa.string()), "timed"))
            plain = timed.select(PACKED).cast(pa.schema([(n, _plain(timed.schema.field(n).type)) for n in PACKED]))
            yield facts.pop("cell"), int(file.stem.split("-")[1]), plain.replace_schema_metadata(), facts


def _packed(source: Path, failures: dict[str, int]) -> Iterator[tuple[str, int, pa.Table, dict[str, Any]]]:
    """The same of a packed file."""
    table = pq.read_table(source)
    for name, failed in json.loads(table.schema.metadata[b"failures"]).items():
        failures[name] = failures.get(name, 0) + failed
    for cell, known in json.loads(table.schema.metadata[b"trials"]).items():
        of = table.filter(pa.compute.equal(table["cell"], cell)).select(PACKED).replace_schema_metadata()
        for number, facts in known.items():
            yield cell, int(number), of.filter(pa.compute.equal(of["trial"], int(number))), facts


def _plain(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_dictionary(kind) else kind


def report(arguments: argparse.Namespace) -> int:
    """Print the table; exit status 1 if a criterion is not met and --check was given."""
    import calibration_rates as rates
    import calibration_table as table

    found = rates.evaluate(rates.load([Path(p) for p in arguments.sources]), comparisons=arguments.comparisons)
    print(table.text(found))
    if arguments.into:
        table.into(Path(arguments.into), found)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rates.plain(found), indent=1) + "\n")
    return int(arguments.check and not all(c.met for c in found.criteria if c.met is not None))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("collect", help="measure trials until the time is up")
    verb.add_argument("--minutes", type=float, default=30.0)
    verb.add_argument("--trials", type=int, default=10_000, help="at most so many a cell")
    verb.add_argument("--cells", nargs="*", help="only cells whose name holds one of these")
    verb.add_argument("--seed", type=int, default=0)
    verb.add_argument("-o", "--output", default="calibration-trials")
    verb.set_defaults(run=collect)
    verb = verbs.add_parser("pack", help="one Parquet file from a collection")
    verb.add_argument("sources", nargs="+", help="collections and packed files")
    verb.add_argument("-o", "--output", required=True)
    verb.set_defaults(run=pack)
    verb = verbs.add_parser("report", help="the table")
    verb.add_argument("sources", nargs="+", help="packed files, collections or comparison directories")
    verb.add_argument("--comparisons", type=int, default=20_000, help="resampled comparisons a rate (default 20000)")
    verb.add_argument("--into", help="also put the tables between the markers of this document")
    verb.add_argument("--json", help="also write the numbers here")
    verb.add_argument("--check", action="store_true", help="exit 1 where a criterion is not met")
    verb.set_defaults(run=report)
    arguments = parser.parse_args()
    return arguments.run(arguments) or 0


if __name__ == "__main__":
    raise SystemExit(main())
