"""Rows of a comparison: one for each work item of either side, in an order that a reader can rely on."""

from __future__ import annotations

from analysis_tables import events, op

from dlprof.analysis.explain import rows


def side(**durations):
    """The work of a trace of operators one after another, each as long as it says (ns)."""
    at = 0
    found = []
    for name, ns in durations.items():
        found.append(op(name, at, at + ns))
        at += ns
    return [rows.side_cells(events(*found))]


def test_rows_of_equal_differences_keep_the_order_of_the_trace_whatever_the_units():
    a, b = side(Conv=1, Gemm=6, Relu=1), side(Conv=2, Gemm=7, Relu=5)
    assert 7 / 3 - 6 / 3 != 2 / 3 - 1 / 3, "per step the equal differences are parted by rounding"
    assert [row.op for row in rows.build(a, b, (3, 3))] == ["Relu", "Conv", "Gemm"]


def test_of_other_numbers_of_steps_the_difference_of_a_step_orders_the_rows():
    a, b = side(Conv=10, Gemm=4), side(Conv=20, Gemm=20)
    assert [(row.op, row.delta_unit_ns) for row in rows.build(a, b, (1, 2))] == [("Gemm", 6.0), ("Conv", 0.0)]
