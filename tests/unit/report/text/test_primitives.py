"""What oneDNN said: sums by reason, the problems that weigh most, and the absence of it, in text and on the page."""

from __future__ import annotations

from dataclasses import replace

from report_tables import comparison

from dlprof.analysis.facts import Facts, Primitive, Primitives, Reason
from dlprof.analysis.model import Comparison
from dlprof.report.html import document
from dlprof.report.text import comparison_text, primitives_text


def one(problem: str, reason: Reason, a: float | None, b: float | None) -> Primitive:
    return Primitive(
        primitive="convolution",
        prop="forward",
        problem=problem,
        reason=reason,
        a_implementation=None if a is None else "jit:avx512_core",
        b_implementation=None if b is None else "gemm:jit",
        a_layouts=None,
        b_layouts=None,
        a_calls=1.0,
        b_calls=1.0,
        a_ns=a,
        b_ns=b,
    )


SAID = Primitives(
    statement="oneDNN's part of the difference per step: other implementation +3 ms",
    by_reason_ns={"only in B": 1e6, "other implementation": 3e6},
    primitives=(one("mb2<ic1>", "other implementation", 1e6, 4e6), one("mb2ic6", "only in B", None, 1e6)),
)


def made(said: Primitives | None) -> Comparison:
    return replace(comparison(), facts=Facts(primitives=said))


def test_the_text_sums_by_reason_and_names_the_problems() -> None:
    lines = comparison_text.comparison(made(SAID)).splitlines()
    start = lines.index(primitives_text.TITLE)
    assert [line.split("  ")[0] for line in lines[start + 3 : start + 5]] == ["other algorithm", "primitives of B only"]
    assert lines[start + 3].endswith("+3.000")
    told = " ".join(" ".join(lines[start + 5 : start + 12]).split())
    assert "convolution forward mb2<ic1>: 1.000 against 4.000 ms; jit:avx512_core → gemm:jit" in told
    assert "convolution forward mb2ic6: – against 1.000 ms; nothing → gemm:jit" in told
    assert max(map(len, lines)) <= 80


def test_a_side_that_printed_nothing_is_said_to_be_silent_and_nothing_is_summed() -> None:
    silent = "A printed no oneDNN lines: nothing can be said about its primitives"
    found = comparison_text.comparison(made(replace(SAID, absent=("A",), statement=silent)))
    assert silent in " ".join(found.split())
    assert "other algorithm" not in found


def test_without_the_question_there_is_no_section() -> None:
    assert primitives_text.TITLE not in comparison_text.comparison(made(None))
    assert 'id="primitives"' not in document.comparison(made(None))


def test_the_page_has_every_problem_and_escapes_it() -> None:
    page = document.comparison(made(SAID))
    assert 'id="primitives"' in page
    assert "mb2&lt;ic1&gt;" in page
    assert "jit:avx512_core → gemm:jit" in page
