"""What honest operators save on operands that they have seen, and put off, when timed ones are asked; are they refused?

    python3 benchmarks/honest_operators.py ops tf:graph [--set size=50,400] [--replays 5] [--into docs/same-work.md]

Starts a worker, as a trial does, calls every item a few times and asks it, again and again, each time on other values. Printed:
the largest share of its time that any item saved where the values of its operands were known, the largest that it put off until
its result was read, and which `analysis/same_work/after.py` finds to leave work out. No side cheats, so that should be none.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import marked
from honest_replays import Silent

from dlprof.analysis.same_work import after, parity
from dlprof.api.options import RunOptions
from dlprof.api.record import Bench
from dlprof.capture.workers.worker import Worker
from dlprof.workload import Workload

BEGIN, END = "<!-- honest operators: begin -->", "<!-- honest operators: end -->"
TITLES = ("operators", "items", "times asked", "saved on known values, at most", "put off, at most", "refused")
ITERATIONS = 3  # of each item before it is asked: each is as many calls as the workload has operand sets


def asked(given: argparse.Namespace, scratch: Path) -> tuple[Workload, list[after.Answer]]:
    """What the worker answers, each time after some calls of every item."""
    framework, _, mode = given.side.partition(":")
    options = RunOptions(
        workload=given.workload, preset=None, settings=dict(one.split("=", 1) for one in given.set), epochs=None, device="cpu",
        mode=mode or None, seed=0, python=None, data=None, threads=given.threads, max_steps=None, timeout_s=600,
    )  # fmt: skip
    bench = Bench(options, Silent(), scratch)
    place = bench.side(framework)
    resolved = options.resolve(place.framework.name)
    if resolved.kind != "op":
        raise SystemExit(f"{given.workload} has no operators: networks are asked by benchmarks/honest_replays.py")
    request = bench.request(place, resolved, bench.inputs(resolved, 1), task="serve")
    found = []
    with Worker(bench.environment(place), request, scratch / "worker", 600) as worker:
        worker.parity()
        items = [item for item in worker.ready.items if item not in worker.missing]
        for number in range(given.replays):
            for item in items:
                worker.run(item, ITERATIONS)
            found.append(after.Answer(*worker.recheck(1000 * (number + 1), 0)))
    return resolved, found


def main() -> None:
    """Asks and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload")
    parser.add_argument("side")
    parser.add_argument("--set", action="append", default=[], help="a setting of the workload: size=50,400")
    parser.add_argument("--replays", type=int, default=5)
    parser.add_argument("--threads", type=int, help="else as the framework chooses")
    parser.add_argument("--into", type=Path, help="a document in whose table the side gets a row")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dlprof-operators-") as folder:
        workload, answers = asked(given, Path(folder))
    shares = {
        kind: [
            (share, item) for answer in answers for item, share in getattr(answer, kind).items() if share is not None
        ]
        for kind in ("saved", "deferred")
    }
    unsettled = sum(
        share is None for answer in answers for of in (answer.saved, answer.deferred) for share in of.values()
    )
    workloads = dict.fromkeys("ab", workload)
    nothing = after.Answer({}, {})
    refused = [
        one
        for answer in answers
        for one in parity.blocking(after.check(after.Answer({}, answer.deferred, answer.saved), nothing, workloads))
        if one["what"] in ("saved", "deferred")
    ]
    items = len(answers[0].saved)
    print(f"{given.workload} on {given.side}: {items} items, asked {len(answers)} times")
    for kind, told in (("saved", "saved on known values"), ("deferred", "put off")):
        print(f"{told}: " + ", ".join(f"{share:.0%} ({item})" for share, item in sorted(shares[kind])[::-1][:5]))
    print(f"not settled: {unsettled}")
    print(f"refused: {len(refused)}" + "".join(f"\n  {one['sentence']}" for one in refused))
    if given.into:
        threads = () if given.threads is None else (f"--threads {given.threads}",)
        name = " ".join((given.workload, given.side, *(f"--set {one}" for one in given.set), *threads))
        most = (f"{max(shares[kind])[0]:.0%}".replace("%", " %") for kind in ("saved", "deferred"))
        into(given.into, (f"`{name}`", f"{items}", f"{len(answers)}", *most, f"{len(refused)}"))


def into(document: Path, row: tuple[str, ...]) -> None:
    """The row in the document's table, in place of an earlier one of the same operators, or as its last."""
    kept = document.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip().splitlines()[2:]
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in kept]
    rows = [row if one[0] == row[0] else one for one in rows]
    marked.put(document, BEGIN, END, marked.table(TITLES, rows if row in rows else [*rows, row]))


if __name__ == "__main__":
    main()
