"""Measured runs, a JSON object a line, in a file of the repository: figures are made of it, and collecting goes on behind it."""

from __future__ import annotations

import json
import os
import subprocess
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


def _commit() -> str:
    words = ["git", "-C", str(DATA.parent), "rev-parse", "--short", "HEAD"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
