"""A comparison from start to end: prepare → trials → evidence → findings → directory."""

from __future__ import annotations

from dataclasses import replace

from dlprof import temporary
from dlprof.analysis.model import Comparison
from dlprof.analysis.timing.ranking import Ranking
from dlprof.api import published
from dlprof.api.compare import onednn
from dlprof.api.compare.prepare import Prepared, prepare
from dlprof.api.compare.result_directory import WorkloadDirectory
from dlprof.api.compare.trials import WorkloadTrials
from dlprof.api.lockstep.measured import Between, Measured
from dlprof.api.lockstep.trials import Trials
from dlprof.api.lockstep.walk import Walk
from dlprof.api.options import CompareOptions
from dlprof.api.progress import Progress
from dlprof.api.record import Bench, epochs_of, record
from dlprof.errors import Interrupted
from dlprof.names import NATIVE, CaptureName, pairs_of
from dlprof.store import CaptureWriter


def compare(options: CompareOptions, progress: Progress) -> tuple[Comparison | Ranking, int]:
    """Run the comparison; returns it and the exit code. The directory is complete when this returns."""
    if options.method == published.METHOD:
        return published.compare(options, progress), 0
    with temporary.folder() as scratch:
        prepared, measured = prepare(options, Bench(options.run, progress, scratch))
        with CaptureWriter(prepared.target, source=prepared.source) as writer:
            try:
                return _walked(prepared, measured, writer)
            except KeyboardInterrupt:
                if not writer.keep_partial:
                    raise
                kept = f"what was finished is kept: {_go_on_words(prepared)}"
                raise Interrupted("interrupted", hint=kept) from None


def _walked(prepared: Prepared, measured: Measured, writer: CaptureWriter) -> tuple[Comparison | Ranking, int]:
    """Trials, what else is measured, findings and directory."""
    bench = prepared.bench
    walk: Walk[Comparison | Ranking] = Walk(
        measured,
        WorkloadDirectory(writer, prepared),
        bench.progress,
        lambda: bench.warned.said,
        _go_on_words(prepared),
    )
    kind = WorkloadTrials(prepared, measured)
    trials = Trials(kind, measured, prepared.pacing, writer, bench.progress, walk.checkpoint)

    def measure() -> None:
        if trials.run() and not prepared.pacing.too_small:
            _reasons(walk, prepared, measured)
            _epoch_captures(walk, prepared, measured)

    walk.checkpoint()
    return walk.go(measure)


def _go_on_words(prepared: Prepared) -> str:
    """How to go on with a comparison that was stopped."""
    gate = "" if prepared.options.gate is None else f" --gate {100 * prepared.options.gate:g}%"
    return f"dlprof compare --resume {prepared.target}{gate} goes on with it"


def _reasons(walk: Walk[Comparison | Ranking], prepared: Prepared, measured: Measured) -> None:
    """What oneDNN says of itself, where traces are wanted at all."""
    options, pairs = prepared.options, pairs_of(prepared.sides)
    held = {pair: measured.between.get(pair, Between()) for pair in pairs}
    if options.reasons and options.traces != 0 and any(one.primitives is None for one in held.values()):
        found = onednn.find(prepared.bench, prepared.sides, prepared.workloads, pairs)
        measured.between = {pair: replace(held[pair], primitives=found[pair]) for pair in pairs}
        walk.checkpoint()


def _epoch_captures(walk: Walk[Comparison | Ranking], prepared: Prepared, measured: Measured) -> None:
    """One run of whole epochs a side, as it runs natively, where they are asked for."""
    for side in prepared.sides if prepared.options.epoch_capture else ():
        folder = str(CaptureName(side, NATIVE, 1))
        if folder not in measured.captures:  # else of an earlier sitting
            measured.captures[folder] = record(
                prepared.bench,
                prepared.sides[side],
                prepared.workloads[side],
                fidelity=NATIVE,
                epochs=epochs_of(prepared.options.run, prepared.workloads[side]),
                target=walk.directory.writer.partial / folder,
            )
            walk.checkpoint()
