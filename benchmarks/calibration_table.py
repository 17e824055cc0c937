"""The report of calibration.py as Markdown: the same on a terminal and, between two markers, in a document."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import fmean

import calibration_others as others
import calibration_rates as rates
import marked

from dlprof import stats

BEGIN, END = "<!-- calibration: begin -->", "<!-- calibration: end -->"


def text(report: rates.Report) -> str:
    """All tables, then how many of the promises are kept, and each that is not."""
    parts = [
        ("Distinct real trials", _trials(report)),
        ("A against A: false positives and coverage", _nulls(report, ("all",))),
        ("The same, quiet and loaded trials apart", _nulls(report, ("quiet", "loaded"))),
        ("A against A, as they ran", _as_they_ran(report)),
        ("Several items at once, 6 trials", _families(report)),
        ("Real slow-downs", _powers(report)),
        ("Slow-downs added to the trials of A against A", _scaled(report)),
        ("Others' methods on the same iterations: share called different although nothing differs", _pooled(report)),
        ("Promises", [*_counts(report), "", *_promises(report)]),
    ]
    return "\n\n".join(f"### {title}\n\n" + "\n".join(lines) for title, lines in parts if lines) + "\n"


def into(document: Path, report: rates.Report) -> None:
    """Put the tables between the markers of a document. Raises `ValueError` where it has none."""
    marked.put(document, BEGIN, END, text(report).rstrip("\n"))


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    body = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(titles)} |", f"|{' --- |' * len(titles)}", *body] if body else []


def _trials(report: rates.Report) -> list[str]:
    rows = [(cell, *(str(counted.get(s, "")) for s in rates.STRATA)) for cell, counted in sorted(report.trials.items())]
    whole = sum(counted["all"] for counted in report.trials.values())
    return [*_table(("cell", *rates.STRATA), rows), f"| **{len(rows)} cells** | **{whole}** | | |"]


def _nulls(report: rates.Report, strata: Sequence[str]) -> list[str]:
    titles = (
        "cell",
        "item",
        "trials",
        "others' CPU",
        "SD",
        "6 trials: false",
        "covered",
        "adaptive: false",
        "covered",
        "mean n",
    )
    found = {key: n for key, n in report.nulls.items() if key[2] in strata}
    rows = [
        (cell, item, _count(n.found.trials, stratum), _percent(n.busy), f"{n.found.sd:.3f}",
         rates.rate_text(n.found.fixed.significant), _percent(n.found.fixed.covered.rate),
         rates.rate_text(n.found.adaptive.significant), _percent(n.found.adaptive.covered.rate),
         f"{n.found.adaptive.mean_trials:.0f}")
        for (cell, item, stratum), n in found.items()
    ]  # fmt: skip
    for stratum in strata:
        mine = [n.found for key, n in found.items() if key[2] == stratum]
        if len(mine) > 1:
            fixed, adaptive = [f.fixed for f in mine], [f.adaptive for f in mine]
            means = [
                _percent(fmean(getattr(r, part).rate for r in design))
                for design in (fixed, adaptive)
                for part in ("significant", "covered")
            ]
            rows.append((f"**mean of {len(mine)} rows, {stratum}**", "", "", "", "", *means, ""))
    return _table(titles, rows)


def _count(trials: int, stratum: str) -> str:
    return str(trials) if stratum == "all" else f"{trials} {stratum}"


def _as_they_ran(report: rates.Report) -> list[str]:
    rows = [
        (cell, item, _ratio(n.found), _hits(n.found.real_fixed), _hits(n.found.real_adaptive))
        for (cell, item, stratum), n in report.nulls.items()
        if stratum == "all"
    ]
    whole = [rates.as_they_ran(report.nulls, design) for design in ("real_fixed", "real_adaptive")]
    rows.append(("**first item of every cell**", "", "", *(f"{_hits(r)}, {rates.rate_text(r)}" for r in whole)))
    return _table(("cell", "item", "mean ratio of all trials", "6 trials", "adaptive"), rows)


def _ratio(found: stats.Calibration) -> str:
    low, high = math.exp(found.bias_low), math.exp(found.bias_high)
    return f"{math.exp(found.bias):.3f} [{low:.3f}, {high:.3f}]"


def _hits(r: stats.Rate | None) -> str:
    return "too few" if r is None else f"{round(r.rate * r.comparisons)} of {r.comparisons}"


def _families(report: rates.Report) -> list[str]:
    rows = [
        (cell, stratum, str(m), rates.rate_text(corrected), rates.rate_text(naive))
        for (cell, stratum), (m, corrected, naive) in report.families.items()
    ]
    return _table(("cell", "trials", "items", "any false, BH", "any false, uncorrected"), rows)


def _powers(report: rates.Report) -> list[str]:
    titles = (
        "cell",
        "item",
        "trials",
        "others' CPU",
        "achieved",
        "SD",
        "6 trials find it",
        "14 trials",
        "covered",
        "80 % at 6 / 14 trials",
    )
    rows = [
        (cell, item, _count(p.seen[6].trials, stratum), _percent(p.busy),
         f"{p.effect:+.1%} [{p.effect_low:+.1%}, {p.effect_high:+.1%}]", f"{p.sd:.3f}", rates.rate_text(p.seen[6]),
         rates.rate_text(p.seen[14]), _percent(p.covered.rate), f"{p.detectable[6]:.1%} / {p.detectable[14]:.1%}")
        for (cell, item, stratum), p in report.powers.items()
    ]  # fmt: skip
    return _table(titles, rows)


def _scaled(report: rates.Report) -> list[str]:
    rows = [
        (cell, item, _count(n.found.trials, stratum), f"{n.found.sd:.3f}", rates.rate_text(n.scaled[6]),
         rates.rate_text(n.scaled[14]), _detectable(n.found, 6), _detectable(n.found, 14))
        for (cell, item, stratum), n in report.nulls.items()
    ]  # fmt: skip
    return _table(
        ("cell", "item", "trials", "SD", "+10 %, 6 trials", "+5 %, 14 trials", "80 % at 6", "80 % at 14"), rows
    )


def _detectable(found: stats.Calibration, n: int) -> str:
    effect = found.smallest_effect(n)
    return "–" if effect is None else f"{effect:.1%}"


def _pooled(report: rates.Report) -> list[str]:
    """Over all items of a cell: mean of the rates, sum of the disjoint comparisons."""
    grouped: dict[tuple[str, str], list[others.Pooled]] = {}
    for (cell, _, stratum), found in report.pooled.items():
        for p in found if stratum == "all" else ():
            grouped.setdefault((cell, f"{p.processes} a side, {p.design}"), []).append(p)
    rows = [
        (cell, design, *(_called([p.rates[m] for p in found]) for m in others.METHODS))
        for (cell, design), found in grouped.items()
    ]
    return _table(("cell", "processes", *others.METHODS), rows)


def _called(found: Sequence[tuple[float, int, int]]) -> str:
    hits, comparisons = (sum(one[at] for one in found) for at in (1, 2))
    return f"{fmean(one[0] for one in found):.0%} ({hits} of {comparisons})"


def _counts(report: rates.Report) -> list[str]:
    """Kept, broken and open promises of each kind."""
    kinds = (
        "false positives",
        "coverage",
        "any false with BH",
        "trials find an added",
        "trials find",
        "as they ran",
        "need ≥",
    )
    rows = []
    for kind in kinds:
        mine = [c.met for c in report.criteria if kind_of(c.text, kinds) == kind]
        rows.append((kind, *(str(mine.count(state)) for state in (True, False, None))))
    return _table(("promise", "kept", "not kept", "open"), rows)


def kind_of(text: str, kinds: Sequence[str]) -> str | None:
    """The first of `kinds` that stands in a promise's text."""
    return next((kind for kind in kinds if kind in text), None)


def _promises(report: rates.Report) -> Iterator[str]:
    yield from (f"- not kept: {c.text}" for c in report.criteria if c.met is False)
    yield from (f"- open: {c.text}" for c in report.criteria if c.met is None)
    yield from (f"- lost, no usable ratio: {cell}, {item}: {n} trials" for (cell, item), n in report.lost.items())


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{share:.1%}"
