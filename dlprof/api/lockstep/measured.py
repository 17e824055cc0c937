"""What a comparison has measured so far: the one value that its steps hand on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from dlprof import schema
from dlprof.analysis.facts import Agreement, KnownError, Primitives
from dlprof.capture.workers.trial import Trial
from dlprof.manifest import Session
from dlprof.names import Pair
from dlprof.store import Capture


@dataclass(frozen=True, slots=True)
class Between:
    """What was found out of the work of two sides.

    differences: in it.
    agreement: how closely the sides agree (same_work.rules.Work).
    primitives: what oneDNN said (api.compare.onednn), None where it was not asked.
    """

    differences: tuple[Mapping[str, str], ...] = ()
    agreement: Agreement | None = None
    primitives: Primitives | None = None


@dataclass(slots=True)
class Measured:
    """All that a comparison has finished so far.

    between: what was found out of the work of each pair of sides.
    trials: the finished ones, with their timings.
    captures: traced runs by folder (names.CaptureName).
    stopped: why it ended early, '' where it did not.
    ended: the warning that says so, or that the budget was spent.
    listed: the workload's items.
    sessions: its sittings; more than one where it was resumed.
    calibration: what is known of this comparison's errors here (api.compare.known_error), None where nothing is.
    """

    between: dict[Pair, Between] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    captures: dict[str, Capture] = field(default_factory=dict)
    stopped: str = ""
    ended: str = ""
    listed: tuple[str, ...] = ()
    sessions: list[Session] = field(default_factory=list)
    calibration: KnownError | None = None

    @property
    def differences(self) -> tuple[Mapping[str, str], ...]:
        """Those of all pairs."""
        return tuple(one for between in self.between.values() for one in between.differences)

    @property
    def notes(self) -> list[str]:
        """Warnings on how the trials came about, which a further session makes anew: their end, and that they are of
        several sittings, in each of which the machine may have been in another state."""
        counts = [str(session.trials) for session in self.sessions if session.trials]
        several = f"measured in {len(counts)} sessions of {' + '.join(counts)} trials"
        return [*([self.ended] if self.ended else []), *([several] if len(counts) > 1 else [])]

    @property
    def timings(self) -> pa.Table:
        """All trials' rows (schema.TIMINGS)."""
        if not self.trials:
            return schema.TIMINGS.empty_table()
        return pa.concat_tables([trial.timings for trial in self.trials]).unify_dictionaries()
