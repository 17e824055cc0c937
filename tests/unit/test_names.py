"""Names that are written in one place and read in another: each is read back as it was written, by parent and child."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import RUNNER

from dlprof import names, schema
from dlprof.names import ArrayName, CaptureName, Item, Marker

WORDS = st.from_regex(r"[A-Za-z_][\w.+-]{0,12}", fullmatch=True)
NUMBERS = st.integers(0, 10**18 - 1)


def _child() -> ModuleType:
    spec = importlib.util.spec_from_file_location("child_names", RUNNER / "dlprof_child" / "names.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHILD = _child()


@given(WORDS, st.lists(st.tuples(WORDS, WORDS), max_size=3))
def test_an_item_is_read_back_as_it_was_written(task: str, keys: list[tuple[str, str]]) -> None:
    item = Item(task, tuple(keys))
    assert Item.parse(str(item)) == item


@pytest.mark.parametrize("text", ["train_block", "a[b", "a]", "a[b]", "[size=3]", "a[size=3]x", "a[size=3,x]", ""])
def test_a_text_that_is_no_item_of_an_op_workload_is_kept_whole(text: str) -> None:
    item = Item.parse(text)
    assert (str(item), item.task, item.size, item.variant, item.sweep) == (text, text, None, None, None)


def test_an_item_tells_its_task_call_and_size_and_what_it_is_a_sweep_of() -> None:
    item = Item.parse("conv-3x3[call=study,size=50]")
    assert (item.task, item.variant, item.size) == ("conv-3x3", "study", 50)
    assert item.sweep == ("conv-3x3[call=study]", "size", 50.0)
    assert Item.parse("copy[direction=h2d,mib=0.5]").sweep == ("copy[direction=h2d]", "mib", 0.5)
    assert Item.parse("copy[mib=0.5,direction=h2d]").sweep is None
    assert Item.parse("load[version=1.2.3]").sweep is None


@given(WORDS, st.integers(0, 10**9), st.one_of(st.none(), WORDS))
def test_the_childs_items_are_the_parents(task: str, size: int, variant: str | None) -> None:
    keys = [("call", variant)] if variant else []
    assert CHILD.item(task, size, variant) == str(Item(task, (*keys, ("size", str(size)))))


@given(NUMBERS, st.booleans(), st.sampled_from(["matmul[size=50]", "add[call=study,size=7]", "a@1", "a#2\nb", ""]))
def test_the_childs_markers_are_read_back(number: int, synchronised: bool, item: str) -> None:
    step = Marker("step", number, synchronised=synchronised)
    call = Marker("item", number, item, synchronised)
    for marker, text in (
        (step, CHILD.step_marker(number, synchronised)),
        (call, CHILD.item_marker(item, number, synchronised)),
        (Marker("epoch", number), CHILD.epoch_marker(number)),
    ):
        assert str(marker) == text
        assert Marker.parse(text) == marker
        assert names.restored(CHILD.without_colon(text)) == text


@pytest.mark.parametrize("phase", ["input", "forward", "loss", "backward", "optimizer"])
def test_the_childs_phases_are_phases_of_the_event_table(phase: str) -> None:
    assert phase in schema.PHASES
    assert Marker.parse(getattr(CHILD, phase.upper())) == Marker("phase", text=phase)
    assert str(Marker("phase", text=phase)) == getattr(CHILD, phase.upper())


def test_the_wait_for_all_work_is_no_phase() -> None:
    assert names.SYNC == CHILD.SYNC
    assert names.INPUT == CHILD.INPUT
    assert Marker.parse(CHILD.SYNC) == Marker("other", text="sync")


def test_the_code_of_a_step_and_a_collection_of_garbage_are_no_phases_either() -> None:
    assert names.CALL == CHILD.CALL
    assert names.COLLECTION == CHILD.COLLECTION
    assert {Marker.parse(name).kind for name in (CHILD.CALL, CHILD.COLLECTION)} == {"other"}


@pytest.mark.parametrize("name", ["step=17", "Dlprof:step=1", "ProfilerStep#x", "aten::add", ""])
def test_other_events_are_no_markers(name: str) -> None:
    assert Marker.parse(name) is None
    assert not names.is_marker(name)


@pytest.mark.parametrize("name", ["dlprof:step=", "dlprof:step=1x", "dlprof:step=-1", "dlprof:", "dlprof:item=x"])
def test_a_marker_of_no_known_kind_belongs_to_no_step(name: str) -> None:
    marker = Marker.parse(name)
    assert marker is not None
    assert (marker.kind, str(marker)) == ("other", name)


@given(NUMBERS, st.sampled_from(["matmul[size=50]", "a@1", "a#2\nb", ""]), st.sampled_from(["", " (copy)", "#x", "@"]))
def test_a_marker_spans_a_step_whatever_a_tool_has_appended(number: int, item: str, rest: str) -> None:
    step, call = Marker("step", number), Marker("item", number, item)
    pytorchs = Marker("profiler_step", number, synchronised=False)
    for marker in (step, call, pytorchs):
        assert Marker.spanning(str(marker)) == marker
        assert Marker.spanning(str(marker) + rest) == marker


@pytest.mark.parametrize(
    "name", ["dlprof:unsynced_step=1", "dlprof:unsynced_item=a@1", "dlprof:epoch=1", names.INPUT, "x"]
)
def test_what_waits_for_nothing_spans_no_step(name: str) -> None:
    assert Marker.spanning(name) is None


def test_calls_of_two_items_are_two_series() -> None:
    numbered = [
        Marker("step", 1),
        Marker("step", 2),
        Marker("item", 1, "a"),
        Marker("item", 2, "a"),
        Marker("item", 1, "b"),
    ]
    assert [marker.series for marker in numbered] == [
        ("step", ""),
        ("step", ""),
        ("item", "a"),
        ("item", "a"),
        ("item", "b"),
    ]


def test_items_of_old_traces_have_a_hash_before_their_number() -> None:
    assert Marker.parse("dlprof:item=matmul[size=50]#12") == Marker("item", 12, "matmul[size=50]")


def test_pytorchs_steps_are_markers_that_wait_for_nothing() -> None:
    marker = Marker("profiler_step", 12, synchronised=False)
    assert Marker.parse("ProfilerStep#12") == marker
    assert str(marker) == "ProfilerStep#12"
    assert not names.is_marker("ProfilerStep#12"), "it is not dlprof's own"


@given(st.sampled_from(["out", "grad"]), WORDS, st.integers(1, 999), st.one_of(st.just(""), WORDS))
def test_the_childs_arrays_are_read_back(kind: str, task: str, size: int, by: str) -> None:
    item = CHILD.item(task, size)
    array = ArrayName(kind, item, by)
    assert str(array) == CHILD.array(kind, item, by)
    assert ArrayName.parse(str(array)) == array
    assert array.item == item


@pytest.mark.parametrize("text", ["logits", "loss", "grad/conv1/w", "after/losses", "after/conv1/b"])
def test_arrays_of_a_network_are_of_no_item(text: str) -> None:
    array = ArrayName.parse(text)
    assert str(array) == CHILD.array(array.kind, array.of) == text
    assert array.item is None


@given(WORDS, st.integers(1, 999), st.one_of(st.just(""), WORDS), st.integers(0, 9))
def test_arrays_of_timed_items_are_read_back(task: str, size: int, by: str, number: int) -> None:
    item = CHILD.item(task, size)
    array = ArrayName("timed", item, by, number)
    assert str(array) == CHILD.array("timed", item, by, number)
    assert ArrayName.parse(str(array)) == array
    assert (array.item, array.late) == (item, True)


@given(st.sampled_from([kind for kind in get_args(names.ArrayKind) if kind not in ("logits", "loss")]), WORDS)
def test_arrays_of_weights_are_read_back(kind: str, layer: str) -> None:
    for of in (f"{layer}/w", layer):
        array = ArrayName(kind, of)
        assert str(array) == CHILD.array(kind, of)
        assert ArrayName.parse(str(array)) == array
        assert array.item is None
        assert array.late == (kind not in ("after", "grad", "out"))


@given(st.sampled_from(("replay/one", "run/singly")), WORDS, st.integers(0, 9))
def test_arrays_of_single_steps_are_read_back(kind: str, layer: str, number: int) -> None:
    array = ArrayName(kind, f"{layer}/w", number=number)
    assert str(array) == CHILD.array(kind, f"{layer}/w", number=number)
    assert ArrayName.parse(str(array)) == array


@pytest.mark.parametrize(
    ("text", "kind", "of"),
    [
        ("run/updates", "run", "updates"),
        ("replay/losses", "replay", "losses"),
        ("replay/moved/conv1/w", "replay/moved", "conv1/w"),
        ("replay/moved", "replay", "moved"),
        ("replay/fed/conv1/w", "replay/fed", "conv1/w"),
        ("replay/fed_losses", "replay", "fed_losses"),
        ("run/last/conv1/w", "run/last", "conv1/w"),
        ("run/blocks/conv1/w", "run/blocks", "conv1/w"),
        ("replay/still/last/w", "replay/still", "last/w"),
        ("timed/train_block", "timed", "train_block"),
        ("timed/a@1", "timed", "a@1"),
        ("timed/a[size=3]", "timed", "a[size=3]"),
        ("running", "running", ""),
    ],
)
def test_what_an_arrays_kind_is(text: str, kind: str, of: str) -> None:
    assert ArrayName.parse(text) == ArrayName(kind, of)
    assert str(ArrayName(kind, of)) == text


@given(st.sampled_from(names.SIDES), st.sampled_from(["exact", "native"]), st.integers(1, 10**6))
def test_a_captures_folder_is_read_back(side: names.SideLetter, fidelity: names.Fidelity, number: int) -> None:
    name = CaptureName(side, fidelity, number)
    assert CaptureName.parse(str(name)) == name


@pytest.mark.parametrize(
    "text", ["a-exact", "a-exact-0", "i-exact-1", "a-fast-1", "a-exact-1x", ".a-exact-1", "raw", ""]
)
def test_other_folders_are_no_captures(text: str) -> None:
    assert CaptureName.parse(text) is None


def test_exact_runs_are_in_order_of_their_numbers() -> None:
    folders = ["b-exact-1", "a-exact-10", "a-native-1", "logs", "a-exact-2", "a-exact-1"]
    assert CaptureName.exact_runs(folders, "a") == ["a-exact-1", "a-exact-2", "a-exact-10"]
    assert CaptureName.first("a") == "a-exact-1"
    assert CaptureName.first("b", names.NATIVE) == "b-native-1"


def test_marker_names_are_read_as_the_protocol_writes_them() -> None:
    step, item, phase = (
        Marker.parse("dlprof:step=17"),
        Marker.parse("dlprof:item=matmul[size=50]#12"),
        Marker.parse("dlprof:backward"),
    )
    assert step is not None
    assert item is not None
    assert phase is not None
    assert step.number == 17
    assert (item.text, item.number) == ("matmul[size=50]", 12)
    assert phase.text == "backward"
    assert Marker.parse("step=17") is None
