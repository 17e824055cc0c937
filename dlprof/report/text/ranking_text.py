"""A ranking of more than two sides as terminal text: the places, all pairs, and why each differs from the fastest."""

from __future__ import annotations

from collections.abc import Iterator

from dlprof.analysis.model import Ratio, VerdictWord
from dlprof.analysis.same_work import parity
from dlprof.analysis.timing.ranking import RankedPair, RankedSide, Ranking
from dlprof.report.text import comparison_text, gate_text, ledger_text, trust_text
from dlprof.report.text.layout import Column, heading, paint, paragraph, table, visible
from dlprof.report.text.verdict import item_words
from dlprof.stats import STANDS_OUT
from dlprof.units import format_ns


def ranking(found: Ranking, *, folder: str = "", colour: bool = False) -> str:
    """The ranking as text. folder: where it lies."""
    lines = [
        paint(line, gate_text.COLOURS[state], on=colour)
        for state, sentence in gate_text.of_several(found)
        for line in paragraph(sentence)
    ]
    lines += [""] if lines else []
    lines += [paint(line, "head", on=colour) for line in paragraph(f"{found.statement}.")]
    lines += ["", *paragraph(f"Workload: {found.workload}")]
    for one in sorted(found.sides, key=lambda side: side.letter):
        lines += paragraph(f"{one.letter} = {one.side.label}, {one.side.device}")
    lines += _places(found, colour) + _pairs(found, colour) + _trust(found, colour)
    for pair in found.against_first:
        lines += _why(found, pair, colour)
    lines += _work(found, colour)
    lines += comparison_text.messages(found.warnings, "Warnings", colour)
    if folder:
        lines += [*heading("Captures", colour=colour), f"  All: {visible(folder)}"]
        lines += paragraph(
            "Two sides as a comparison of their own: `dlprof report DIR --pair a,b -o page.html`. Inside a trace: "
            "`dlprof show DIR/a-exact-1`.",
            first="  ",
        )
    return "\n".join(lines) + "\n"


def place_words(one: RankedSide) -> str:
    """`1`, or `2–3` where the trials leave several places."""
    return str(one.best) if one.best == one.worst else f"{one.best}–{one.worst}"


def first_words(found: Ranking) -> str:
    """What the first side is called: the fastest only where the trials leave it no other place."""
    return "the fastest" if found.sides[0].worst == 1 else "the first by time"


def level_words(found: Ranking) -> str:
    """How surely all intervals hold together, and each of them."""
    if found.confidence is None or found.pair_confidence is None:
        return "There is no interval."
    return (
        f"All {len(found.pairs)} intervals hold together with {found.confidence * 100:.4g} % confidence, each with "
        f"{found.pair_confidence * 100:.4g} %; a place like 2–3 means that the trials leave both."
    )


def _interval(ratio: Ratio | None) -> str:
    """`[1.031, 1.098]`."""
    if ratio is None or ratio.low is None or ratio.high is None:
        return "no interval"
    return f"[{ratio.low:.4g}, {ratio.high:.4g}]"


def _factor(ratio: Ratio | None) -> str:
    """`1.064`."""
    return "n/a" if ratio is None else f"{ratio.estimate:.4g}"


def verdict_words(pair: RankedPair) -> str:
    """`c slower`: the verdict on the side that was named later."""
    word: VerdictWord = pair.verdict
    return f"{pair.b} {word}" if word in ("faster", "slower") else word.replace("_", " ")


def _places(found: Ranking, colour: bool) -> list[str]:
    what = "all items" if found.item is None or " " in found.item else item_words(found.item)
    columns = [
        Column("Place", 5),
        Column("Side", 34, right=False),
        Column("Median", 9),
        Column("÷ fastest", 9),
        Column("Interval", 19),
    ]
    labels = found.labels
    body = [
        (
            place_words(one),
            labels[one.letter],
            "–" if one.median_ns is None else format_ns(one.median_ns),
            "1" if at == 0 else _factor(one.ratio),
            "" if at == 0 else _interval(one.ratio),
        )
        for at, one in enumerate(found.sides)
    ]
    lines = heading(f"Ranking by time: {what} (profiler off)", colour=colour)
    return lines + table(columns, body) + paragraph(level_words(found), first="  ")


def _pairs(found: Ranking, colour: bool) -> list[str]:
    columns = [
        Column("Pair", 7, right=False),
        Column("Ratio", 9),
        Column("Interval", 19),
        Column("q", 9),
        Column("Verdict", 16),
    ]
    body = [
        (
            f"{pair.b} ÷ {pair.a}",
            _factor(pair.ratio),
            _interval(pair.ratio),
            "–" if pair.q is None else f"{pair.q:.2g}",
            verdict_words(pair),
        )
        for pair in found.pairs
    ]
    lines = heading("All pairs (q: Benjamini-Hochberg over the pairs)", colour=colour) + table(columns, body)
    for warning in warning_words(found):
        lines += paragraph(warning, first="  ! ")
    return lines


def warning_words(found: Ranking) -> Iterator[str]:
    """The pairs' warnings, those of all pairs once. A trial stands out in several pairs: of that it is said in how many."""
    told = [[text for text in pair.warnings if not text.startswith(STANDS_OUT)] for pair in found.pairs]
    common = [text for text in told[0] if all(text in texts for texts in told)] if told else []
    yield from common
    for pair, texts in zip(found.pairs, told, strict=True):
        for warning in texts:
            if warning not in common:
                yield f"{pair.b} ÷ {pair.a} (B ÷ A): {warning}"
    some = sum(any(text.startswith(STANDS_OUT) for text in pair.warnings) for pair in found.pairs)
    if some:
        yield f"{STANDS_OUT} in {some} of {len(found.pairs)} pairs; the page of a pair (--pair) names them"


def _trust(found: Ranking, colour: bool) -> list[str]:
    """Of the run as a whole, from what the first pair's comparison says of it."""
    said = [
        line
        for text in trust_text.sentences(next(iter(found.comparisons.values())))
        for line in paragraph(text, first="  ")
    ]
    return [*heading("How far to trust it", colour=colour), *said] if said else []


def _why(found: Ranking, pair: tuple[str, str], colour: bool) -> list[str]:
    one, labels = found.comparisons[pair], found.labels
    if one.ledger is None:
        return []
    first, word = found.sides[0].letter, first_words(found)
    names = [f"{labels[letter]}{f' ({word})' if letter == first else ''}" for letter in pair]
    lines = heading(f"{pair[1]} ÷ {pair[0]}", colour=colour)
    lines += paragraph(f"A = {names[0]}; B = {names[1]}")
    lines += ledger_text.lines(one.ledger, colour=colour) + ledger_text.matched(one.alignment)
    own = [text for text in one.warnings if text not in found.warnings]
    told = {warning for item in one.items for warning in item.warnings}
    for text in own:
        if text not in told:
            lines += paragraph(text, first="  ! ")
    return lines


def work_words(found: Ranking) -> Iterator[str]:
    """What differs in the work of each pair, then the facts that differ, each once with the value of every side."""
    facts: dict[str, dict[str, str]] = {}
    blocking = set()
    for pair, one in found.comparisons.items():
        for difference in one.parity:
            blocks = difference.get("blocks") == "yes"
            if difference["what"] == "fact" and "sentence" not in difference:
                facts.setdefault(difference["where"], {}).update(
                    zip(pair, (difference["a"], difference["b"]), strict=True)
                )
                blocking |= {difference["where"]} if blocks else set()
            else:
                yield f"{'! ' if blocks else ''}A = {pair[0]}, B = {pair[1]}: {parity.statement(difference)}"
    for name, of in facts.items():
        sides: dict[str, list[str]] = {}
        for letter in sorted(of):
            sides.setdefault(of[letter], []).append(letter)
        told = "; ".join(f"{', '.join(letters)} {value}" for value, letters in sides.items())
        yield f"{'! ' if name in blocking else ''}{name} differs: {told}"


def _work(found: Ranking, colour: bool) -> list[str]:
    lines = heading("Same work?", colour=colour)
    said = list(work_words(found))
    agreements = [one.facts.agreement for one in found.comparisons.values() if one.facts.agreement]
    worst = max((max(one.largest_relative_difference.values(), default=0.0) for one in agreements), default=0.0)
    if agreements:
        text = f"{len(agreements)} pairs compared; largest difference {worst:.1g} of an array's scale"
        lines += paragraph(text, first="  ")
    for text in said or ["No difference was found in what was compared."]:
        lines += paragraph(text, first="  ")
    return lines
