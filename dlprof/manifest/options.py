"""How a run was asked for: the `options` of manifest.json, a class for each kind of directory and each method."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

Margin = Annotated[float, msgspec.Meta(gt=0, lt=1)]
"""Half-width of the band around 1 in which a ratio counts as no difference."""


class CaptureOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How one traced window was asked for.

    set: `--set` values
    differs: what the preset lets differ between the sides
    trial: the trial of a comparison whose workers recorded it after their timed rounds; unset for a run of its own
    """

    preset: str | None = None
    set: dict[str, Any] = {}
    max_steps: int | None = None
    threads: int | None = None
    differs: list[str] = []
    trial: int | msgspec.UnsetType = msgspec.UNSET


class ImportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What was imported.

    sources: names of the files
    repair: whether damaged ones were to be mended
    """

    sources: list[str] = []
    repair: bool = False


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One sitting of a comparison: when it began (UTC), and how many trials it finished."""

    created: str
    trials: int


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison found out of the work on both sides, as comparison.json states it (types: analysis.facts).

    parity: the differences
    agreement: how closely the sides agree, {} where that was not asked
    primitives: oneDNN's own account; None where it was not asked
    """

    parity: list[dict[str, str]] = []
    agreement: dict[str, Any] = {}
    primitives: dict[str, Any] | None = None


class LockstepOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a comparison was made, and what going on with it needs.

    apart: why the sides were alive one after the other, '' where they were together
    adaptive: whether the ratios decided when to stop; None in directories of an older dlprof
    stopped: why it ended early, '' where it did not
    ended: the warning that says so
    gate: the slow-down of B that a gate allows; unset where none was asked for
    limits: what it judges beside timed items → how much more is allowed; unset where nothing was asked for
    traces: trials that end with a traced window at most; None = all (of an older dlprof: traced runs a side)
    listed: the workload's items
    sessions: the sittings in which it was made
    work: what was found out of the work on both sides; unset in directories of an older dlprof, and of more than two sides
    works: the same of each pair of more than two sides, by their letters (ac); unset of two
    asked: the options of the command line (api.options.CompareOptions); None where it cannot be gone on with
    """

    budget_s: float | None = None
    trials: int | None
    precision: float | None = None
    margin: Margin
    gate: Annotated[float, msgspec.Meta(ge=0)] | msgspec.UnsetType = msgspec.UNSET
    limits: dict[str, Annotated[float, msgspec.Meta(ge=0)]] | msgspec.UnsetType = msgspec.UNSET
    traces: int | None = 1
    allow: list[str] = []
    method: str = "lockstep"
    apart: str | msgspec.UnsetType = msgspec.UNSET
    adaptive: bool | None = None
    stopped: str = ""
    ended: str = ""
    listed: list[str] = []
    sessions: list[Session] = []
    work: Work | msgspec.UnsetType = msgspec.UNSET
    works: dict[str, Work] | msgspec.UnsetType = msgspec.UNSET
    asked: dict[str, Any] | None = None


class PublishedOptions(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison by the original study's method: repetitions within one process."""

    method: Literal["as-published"]
    repetitions: int
    margin: Margin
    trials: int


class ImportedOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Others' table of timings.

    sources: name of the file
    layout: which column means what (ingest.timings_csv.Layout)
    """

    method: Literal["imported"]
    sources: list[str]
    layout: dict[str, Any]
    margin: Margin
    trials: int
    adaptive: bool


Options = CaptureOptions | ImportOptions | LockstepOptions | PublishedOptions | ImportedOptions

_OF_KIND: Final[dict[str, type[Options]]] = {"capture": CaptureOptions, "import": ImportOptions}
_OF_METHOD: Final[dict[str, type[Options]]] = {"as-published": PublishedOptions, "imported": ImportedOptions}


def options_of(kind: str, method: str | None) -> type[Options]:
    """The class of a manifest's `options`."""
    return _OF_KIND.get(kind) or _OF_METHOD.get(method or "") or LockstepOptions
