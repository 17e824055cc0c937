"""Every kind of plot draws, in every format, the same bytes each time; an operator has one colour everywhere."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from matplotlib.figure import Figure
from report_tables import MX, TF, comparison, exhibits, ledger

from dlprof import frameworks
from dlprof.report.html import figure, palette, plots, waterfall
from dlprof.stats import Calibration, Rate, Resampled

TITLES = {"a": TF.label, "b": MX.label}
SHOWN = exhibits()


RATE = Rate(0.041, 0.02, 0.06, 1000, 40)
CALIBRATED = Calibration(
    trials=40, trial_seconds=15.0, bias=0.0, bias_low=-0.01, bias_high=0.01, sd=0.04, sd_low=0.03, sd_high=0.05,
    real_fixed=Rate(0.0, 0.0, 0.4, 6, 40), real_adaptive=None, fixed=Resampled(RATE, RATE, 6.0),
    adaptive=Resampled(RATE, RATE, 9.0), detectable=((2.0, None), (5.0, 0.09), (10.0, 0.06)),
)  # fmt: skip


def fall(**changes: object) -> Figure:
    built = waterfall.build(comparison(**changes))
    assert built is not None
    return plots.waterfall(built, TF.label, MX.label)


KINDS: dict[str, Callable[[], Figure]] = {
    "waterfall of rows": fall,
    "waterfall of a ledger": lambda: fall(ledger=ledger()),
    "breakdown": lambda: plots.breakdown(comparison()),
    "timeline": lambda: plots.timeline(SHOWN.timelines, TITLES),
    "steps": lambda: plots.step_times(SHOWN.step_times, TITLES),
    "trials": lambda: plots.trials(SHOWN.trials, comparison()),
    "epochs": lambda: plots.epochs(SHOWN.epochs, TITLES),
    "sweep": lambda: plots.sweep(SHOWN.sweeps[0], TITLES),
    "memory": lambda: plots.memory(SHOWN.memory, TITLES),
    "calibration": lambda: plots.calibration(CALIBRATED, "tf:graph"),
}


def drawn(kind: str, form: figure.Format) -> bytes:
    with figure.style():
        return figure.render(KINDS[kind](), form)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_the_same_bytes_twice(kind: str) -> None:
    first = drawn(kind, "svg")
    assert first.startswith(b"<?xml")
    assert first == drawn(kind, "svg")


@pytest.mark.parametrize(("form", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_files_have_their_format(form: figure.Format, magic: bytes) -> None:
    assert drawn("breakdown", form).startswith(magic)


def texts(kind: str) -> list[str]:
    return [
        re.sub(r"<[^>]+>", "", match) for match in re.findall(r"<text[^>]*>(.*?)</text>", drawn(kind, "svg").decode())
    ]


def test_a_waterfall_of_a_ledger_runs_from_wall_to_wall() -> None:
    found = texts("waterfall of a ledger")
    assert {"17.100", "33.900", "+9.000", "+8.500", "-3.000", "+0.300", TF.label, MX.label} <= set(found)
    assert "Wall time of a traced step: +16.800 ms from A to B" in found


def test_a_waterfall_says_how_many_small_lines_it_folds() -> None:
    built = waterfall.build(comparison(ledger=ledger()), 3)
    assert built is not None
    assert [step.name for step in built.steps] == ["Conv backward conv2", "input pipeline", "3 smaller lines"]
    assert built.start_ms + sum(step.delta_ms for step in built.steps) == pytest.approx(built.end_ms)


def test_operators_are_named_in_words_beside_their_colour() -> None:
    assert "Conv · backward · conv2" in texts("breakdown")
    assert "2 shorter events not drawn" in " ".join(texts("timeline"))


def test_an_inline_figure_takes_the_pages_ink_and_prefixes_its_ids() -> None:
    with figure.page_style():
        svg = figure.inline(KINDS["memory"](), "memory", 'say "hi" <b>')
    assert svg.startswith('<svg role="img" aria-label="say &quot;hi&quot; &lt;b>"')
    assert "currentColor" in svg
    assert all(name.startswith("memory-") for name in re.findall(r'\bid="([^"]+)"', svg))
    assert all(name.startswith("memory-") for name in re.findall(r"url\(#([^)]+)\)", svg))
    assert not re.search(r'<svg[^>]* width="', svg)


def test_an_operator_keeps_its_colour_whatever_the_figure() -> None:
    assert (
        palette.colour("Conv", "forward") == palette.colour("Conv", "backward") == palette.family_colour("convolution")
    )
    assert palette.colour("Mul", "optimizer") == palette.colour("Adam")
    assert palette.colour("Mul") != palette.colour("Adam")
    assert palette.colour("DeleteVariable", "bookkeeping") == palette.NOTHING
    assert palette.family("ReduceMean") == "reduction"
    assert palette.family("SoftmaxCrossEntropyLoss") == "normalisation and loss"
    assert palette.family("never seen") == "other"


def test_colours_can_be_told_apart() -> None:
    families = {
        palette.family(op)
        for op in ("Conv", "Gemm", "MaxPool", "Relu", "Softmax", "Add", "ReduceSum", "Adam", "Copy", "?")
    }
    colours = {palette.family_colour(name) for name in families} | {palette.NOTHING}
    assert len(colours) == 11


def test_most_operators_of_the_vocabularies_have_a_family() -> None:
    known = {meaning.op for table in frameworks.vocabularies().values() for meaning in table.values()}
    common = {
        "Conv",
        "Gemm",
        "MatMul",
        "AveragePool",
        "MaxPool",
        "Relu",
        "Softmax",
        "Adam",
        "SGD",
        "Reshape",
        "Transpose",
        "Add",
        "Mul",
    }
    assert all(palette.family(op) != "other" for op in common & known)
    assert len(common & known) > 8


def test_a_calibration_says_where_there_were_too_few_trials() -> None:
    assert {"adaptive, as they ran: too few", "6 trials, resampled", "tf:graph against itself"} <= set(
        texts("calibration")
    )
