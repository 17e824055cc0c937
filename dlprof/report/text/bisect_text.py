"""A bisection as terminal text: what made it slower, how sure that is, and how it was found."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from dlprof.analysis.bisection import Bisection, Culprit
from dlprof.report.text.layout import Column, heading, paint, paragraph, table
from dlprof.report.text.verdict import percent
from dlprof.units import format_share

_LEAST_ODDS: Final = 0.001
"""Probability below which its digits say nothing."""


def statement(found: Bisection) -> str:
    """The answer in a sentence or two."""
    kind = "releases" if found.package else "commits"
    if found.state == "no difference":
        told, less = (found.ends.sentence, found.ends.verdict == "negligible") if found.ends else ("", False)
        why = "differ by no more than the margin; a smaller --margin searches for it" if less else "do not differ"
        return f"Nothing to search for: the ends {why}. {told}."
    if found.state == "open" and found.ends is not None and found.ends.verdict == "inconclusive":
        return f"Not known: whether the ends differ takes more time (--budget, with --resume). {found.ends.sentence}."
    if found.state == "under way" or (found.state == "open" and not found.culprits):
        left = ", ".join(f"{found.label(name)} ({format_share(p)})" for name, p in _by_probability(found)[:5])
        why = "more trials are needed" if found.state == "open" else "it was stopped"
        return f"Not known yet: {why}. Left: {left or 'all of them'}."
    said = " ".join(_culprit(found, one) for one in found.culprits)
    if found.state == "in part":
        said += _in_part(found)
    if any(one.neighbours is not None and one.neighbours.verdict == "inconclusive" for one in found.culprits):
        said += " More time may tell (--budget, with --resume)."
    said += _another(found)
    made = Counter(probe.revision for probe in found.probes)
    return f"{said} Searched: {len(found.row) - 1} {kind}, {sum(made.values())} trials at {len(made)} of them."


def text(found: Bisection, *, folder: str = "", colour: bool = False) -> str:
    """The whole report."""
    shade = {"found": "bad", "no difference": "good"}.get(found.state, "warn")
    lines = [paint(line, shade, on=colour) for line in paragraph(statement(found))]  # type: ignore[arg-type]
    lines += ["", *paragraph(f"Command: {found.command}")]
    lines += paragraph(f"Good: {found.row[0].label}")
    lines += paragraph(f"Bad: {found.row[-1].label}")
    if found.ends is not None:
        lines += paragraph(f"The ends: {found.ends.sentence}.")
    for one in found.culprits:
        if one.neighbours is not None:
            lines += heading(f"{found.label(one.revision)} against {found.label(one.before)}", colour=colour)
            lines += paragraph(f"{one.neighbours.sentence}.", first="  ")
            if one.neighbours.causes:
                lines += paragraph(f"What grew: {', '.join(one.neighbours.causes)}.", first="  ")
    lines += _tried(found, colour)
    for name, why in found.skipped.items():
        lines += paragraph(f"{found.label(name)} was left out: {why}", first="  ! ")
    for note in found.notes:
        lines += paragraph(note, first="  ! ")
    if folder:
        lines += [
            *heading("Folder", colour=colour),
            *paragraph(f"{folder}; `dlprof report {folder}/culprit-… -o page.html` shows why.", first="  "),
        ]
    return "\n".join(lines) + "\n"


def _another(found: Bisection) -> str:
    """Of one change that was found, what the trials say of a second one."""
    size = format_share(math.expm1(found.least), 1)
    odds = format_share(found.two, 1) if found.two >= _LEAST_ODDS else f"less than {format_share(_LEAST_ODDS, 1)}"
    if found.state == "open":
        what = f"Whether there is a second change of {size} or more is not known"
        return f" {what}: its probability is {odds}, and more trials tell (--most, with --resume)."
    alone = found.state == "found" and len(found.culprits) == 1 and len(found.row) - len(found.skipped) > 2
    if not alone or not found.least:
        return ""
    return f" A second change of {size} or more has a probability of {odds}; a smaller one was not looked for."


def _in_part(found: Bisection) -> str:
    """What the changes that were found leave of the ends' difference, and what tells more of it."""
    several, left = len(found.culprits) > 1, found.left
    sizes = [one.neighbours.ratio.estimate for one in found.culprits if one.neighbours and one.neighbours.ratio]
    said = f"{'These changes do' if several else 'That does'} not make up the difference between the ends"
    if left is not None and left.low is not None and left.high is not None and found.ends and found.ends.ratio:
        said += (
            f": {percent(math.prod(sizes))}{' together' if several else ''} of {percent(found.ends.ratio.estimate)}, which "
            f"leaves {percent(left.estimate)} [{percent(left.low)}, {percent(left.high)}] "
            f"({format_share(left.confidence)} confidence)"
        )
    if not several:
        tell = "A second one was looked for, and where it came is not known; more trials tell (--most, with --resume)"
    elif parts := _parts(found):
        tell = f"A third one is not searched for; a bisection of a part of the row does that: {' or '.join(parts)}"
    else:
        tell = (
            "No revision is left that a third one can have come with: the comparisons disagree, and must be made again"
        )
    return f" {said}. {tell}."


def _parts(found: Bisection) -> list[str]:
    """The ends of what lies between two changes that were found, and of what lies before and behind them, where there is any."""
    place = {one.name: at for at, one in enumerate(found.row)}
    first, second = sorted(found.culprits, key=lambda one: place[one.revision])
    parts = [
        (first.revision, second.before),
        (found.row[0].name, first.before),
        (second.revision, found.row[-1].name),
    ]
    return [
        f"--good {_typed(found, good)} --bad {_typed(found, bad)}" for good, bad in parts if place[good] < place[bad]
    ]


def _typed(found: Bisection, name: str) -> str:
    """A revision as it is typed: a release, or the commit's short hash at the head of its label."""
    return name if found.package else found.label(name).partition(" ")[0]


def _culprit(found: Bisection, one: Culprit) -> str:
    label = found.label(one.revision)
    among = f" or one of {', '.join(map(found.label, one.between))}, which cannot be run," if one.between else ""
    sure = f"by the trials with {format_share(one.probability)} probability"
    told = one.neighbours
    if told is None or told.ratio is None:
        return f"{label}{among} made the difference, {sure}."
    if told.verdict not in ("slower", "faster", "negligible"):
        if told.verdict == "equivalent":
            beside = f"beside {found.label(one.before)} it shows no difference: {told.verdict}"
        else:
            trials = "1 trial" if told.ratio.trials == 1 else f"{told.ratio.trials} trials"
            beside = f"beside {found.label(one.before)} it has no verdict: {told.verdict} after {trials}"
        return f"{label}{among} is the likeliest, {sure}, but {beside}."
    way, ratio = ("slower" if told.ratio.estimate > 1 else "faster"), told.ratio
    interval = "" if ratio.low is None or ratio.high is None else f" [{percent(ratio.low)}, {percent(ratio.high)}]"
    return f"{label}{among} made it {way}: {percent(ratio.estimate)}{interval} ({ratio.trials} trials), {sure}."


def _by_probability(found: Bisection) -> list[tuple[str, float]]:
    return sorted(found.suspects.items(), key=lambda item: -item[1])


def _tried(found: Bisection, colour: bool) -> list[str]:
    """What was tried, in the row's order."""
    values: dict[str, list[float]] = {}
    for probe in found.probes:
        values.setdefault(probe.revision, []).append(probe.log_ratio)
    if not values:
        return []
    columns = [Column("Revision", 42, right=False), Column("Trials", 6), Column("÷ good", 8), Column("Probability", 11)]
    body = []
    for place in found.row:
        mine = values.get(place.name)
        if mine is None:
            continue
        mean = math.exp(sum(mine) / len(mine))
        p = found.suspects.get(place.name)
        body.append((place.label, str(len(mine)), f"{mean:.4g}", "" if p is None else format_share(p)))
    return heading("What was tried", colour=colour) + table(columns, body)
