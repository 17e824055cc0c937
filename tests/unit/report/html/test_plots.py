"""Every kind of plot draws, in every format, the same bytes each time; an operator has one colour everywhere."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from matplotlib.figure import Figure
from report_tables import MX, TF, comparison, exhibits, ledger

from dlprof import frameworks
from dlprof.analysis.exhibits import Trials
from dlprof.analysis.model import LedgerLine, Ratio
from dlprof.analysis.step_timeline import MOST_EVENTS, Bar, Lane, Timeline
from dlprof.report import palette
from dlprof.report.html import figure, plots, waterfall
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
    return waterfall.draw(built, TF.label, MX.label)


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
    bars = {"17.100", "33.900", "+9.000", "+8.500", "−3.000", "+0.300", f"A: {TF.label}", f"B: {MX.label}"}
    assert bars <= set(found)
    assert "Wall time of a traced step: +16.800 ms from A to B" in found


def waterfall_of(*lines: LedgerLine, a_ms: float = 100.0) -> Figure:
    gap = sum(line.delta_ns for line in lines)
    wall = round(a_ms * 1e6)
    built = waterfall.build(comparison(ledger=ledger(lines=lines, a_wall_ns=wall, b_wall_ns=wall + gap, gap_ns=gap)))
    assert built is not None
    return waterfall.draw(built, TF.label, MX.label)


def line(name: str, delta_ms: float, low_ms: float | None = None, high_ms: float | None = None) -> LedgerLine:
    delta, low, high = (None if ms is None else round(ms * 1e6) for ms in (delta_ms, low_ms, high_ms))
    assert delta is not None
    return LedgerLine(name, "op", 0, delta, delta, low, high, 1.0)


def test_what_grew_has_the_width_and_the_axis_says_where_it_starts() -> None:
    (axis,) = waterfall_of(line("Conv", 4.0), line("Gemm", 2.0)).axes
    left, right = axis.get_xlim()
    assert left > 90
    assert (106 - 100) / (right - left) > 0.5
    assert "the axis starts at 98 ms, not at 0: the bars of A and B are cut short" in axis.get_xlabel()


def test_an_axis_whose_bars_have_room_starts_at_zero() -> None:
    (axis,) = waterfall_of(line("Conv", 250.0)).axes
    assert axis.get_xlim()[0] == 0
    assert axis.get_xlabel() == "ms"


def test_a_waterfall_draws_the_interval_of_each_line() -> None:
    (axis,) = waterfall_of(line("Conv", 4.0, 3.0, 7.0), line("Gemm", 2.0)).axes
    ends = [segment[:, 0].tolist() for bars in axis.collections for segment in bars.get_segments()]
    assert [pytest.approx(end) for end in ends] == [[103.0, 107.0]]
    assert axis.get_xlabel().endswith("thin lines: 95 % interval of the difference")


def test_nothing_that_is_said_below_a_waterfall_is_cut() -> None:
    figure = waterfall_of(line("Conv backward conv1", 4.0, 3.0, 7.0), line("Gemm", 2.0))
    figure.draw_without_rendering()
    (axis,) = figure.axes
    said = axis.xaxis.label.get_window_extent()
    assert figure.bbox.x0 <= said.x0 <= said.x1 <= figure.bbox.x1
    assert said.y0 >= figure.bbox.y0


def test_a_short_step_is_drawn_in_microseconds() -> None:
    (axis,) = waterfall_of(line("Conv", 0.012), a_ms=0.02).axes
    assert [text.get_text() for text in axis.texts] == ["20.00", "32.00", "+12.00"]
    assert axis.get_xlabel().startswith("µs")


def test_the_band_of_the_trials_says_what_it_is_of() -> None:
    drawn_ = plots.trials(SHOWN.trials, comparison())
    (legend,) = drawn_.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "one trial",
        "average over the trials",
        "95 % interval of the average; single trials may lie outside",
    ]


def test_an_interval_wider_than_the_picture_is_told() -> None:
    wide = Ratio(2.1, 0.01, 400.0, 0.99, 2, "t")
    drawn_ = plots.trials(SHOWN.trials[:1], comparison(ratio=wide))
    assert [text.get_text() for text in drawn_.axes[0].texts] == ["interval 0.01 to 400, wider than the picture"]


@pytest.mark.parametrize(
    ("value", "text"), [(0.6, "0.6"), (1e5, "100000"), (2e-5, "0.00002"), (-3.5, "−3.5"), (1.0, "1")]
)
def test_numbers_of_axes_are_digits(value: float, text: str) -> None:
    assert figure.plain_number(value) == text


def test_no_axis_has_a_power_of_ten() -> None:
    for kind in KINDS:
        assert not [text for text in texts(kind) if re.search(r"[0-9]e[-+−]?[0-9]|×", text)], kind


def test_names_of_rows_are_never_the_same() -> None:
    long = [f"backward of the loss ({'LogSoftmax+' * 9}{end})" for end in ("ReduceMean", "Gather")]
    shown = figure.distinct([figure.shortened(name) for name in [*long, "Conv", "Conv"]])
    assert len(set(shown)) == 4
    assert all(len(name) <= 44 for name in shown)
    assert shown[2:] == ["Conv (1)", "Conv (2)"]


def test_the_picture_of_two_full_timelines_leaves_the_page_its_budget() -> None:
    bars = tuple(
        Bar(op, op, None, None, at * 1e3, 900.0, at % 3, op)
        for at, op in enumerate(["Conv", "Relu", "Add", "Gemm"] * (MOST_EVENTS // 4))
    )
    lanes = tuple(Lane("gpu:0", str(at)) for at in range(3))
    sides = [Timeline(side, 0, 2e6, lanes, bars, 0) for side in "ab"]
    with figure.style():
        assert len(figure.render(plots.timeline(sides, TITLES), "svg")) < 600_000


def test_near_values_on_a_logarithmic_axis_have_more_than_one_number() -> None:
    assert len({text for text in texts("sweep") if re.fullmatch(r"1\.\d+", text)}) > 1


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


def test_a_wide_interval_is_told_in_the_row_of_its_item() -> None:
    unknown = Trials("an item without a ratio", (0, 1), (1.0, 1.1))
    wide = Ratio(2.1, 0.01, 400.0, 0.99, 2, "t")
    (text,) = plots.trials([unknown, *SHOWN.trials[:1]], comparison(ratio=wide)).axes[0].texts
    assert text.xy[1] == 1


def test_ratios_that_lie_far_apart_have_a_logarithmic_axis_and_none_below_zero_is_drawn() -> None:
    far = Trials("small", (0, 1), (0.12, 0.14))
    (axis,) = plots.trials([far, *SHOWN.trials[:1]], comparison()).axes
    assert axis.get_xscale() == "log"
    assert "logarithmic axis" in axis.get_xlabel()
    assert 0 < axis.get_xlim()[0] < 0.12
    (axis,) = plots.trials(SHOWN.trials[:1], comparison(ratio=Ratio(2.1, 0.01, 400.0, 0.99, 2, "t"))).axes
    assert axis.get_xlim()[0] >= 0


def test_what_is_too_short_to_be_seen_is_drawn_as_a_hair() -> None:
    lanes = (Lane("cpu:0", "1"), Lane("cpu:0", "2"))
    bars = (Bar("Conv", "Conv", None, None, 0.0, 1e6, 0, "Conv"), Bar("Wait", "Wait", None, None, 5e5, 1.0, 1, "Wait"))
    (axis,) = plots.timeline([Timeline("a", 0, 1e6, lanes, bars, 0)], TITLES).axes
    widths = [patch.get_path().get_extents().width for patch in axis.patches]
    assert min(widths) == pytest.approx(1 / 1500)
    assert max(widths) == pytest.approx(1.0)


def test_the_band_of_a_sweep_says_its_confidence() -> None:
    assert [text for text in texts("sweep") if "interval" in text] == ["95 % interval"]


def test_percent_has_one_form() -> None:
    assert "100 %" in texts("steps")
    assert not [text for text in texts("steps") if text.endswith("0%")]


def test_no_dot_of_a_calibration_is_cut_at_the_edge() -> None:
    for axis in KINDS["calibration"]().axes:
        dots = [drawn_line for drawn_line in axis.lines if drawn_line.get_marker() == "o"]
        assert dots
        assert not any(dot.get_clip_on() for dot in dots)
