"""What a bisection found, as frozen values in the terms of its bisect.json."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from dlprof.analysis.facts import Ratio
from dlprof.analysis.model import VerdictWord

State = Literal["under way", "found", "in part", "no difference", "open", "not confirmed"]
"""found: each change is known and confirmed; in part: so are some, which do not explain all of the difference between the ends;
no difference: the two ends do not differ (by more than the margin); open: trials ended before it was known, be it whether the
ends differ, or whether what was found is the only change; not confirmed: the place is known, and the comparison of the two
neighbours did not show the difference."""


@dataclass(frozen=True, slots=True)
class Place:
    """A revision of the row: name, by which it is run, and label, as people say it."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Probe:
    """One trial.

    revision: its name
    log_ratio: ln(its time ÷ the good one's)
    folder: the comparison that holds it, inside the bisection's own
    """

    revision: str
    log_ratio: float
    folder: str


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison of two of the revisions.

    ratio: time of the later ÷ time of the earlier
    causes: the first lines of its ledger, in words
    """

    verdict: VerdictWord
    sentence: str
    ratio: Ratio | None
    folder: str
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Culprit:
    """A revision that a change came with.

    probability: by the trials, before the neighbours were compared
    before: the last revision before it that can be run
    between: those between the two that cannot, so that the change may have come with one of these
    neighbours: the comparison of the two; None where it was not made
    """

    revision: str
    probability: float
    before: str
    between: tuple[str, ...] = ()
    neighbours: Compared | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisection:
    """Everything.

    command: the script, as it was typed
    how: the other options that trials of one search must have in common
    package: whose releases were searched; '' for commits
    row: the good one first, the bad one last
    ends: bad against good
    skipped: revision → why it cannot be tried
    suspects: revision → probability that a (first) change came with it, of those above one in a hundred
    two: probability of two changes of interest
    least: |log-ratio| from which a change is of interest; 0 where each is
    left: what the culprits leave of the ends' difference: bad ÷ good, divided by the ratio of each; None where that is not known
    notes: what a reader must know
    """

    command: str
    package: str
    row: tuple[Place, ...]
    state: State = "under way"
    ends: Compared | None = None
    probes: tuple[Probe, ...] = ()
    skipped: dict[str, str] = field(default_factory=dict)
    suspects: dict[str, float] = field(default_factory=dict)
    two: float = 0.0
    least: float = 0.0
    culprits: tuple[Culprit, ...] = ()
    left: Ratio | None = None
    notes: tuple[str, ...] = ()
    how: tuple[str, ...] = ()

    def label(self, name: str) -> str:
        """As people say it."""
        return next((one.label for one in self.row if one.name == name), name)
