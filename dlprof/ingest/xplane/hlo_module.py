"""Compiled modules in an XPlane (`/host:metadata`, stat `Hlo Proto`): what each instruction is, of which operator and line.

A module is read only when an event names one of its instructions, and of it only those that are named: first the places of all
instructions by name, then one instruction at a time. Field numbers: xla/service/hlo.proto and xla/xla_data.proto.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from dlprof.ingest.protobuf.space import ByteFile, Space
from dlprof.ingest.protobuf.wire import BYTES, VARINT, Field, Malformed, fields, signed, varint
from dlprof.ingest.xplane.hlo_neighbours import Neighbours, Node, moves

_MODULE, _COMPUTATION, _FRAMES = 1, 3, 17
_C_INSTRUCTION, _C_ID = 2, 5
_I_NAME, _I_OPCODE, _I_METADATA, _I_KIND, _I_ID, _I_OPERANDS, _I_CALLED = 1, 2, 7, 11, 35, 36, 38
_M_TYPE, _M_NAME, _M_FILE, _M_LINE, _M_FRAME = 1, 2, 3, 4, 15
_NUMBERED: Final = re.compile(r".*\((\d{1,18})\)")
_IDLE: Final = frozenset({"parameter", "constant", "bitcast", "tuple", "get-tuple-element", "iota", "copy"})
"""Opcodes that say nothing of what a fusion computes."""
_IDLE_BYTES: Final = frozenset(opcode.encode() for opcode in _IDLE)
_HEAVY: Final = frozenset({"dot", "convolution", "custom-call", "reduce-window", "sort", "scatter", "gather", "reduce"})
"""Opcodes that a fusion without a name of its own is called after, if it holds one; custom calls are libraries' products."""
_FUSIONS: Final = {"kLoop": "loop", "kInput": "input", "kOutput": "output", "kCustom": "custom"}
_FORMATTING: Final = frozenset({"bitcast", "copy", "reshape", "transpose"})
_MOST_FRAMES: Final = 256
_NAMES: Final = 512
"""Bytes at the start of an instruction that hold its name."""
_READ_WHOLE: Final = 1 << 20


def unnumbered(name: str, separators: str) -> str:
    """A name without the numbers that XLA set behind it, each after one of the separators: `dot.3.1` → dot."""
    end = len(name)
    while True:
        at = end
        while at and name[at - 1] in "0123456789":
            at -= 1
        if at in (0, end) or name[at - 1] not in separators:
            return name[:end]
        end = at - 1


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction as its module writes it.

    op_name: path of the operator it was made from
    op_type: the framework's operator type, where written
    kind: of a fusion
    source: `file:line` of the program
    files: source files of the calls around it, innermost first
    called: ids of the computations that it calls
    id: its own, in its module
    operands: ids of the instructions that it reads
    """

    name: str
    opcode: str = ""
    op_name: str = ""
    op_type: str = ""
    kind: str = ""
    source: str = ""
    files: tuple[str, ...] = ()
    called: tuple[int, ...] = ()
    id: int = 0
    operands: tuple[int, ...] = ()

    @property
    def category(self) -> str:
        """What XProf calls its HLO category: loop fusion, data formatting, or the opcode."""
        if self.opcode == "fusion":
            return f"{_FUSIONS.get(self.kind, self.kind)} fusion".lstrip()
        return "data formatting" if self.opcode in _FORMATTING else self.opcode


@dataclass(frozen=True, slots=True)
class Described:
    """An instruction and, if it is a fusion, what it fuses, its root last. A nameless fusion has its main content's name."""

    instruction: Instruction
    contents: tuple[Instruction, ...] = ()


class _Frames:
    """The module's table of source files and calls (StackFrameIndexProto); all its ids begin with 1."""

    def __init__(self, data: bytes) -> None:
        self._files: list[str] = []
        self._locations: list[tuple[int, int]] = []
        self._frames: list[tuple[int, int]] = []
        for part in fields(data, 0, len(data)):
            if part.wire != BYTES:
                continue
            content = data[part.start : part.end]
            if part.number == 1:
                self._files.append(content.decode(errors="replace"))
            elif part.number in (3, 4):
                numbers = {inner.number: inner.value for inner in fields(content, 0, len(content))}
                if part.number == 3:
                    self._locations.append((numbers.get(1, 0), numbers.get(3, 0)))
                else:
                    self._frames.append((numbers.get(1, 0), numbers.get(2, 0)))

    def calls(self, frame: int) -> Iterator[tuple[str, int]]:
        """(file, line) of a frame and of those that called it."""
        for _ in range(_MOST_FRAMES):
            if not 0 < frame <= len(self._frames):
                return
            location, frame = self._frames[frame - 1]
            if 0 < location <= len(self._locations):
                file, line = self._locations[location - 1]
                if 0 < file <= len(self._files):
                    yield self._files[file - 1], line


class Module:
    """One module by the place of its bytes. Raises `Malformed` where they are no module."""

    def __init__(self, file: ByteFile, start: int, end: int) -> None:
        self._file = file
        self._places: dict[bytes, tuple[int, int]] = {}
        self._computations: dict[int, list[tuple[int, int]]] = {}
        self._contents: dict[int, tuple[Instruction, ...]] = {}
        self._computation_of: dict[bytes, int] = {}
        self._neighbours: dict[int, Neighbours] = {}
        self._frames = _Frames(b"")
        for proto in file.walk(start, end):
            if proto.number == _MODULE and proto.wire == BYTES:
                for part in file.walk(proto.start, proto.end):
                    if part.number == _FRAMES and part.wire == BYTES:
                        self._frames = _Frames(file.content(part))
                    elif part.number == _COMPUTATION and part.wire == BYTES:
                        self._computation(part)

    def find(self, name: str) -> Described | None:
        """An instruction by its name, None if the module has none of that name."""
        place = self._places.get(name.encode())
        if place is None:
            return None
        found = self._instruction(*place)
        contents = (
            tuple(each for called in found.called for each in self._of(called)) if found.opcode == "fusion" else ()
        )
        if not found.op_name and contents and _main(contents).name.encode() in self._places:
            main = self._instruction(*self._places[_main(contents).name.encode()])
            found = replace(found, op_name=main.op_name, op_type=main.op_type, source=main.source, files=main.files)
        if "/" not in found.op_name and (path := self._borrowed(found, contents)):
            found = replace(found, op_name=path)
        return Described(found, contents)

    def _borrowed(self, found: Instruction, contents: tuple[Instruction, ...]) -> str:
        """The path of the nearest neighbour that has one, its last part replaced by what the instruction itself does."""
        computation = self._computation_of.get(found.name.encode())
        if computation is None:
            return ""
        if computation not in self._neighbours:
            self._neighbours[computation] = Neighbours(dict(self._nodes(computation)))
        path = self._neighbours[computation].path(found.id).partition(";")[0]
        does = _main(contents).opcode if contents else found.opcode
        if does == "fusion":  # of copies alone, which its name tells
            does = unnumbered(found.name, ".")
        return f"{path.rpartition('/')[0]}/{does}" if path else ""

    def _nodes(self, computation: int) -> Iterator[tuple[int, Node]]:
        for place in self._computations.get(computation, ()):
            each = self._instruction(*place)
            contents = (
                [one.opcode for called in each.called for one in self._of(called)] if each.opcode == "fusion" else []
            )
            path = "" if each.opcode == "parameter" else each.op_name  # a parameter's is its name in the program
            yield each.id, Node(path, moves(contents or [each.opcode]), each.operands)

    def _computation(self, whole: Field) -> None:
        """Notes where a computation's instructions lie, and under which names."""
        places, names, id_ = [], [], 0
        small = whole.end - whole.start <= _READ_WHOLE
        data, base = (self._file.content(whole), whole.start) if small else (b"", 0)
        for part in fields(data, 0, len(data)) if small else self._file.walk(whole.start, whole.end):
            if part.number == _C_INSTRUCTION and part.wire == BYTES:
                place = (base + part.start, base + part.end)
                head = data[part.start : part.start + _NAMES] if small else self._file.at(part.start, _NAMES)
                self._places.setdefault(_name(head), place)
                names.append(_name(head))
                places.append(place)
            elif part.number == _C_ID and part.wire == VARINT:
                id_ = part.value
        self._computations.setdefault(id_, places)
        self._computation_of.update((name, id_) for name in names if name not in self._computation_of)

    def _of(self, computation: int) -> tuple[Instruction, ...]:
        """What a fused computation computes: its instructions but for parameters and the like, the root last, as written."""
        known = self._contents.get(computation)
        if known is None:
            every = (self._brief(*place) for place in self._computations.get(computation, ()))
            known = self._contents[computation] = tuple(each for each in every if each is not None)
        return known

    def _brief(self, start: int, end: int) -> Instruction | None:
        """Name, opcode and path of an instruction, which stand before all else; None for one that is idle."""
        data = self._file.at(start, end - start)
        if _opcode(data) in _IDLE_BYTES:
            return None
        name = opcode = path = ""
        for part in fields(data, 0, len(data)):
            if part.number > _I_METADATA:
                break
            if part.wire != BYTES:
                continue
            if part.number == _I_NAME:
                name = data[part.start : part.end].decode(errors="replace")
            elif part.number == _I_OPCODE:
                opcode = data[part.start : part.end].decode(errors="replace")
                if opcode in _IDLE:
                    return None
            elif part.number == _I_METADATA:
                for inner in fields(data, part.start, part.end):
                    if inner.number == _M_NAME and inner.wire == BYTES:
                        path = data[inner.start : inner.end].decode(errors="replace")
                        break
        return Instruction(name, opcode, path)

    def _instruction(self, start: int, end: int) -> Instruction:
        data = self._file.at(start, end - start)
        texts: dict[int, str] = {}
        called: list[int] = []
        operands: list[int] = []
        id_, metadata = 0, (0, 0)
        for part in fields(data, 0, len(data)):
            if part.wire == BYTES and part.number in (_I_NAME, _I_OPCODE, _I_KIND):
                texts[part.number] = data[part.start : part.end].decode(errors="replace")
            elif part.number == _I_METADATA and part.wire == BYTES:
                metadata = (part.start, part.end)
            elif part.number == _I_CALLED:
                called += [part.value] if part.wire == VARINT else _packed(data, part.start, part.end)
            elif part.number == _I_OPERANDS:
                operands += [part.value] if part.wire == VARINT else _packed(data, part.start, part.end)
            elif part.number == _I_ID and part.wire == VARINT:
                id_ = part.value
        found = self._with_metadata(data, metadata, texts)
        return replace(found, called=tuple(called), id=id_, operands=tuple(operands))

    def _with_metadata(self, data: bytes, extent: tuple[int, int], texts: dict[int, str]) -> Instruction:
        told: dict[int, str] = {}
        line = frame = 0
        for part in fields(data, *extent):
            if part.number in (_M_TYPE, _M_NAME, _M_FILE) and part.wire == BYTES:
                told[part.number] = data[part.start : part.end].decode(errors="replace")
            elif part.number == _M_LINE and part.wire == VARINT:
                line = signed(part.value)
            elif part.number == _M_FRAME and part.wire == VARINT:
                frame = part.value
        calls = list(self._frames.calls(frame))
        file = told.get(_M_FILE, "")
        if not file and calls:
            file, line = calls[0]
        return Instruction(
            name=texts.get(_I_NAME, ""),
            opcode=texts.get(_I_OPCODE, ""),
            op_name=told.get(_M_NAME, ""),
            op_type=told.get(_M_TYPE, ""),
            kind=texts.get(_I_KIND, ""),
            source=f"{file}:{line}" if file else "",
            files=tuple(dict.fromkeys(name for name, _ in calls)) or ((file,) if file else ()),
        )


def _main(contents: tuple[Instruction, ...]) -> Instruction:
    """The instruction that a fusion is best called after: a heavy one, else the root, else any that has a name."""
    named = [each for each in contents if "/" in each.op_name]
    heavy = [each for each in named if each.opcode in _HEAVY]
    return heavy[0] if heavy else (named or contents)[-1]


def _name(head: bytes) -> bytes:
    """An instruction's name, which is written first. head: its first bytes."""
    if head[:1] != b"\x0a" or len(head) < 2:
        return b""
    size, start = (head[1], 2) if head[1] < 0x80 else varint(head, 1, len(head))
    return head[start : start + size]


def _opcode(data: bytes) -> bytes:
    """An instruction's opcode where it stands behind the name, as compilers write it; else nothing."""
    if len(data) < 4 or data[0] != 0x0A or data[1] >= 0x80:
        return b""
    at = 2 + data[1]
    if data[at : at + 1] != b"\x12" or at + 1 >= len(data) or at + 2 + data[at + 1] > len(data):
        return b""
    return data[at + 2 : at + 2 + data[at + 1]]


def _packed(data: bytes, at: int, end: int) -> list[int]:
    values = []
    while at < end:
        value, at = varint(data, at, end)
        values.append(value)
    return values


class Modules:
    """The compiled modules of a file, by program id and by name.

    damaged: called once for each that cannot be read
    """

    def __init__(self, file: ByteFile, space: Space, damaged: Callable[[], None]) -> None:
        self._file = file
        self._damaged = damaged
        self._by_program: dict[int, tuple[int, int]] = {}
        self._by_name: dict[str, tuple[int, int] | None] = {}
        self._read: dict[tuple[int, int], Module | None] = {}
        for plane in space.planes:
            for key, meta in plane.events.items():
                stats = {plane.stat_names.get(stat.id): stat for stat in meta.stats}
                proto = stats.get("Hlo Proto") or stats.get("hlo_proto")
                if proto is None or proto.kind != "bytes":
                    continue
                place = (proto.at, proto.at + int(proto.value))
                numbered = _NUMBERED.fullmatch(meta.name)
                told = stats.get("program_id")
                program = int(told.value) if told and told.kind in ("int64", "uint64") else None
                if program is None:
                    program = int(numbered[1]) if numbered else key
                self._by_program.setdefault(program, place)
                name = meta.name.rpartition("(")[0] if numbered else meta.name
                self._by_name[name] = None if name in self._by_name else place

    def __len__(self) -> int:
        return len(self._by_program)

    def find(self, program: int | None, module: str | None, instruction: str) -> Described | None:
        """An instruction of a program, told by its id, or by its module's name where only one module has that."""
        place = self._by_program.get(program) if program is not None else None
        if place is None and module is not None:
            place = self._by_name.get(module)
        if place is None:
            return None
        if place not in self._read:
            self._read[place] = self._module(place)
        read = self._read[place]
        try:
            return read.find(instruction) if read is not None else None
        except Malformed:
            self._damaged()
            return None

    def _module(self, place: tuple[int, int]) -> Module | None:
        try:
            return Module(self._file, *place)
        except Malformed:
            self._damaged()
            return None
