"""Writes compiled modules (HloProto) by hand, as they lie in `/host:metadata` (field numbers: xla/service/hlo.proto)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xspace_bytes import PlaneBytes, block, number


@dataclass(frozen=True)
class Hlo:
    """An instruction. op_name: its path; frame: 1-based row of the module's table of calls; calls: computations by number."""

    name: str
    opcode: str
    op_name: str = ""
    frame: int = 0
    kind: str = ""
    calls: Sequence[int] = ()

    def bytes(self, id_: int) -> bytes:
        metadata = (block(2, self.op_name) if self.op_name else b"") + (number(15, self.frame) if self.frame else b"")
        out = block(1, self.name) + block(2, self.opcode)
        out += block(7, metadata) if metadata else b""
        out += block(11, self.kind) if self.kind else b""
        return out + number(35, id_) + b"".join(number(38, called) for called in self.calls)


def module(name: str, computations: Sequence[Sequence[Hlo]], frames: Sequence[tuple[str, int, int]] = ()) -> bytes:
    """An HloProto. computations: numbered from 1, the root of each is its last instruction. frames: file, line and the row of
    the frame that called it (0: none)."""
    out = block(1, name)
    for number_, instructions in enumerate(computations, 1):
        body = block(1, f"computation.{number_}")
        for place, instruction in enumerate(instructions):
            body += block(2, instruction.bytes(number_ * 1000 + place))
        out += block(3, body + number(5, number_) + number(6, number_ * 1000 + len(instructions) - 1))
    if frames:
        files = list(dict.fromkeys(file for file, _, _ in frames))
        table = b"".join(block(1, file) for file in files) + block(2, "f")
        for file, line, _ in frames:
            table += block(3, number(1, files.index(file) + 1) + number(2, 1) + number(3, line))
        for row, (_, _, parent) in enumerate(frames, 1):
            table += block(4, number(1, row) + (number(2, parent) if parent else b""))
        out += block(17, table)
    return block(1, out)


def metadata_plane(**modules: tuple[int, bytes]) -> PlaneBytes:
    """`/host:metadata` with modules by name, each with its program id."""
    plane = PlaneBytes("/host:metadata")
    for name, (program, data) in modules.items():
        plane.describe(f"{name}({program})", **{"Hlo Proto": data, "program_id": program})
    return plane
