"""Sections of the report page that are drawn: how times spread, sizes, epochs, memory."""

from __future__ import annotations

from collections.abc import Mapping

from dlprof.analysis.exhibits import Exhibits
from dlprof.report.html import plots
from dlprof.report.html.parts import Section, figure, number, section, table


def distributions(exhibits: Exhibits, titles: Mapping[str, str]) -> Section:
    """How the times of steps spread."""
    found = [times for times in exhibits.step_times if times.untraced_ns or times.traced_ns]
    if not found:
        return section("steps", "How times spread", "")
    about = "Which part of the samples lies at or below each time. Samples of one process are no independent trials."
    return section("steps", "How times spread", figure(plots.step_times(found, titles), "steps", about))


def sweeps(exhibits: Exhibits, titles: Mapping[str, str]) -> Section:
    """Medians and ratio over sizes, a figure a sweep."""
    parts = []
    for at, sweep in enumerate(exhibits.sweeps):
        cross = sweep.crossover
        why = f" Crossover: {cross.why}." if cross is not None else ""
        about = f"{sweep.stem} over {sweep.key}: medians, and the ratio with its interval.{why}"
        parts.append(figure(plots.sweep(sweep, titles), f"sweep{at}", about))
    return section("sweep", "Over sizes", *parts)


def epochs(exhibits: Exhibits, titles: Mapping[str, str]) -> Section:
    """Accuracy and loss after each epoch."""
    found = exhibits.epochs
    if not found:
        return section("epochs", "Accuracy", "")
    about = "Accuracy and training loss after each epoch of the traced runs."
    rows = [
        (
            titles[side.side],
            number(epoch, "{:d}"),
            number(loss, "{:.4g}"),
            number(val, "{:.4f}"),
            number(test, "{:.4f}"),
        )
        for side in found
        for epoch, loss, val, test in zip(
            side.epochs, side.train_loss, side.validation_accuracy, side.test_accuracy, strict=True
        )
    ]
    titles_ = ("Side", "Epoch", "Training loss", "Validation accuracy", "Test accuracy")
    return section(
        "epochs", "Accuracy", figure(plots.epochs(found, titles), "epochs", about), table("Epochs", titles_, rows)
    )


def memory(exhibits: Exhibits, titles: Mapping[str, str]) -> Section:
    """Memory counters."""
    found = exhibits.memory
    if not found:
        return section("memory", "Memory", "")
    return section("memory", "Memory", figure(plots.memory(found, titles), "memory", "Memory counters as recorded."))
