"""Measured runs, a JSON object a line, in a file of the repository: figures are made of it, and collecting goes on behind it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

DATA: Final = Path(__file__).resolve().parent / "data"


def read(file: Path) -> list[dict[str, Any]]:
    """All records, in the order in which they were made; none where there is no file yet."""
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]


def add(file: Path, record: dict[str, Any]) -> None:
    """One record more, with the day and the commit it was made at, on the disk before this returns."""
    file.parent.mkdir(parents=True, exist_ok=True)
    told = {**record, "day": datetime.now(UTC).date().isoformat(), "commit": _commit()}
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(told) + "\n")
        lines.flush()
        os.fsync(lines.fileno())


def missing(
    file: Path, pythons: Mapping[str, str], planted: Sequence[str], repeats: int
) -> Iterator[tuple[int, str, str, str]]:
    """Number, script, Python and planted share of the runs that are missing, by turns; of each `repeats` are wanted."""
    for at in range(repeats):
        for script, python in pythons.items():
            for share in planted:
                if sum((one["script"], one["planted"]) == (script, share) for one in read(file)) <= at:
                    yield at + 1, script, python, share


def batches(
    file: Path,
    worlds: Sequence[str],
    of: Sequence[str],
    number: int,
    seed: int,
    batch: int,
    told: Callable[[int, int], Any],
) -> None:
    """Simulations that are missing, `batch` at a time by turns, until each world of `worlds` that has one of `of` in its name has
    `number` of this seed; told: (place of the world, number of the first) → what is kept of a batch."""
    made = {(one["world"], one["first"]) for one in read(file) if one["seed"] == seed}
    for first in range(0, number, batch):
        for at, world in enumerate(worlds):
            if (world, first) not in made and any(part in world for part in of):
                add(file, {"world": world, "seed": seed, "first": first, "told": told(at, first)})
                print(f"{world}, seed {seed}: {first + batch}", flush=True)


def _commit() -> str:
    words = ["git", "-C", str(DATA.parent), "rev-parse", "--short", "HEAD"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
