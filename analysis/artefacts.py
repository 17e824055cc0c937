"""A rendered study: its tables, charts and README written into one folder, with a digest of each (rendered.json)."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

STYLE = {
    "svg.hashsalt": "dlprof",  # the same figure gives the same bytes
    "svg.fonttype": "none",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "legend.frameon": False,
}


class Folder:
    """Writes artefacts; `close` leaves rendered.json, by which `dlprof verify` knows them and the script that made them."""

    def __init__(self, out: Path, script: Path) -> None:
        self.out = out
        self.script = script
        self.digests: dict[str, str] = {}

    def text(self, name: str, content: str) -> None:
        file = self.out / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
        self.digests[name] = hashlib.sha256(content.encode()).hexdigest()

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows as CSV; numbers with the nine digits that matter, so that another NumPy's last bit is no difference."""
        out = io.StringIO()
        writer = csv.DictWriter(out, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: f"{value:.9g}" if isinstance(value, float) else value for key, value in row.items()})
        self.text(name, out.getvalue())

    def json(self, name: str, value: object) -> None:
        self.text(name, json.dumps(_rounded(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    def chart(self, name: str, figure: Figure) -> None:
        out = io.BytesIO()
        with matplotlib.rc_context(STYLE):
            figure.savefig(out, format="svg", metadata={"Date": None})
        self.text(name, out.getvalue().decode())

    def close(self) -> None:
        stated = {
            "study": "data",
            "script": self.script.name,
            "script_sha256": hashlib.sha256(self.script.read_bytes()).hexdigest(),
            "drawn_with": {"matplotlib": matplotlib.__version__},
            "artefacts": dict(sorted(self.digests.items())),
        }
        (self.out / "rendered.json").write_text(json.dumps(stated, indent=1) + "\n", encoding="utf-8")


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, Mapping):
        return {key: _rounded(entry) for key, entry in value.items()}
    return [_rounded(entry) for entry in value] if isinstance(value, list | tuple) else value
