"""Instructions that XLA made itself belong to a neighbour: moved data to what it is for, results to what they are from."""

from __future__ import annotations

import pytest

from dlprof.ingest.xplane.hlo_neighbours import Neighbours, Node, moves

FORWARD, GRADIENT, UPDATE = (
    "jit(f)/jvp(forward)/conv/conv",
    "jit(f)/transpose(jvp(forward))/conv/mul",
    "jit(f)/optimizer/w/sub",
)


def test_a_layout_change_belongs_to_what_it_is_made_for_and_first_to_the_forward_pass() -> None:
    graph = Neighbours({1: Node("", True, ()), 2: Node(GRADIENT, False, (1,)), 3: Node(FORWARD, False, (1,))})
    assert graph.path(1) == FORWARD


def test_a_rewritten_gradient_belongs_to_the_backward_pass_that_it_is_computed_from_and_not_to_the_update_that_reads_it() -> (
    None
):
    graph = Neighbours(
        {
            1: Node(FORWARD, False, ()),
            2: Node(GRADIENT, False, ()),
            3: Node("", False, (1, 2)),
            4: Node(UPDATE, False, (3,)),
        }
    )
    assert graph.path(3) == GRADIENT


def test_a_layout_change_for_such_a_gradient_belongs_there_too() -> None:
    graph = Neighbours(
        {1: Node("", True, ()), 2: Node(GRADIENT, False, ()), 3: Node("", False, (1, 2)), 4: Node(UPDATE, False, (3,))}
    )
    assert graph.path(1) == GRADIENT


def test_what_nobody_uses_belongs_to_what_it_is_made_from_and_what_stands_alone_nowhere() -> None:
    graph = Neighbours(
        {1: Node(FORWARD, False, ()), 2: Node("", True, (1, 9)), 3: Node("", True, ()), 4: Node("", False, (4,))}
    )
    assert (graph.path(2), graph.path(3), graph.path(4)) == (FORWARD, "", "")


@pytest.mark.parametrize(
    ("opcodes", "expected"), [(["transpose", "copy"], True), (["transpose", "add"], False), (["convolution"], False)]
)
def test_data_is_moved_where_nothing_is_computed(opcodes: list[str], expected: bool) -> None:
    assert moves(opcodes) is expected
