"""How far a measured ratio carries to another hour, or to another machine: the same cells run again, hours or days later.

An interval over the trials of one session says how sure the ratio of that session is. What differs between sessions (the state of
a virtual machine, its neighbours, what lies where in memory) is in all trials of a session alike, so only runs at other hours show it.
Hours and machines are kept apart: an interval over hours is of runs on one machine, one over machines of the first run on each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from results import Item, factor
from scipy import optimize, special
from scipy import stats as distributions

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Carried:
    """One operation at one size over several runs. Ratios are time of A ÷ time of B.

    runs: what each run found, in the order of time
    ratio: the geometric mean over the runs
    low, high: the 95 % interval of that mean over hours, or machines
    """

    task: str
    size: int
    runs: Sequence[Item]
    ratio: float
    low: float
    high: float

    @property
    def same_direction(self) -> bool:
        """Every run's ratio lies on the same side of 1."""
        return len({item.ratio > 1 for item in self.runs if item.ratio}) == 1

    @property
    def all_sure(self) -> bool:
        """Every run's own interval excludes 1, all on the same side."""
        sure = [bool(item.low and item.high and (item.low > 1 or item.high < 1)) for item in self.runs]
        return all(sure) and self.same_direction

    @property
    def excludes_one(self) -> bool:
        """The interval of the mean excludes 1."""
        return self.low > 1 or self.high < 1

    @property
    def later_inside(self) -> Sequence[bool]:
        """Of each later run, whether its ratio lies in the first run's interval."""
        first = self.runs[0]
        return [bool(first.low and first.high and first.low <= item.ratio <= first.high) for item in self.runs[1:]]

    @property
    def contradicted(self) -> bool:
        """Two runs show opposite directions, each by its own interval."""
        return {"a", "b"} <= {item.faster for item in self.runs}

    def row(self, over: str, where: str) -> dict[str, object]:
        """As a line of a table. over: hours | machines; where: on which."""
        told = {"over": over, "where": where, "task": self.task, "size": self.size, "runs": len(self.runs)}
        return {**told, "ratio": self.ratio, "low": self.low, "high": self.high}


def carried(runs: Sequence[Sequence[Item]]) -> list[Carried]:
    """The items that every run has, with the intervals of their means over the runs; none where there is one run only.

    With few runs an item's own variance between them is a poor estimate: it is moderated by that of all items (Smyth 2004,
    `moderated`), so that a calm item borrows from the restless ones and the other way round, as far as they are alike. It is
    never taken for less than the runs' own errors make it (`own_error`): two runs that agree by luck are no surer than each is.
    """
    if len(runs) < 2:
        return []
    by_item = [{(item.task, item.size): item for item in run if item.ratio} for run in runs]
    there = [key for key in by_item[0] if all(key in found for found in by_item[1:])]
    if not there:
        return []
    logs = np.log([[found[key].ratio for found in by_item] for key in there])
    variances, freedom = moderated(logs.var(axis=1, ddof=1), len(runs) - 1)
    quantile = float(distributions.t.ppf((1 + CONFIDENCE) / 2, freedom))
    found = []
    for key, of_runs, variance in zip(there, logs, variances, strict=True):
        items = [found_in[key] for found_in in by_item]
        at_least = float(np.mean([own_error(item) ** 2 for item in items]))
        mean, half = float(of_runs.mean()), quantile * math.sqrt(max(variance, at_least) / len(runs))
        found.append(Carried(*key, items, math.exp(mean), math.exp(mean - half), math.exp(mean + half)))
    return found


def own_error(item: Item) -> float:
    """Standard error of a run's log-ratio by its interval over trials; 0 where it has none."""
    if not (item.low and item.high):
        return 0.0
    return math.log(item.high / item.low) / (2 * float(distributions.norm.ppf((1 + item.confidence) / 2)))


def moderated(variances: np.ndarray, freedom: int) -> tuple[np.ndarray, float]:
    """Variances of many items, each of `freedom` degrees, drawn towards their common prior, and the degrees that they have then.

    The prior's variance and degrees are those that the moments of the log variances give (Smyth 2004, Linear Models and Empirical
    Bayes Methods, section 6.2); where these are no wider than chance makes them, all items share one variance.
    """
    known = variances[variances > 0]
    if len(known) < 2:
        return variances, float(freedom)
    half = freedom / 2
    logs = np.log(known) - special.digamma(half) + math.log(half)
    beyond = float(logs.var(ddof=1) - special.polygamma(1, half))
    if beyond <= 0:
        return np.full_like(variances, variances.mean()), float(freedom * len(variances))
    prior = 2 * float(optimize.brentq(lambda d: float(special.polygamma(1, d)) - beyond, 1e-8, 1e8))
    centre = math.exp(float(logs.mean()) + float(special.digamma(prior / 2)) - math.log(prior / 2))
    return (prior * centre + freedom * variances) / (prior + freedom), prior + freedom


def spread(found: Sequence[Carried]) -> float:
    """The typical factor by which a ratio differs from one run to another: exp of the root mean square of the runs' logs."""
    logs = [np.log([item.ratio for item in one.runs]) for one in found]
    return math.exp(math.sqrt(float(np.mean([of_runs.var(ddof=1) for of_runs in logs]))))


def spread_of_trials(found: Sequence[Carried]) -> float:
    """What of `spread` the runs' own errors explain: exp of the root mean square of these."""
    return math.exp(math.sqrt(float(np.mean([own_error(item) ** 2 for one in found for item in one.runs]))))


def by_machine(runs: Sequence[Sequence[Item]]) -> dict[str, list[Sequence[Item]]]:
    """Processor → its runs, in the order of time."""
    found: dict[str, list[Sequence[Item]]] = {}
    for run in runs:
        found.setdefault(run[0].machine, []).append(run)
    return found


def apart(runs: Sequence[Sequence[Item]]) -> tuple[dict[str, list[Carried]], list[Carried]]:
    """Machine → what several hours on it say; and what the first run on each machine says."""
    places = by_machine(runs)
    hours = {name: carried(of_machine) for name, of_machine in places.items() if len(of_machine) > 1}
    return hours, carried([of_machine[0] for of_machine in places.values()])


def rows(runs: Sequence[Sequence[Item]]) -> list[dict[str, object]]:
    """Means over hours on one machine, then over machines, as lines of a table."""
    hours, machines = apart(runs)
    found = [one.row("hours", name) for name, of_hours in hours.items() for one in of_hours]
    return found + [one.row("machines", ", ".join(by_machine(runs))) for one in machines]


def run_rows(runs: Sequence[Sequence[Item]]) -> list[dict[str, object]]:
    """Each item of each run, as lines of a table."""
    return [
        {
            "run": at, "measured": item.measured, "machine": item.machine, "task": item.task, "size": item.size,
            "ratio": item.ratio, "low": item.low, "high": item.high, "trials": item.trials, "verdict": item.verdict,
        }
        for at, run in enumerate(runs, start=1) for item in run
    ]  # fmt: skip


def words(runs: Sequence[Sequence[Item]]) -> list[str]:
    """Markdown: what carried to another hour and to another machine, and the table; nothing where there is one run."""
    every = carried(runs)
    if not every:
        return []
    hours, machines = apart(runs)
    turned = [f"{one.task} {one.size}" for one in every if not one.same_direction]
    lines = [
        f"The sound measurements were made {len(runs)} times, each with trials of its own. The ratio found lies on the same side "
        f"of 1 every time at {len(every) - len(turned)} of {len(every)} operations and sizes"
        + (f" (not {', '.join(turned)})" if turned else "")
        + f"; {_sure(every)}. The sizes carry less far:",
        "",
    ]
    lines += [f"- at another hour on the same machine ({name}): {_far(found)}" for name, found in hours.items()]
    if machines:
        lines.append(f"- on another machine ({', '.join(by_machine(runs))}): {_far(machines)}")
    lines += ["", _what_is_what(every, hours, machines), "", *_table(runs, hours, machines)]
    return lines


def _sure(every: Sequence[Carried]) -> str:
    """At how many items each run's own interval shows the direction, and whether runs contradict each other."""
    sure = [one for one in every if one.all_sure]
    rest = [f"{one.task} {one.size}" for one in every if one.same_direction and not one.all_sure]
    contrary = [f"{one.task} {one.size}" for one in every if one.contradicted]
    text = f"at {len(sure)} every run's own interval excludes 1" + (f" (not at {', '.join(rest)})" if rest else "")
    told = f"runs contradict each other at {', '.join(contrary)}" if contrary else "no two runs contradict each other"
    return f"{text}, and {told}"


def _what_is_what(every: Sequence[Carried], hours: Mapping[str, Sequence[Carried]], machines: Sequence[Carried]) -> str:
    """What of the ratios carried to the hours and machines there were, and what that does not say of others."""
    parts = [f"the hour moves it by a factor of {factor(spread(found))} ({name})" for name, found in hours.items()]
    if machines:
        parts.append(f"the machine (and the hour) by {factor(spread(machines))}")
    same = sum(one.same_direction for one in every)
    places = len(by_machine([[one.runs[at] for one in every] for at in range(len(every[0].runs))]))
    where = "one machine" if places == 1 else f"{places} machines"
    text = f"So {same} of {len(every)} directions held on {where}, as point estimates"
    if machines:
        shown = sum(one.excludes_one for one in machines)
        text += f"; {shown} of {len(machines)} have an interval over machines without 1, and {places} machines are few to judge by"
    return f"{text}. What a further one would show is not known. A size is not of the frameworks alone: {', '.join(parts)}."


def _far(found: Sequence[Carried]) -> str:
    later = [inside for one in found for inside in one.later_inside]
    whole, own = spread(found), spread_of_trials(found)
    more = (
        "no more than the runs' own intervals make it" if whole <= own else "more than the runs' own intervals make it"
    )
    return (
        f"{sum(later)} of {len(later)} later ratios lie inside the first run's 95 % interval, and a ratio differs from one run to "
        f"another by a factor of {whole:.2f} (one standard deviation of its logarithm), {more} ({own:.2f})."
    )


def _table(
    runs: Sequence[Sequence[Item]], hours: Mapping[str, Sequence[Carried]], machines: Sequence[Carried]
) -> list[str]:
    """Each run's ratio with its interval over trials, then the mean with its interval over hours, and over machines."""
    heads = [f"{run[0].measured}, {run[0].machine}" for run in runs]
    columns = [{(one.task, one.size): one for one in found} for found in (*hours.values(), machines) if found]
    heads += [f"over hours on {name}" for name in hours] + ["over machines"] * bool(machines)
    lines = ["| operation | size | " + " | ".join(heads) + " |", "| --- | --- |" + " --- |" * len(heads)]
    for one in carried(runs):
        cells = [f"{factor(item.ratio)} [{factor(item.low)}, {factor(item.high)}]" for item in one.runs]
        for column in columns:
            mean = column[one.task, one.size]
            cells.append(f"{factor(mean.ratio)} [{factor(mean.low)}, {factor(mean.high)}]")
        lines.append(f"| {one.task} | {one.size} | {' | '.join(cells)} |")
    return lines
