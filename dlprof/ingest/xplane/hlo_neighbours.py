"""Where an instruction that XLA made itself belongs: a change of layout or a rewritten convolution has no path of its own.

What moves data belongs to what it is made for, and what computes to what it is computed from: to the backward pass where it reads
anything of that, since the forward pass never does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from dlprof.ingest.finish.paths import place

_FARTHEST: Final = 6
"""Neighbours of neighbours that are asked."""
_MOVES: Final = frozenset({"transpose", "copy", "bitcast", "reshape", "broadcast", "convert", "pad", "slice"})
"""Opcodes that compute nothing."""


@dataclass(frozen=True, slots=True)
class Node:
    """One instruction of a computation. moves: whether it computes nothing. operands: ids."""

    path: str
    moves: bool
    operands: tuple[int, ...]


def moves(opcodes: Iterable[str]) -> bool:
    """Whether an instruction of these opcodes (of a fusion: its contents') computes nothing."""
    return all(opcode in _MOVES for opcode in opcodes)


@dataclass(slots=True)
class Neighbours:
    """The instructions of one computation by id, and who uses each."""

    nodes: Mapping[int, Node]
    users: dict[int, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for id_, node in self.nodes.items():
            for operand in node.operands:
                self.users.setdefault(operand, []).append(id_)

    def path(self, id_: int) -> str:
        """Path of an instruction, or else of the nearest neighbour that has one; '' where none has."""
        return self._path(id_, frozenset())

    def _path(self, id_: int, asked: frozenset[int]) -> str:
        """asked: those whose neighbour this is, which are not asked again."""
        node = self.nodes.get(id_)
        if node is None or id_ in asked or len(asked) > _FARTHEST:
            return ""
        if "/" in node.path:
            return node.path
        asked |= {id_}
        # What is used in the forward pass is made for it, though the backward pass may use it again.
        made_for = _chosen([self._path(one, asked) for one in self.users.get(id_, ())], backward=False)
        if node.moves and made_for:
            return made_for
        return _chosen([self._path(one, asked) for one in node.operands], backward=True) or made_for


def _chosen(paths: Iterable[str], backward: bool) -> str:
    """The first path in the backward pass, or outside of it; else the first."""
    told = [path for path in paths if path]
    return next((path for path in told if (place(path).phase == "backward") == backward), told[0] if told else "")
