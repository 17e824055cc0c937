"""A TensorBoard log directory: traces for the profile plugin, and scalars, histograms, text and images.

Runs: one a side (`A-TensorFlow-2.21.0-graph`, with its trace, accuracy and step times) and `comparison` (verdict, ratios,
breakdown, waterfall). Neither TensorBoard nor TensorFlow is needed to write it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from dlprof.analysis.exhibits import Epochs, Exhibits, StepTimes
from dlprof.analysis.model import Comparison
from dlprof.analysis.trace import places
from dlprof.report.html import waterfall
from dlprof.report.html.figure import render, style
from dlprof.report.text.breakdown_text import label, per_unit
from dlprof.report.text.verdict import headline, interval_words, item_words
from dlprof.report.traces import xplane
from dlprof.report.traces.event_file import EventFile
from dlprof.units import NS_PER_MS, format_signed

_ROWS: Final = 40
_LONGEST: Final = 80
"""Characters of a run's name."""


def run_name(side: str, label: str) -> str:
    """The run of a side: its letter and what it is, in characters that are a folder's name and an address everywhere."""
    return "-".join([side.upper(), *re.findall(r"[A-Za-z0-9_.+]+", label)])[:_LONGEST]


def write_profile(events: pa.Table, folder: Path, session: str) -> list[Path]:
    """Writes one trace where the profile plugin looks for it below the run `folder`; returns the paths of its files.

    A file for each host and rank that recorded it: the plugin takes every file for a host, and the devices in it are its own.
    """
    target = folder / "plugins" / "profile" / session
    target.mkdir(parents=True, exist_ok=True)
    place = places.of(events)
    if len(place.values) < 2:
        parts = {"dlprof": events}
    else:
        names = [re.sub(r"[^A-Za-z0-9_.-]", "-", name)[:_LONGEST] or "dlprof" for name in place.values]
        names = [f"{name}-{code}" if name in names[:code] else name for code, name in enumerate(names)]
        parts = {name: events.filter(pa.array(place.codes == code)) for code, name in enumerate(names)}
    files = []
    for host, part in parts.items():
        files.append(target / f"{host}.xplane.pb")
        files[-1].write_bytes(xplane.encode(part, host))
    return files


def write_run(folder: Path, side: str, exhibits: Exhibits, wall_time: float) -> None:
    """Accuracy and loss per epoch, and step times, of one side (a, b). wall_time: Unix seconds of the run."""
    with _writer(folder, wall_time) as add:
        for epochs in (e for e in exhibits.epochs if e.side == side):
            _add_epochs(add, epochs)
        for times in (t for t in exhibits.step_times if t.side == side):
            _add_times(add, times)


def _add_epochs(add: EventFile, found: Epochs) -> None:
    series = {
        "accuracy/validation": found.validation_accuracy,
        "accuracy/test": found.test_accuracy,
        "loss/train": found.train_loss,
    }
    for tag, values in series.items():
        for epoch, value in zip(found.epochs, values, strict=True):
            if value is not None:
                add.scalar(tag, value, epoch)


def _add_times(add: EventFile, found: StepTimes) -> None:
    for tag, values in (("untraced", found.untraced_ns), ("traced", found.traced_ns)):
        if values:
            add.histogram(f"step time, ms/{tag}", np.array(values) / NS_PER_MS)


def write_comparison(folder: Path, found: Comparison, wall_time: float) -> None:
    """The comparison as text, scalars and an image."""
    with _writer(folder, wall_time) as add:
        add.text("verdict", headline(found))
        for item in found.items:
            if item.ratio is None:
                continue
            name = item_words(item.item)
            add.scalar(f"time of B ÷ time of A/{name}", item.ratio.estimate)
            add.text(f"interval/{name}", interval_words(item.ratio))
            for end, value in (("low", item.ratio.low), ("high", item.ratio.high)):
                if value is not None:
                    add.scalar(f"time of B ÷ time of A/{name}, {end}", value)
        add.text("breakdown", _markdown(found))
        built = waterfall.build(found)
        if built is not None:
            with style():
                drawn = waterfall.draw(built, found.a.label, found.b.label)
                width, height = (round(inches * 150) for inches in drawn.get_size_inches())
                add.image("waterfall", render(drawn, "png"), width, height)


def _markdown(found: Comparison) -> str:
    """The largest rows, ms a traced step or over the whole traces."""
    a, b = found.units("a"), found.units("b")
    rows = sorted(found.rows, key=lambda row: -abs((row.b_ns or 0.0) / b - (row.a_ns or 0.0) / a))
    lines = [
        f"Self time, ms {per_unit(found)}:",
        "",
        "| row | A, ms | B, ms | B − A, ms |",
        "| --- | ---: | ---: | ---: |",
    ]
    for row in rows[:_ROWS]:
        a_ns, b_ns = row.a_ns and row.a_ns / a, row.b_ns and row.b_ns / b
        delta_ns = (b_ns or 0.0) - (a_ns or 0.0)
        cells = [
            *("–" if ns is None else f"{ns / NS_PER_MS:.3f}" for ns in (a_ns, b_ns)),
            format_signed(delta_ns / NS_PER_MS, 3),
        ]
        lines.append(f"| {label(row).replace('|', '¦')} | {' | '.join(cells)} |")
    more = f"\n\n{len(rows) - _ROWS} smaller rows are not shown." if len(rows) > _ROWS else ""
    return "\n".join(lines) + more


@contextmanager
def _writer(folder: Path, wall_time: float) -> Iterator[EventFile]:
    """The event file of a run."""
    file = EventFile(folder, wall_time)
    try:
        yield file
    finally:
        file.close()
