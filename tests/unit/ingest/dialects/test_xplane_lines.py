"""Small lines of a plane are read many at a time: the rows must be those of reading each line by itself."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from reading import read_bytes
from xspace_bytes import PlaneBytes, block, number, space

from dlprof.ingest.dialects import xplane
from dlprof.ingest.protobuf.wire import Malformed

EPOCH = 1_700_000_000_000_000_000


def many_lines(seed: int, plane_name: str) -> bytes:
    """Two hundred lines of none to forty events: with and without name, time and fields behind the events."""
    chance = random.Random(seed)
    plane = PlaneBytes(plane_name)
    for number_ in range(200):
        events = [
            chance.choice((
                lambda at: plane.event("a/MatMul:MatMul", at, 900, shape="f32[2,3]", id=chance.getrandbits(63)),
                lambda at: plane.event("EagerLocalExecute: Conv2D", at, 50),
                lambda at: plane.event("KernelAndDeviceFunc::Run", at, 40, long_text="x" * chance.randrange(200)),
                lambda at: plane.event("aggregate", at, 7, occurrences=3),
                lambda at: plane.event("fused.3", at, 8, hlo_op="fused.3", share=0.25, at=("a",)),
                lambda at: b"",
            ))(at * 1000)
            for at in range(chance.randrange(40))
        ]  # fmt: skip
        name = chance.choice(("python", "tf_Compute/7", "", "Stream #1", "Steps", f"thread {number_}"))
        plane.line(name, events, chance.choice((0, 5, EPOCH + number_ * 10**9)), id_=chance.randrange(20))
        plane.lines[-1] += chance.choice((b"", b"", number(9, 77), block(11, "shown")))
        if chance.random() < 0.1:
            plane.lines[-1] += block(4, plane.event("behind", 5, 5))
    return space(plane)


@pytest.mark.parametrize("plane", ["/host:CPU", "/device:GPU:0"])
@pytest.mark.parametrize("seed", range(4))
def test_lines_read_together_give_the_rows_of_lines_read_one_by_one(
    seed: int, plane: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = many_lines(seed, plane)
    rows, info = read_bytes(data, tmp_path)
    calls: list[int] = []

    def refused(file: Any, lines: Any) -> Any:
        calls.append(len(lines))
        raise Malformed(0, "lines that are read one by one")

    monkeypatch.setattr(xplane, "together", refused)
    singly, info_singly = read_bytes(data, tmp_path)
    assert calls == [200], "all of them fit one window"
    assert rows == singly
    assert len(rows) > 400
    assert info == info_singly


def test_damage_in_one_of_many_small_lines_costs_only_the_rest_of_that_line(tmp_path: Path) -> None:
    plane = PlaneBytes("/host:CPU")
    for index in range(3):
        plane.line(f"t{index}", [plane.event(f"e{index}.{n}", n * 10, 5) for n in range(5)], id_=index + 1)
    whole = space(plane)
    third = plane.lines[1].index(block(4, plane.event("e1.2", 20, 5)))
    broken = plane.lines[1][: third + 2] + b"\x0b" + plane.lines[1][third + 3 :]  # a field of wire type 3
    rows, info = read_bytes(whole.replace(plane.lines[1], broken), tmp_path, repair=True)
    assert sorted(row["name"] for row in rows) == sorted(
        f"e{index}.{n}" for index in range(3) for n in range(5) if index != 1 or n < 2
    )
    assert info.anomalies["damage_skipped"] == 1
    assert info.anomalies["bytes_lost"] == len(broken) - third - 2


def test_an_execution_takes_no_operator_from_another_line(tmp_path: Path) -> None:
    plane = PlaneBytes("/host:CPU")
    plane.line("one", [plane.event("EagerLocalExecute: Conv2D", 0, 50)], id_=1)
    plane.line("two", [plane.event("KernelAndDeviceFunc::Run", 10, 20)], id_=2)
    rows, _ = read_bytes(space(plane), tmp_path)
    assert [(row["name"], row["level"]) for row in rows if row["stream"] == "two"] == [
        ("KernelAndDeviceFunc::Run", "api")
    ]
