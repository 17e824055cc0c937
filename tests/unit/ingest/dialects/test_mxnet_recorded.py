"""MXNet's recorded profiles: every number that their notes state."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from json_reading import recorded, rows

GPU = "mxnet/gpu-mnist-2019/gpu_mnist_cnn_profile_output.json"
OWN = "mxnet/recorded-1.9.1-cpu/"


def _tables(text: str) -> list[dict[str, tuple[int, float]]]:
    """The operator tables of the profiler's own output: name → (count, total ms); the CPU run's first, then the GPU run's."""
    found = []
    for part in text.split("\noperator\n")[1:]:
        lines = re.findall(r"^(\w+) +(\d+) +([\d.]+) +[\d.]+ +[\d.]+ +[\d.]+$", part.split("\n\n")[0], re.MULTILINE)
        found.append({name: (int(count), float(total)) for name, count, total in lines})
    return found


def _halves(path) -> tuple[Counter[str], Counter[str], Counter[str], Counter[str]]:
    """Straight from the JSON: counts and µs of the B/E half and of the async b/e half of the operators, by name."""
    count, time, twin_count, twin_time = (Counter() for _ in range(4))
    events = [e for e in json.loads(path.read_text())["traceEvents"] if e.get("cat") == "operator"]
    for begin, end in pairwise(events):
        if (begin["ph"], end["ph"]) == ("B", "E"):
            count[begin["name"]] += 1
            time[begin["name"]] += end["ts"] - begin["ts"]
        elif (begin["ph"], end["ph"]) == ("b", "e"):
            twin_count[begin["name"]] += 1
            twin_time[begin["name"]] += end["ts"] - begin["ts"]
    return count, time, twin_count, twin_time


def test_operators_of_2019_are_the_b_e_half_and_the_profilers_own_table_is_both_halves() -> None:
    path = recorded(GPU)
    events, info = rows(path)
    count, time = Counter(), Counter()
    for row in events:
        if row["level"] in ("op", "copy"):
            count[row["name"]] += 1
            time[row["name"]] += row["duration_ps"]
    b_e, b_e_us, twins, twins_us = _halves(path)
    assert count == b_e
    assert time == {name: us * 1_000_000 for name, us in b_e_us.items()}
    assert info.anomalies["mxnet_async_duplicate"] == sum(twins.values()) == 235
    stated = _tables((path.parent / "README.md").read_text())[1]
    # The profiler of that time summed both halves: https://github.com/apache/mxnet/issues/10520, 15243
    assert len(stated) == 26
    for name, (times, total_ms) in stated.items():
        assert times == count[name] + twins[name], name
        assert total_ms == pytest.approx((b_e_us[name] + twins_us[name]) / 1000, abs=1e-9), name


def test_gpu_and_cpu_of_2019_have_the_stated_totals() -> None:
    events, _ = rows(recorded(GPU))
    total, count = defaultdict(int), Counter()
    for row in events:
        if row["level"] in ("op", "copy"):
            total[row["device"]] += row["duration_ps"]
            count[row["device"]] += 1
    assert count == {"gpu:0": 105, "cpu:0": 130}
    assert total == {"gpu:0": 76_968_000_000, "cpu:0": 1_769_000_000}
    copies = [row for row in events if row["name"] == "CopyCPU2GPU"]
    assert [row["level"] for row in copies] == ["copy", "copy"]
    assert sum(row["duration_ps"] for row in copies) == 46_697_000_000


def test_api_calls_of_2019_equal_the_profilers_table() -> None:
    path = recorded(GPU)
    events, _ = rows(path)
    count, time = Counter(), Counter()
    for row in events:
        if row["level"] == "api":
            count[row["name"]] += 1
            time[row["name"]] += row["duration_ps"]
    text = (path.parent / "README.md").read_text().split("\nMXNET_C_API\n")[2]
    stated = re.findall(r"^(MX\w+) +(\d+) +([\d.]+)", text.split("\noperator")[0], re.MULTILINE)
    assert len(stated) == 15
    for name, times, total_ms in stated:
        assert (count[name], time[name] / 1e9) == (int(times), pytest.approx(float(total_ms), abs=1e-9)), name


@pytest.mark.parametrize(
    ("name", "operators", "anomalies"),
    [
        ("s_plain.json", 18, {}),
        ("s_hyb.json", 13, {}),
        ("s_hybstatic.json", 15, {}),
        ("s_objs.json", 18, {}),
        ("continuous_mid_truncated.json", 10, {"json_unclosed": 1}),
        ("second_dump_headerless.json", 8, {"json_header_missing": 1, "mxnet_unnamed_device": 8}),
        ("third_dump_no_header_no_footer.json", 11,
         {"json_header_missing": 1, "json_unclosed": 1, "mxnet_unnamed_device": 11}),
        ("unescaped_quotes.json", 22, {"mxnet_unescaped_name": 12}),
    ],
)  # fmt: skip
def test_files_of_1_9_1_valid_or_not_are_read_by_default(name: str, operators: int, anomalies: dict[str, int]) -> None:
    events, info = rows(recorded(OWN + name))
    assert sum(row["level"] == "op" for row in events) == operators
    assert info.anomalies == {"mxnet_async_duplicate": operators, **anomalies}
    assert {row["device"] for row in events if row["level"] == "op"} == {"cpu:0"}


def test_a_footer_alone_is_an_empty_profile() -> None:
    events, info = rows(recorded(OWN + "exit_footer_only.json"))
    assert events == []
    assert info.anomalies == {"empty_file": 1}
    assert info.kinds == {"exit_footer_only.json": "mxnet-profile"}


def test_the_table_of_1_9_1_equals_the_b_e_half() -> None:
    path = recorded(OWN + "unescaped_quotes.json")
    stated = _tables((path.parent / "agg_dumps_table.txt").read_text())[0]
    events, _ = rows(path)
    for name, (times, total_ms) in stated.items():
        mine = [row["duration_ps"] for row in events if row["name"] == name and row["level"] == "op"]
        assert len(mine) == times, name
        assert sum(mine) / 1e9 == pytest.approx(total_ms, abs=1e-9), name


def test_unescaped_names_come_out_as_they_were_given() -> None:
    events, _ = rows(recorded(OWN + "unescaped_quotes.json"))
    markers = {(row["name"], row["category"]) for row in events if row["level"] == "marker"}
    assert markers == {
        ("my task", 'py"dom'),
        ("my frame", 'py"dom,frame'),
        ('my "event"', "event"),
        ("mk", 'py"dom,instant_marker'),
    }


def test_objects_become_markers_and_counters() -> None:
    events, _ = rows(recorded(OWN + "s_objs.json"))
    markers = Counter(row["name"] for row in events if row["level"] == "marker")
    assert markers == {"tsk": 1, "frm": 1, "evt": 1, "mk": 1, "mkt": 1}
    counter = [row["value"] for row in events if row["name"] == "ctr"]
    assert counter == [5.0, 6.0]
    memory = [row for row in events if row["name"] == "Memory: cpu/0"]
    assert len(memory) == 24
    assert {row["device"] for row in memory} == {"cpu:0"}


def test_a_static_bulk_is_one_row_that_lists_what_it_fuses() -> None:
    events, _ = rows(recorded(OWN + "s_hybstatic.json"))
    bulks = {row["name"]: (row["op"], row["phase"], row["fuses"]) for row in events if row["op"] == "Bulk"}
    assert bulks["Activation,Flatten"] == ("Bulk", "forward", "Activation,Flatten")
    assert bulks["_backward_copy,_backward_Activation"] == ("Bulk", "backward", "Identity,Activation")
    assert bulks["ImperativeBulk"] == ("Bulk", None, None)
