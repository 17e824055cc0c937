"""Reads XPlanes and their compiled modules a second time, with none of dlprof's code: figures to hold ours against."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Message = dict[int, list[Any]]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def message(data: bytes) -> Message:
    """Field number → values: integers, or bytes of all else."""
    found: Message = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            value: Any
            value, at = _varint(data, at)
        else:
            size, at = {1: (8, at), 5: (4, at)}.get(tag & 7) or _varint(data, at)
            value, at = data[at : at + size], at + size
        found.setdefault(tag >> 3, []).append(value)
    return found


def _text(fields: Message, number: int) -> str:
    return fields[number][0].decode() if number in fields else ""


@dataclass
class Executed:
    """One execution of an instruction. opcodes: its own and those of what it fuses; source: `file:line` that it states."""

    start_ps: int
    duration_ps: int
    op_name: str
    opcodes: set[str]
    run_id: int
    source: str


def executed(path: Path) -> Iterator[Executed]:
    """Every event of a CPU's trace that names an instruction of a module in the file."""
    data = path.read_bytes()
    planes = [message(raw) for raw in message(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)[1]]
    modules: dict[int, dict[str, tuple[str, set[str], str]]] = {}
    for plane in planes:
        if _text(plane, 2) == "/host:metadata":
            names = _stat_names(plane)
            for entry in plane[4]:
                stats = _stats(message(message(entry)[2][0]).get(5, []), names)
                modules[stats["program_id"]] = _module(stats["Hlo Proto"])
    for plane in planes:
        names = _stat_names(plane)
        for line in (message(raw) for raw in plane.get(3, [])):
            for event in (message(raw) for raw in line.get(4, [])):
                stats = _stats(event.get(4, []), names)
                if "hlo_op" in stats:
                    op_name, opcodes, source = modules[stats["program_id"]][stats["hlo_op"]]
                    start = line.get(3, [0])[0] * 1000 + event.get(2, [0])[0]
                    yield Executed(start, event.get(3, [0])[0], op_name, opcodes, stats["run_id"], source)


def _stat_names(plane: Message) -> dict[int, str]:
    entries = (message(raw) for raw in plane.get(5, []))
    return {entry[1][0]: _text(message(entry[2][0]), 2) for entry in entries}


def _stats(raw: list[bytes], names: dict[int, str]) -> dict[str, Any]:
    found = {}
    for stat in map(message, raw):
        (number,) = (key for key in stat if key != 1)
        value = stat[number][0]
        found[names[stat[1][0]]] = names[value] if number == 7 else value.decode() if number == 5 else value
    return found


def _module(proto: bytes) -> dict[str, tuple[str, set[str], str]]:
    whole = message(message(proto)[1][0])
    computations = [message(raw) for raw in whole[3]]
    table = message(whole[17][0]) if 17 in whole else {}
    inside = {}
    for computation in computations:
        inside[computation[5][0]] = {_text(message(raw), 2) for raw in computation[2]}
    found = {}
    for computation in computations:
        for instruction in map(message, computation[2]):
            opcodes = {_text(instruction, 2)}
            if "fusion" in opcodes:
                for called in instruction.get(38, []):
                    opcodes |= inside[called if isinstance(called, int) else _varint(called, 0)[0]]
            metadata = message(instruction[7][0]) if 7 in instruction else {}
            found[_text(instruction, 1)] = (_text(metadata, 2), opcodes, _source(metadata, table))
    return found


def _source(metadata: Message, table: Message) -> str:
    """File and line of an instruction's metadata, written there or as a row of the module's table of calls."""
    if 3 in metadata:
        return f"{_text(metadata, 3)}:{metadata.get(4, [0])[0]}"
    frame = metadata.get(15, [0])[0]
    if not frame:
        return ""
    location = message(table[3][message(table[4][frame - 1])[1][0] - 1])
    return f"{table[1][location[1][0] - 1].decode()}:{location[3][0]}"
