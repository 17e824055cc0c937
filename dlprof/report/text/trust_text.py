"""How far the verdict can be trusted here: what the machine did during the trials, and what a calibration says of it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from dlprof.analysis.model import Comparison
from dlprof.manifest import Disturbance
from dlprof.stats import STANDS_OUT

BUSY: Final = 0.10
"""Share of all cores that other processes used, above which the machine counts as disturbed."""

STEAL: Final = 0.02
"""Share of all cores that the hypervisor took away, above which it does."""


def sentences(found: Comparison) -> list[str]:
    """The calibration's statement, what trials cost that are not in lockstep, and the machine's, as far as they are known."""
    calibration = found.facts.calibration
    said = [_first_upper(calibration.statement)] if calibration else []
    if found.facts.interleaved is not None:
        said.append(found.facts.interleaved.statement)
    measured = [trial.machine for trial in found.facts.trials if trial.machine]
    stand_out = any(text.startswith(STANDS_OUT) for item in found.items[:1] for text in item.warnings)
    return [*said, machine(measured, stand_out=stand_out)] if measured else said


def disturbed(one: Disturbance) -> bool:
    """Whether other programs took so much of the machine during a trial that it counts as disturbed."""
    return one.other_cpu > BUSY or one.steal > STEAL


def machine(measured: Sequence[Disturbance], *, stand_out: bool = False) -> str:
    """What the machine did during the trials (capture.disturbance.between), and whether it was disturbed.

    Load, steal, context switches, clock and temperature, medians and the worst. stand_out: some trials of the headline differ
    from the others in their timings (stats.disturbances), whatever the machine did; one sentence then says both.
    """
    busy, steal = [one.other_cpu for one in measured], [one.steal for one in measured]
    count = sum(map(disturbed, measured))
    measures = ", ".join(_measures(measured, busy, steal))
    some = f"The machine was disturbed in {count} of {len(measured)} trials"
    if not stand_out:
        return f"{some if count else 'The machine was quiet during the trials'}: {measures}."
    if count:
        return f"{some} ({measures}), and some trials stand out by their timings: the warnings name them."
    return f"No other process disturbed the trials ({measures}), yet some stand out by their timings: the warnings name them."


def _measures(measured: Sequence[Disturbance], busy: Sequence[float], steal: Sequence[float]) -> Iterator[str]:
    """Each as the median over trials and the worst."""
    yield f"other processes used {_usual([100 * one for one in busy], '{:.1f} %')} of all cores"
    yield f"steal {_usual([100 * one for one in steal], '{:.1f} %')}"
    yield f"load {_usual([max(one.load_1m) for one in measured], '{:.1f}')}"
    yield f"{_usual([one.context_switches_per_s for one in measured], '{:.0f}')} context switches a second"
    clocks = [min(one.frequency_mhz) for one in measured if one.frequency_mhz]
    if clocks:
        yield f"clock {_usual(clocks, '{:.0f} MHz', worst=min)}"
    temperatures = [max(one.temperature_c) for one in measured if one.temperature_c]
    if temperatures:
        yield f"CPU at {_usual(temperatures, '{:.0f} °C')}"


def _usual(values: Sequence[float], form: str, worst: Callable[[Sequence[float]], float] = max) -> str:
    median, extreme = form.format(statistics.median(values)), form.format(worst(values))
    return median if median == extreme else f"{median} ({'up' if worst is max else 'down'} to {extreme})"


def _first_upper(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
