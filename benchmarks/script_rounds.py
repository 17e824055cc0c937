"""How long a trial of two scripts should be timed: what its log-ratio varies after a half to five seconds of rounds.

    python3 benchmarks/script_rounds.py collect --comparisons 3 [--torch PYTHON]
    python3 benchmarks/script_rounds.py keep FOLDER --script torch --planted 5      of a comparison that is there already
    python3 benchmarks/script_rounds.py report --into docs/statistics.md
    python3 benchmarks/script_rounds.py simulate --into docs/statistics.md      (some minutes)

Both sides are one script (toy_projects.py), B's step takes the planted share longer. Each trial is timed for `LONGEST_S`; what a
shorter one would have told is read from its first rounds, so that all lengths are of the same processes and minutes. The second
table draws those trials again, for comparisons with trials of one length, and by dlprof's rule (simulate_paced.py).
`collect` may be stopped at any time: a comparison that has ended is a line of benchmarks/data/script-rounds.jsonl; those that
are missing are made, by turns.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import kept
import marked
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simulate_paced
import toy_projects
from scipy import stats as scipy_stats

from dlprof import stats
from dlprof.analysis import columns
from dlprof.api.script.trials import LEAST_S

FILE: Final = kept.DATA / "script-rounds.jsonl"
BEGIN, END = "<!-- script rounds: begin -->", "<!-- script rounds: end -->"
SECONDS: Final = (0.5, 1.0, 2.0, 3.0, 5.0)
LONGEST_S: Final = 5.0
OWN_CORE: Final = 0.55
"""CPU of others, of two cores, up to which a comparison had one for itself."""
SIMULATED_BEGIN, SIMULATED_END = "<!-- simulated script rounds: begin -->", "<!-- simulated script rounds: end -->"
SCRIPTS: Final = simulate_paced.Costs(start_s=2.4, round_s=0.13, window_s=0.0, least_s=LEAST_S, target_s=LONGEST_S)
SIMULATED: Final = 2000
REPLAYED: Final = 4000
TIMED_SO_LONG: Final = f"""
import sys
from dlprof.api.script import trials
trials.LEAST_S = {LONGEST_S}
from dlprof.cli.main import main
sys.exit(main())
"""


def collect(pythons: Mapping[str, str], comparisons: int, planted: Sequence[str], trials: int) -> None:
    """Comparisons that are missing, until each script and share has so many."""
    for number, script, python, share in kept.missing(FILE, pythons, planted, comparisons):
        record = {"script": script, "planted": share, **_compared(script, python, share, trials)}
        kept.add(FILE, record)
        print(f"{script} +{share} %, {number}: {len(record['trials'])} trials", flush=True)


def _compared(script: str, python: str, share: str, trials: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        words = ["--trials", str(trials), "--traces", "0", *toy_projects.STEPS[script]]
        program = ("-c", TIMED_SO_LONG)
        toy_projects.compared(Path(scratch), script, python, share, *words, program=program).check_returncode()
        return _told(Path(scratch, "made"))


def _told(made: Path) -> dict[str, Any]:
    """What is kept of a comparison: of each trial what B's step took in each round, ÷ A's (log), and the round's seconds."""
    notes = json.loads((made / "manifest.json").read_text())["trials"]
    timings = pq.read_table(made / "timings.parquet")
    timed = timings.filter(pa.array(columns.text(timings, "stage").where("timed")))
    found = []
    for number in np.unique(columns.integers(timed, "trial")):
        rows = timed.filter(pa.array(columns.integers(timed, "trial") == number))
        sides = [_bursts(rows.filter(pa.array(columns.text(rows, "side").where(side)))) for side in "ab"]
        at, whole_ns = columns.integers(rows, "round"), columns.integers(rows, "wall_ns")
        found.append(
            {
                "wall_s": round(notes[number]["wall_s"], 2),
                "others_cpu": notes[number]["machine"]["other_cpu"],
                "step_ms": round(1e-6 * math.exp(float(np.median(sides[0]))), 3),
                "logs": [round(float(one), 5) for one in sides[1] - sides[0]],
                "seconds": [round(float(one) / 1e9, 4) for one in np.bincount(at, weights=whole_ns)],
            }
        )
    return {"trials": found}


def _bursts(rows: pa.Table) -> np.ndarray:
    """The median log time of a step in each round of a side."""
    logs = np.log(columns.integers(rows, "wall_ns") / columns.integers(rows, "units"))
    at, mine = columns.integers(rows, "round"), rows["kept"].to_numpy()
    return np.array([np.median(logs[mine & (at == number)]) for number in range(int(at.max()) + 1)])


def measured() -> dict[str, list[list[dict[str, Any]]]]:
    """Script, and whether others ran on its core too → the trials of each comparison."""
    found: dict[str, list[list[dict[str, Any]]]] = {}
    for one in kept.read(FILE):
        shared = np.median([trial["others_cpu"] for trial in one["trials"]]) > OWN_CORE
        found.setdefault(f"{one['script']}, {'shared core' if shared else 'own core'}", []).append(one["trials"])
    return dict(sorted(found.items()))


def cut(trial: Mapping[str, Any], rounds: int) -> stats.TrialRatio:
    """What its first rounds tell."""
    b = np.exp(trial["logs"][:rounds])
    return stats.trial_log_ratio(np.ones(len(b)), b)


def rounds_within(trial: Mapping[str, Any], seconds: float) -> int:
    """Rounds that are over in so many seconds, two at least; of the longest time all."""
    if seconds >= LONGEST_S:
        return len(trial["logs"])
    return max(int(np.searchsorted(np.cumsum(trial["seconds"]), seconds, side="right")), 2)


def lengths() -> Iterator[Sequence[str]]:
    """Rows: script, seconds; rounds, what the trials of a comparison vary, and how much of that their rounds explain."""
    for script, comparisons in measured().items():
        for seconds in SECONDS:
            told = [[cut(trial, rounds_within(trial, seconds)) for trial in of] for of in comparisons]
            everything = [trial for of in told for trial in of]
            logs = [np.array([trial.log_ratio for trial in of]) for of in told]
            freedom = len(everything) - len(told)
            sd = math.sqrt(sum(float(((one - one.mean()) ** 2).sum()) for one in logs) / freedom)
            low, high = (
                sd * math.sqrt(freedom / float(scipy_stats.chi2.ppf(share, freedom))) for share in (0.975, 0.025)
            )
            explained = math.sqrt(float(np.mean([(trial.error or 0.0) ** 2 for trial in everything])))
            lags = [trial.autocorrelation.r for trial in everything if trial.autocorrelation.r is not None]
            yield (
                script,
                f"{seconds:g} s",
                f"{np.median([trial.rounds for trial in everything]):.0f}",
                f"{len(everything)}",
                f"{sd:.4f} [{low:.4f}, {high:.4f}]",
                f"{explained:.4f}",
                f"{np.mean(lags):+.2f}" if lags else "",
                f"{np.median([one['others_cpu'] for of in comparisons for one in of]):.0%}",
            )


def stored(comparisons: Sequence[Sequence[Mapping[str, Any]]]) -> simulate_paced.Stored:
    """A script's trials without their comparison's mean, cut to 8, 10, … of their rounds, up to their mean number; those that
    have fewer stay as they are."""
    trials = [trial for of in comparisons for trial in of]
    most = round(float(np.mean([len(trial["logs"]) for trial in trials])))
    counts = np.arange(stats.FEWEST_ROUNDS, most + 1, 2)
    found = [[[cut(trial, count) for count in counts] for trial in of] for of in comparisons]
    ratios = [np.array([[one.log_ratio for one in row] for row in of]) for of in found]
    seconds = [float(np.mean(trial["seconds"])) for trial in trials]
    starts = [trial["wall_s"] - sum(trial["seconds"]) for trial in trials]
    return simulate_paced.Stored(
        ratios=np.concatenate([of - of.mean(axis=0) for of in ratios]),
        own=np.array([[one.error**2 * one.rounds for one in row] for of in found for row in of]),
        counts=counts,
        costs=simulate_paced.Costs(float(np.median(starts)), float(np.median(seconds)), window_s=0.0),
    )


def ends(comparisons: int) -> Iterator[Sequence[str]]:
    """Rows: script and seconds of a trial's rounds, or the rule; what comparisons with these trials come to."""
    for script, trials in measured().items():
        held = stored(trials)
        most = int(held.counts[-1])
        name = (
            f"{script}: {len(held.ratios)} trials, start {held.costs.start_s:.1f} s, a round {held.costs.round_s:.2f} s"
        )
        for seconds in (1.0, 2.0, 3.0, LONGEST_S):
            rounds = most if seconds == LONGEST_S else min(replace(held.costs, least_s=seconds).least, most)
            yield (
                name,
                f"{seconds:g} s",
                *_ended(held, comparisons, functools.partial(simulate_paced.unpaced, rounds=rounds)),
            )
        ruled = replace(held, costs=replace(held.costs, least_s=LEAST_S))
        made = functools.partial(simulate_paced.paced, most=most)
        yield name, f"by the rule, {LEAST_S:g} s at least", *_ended(ruled, comparisons, made)


def _ended(held: simulate_paced.Stored, comparisons: int, made: Callable[..., simulate_paced.Paced]) -> Iterator[str]:
    """Of comparisons of equal sides, and of a B that takes 5 and 10 % longer."""
    for effect in (0.0, 0.05, 0.10):
        shift = math.log1p(effect)
        trials = made(held.drawn(comparisons, shift, 0), comparisons, held.costs)
        end = simulate_paced.ended(trials, shift, simulate_paced.MARGIN, held.costs)
        if not effect:
            yield from (
                f"{end.rounds:.0f}",
                f"{end.cell.different:.1%}",
                f"{end.cell.trials:.1f}",
                f"{end.seconds:.0f} s",
            )
        else:
            yield from (f"{end.cell.different:.0%}", f"{end.cell.trials:.1f}", f"{end.each_s:.0f} s")


def table() -> str:
    """Both tables of what was measured."""
    titles = ("script", "timed", "rounds", "trials", "SD of a trial's log-ratio [95 %]", "of that by its rounds",
              "autocorrelation of rounds", "CPU of others")  # fmt: skip
    found = [f"+{effect} %: {what}" for effect in (5, 10) for what in ("found", "trials", "seconds ÷ found")]
    again = ("script", "timed", "rounds", "equal: called different", "equal: trials", "equal: seconds", *found)
    return f"{marked.table(titles, lengths())}\n\n{marked.table(again, ends(REPLAYED))}"


def simulated() -> str:
    """Errors by the rule at what a script's trial costs, in the worlds of simulate.py."""
    titles = simulate_paced.NULL_TITLES
    return marked.table(titles, simulate_paced.nulls(SIMULATED, SCRIPTS))


def main() -> None:
    """Collects, keeps, reports or simulates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    collecting, keeping, reporting, simulating = (
        verbs.add_parser(verb) for verb in ("collect", "keep", "report", "simulate")
    )
    collecting.add_argument("--comparisons", type=int, default=3)
    collecting.add_argument("--planted", default="0,10", help="percent, separated by commas")
    collecting.add_argument("--trials", type=int, default=8)
    collecting.add_argument("--torch", metavar="PYTHON", help="a Python that has torch")
    keeping.add_argument(
        "folder", type=Path, help="of a comparison of one of these scripts that timed its trials for so long"
    )
    keeping.add_argument("--script", choices=sorted(toy_projects.SCRIPTS), required=True)
    keeping.add_argument("--planted", required=True, help="percent")
    for verb in (reporting, simulating):
        verb.add_argument("--into", type=Path, help="also put the tables between the markers of this document")
    given = parser.parse_args()
    if given.verb == "collect":
        pythons = {"numpy": sys.executable} | ({"torch": str(Path(given.torch).absolute())} if given.torch else {})
        collect(pythons, given.comparisons, given.planted.split(","), given.trials)
        return
    if given.verb == "keep":
        kept.add(FILE, {"script": given.script, "planted": given.planted, **_told(given.folder)})
        return
    simulates = given.verb == "simulate"
    made, begin, end = (simulated(), SIMULATED_BEGIN, SIMULATED_END) if simulates else (table(), BEGIN, END)
    print(made)
    if given.into is not None:
        marked.put(given.into, begin, end, made)


if __name__ == "__main__":
    main()
