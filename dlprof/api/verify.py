"""Verify: everything that a result states, computed anew from its stored tables and compared; digests of what is there."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec
import numpy as np

from dlprof import temporary
from dlprof.api import older_ledger, results
from dlprof.api.differences import differences
from dlprof.api.rankings import RankingResult
from dlprof.api.study import result_directory
from dlprof.errors import DlprofError, StoreError
from dlprof.manifest import LockstepOptions
from dlprof.names import SIDES
from dlprof.report import json, ranking_json
from dlprof.store import (
    COMPARISON_FILE,
    EVENTS_FILE,
    MANIFEST_FILE,
    RANKING_FILE,
    TIMINGS_FILE,
    Capture,
    inside,
    sha256,
)
from dlprof.stored_files import read_as, read_json
from dlprof.study import STUDY_FILE, CellRecord
from dlprof.study.record import FINISHED, SPEC_FILE

RENDERED_FILE: Final = "rendered.json"
_PLACES: Final = frozenset({"a.capture", "b.capture", "facts.folder", "side.capture"})
"""Where the result lay when it was written: not a finding."""
_ROOT: Final = re.compile(r"^(comparisons\.[a-h]{2}|sides\[\d+\])\.")
"""What stands before the path in a comparison that a ranking holds, or before one of its sides."""
_RULED: Final = re.compile(
    r"(items\[\d+\]\.)?(verdict|p|q|sentence|more_trials|warnings(\[\d+\])?|(mean_)?ratio\.(low|high|method))"
    r"|facts\.(summary|speeds\[\d+\]\.sentence|geometric_mean\.(low|high))|facts\.tax\.[ab]\.(difference_ns|explains|statement)"
    r"|ledger\.(untraced_gap_ns|profiling_ns|notes|statement|lines\[\d+\]\.(low_ns|high_ns))"
)
"""What a rule decides (of stopping, of intervals, of what a trace is held against), and not a table alone."""
_RULES: Final = 2
"""Schema version since which a result states by `ratio.method` which rule its intervals follow."""
_EARLIER: Final = ("Student t over trials, log scale, with an allowance for dependence and skew",)
"""Methods of earlier rules of the interval (schema 2: before it allowed for a speed that no trial met)."""
_MANIFEST: Final = (
    "manifest_version schema_version kind dlprof_version created command complete framework version device mode fidelity "
    "workload options seed environment machine data child trace sides trials warnings files"
)
"""What version 1 of a manifest states, always: one that lacks a key was changed."""

_Computed = dict[Path, results.ComparisonResult]
"""Comparison directory → its findings, computed from its tables."""
_OPTIONAL: Final = ("raw/", "logs/")
"""Files that no finding is computed from: a copy of a result may leave them out."""

Outcome = Literal["agrees", "differs", "unchecked"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that `dlprof verify` looked at.

    where: path inside the result
    detail: what was compared, or what differs and how
    """

    where: str
    outcome: Outcome
    detail: str


class Rendered(msgspec.Struct, frozen=True):
    """rendered.json of an analysis folder, all paths relative to it.

    study: its study directory
    script: what draws it (`render(study, out)`)
    script_sha256: of that file as it was when it drew
    artefacts: file → sha256
    drawn_with: versions that decide how a picture's bytes look
    """

    study: str
    script: str
    artefacts: dict[str, str]
    drawn_with: dict[str, str]
    script_sha256: str = ""


def verify(path: Path, *, render: bool = False, on_run: Callable[[str], None] = lambda _: None) -> Iterator[Check]:
    """Checks of a comparison, capture, study or rendered analysis folder, as they are made.

    render: of an analysis folder, RUN its own script again and compare what it makes; nothing of a folder runs without it.
    on_run: told which script, just before it runs. Raises `StoreError` for a folder that is none of these.
    """
    if (path / RENDERED_FILE).is_file():
        yield from _rendered(path, on_run if render else None)
    elif (path / STUDY_FILE).is_file():
        yield from _study(path)
    else:
        yield from _directory(Capture.open(path), "")


def _directory(capture: Capture, prefix: str, computed: _Computed | None = None) -> Iterator[Check]:
    """A comparison with its captures, or one capture. computed: takes up the findings."""
    yield from _files(capture, prefix)
    if not capture.manifest.of_sides:
        return
    for name, inner in capture.captures().items():
        yield from _files(inner, f"{prefix}{name}/")
    yield from _stated_trials(capture, prefix)
    yield from _findings(capture, prefix, {} if computed is None else computed)


def _files(capture: Capture, prefix: str) -> Iterator[Check]:
    """The files that the manifest lists, by their sha256."""
    stated_keys = read_json(capture.path / MANIFEST_FILE)
    if lacking := [key for key in _MANIFEST.split() if key not in stated_keys]:
        yield Check(f"{prefix}{MANIFEST_FILE}", "differs", f"does not state {', '.join(lacking)}")
    same, absent = 0, []
    for name, stated in capture.manifest.files.items():
        file = inside(capture.path, name)
        if not file.is_file():
            if name.startswith(_OPTIONAL):
                absent.append(name)
            else:
                yield Check(f"{prefix}{name}", "differs", "stated in the manifest, and not there")
        elif sha256(file) != stated.sha256:
            yield Check(f"{prefix}{name}", "differs", f"sha256 is not the manifest's {stated.sha256[:12]}…")
        else:
            same += 1
    for name in (EVENTS_FILE, TIMINGS_FILE, COMPARISON_FILE, RANKING_FILE):
        if capture.has(name) and name not in capture.manifest.files:
            yield Check(f"{prefix}{name}", "differs", "there, and not stated in the manifest")
    yield Check(f"{prefix}{MANIFEST_FILE}", "agrees", f"{same} files have the sha256 that it states")
    if absent:
        raw = sum(name.startswith("raw/") for name in absent)
        text = f"{raw} raw files and {len(absent) - raw} logs are not here: their sha256 is not checked"
        yield Check(f"{prefix}{MANIFEST_FILE}", "unchecked", text)


def _stated_trials(capture: Capture, prefix: str) -> Iterator[Check]:
    """A comparison's manifest names both sides and every trial of which there are timings."""
    where, manifest = f"{prefix}{MANIFEST_FILE}", capture.manifest
    missing = [side for side in _sides_of(capture) if side not in manifest.sides]
    if missing:
        yield Check(where, "differs", f"states no side {' and no side '.join(missing)}")
    if isinstance(manifest.options, LockstepOptions):
        stated = sorted(trial.number for trial in manifest.trials)
        timed = (
            [int(one) for one in np.unique(capture.timings()["trial"].to_numpy())] if capture.has(TIMINGS_FILE) else []
        )
        if stated != timed:
            yield Check(where, "differs", f"states {len(stated)} trials, and there are timings of {len(timed)}")


def _sides_of(capture: Capture) -> Sequence[str]:
    """The sides that must be stated: A and B; of more than two, all that are timed."""
    if capture.manifest.kind != "ranking" or not capture.has(TIMINGS_FILE):
        return SIDES
    return sorted({*SIDES, *map(str, capture.timings()["side"].unique().to_pylist())})


def _findings(capture: Capture, prefix: str, computed: _Computed) -> Iterator[Check]:
    """comparison.json (of more than two sides, ranking.json) against the findings computed anew from the tables.

    What an older dlprof stated by rules that have changed since cannot be compared with what today's rules say: it is told
    apart, as unchecked. That it is stated at all is checked as ever, and so is every figure that no rule is behind.
    """
    several = capture.manifest.kind == "ranking"
    where = f"{prefix}{RANKING_FILE if several else COMPARISON_FILE}"
    try:
        if several:
            stated = capture.ranking()
            anew = ranking_json.ranking_value(RankingResult(capture).ranking)
            stated, anew = older_ledger.alike_in_all(stated, anew)
        else:
            stated = capture.comparison()
            computed[capture.path] = results.load_comparison(capture)
            anew = json.comparison_value(computed[capture.path].found)
            stated, anew = older_ledger.alike(stated, anew)
    except DlprofError as error:
        yield Check(where, "differs", f"cannot be computed anew: {error.message}")
        return
    found = [text for text in differences(stated, anew, whole="") if _ROOT.sub("", text.split(":")[0]) not in _PLACES]
    version = capture.manifest.schema_version
    earlier = version < _RULES or _method_of(stated) in _EARLIER
    ruled = [text for text in found if earlier and _RULED.fullmatch(_ROOT.sub("", text.split(": stated ")[0]))]
    if ruled:
        told = f"{len(ruled)} statements are by rules of an earlier dlprof (schema {version}), such as {ruled[0]}"
        yield Check(where, "unchecked", told)
    found = [text for text in found if text not in ruled]
    if found:
        more = f"; {len(found) - 5} more" if len(found) > 5 else ""
        yield Check(where, "differs", "; ".join(found[:5]) + more)
        return
    if several:
        told = f"{len(stated['sides'])} places and {len(stated['comparisons'])} pairs with their verdicts, rows and ledgers"
        yield Check(where, "agrees", f"{told}: the same when computed anew{', but for those' if ruled else ''}")
        return
    ledger = f", {len(stated['ledger']['lines'])} lines of the ledger" if stated.get("ledger") else ""
    told = f"{len(stated['items'])} verdicts, {len(stated['rows'])} rows{ledger}, warnings and facts"
    yield Check(where, "agrees", f"{told}: the same when computed anew{', but for those' if ruled else ''}")


def _method_of(stated: object) -> object:
    """What a comparison.json, or a ranking's, says of how its intervals were made; None where it says nothing."""
    if not isinstance(stated, Mapping):
        return None
    if pairs := stated.get("comparisons"):
        return _method_of(next(iter(pairs.values()))) if isinstance(pairs, Mapping) else None
    items = stated.get("items")
    ratio = items[0].get("ratio") if isinstance(items, list) and items and isinstance(items[0], Mapping) else None
    return ratio.get("method") if isinstance(ratio, Mapping) else None


def _study(path: Path, prefix: str = "", computed: _Computed | None = None) -> Iterator[Check]:
    """The specification, and every cell that left a result; the others are named. computed: takes up the findings."""
    study = result_directory.read(path)
    spec = path / SPEC_FILE
    if spec.is_file():
        same = sha256(spec) == study.spec_sha256
        yield Check(
            f"{prefix}{SPEC_FILE}",
            "agrees" if same else "differs",
            f"is {'' if same else 'not '}the specification that {STUDY_FILE} names",
        )
    for cell in study.cells:
        folder = inside(path, cell.path)
        if (folder / MANIFEST_FILE).is_file():
            yield from _directory(Capture.open(folder), f"{prefix}{cell.path}/", computed)
            yield _told(cell, folder, prefix)
        elif cell.status in FINISHED:
            yield Check(f"{prefix}{cell.path}", "differs", f"stated as {cell.status}, and not there")
        else:
            yield Check(f"{prefix}{cell.path}", "unchecked", f"{cell.status}: there is no result")


def _told(cell: CellRecord, folder: Path, prefix: str) -> Check:
    """What study.json says of a cell against the cell itself."""
    where = f"{prefix}{STUDY_FILE}: {cell.id}"
    if cell.status not in FINISHED:
        return Check(where, "unchecked", f"{cell.status}: no verdict is stated")
    stated = {"sentence": cell.sentence}
    if cell.verdict is not None:  # an older dlprof stated none of a family of items
        stated["verdict"] = cell.verdict
    found = list(differences(stated, result_directory.headline(folder)))
    return Check(where, "differs" if found else "agrees", "; ".join(found) or "states what the cell states")


def _rendered(path: Path, on_run: Callable[[str], None] | None) -> Iterator[Check]:
    """An analysis folder: its data, the digests of its tables and charts, and (with `on_run`) the same drawn anew."""
    stated = read_as(path / RENDERED_FILE, Rendered)
    computed: _Computed = {}
    yield from _study(inside(path, stated.study).resolve(), f"{stated.study}/", computed)
    for name, digest in stated.artefacts.items():
        same = inside(path, name).is_file() and sha256(path / name) == digest
        detail = "has the sha256 stated" if same else "missing or changed since it was rendered"
        yield Check(name, "agrees" if same else "differs", detail)
    if on_run is None:
        detail = "tables and charts were not drawn anew, which would run this script: `--render` does"
        yield Check(stated.script, "unchecked", detail)
        return
    script = _trusted_script(path, stated)
    on_run(f"running {script} (sha256 {stated.script_sha256}), as --render asks")
    with temporary.folder("verify") as folder:
        with results.known(computed):  # by the absolute paths at which the script finds them
            _run(script, path.resolve() / stated.study, folder)
        yield from _compared(stated, path, folder)


def _run(script: Path, study: Path, folder: Path) -> None:
    """The script's own `render`. Whatever it raises is told as the script's fault: `StoreError`."""
    try:
        runpy.run_path(str(script))["render"](study, folder)
    except KeyboardInterrupt:
        raise
    except BaseException as failure:  # noqa: BLE001  (somebody else's program: whatever it raises is its fault)
        said = f"{type(failure).__name__}: {failure}".removesuffix(": ")
        raise StoreError(
            f"{script}: the script failed: {said}",
            hint="what it imports may lie beside the folder that was copied; without --render the digests are checked",
        ) from None


def _trusted_script(path: Path, stated: Rendered) -> Path:
    """The script that `--render` runs: a file inside the folder, the very one that drew what is there."""
    script = inside(path, stated.script)
    if not script.is_file():
        raise StoreError(f"{script}: no such file", hint="leave --render out: the digests are checked without it")
    if sha256(script) != stated.script_sha256:
        why = "is not the script that drew this folder" if stated.script_sha256 else "is stated without its sha256"
        raise StoreError(
            f"{script}: {why}, so it is not run",
            hint=f"read it, and run it yourself; {RENDERED_FILE} states the sha256 of what it was drawn with",
        )
    return script


def _compared(stated: Rendered, path: Path, made: Path) -> Iterator[Check]:
    """Artefacts byte by byte. Pictures drawn by another matplotlib look different in bytes alone; their numbers are in
    the tables beside them, so this is said and no difference."""
    again = read_as(made / RENDERED_FILE, Rendered)
    for name in sorted({*stated.artefacts, *again.artefacts}):
        if name not in stated.artefacts or name not in again.artefacts:
            yield Check(name, "differs", "rendered only " + ("now" if name in again.artefacts else "then"))
        elif (path / name).is_file() and (path / name).read_bytes() == (made / name).read_bytes():
            yield Check(name, "agrees", "the same when rendered anew from the tables")
        elif name.endswith((".svg", ".png")) and again.drawn_with != stated.drawn_with:
            was, now = (", ".join(f"{k} {v}" for k, v in r.drawn_with.items()) for r in (stated, again))
            yield Check(name, "unchecked", f"drawn with {was}, here {now}: its bytes cannot be compared")
        else:
            yield Check(name, "differs", "not the same when rendered anew from the tables")


def outcome(checks: Sequence[Check]) -> Outcome:
    """differs where one differs; agrees otherwise (what was unchecked is told, and no difference)."""
    return "differs" if any(check.outcome == "differs" for check in checks) else "agrees"
