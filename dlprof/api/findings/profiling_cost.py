"""What profiling cost each side of a comparison: off, light and full, by step and by class of operator."""

from __future__ import annotations

from collections.abc import Mapping

from dlprof.analysis.explain import tax
from dlprof.analysis.facts import Tax
from dlprof.api.findings.evidence import placed_events, untraced_step_ns
from dlprof.names import NATIVE, SIDES, CaptureName
from dlprof.store import Capture


def of(captures: Mapping[str, Capture], difference_ns: float | None) -> dict[str, Tax]:
    """Side (a, b) → what profiling cost it; a side without marked steps is left out.

    captures: by folder (a-exact-1, a-native-1, …). difference_ns: the untraced difference of a step under discussion.
    Off is the mean of the steps beside the exact windows in the same processes; the native window is of another process.
    """
    found: dict[str, Tax] = {}
    for side in SIDES:
        full = [captures[folder] for folder in CaptureName.exact_runs(captures, side)]
        light = captures.get(CaptureName.first(side, NATIVE))
        if full:
            off = [ns for capture in full for ns in untraced_step_ns(capture)]
            events = (placed_events(capture)[0] for capture in full)  # one at a time: many would fill the memory
            built = tax.build(
                off, None if light is None else placed_events(light)[0], events, difference_ns=difference_ns
            )
            if built.levels:
                found[side] = built
    return found
