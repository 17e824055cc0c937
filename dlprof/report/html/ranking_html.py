"""The page of a ranking of more than two sides: places, all pairs, and the ledger of each pair of the fastest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from dlprof.analysis.model import Ratio
from dlprof.analysis.timing.ranking import Ranking
from dlprof.report import ranking_json
from dlprof.report.html import finding_sections, plots, run_sections
from dlprof.report.html.figure import page_style
from dlprof.report.html.parts import Cell, Section, figure, ms, number, page, paragraphs, section, table, verdict
from dlprof.report.text import first_screen, gate_text, ranking_text, trust_text
from dlprof.report.text.layout import unbroken
from dlprof.report.text.verdict import item_words


@dataclass(frozen=True, slots=True)
class Extras:
    """What the page shows beside the findings.

    environment: fact → letter of a side → value
    commands: how to reproduce, one a line
    created: when the run was made; version: of dlprof
    """

    environment: Mapping[str, Mapping[str, str]]
    commands: Sequence[str] = ()
    created: str = ""
    version: str = ""


def ranking(found: Ranking, extras: Extras) -> str:
    """The page; the ranking's JSON is embedded as the element `data`."""
    with page_style():
        sections = [_places(found), _pairs(found), *_ledgers(found)]
    sections += [
        section(
            "parity", "Same work?", paragraphs(list(ranking_text.work_words(found)) or ["No difference was found."])
        ),
        section("warnings", "Warnings", paragraphs(found.warnings)),
        _environment(found, extras),
        section("reproduce", "How to reproduce and look closer", f"<pre>{escape(chr(10).join(extras.commands))}</pre>"),
        run_sections.words(),
    ]
    return page(f"dlprof: {found.workload}", _top(found, extras), sections, ranking_json.ranking_value(found))


def _top(found: Ranking, extras: Extras) -> str:
    rows = [(one.letter, f"{one.side.label}, {one.side.device}") for one in sorted(found.sides, key=lambda s: s.letter)]
    listed = "".join(f"<dt>{escape(key)}</dt><dd>{escape(unbroken(value))}</dd>" for key, value in rows)
    said = "".join(verdict(unbroken(sentence), state) for state, sentence in gate_text.of_several(found))
    said += verdict(unbroken(f"{found.statement}."))
    said += f"<p>{escape(unbroken(f'How sure: {ranking_text.level_words(found)}'))}</p>"
    said += "".join(f"<p>{escape(unbroken(text))}</p>" for text in _causes(found))
    when = f"Measured {extras.created}. " if extras.created else ""
    made = f'<p class="note">{escape(f"{when}Page made by dlprof {extras.version}; it fetches nothing.")}</p>'
    return f'{said}\n<dl class="sides">{listed}</dl>{made}'


def _causes(found: Ranking) -> Iterator[str]:
    """Of each side against the first, how sure that is and its largest causes, in a sentence each."""
    labels = found.labels
    for pair in found.against_first:
        known = first_screen.sentences(found.comparisons[pair])
        if known:
            yield f"{labels[pair[1]]} (B) against {labels[pair[0]]} (A): {' '.join(known)}"


def _places(found: Ranking) -> Section:
    labels = found.labels
    rows = [
        (
            Cell(ranking_text.place_words(one), float(one.best), True),
            one.letter,
            labels[one.letter],
            number(ms(one.median_ns, 1), "{:.4g}"),
            *_ends(one.ratio),
        )
        for one in found.sides
    ]
    titles = ("Place", "Side", "What it is", "Median, ms", "Time ÷ the fastest", "low", "high")
    what = "all items" if found.item is None or " " in found.item else item_words(found.item)
    caption = f"Ranking by time: {what}, profiler off"
    drawn = figure(plots.ranking(found), "ranking", "Time of each side ÷ time of the fastest, with its interval.")
    said = [ranking_text.level_words(found), *trust_text.sentences(next(iter(found.comparisons.values())))]
    return section("ranking", "Ranking", table(caption, titles, rows), drawn, paragraphs(said, "note"))


def _pairs(found: Ranking) -> Section:
    rows = [
        (
            f"{pair.b} ÷ {pair.a}",
            *_ends(pair.ratio),
            number(pair.p, "{:.2g}"),
            number(pair.q, "{:.2g}"),
            ranking_text.verdict_words(pair),
        )
        for pair in found.pairs
    ]
    titles = ("Pair", "Ratio of times", "low", "high", "p", "q", "Verdict")
    note = "<p>All pairs come from the same trials; q: Benjamini-Hochberg over the pairs.</p>"
    return section(
        "pairs",
        "All pairs",
        note,
        table("Pairs of sides", titles, rows),
        paragraphs(ranking_text.warning_words(found), "note"),
    )


def _ends(ratio: Ratio | None) -> tuple[Cell, Cell, Cell]:
    ends = (None, None, None) if ratio is None else (ratio.estimate, ratio.low, ratio.high)
    shown = [number(end, "{:.4g}") for end in ends]
    return shown[0], shown[1], shown[2]


def _ledgers(found: Ranking) -> list[Section]:
    labels, sections = found.labels, []
    for pair in found.against_first:
        one, first = found.comparisons[pair], found.sides[0].letter
        word = ranking_text.first_words(found)
        names = [f"{labels[letter]}{f', {word}' if letter == first else ''}" for letter in pair]
        own = [text for text in one.warnings if text not in found.warnings]
        said = [f"A = {names[0]}; B = {names[1]}.", *own]
        name = "".join(pair)
        sections.append(finding_sections.from_a_to_b(one, f"ledger-{name}", f"Why: {pair[1]} ÷ {pair[0]}", said))
    return sections


def _environment(found: Ranking, extras: Extras) -> Section:
    letters = sorted(one.letter for one in found.sides)
    rows = [
        (fact, *(values.get(letter, "–") for letter in letters)) for fact, values in sorted(extras.environment.items())
    ]
    differing = [row for row in rows if len(set(row[1:])) > 1]
    same = [row[:2] for row in rows if len(set(row[1:])) == 1]
    parts = [table("Where the sides differ", ("Fact", *letters), differing)] if differing else []
    if same:
        inside = table("Facts", ("Fact", "Value"), same)
        parts.append(f"<details><summary>{len(same)} facts of the run</summary>{inside}</details>")
    return section("environment", "Environment", *parts)
