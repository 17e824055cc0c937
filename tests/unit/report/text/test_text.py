"""The terminal text fits 80 columns, puts the verdict first, and says what it does not know."""

from __future__ import annotations

import os
import re
from dataclasses import replace

import pytest
from places import ROOT
from report_tables import ROWS, comparison, ledger, view

from dlprof.analysis.facts import Agreement, Tolerance
from dlprof.analysis.model import Completeness, ItemResult, Ratio, Row, View
from dlprof.report.text import comparison_text, ledger_text, view_text, work_text
from dlprof.report.text.layout import WIDEST_PROSE, at_width, cells, fit, shortened_path
from dlprof.report.text.verdict import headline

GOLDEN = ROOT / "tests" / "golden" / "report"


def golden(name: str, found: str) -> None:
    """Compares with the golden file; DLPROF_UPDATE_GOLDEN=1 writes it anew, to be read before it is committed."""
    path = GOLDEN / name
    if os.environ.get("DLPROF_UPDATE_GOLDEN"):
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


def single() -> ItemResult:
    sentence = "B against A: 1.2× the time by median traced step; one run each, so no verdict"
    ratio = Ratio(1.2, None, None, 0.0, 1, "median traced step")
    return ItemResult("step", "inconclusive", ratio, 1e6, 1.2e6, sentence, warnings=("one run decides nothing",))


def test_a_comparison_reads_as_its_golden_file() -> None:
    golden("comparison.txt", comparison_text.comparison(comparison()))


def test_a_comparison_with_a_ledger_reads_as_its_golden_file() -> None:
    golden("ledger.txt", comparison_text.comparison(comparison(ledger=ledger())))


def test_a_diff_reads_as_its_golden_file() -> None:
    golden("diff.txt", comparison_text.comparison(comparison(workload="", items=(single(),), parity=(), anomalies={})))


def test_a_view_reads_as_its_golden_file() -> None:
    golden("view.txt", view_text.view(view()))


LONG = [replace(row, op=row.op * 9, layer="a_very_long_layer_name" * 3) for row in ROWS]


@pytest.mark.parametrize(
    "found",
    [
        comparison_text.comparison(comparison()),
        comparison_text.comparison(comparison(rows=LONG, warnings=("word " * 60,))),
        view_text.view(view()),
        view_text.view(view("device", ("device", "stream"), [
            {"device": "gpu:4", "stream": "Stream #134(Compute) " * 3, "count": 10**7, "calls": 1, "total_ns": 1e14,
             "self_ns": 1e14, "share": 1.0, "wall_ns": None, "busy_ns": 1e14, "span_ns": 1e14},
        ])),
        view_text.view(view("kernel", ("kernel", "device"), [
            {"kernel": "void cudnn::detail::implicit_convolve_sgemm<float, float, 1024>" * 2, "device": "gpu:4",
             "count": 3, "calls": 3, "total_ns": 5.0, "self_ns": 5.0, "share": 1.0, "wall_ns": 5.0},
        ])),
    ],
)  # fmt: skip
def test_no_line_is_wider_than_80_cells(found: str) -> None:
    assert max(cells(line) for line in found.splitlines()) <= 80


def test_the_verdict_comes_first_and_names_both_sides() -> None:
    first = " ".join(comparison_text.comparison(comparison()).splitlines()[:3])
    assert first.startswith("MXNet 1.9.1 (hybrid) is slower than TensorFlow 2.21.0 (graph): +111.3 %")
    assert "6 trials" in first


def test_colour_changes_no_word() -> None:
    coloured = comparison_text.comparison(comparison(), colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9]+m", "", coloured) == comparison_text.comparison(comparison())


def test_control_characters_of_a_trace_do_not_reach_the_terminal() -> None:
    evil = replace(ROWS[0], op="\x1b]0;owned\x07")
    found = comparison_text.comparison(comparison(rows=[evil], warnings=("\x1b[2J",)))
    assert "\x1b" not in found
    assert "\\x1b]0;owned" in found


def test_folded_rows_and_shown_rows_sum_to_all_rows() -> None:
    many = [Row(f"Op{i}", "forward", None, 1e6 * i, 2e6 * i, 1e6 * i, 10, 10, 10, 10) for i in range(1, 41)]
    lines = comparison_text.comparison(comparison(rows=many), rows=5).splitlines()
    total = next(line for line in lines if line.startswith("all rows"))
    folded = next(line for line in lines if line.startswith("35 smaller rows"))
    shown = [line for line in lines if line.startswith("Op")]
    assert len(shown) == 5
    for column in (-7, -6, -5):
        parts = sum(float(line.split()[column]) for line in [*shown, folded])
        assert parts == pytest.approx(float(total.split()[column]))
    assert float(total.split()[-7]) == 82.0


def test_times_are_per_step_where_the_sides_traced_different_numbers_of_steps() -> None:
    halved = comparison(rows=[Row("Conv", "forward", None, 10e6, 10e6, 0.0, 10, 10, 10, 10)])
    explained = {"a": replace(halved.explained["a"], steps=5), "b": halved.explained["b"]}
    line = next(
        row for row in comparison_text.comparison(replace(halved, explained=explained)).splitlines() if "Conv" in row
    )
    assert line.split()[-7:] == ["2.000", "1.000", "−1.000", "100.0", "100.0", "2", "1"]


def test_what_is_not_known_is_said() -> None:
    bare = comparison(items=(), rows=(), explained={}, profiling_overhead={}, parity=(), warnings=(), anomalies={})
    found = comparison_text.comparison(bare)
    assert found.startswith("No verdict on MXNet 1.9.1 (hybrid) against TensorFlow 2.21.0 (graph): nothing\nwas timed.")
    assert "No trace was recorded, so nothing is known of where the time goes" in found
    assert "What the traces explain" not in found
    half = comparison_text.comparison(replace(bare, explained={"a": comparison().explained["a"]}))
    assert "Neither trace holds an operator" in half
    assert half.count("its share of the steps' time is unknown") == 1
    assert half.count("profiling overhead unknown") == 2


def test_a_command_at_the_head_of_the_verdict_stands_as_it_was_typed() -> None:
    found = comparison()
    item = replace(found.items[0], sentence="python3 train.py is slower than python3 old.py: +44 %")
    sides = {
        side: replace(getattr(found, side), label=label)
        for side, label in (("a", "python3 old.py"), ("b", "python3 train.py"))
    }
    scripts = replace(found, items=(item,), **sides)
    assert headline(scripts) == "python3 train.py is slower than python3 old.py: +44 %."
    assert headline(replace(found, items=(replace(item, sentence="nothing to compare"),))) == "Nothing to compare."


def test_facts_that_are_the_same_are_told_in_words_not_as_python_writes_them() -> None:
    same = {
        "workload": "['relu']",
        "execution": "{'relu': 'plain'}",
        "input_aliased": "{}",
        "batch_size": "200",
        "long": "x" * 25,
    }
    found = comparison()
    agreement = Agreement("float32", Tolerance(), {"grad/relu": 1e-7}, same | {"long": "x" * 25})
    shown = comparison_text.comparison(replace(found, facts=replace(found.facts, agreement=agreement)))
    assert "  same on both sides: workload relu, execution relu: plain, batch size 200\n" in shown


def test_a_blocking_parity_difference_is_marked() -> None:
    difference = {"what": "shape", "where": "logits", "a": "(2,)", "b": "(3,)", "blocks": "yes"}
    assert "! logits has other shapes: A (2,), B (3,)" in comparison_text.comparison(comparison(parity=(difference,)))


def test_an_incomplete_trace_says_so_in_capitals() -> None:
    shown = view()
    broken = View(shown.by, shown.keys, shown.table, {}, Completeness(False, "12 steps lack operators"))
    assert "INCOMPLETE: 12 steps lack operators" in view_text.view(broken)


def test_rows_beyond_the_limit_are_counted() -> None:
    assert "1 more row" in view_text.view(view(), rows=1)


def test_text_is_cut_to_cells_not_characters() -> None:
    assert fit("日本語", 4) == "日… "
    assert cells(fit("日本語", 4)) == 4


def test_a_ledger_folds_small_parts_and_always_shows_what_is_unexplained() -> None:
    shown = ledger_text.lines(ledger(), colour=False, limit=2)
    names = [line.split("  ")[0] for line in shown]
    assert "Conv backward conv2" in names
    assert "unexplained" in names
    folded = next(line for line in shown if line.startswith("3 smaller parts"))
    assert folded.split()[-3:] == ["13.500", "21.000", "+7.500"]
    assert next(line for line in shown if line.startswith("wall time")).split()[-3:] == ["17.100", "33.900", "+16.800"]


def test_intervals_of_a_ledger_take_the_place_of_bars() -> None:
    timed = tuple(
        replace(line, low_ns=line.delta_ns - 100_000, high_ns=line.delta_ns + 100_000) for line in ledger().lines
    )
    shown = ledger_text.lines(ledger(lines=timed), colour=False)
    assert any("[+8.90, +9.10]" in line for line in shown)
    assert not any("█" in line for line in shown)


@pytest.mark.parametrize(
    ("delta", "expected"),
    [(10, "       │███████"), (-10, "███████│"), (0, "       │"), (0.001, "       │▌"), (-5, "   ▐███│")],
)
def test_a_bar_grows_from_the_middle(delta: float, expected: str) -> None:
    assert ledger_text.bar(delta, 10) == expected


def test_traced_replicates_show_interval_and_q_of_each_row_and_what_profiling_cost():
    tested = [
        Row("Conv", "forward", "conv1", 9e6, 12e6, 3e6, 10, 10, 10, 10, 2e6, 4e6, 0.0004),
        Row("Gemm", "forward", "dense1", 5e6, 5.5e6, 5e5, 10, 10, 10, 10, -1e6, 2e6, 0.41),
        Row("Copy", None, None, None, 2e6, 2e6, 0, 10, 0, 10),
    ]
    found = replace(comparison(), rows=tuple(tested), profiling_overhead={"a": 0.04, "b": None})
    shown = comparison_text.comparison(found)
    for line in shown.splitlines():
        assert cells(line) <= 80
    conv = next(line for line in shown.splitlines() if line.startswith("Conv · forward"))
    assert conv.split()[-3:] == ["[+0.200,", "+0.400]", "*<.001"]
    gemm = next(line for line in shown.splitlines() if line.startswith("Gemm · forward"))
    assert gemm.split()[-1] == ".410"
    said = " ".join(shown.split())
    assert "1 of 2 rows differ. 1 rows could not be tested." in said
    assert "All under the profiler, which changes A's step by +4.0 %." in said


def test_a_long_layer_is_cut_at_its_beginning_for_its_end_tells_it_from_others() -> None:
    long = "Gemm forward BertLMHeadModel_0/BertEncoder_0/BertLayer_3/query"
    found = shortened_path(long, 34)
    assert (cells(found), found.endswith("BertLayer_3/query"), found.startswith("Gemm forward …")) == (34, True, True)
    assert shortened_path("Conv backward conv2", 10) == "Conv backward conv2"


def test_a_long_line_of_the_program_keeps_its_end() -> None:
    long = "transformers/models/bert/very_long_name_of_a_file/that_needs_more_room/modeling_bert.py:364"
    found = view("source", ("source_line",), [
        {"source_line": line, "count": 3, "calls": 3, "total_ns": 5.0, "self_ns": 5.0, "share": 0.5, "wall_ns": 5.0}
        for line in (long, "train.py:7")
    ])  # fmt: skip
    title, _, first, second = view_text.view(found).splitlines()[1:5]
    assert title.startswith("Source line ")
    assert (first[0], first.split()[0][-20:]) == ("…", "modeling_bert.py:364")
    assert second.startswith("train.py:7 ")
    assert {cells(line) for line in (title, first, second)} == {80}


def settings(*names: str) -> tuple[dict[str, str], ...]:
    """Differing settings of two workloads."""
    return tuple(
        {"what": "workload", "where": name, "a": "1", "b": "absent", "blocks": "yes",
         "sentence": f"the workloads differ in {name}: 1 in A, absent in B"}
        for name in names
    )  # fmt: skip


def test_the_first_screen_says_verdict_how_sure_and_three_causes_whose_shares_sum_up_with_the_rest() -> None:
    shown = comparison_text.comparison(comparison(ledger=ledger())).splitlines()
    assert "How sure: 95 % interval [+102.1 %, +120.9 %], 6 trials; 1 warning below." in " ".join(shown[:4])
    causes = [line for line in shown if re.match(r" +[−\d]+ % ", line)]
    assert [line.split(maxsplit=3)[3] for line in causes[:3]] == [
        "Conv backward conv2", "input pipeline", "Gemm forward dense1"]  # fmt: skip
    assert sum(int(line.split()[0].replace("−", "-")) for line in causes) in (99, 100, 101)
    assert sum(float(line.split()[2].replace("−", "-")) for line in causes) == pytest.approx(16.8)
    assert "2 other parts (−3 ms of it the other way)" in causes[3]
    assert shown.index(causes[3]) < 24
    assert any("dlprof help glossary" in line for line in shown[:24])


def test_a_cause_whose_interval_includes_zero_is_none_and_traces_that_show_no_gap_have_none() -> None:
    unsure = replace(ledger().lines[0], low_ns=-1, high_ns=18_000_000)
    shown = comparison_text.comparison(comparison(ledger=ledger(lines=(unsure, *ledger().lines[1:]))))
    assert re.search(r" +51 % +\+8\.500 input pipeline\n", shown)
    assert not re.search(r" % +\+9\.000 Conv backward conv2\n", shown)


def test_time_that_no_line_explains_is_no_other_part_where_it_is_much_of_the_gap() -> None:
    *lines, unexplained = ledger().lines
    assert unexplained.kind == "unexplained"
    more = replace(unexplained, delta_ns=unexplained.delta_ns + 10_000_000)
    shown = comparison_text.comparison(
        comparison(ledger=ledger(lines=(*lines, more), gap_ns=ledger().gap_ns + 10_000_000))
    )
    causes = [line.split(maxsplit=3) for line in shown.splitlines() if re.match(r" +[−\d]+ % ", line)]
    assert [line[3] for line in causes[3:]] == ["unexplained", "1 other part (−3 ms of it the other way)"]
    assert sum(float(line[2].replace("−", "-")) for line in causes) == pytest.approx(26.8)


def test_differing_settings_of_the_workloads_are_told_once_and_folded_unless_all_are_asked_for() -> None:
    many = settings(*(f"model.layers.l{n}.units" for n in range(60)), "run.batch_size")
    found = comparison(parity=many, warnings=tuple(one["sentence"] for one in many))
    shown = comparison_text.comparison(found)
    assert "61 settings of the workloads differ: run.batch_size: 1 in A, absent in B;" in " ".join(shown.split())
    assert "the workloads differ in" not in shown
    assert "Warnings" not in shown
    whole = " ".join(comparison_text.comparison(found, verbose=True).split())
    assert whole.count("the workloads differ in model.layers.l7.units: 1 in A") == 1
    listed = work_text.settings_table(found).splitlines()
    assert (len(listed), listed[3].split()[:2]) == (3 + 61, ["!", "run.batch_size"])


def test_a_wider_terminal_gives_names_the_room_and_no_other_words() -> None:
    layer = "encoder/block_with_a_long_name/attention/query"
    found = comparison(rows=[replace(ROWS[0], layer=layer)])
    narrow = comparison_text.comparison(found)
    with at_width(120):
        wide = comparison_text.comparison(found)
    assert (layer in narrow, layer in wide) == (False, True)
    assert max(cells(line) for line in wide.splitlines()) <= 120
    assert comparison_text.comparison(found) == narrow
    assert max(map(cells, wide.splitlines()[:3])) <= WIDEST_PROSE


def test_every_minus_is_the_minus_sign() -> None:
    faster = replace(
        comparison().items[0], sentence="B is faster: -12.5 % [-20.0 %, -5.1 %] (shape [-1, 4])", verdict="faster"
    )
    shown = comparison_text.comparison(comparison(items=(faster,), ledger=ledger()))
    assert "−12.5 % [−20.0 %, −5.1 %] (shape [-1, 4])" in " ".join(shown.split())
    assert re.search(r"dispatch +5\.000 +2\.000 +−3\.000", shown)
    assert not re.search(r"(?<![\w.])-\d+\.\d", shown)


def test_medians_have_one_unit_and_means_are_called_so() -> None:
    short = ItemResult("copy", "faster", Ratio(0.9, 0.8, 0.95, 0.95, 6, "t"), 812.0, 731.0, "")
    long = ItemResult("conv", "slower", Ratio(1.1, 1.05, 1.2, 0.95, 6, "t"), 3_200_000.0, 3_520_000.0, "")
    shown = comparison_text.comparison(comparison(items=(short, long), ledger=ledger())).splitlines()
    at = shown.index("Timings (profiler off, synchronised; medians of one step or call)")
    assert shown[at + 1].split() == ["What", "A", "µs", "B", "µs", "Change", "Verdict"]
    assert [line.split()[1:3] for line in shown[at + 3 : at + 5]] == [["0.8120", "0.7310"], ["3200", "3520"]]
    assert any(line.startswith("wall time (mean)") for line in shown)


def test_where_operator_sums_and_walls_differ_it_says_why() -> None:
    said = " ".join(comparison_text.comparison(comparison(ledger=ledger())).split())
    assert (
        "All rows sum up the operators' own times (+8.749 ms), not the wall time (+16.8 ms): what runs at the same time"
        in said
    )
