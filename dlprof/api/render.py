"""A result as a page, a figure or a TensorBoard directory: gathers what report needs beside the findings."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from dlprof import temporary
from dlprof.analysis import exhibits
from dlprof.analysis.model import Comparison
from dlprof.api import calibrate
from dlprof.api.rankings import RankingResult
from dlprof.api.results import CaptureResult, ComparisonResult
from dlprof.errors import StoreError, UsageError
from dlprof.files import check_name, check_parent
from dlprof.manifest import Manifest, Options
from dlprof.names import CaptureName
from dlprof.report.html import document, figure, plots, ranking_html, waterfall
from dlprof.report.traces import tensorboard
from dlprof.store import MANIFEST_FILE
from dlprof.stored_files import DAMAGED
from dlprof.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VIEWS = ("op", "layer", "phase", "kernel", "device")


def page(result: ComparisonResult | CaptureResult | RankingResult) -> str:
    """The report page of a comparison, a diff, a ranking or one capture."""
    if isinstance(result, RankingResult):
        return _ranking_page(result)
    if isinstance(result, CaptureResult):
        extras = document.Extras(
            _capture_exhibits(result),
            _environment({"a": result}),
            [_command(result.manifest)],
            result.manifest.created,
            __version__,
        )
        return document.capture(result.side, [result.view(by) for by in VIEWS], extras)
    shown = result.representative()
    manifests = [one.manifest for one in shown.values()]
    created = max((manifest.created for manifest in manifests), default="")
    commands = list(dict.fromkeys(_command(manifest) for manifest in manifests))
    return document.comparison(
        result.found, document.Extras(result.exhibits(), _environment(shown), commands, created, __version__)
    )


def _ranking_page(result: RankingResult) -> str:
    shown = {}
    for one in sorted(result.sides, key=lambda side: side.letter):
        found = result.captures.get(CaptureName.first(one.letter))
        if found is not None:
            shown[one.letter] = found
    facts = _facts_of(shown)
    commands = list(dict.fromkeys(_command(one.manifest) for one in shown.values()))
    commands += [f"dlprof report {result.path} --pair {a},{b} -o {a}-{b}.html" for a, b in result.ranking.against_first]
    commands += [f"dlprof show {result.path / CaptureName.first(letter)}" for letter in shown]
    created = max((one.manifest.created for one in shown.values()), default="")
    return ranking_html.ranking(result.ranking, ranking_html.Extras(facts, commands, created, __version__))


def plot(result: ComparisonResult | CaptureResult | RankingResult, kind: str, form: str) -> bytes:
    """One figure as the bytes of a file. Raises `UsageError` where there is nothing of that kind to draw."""
    _check_format(form)
    with figure.style():
        drawn = _draw(result, kind)
        if drawn is None:
            raise UsageError(f"nothing to draw: {_ABSENT.get(kind, 'the recording holds no such data')}")
        return figure.render(drawn, form)  # type: ignore[arg-type]


def plot_calibration(path: Path, form: str) -> bytes:
    """The figure of a calibration.json that `dlprof calibrate` saved. Raises `StoreError` where it is none."""
    _check_format(form)
    try:
        stored = calibrate.read(path)
    except StoreError as error:
        raise StoreError(
            f"{path}: not a calibration: {error}", hint="name the calibration.json of `dlprof calibrate`"
        ) from None
    result = next((item.result for item in stored.items.values() if item.result is not None), None)
    if result is None:
        raise UsageError(f"{path}: too few usable trials", hint="run `dlprof calibrate` again to add to them")
    title = f"{stored.workload}, {stored.label}"
    with figure.style():
        return figure.render(plots.calibration(result, title), form)  # type: ignore[arg-type]


def _check_format(form: str) -> None:
    if form not in get_args(figure.Format):
        raise UsageError(
            f"no such picture format: {form!r}", hint=f"end the file's name in .{' or .'.join(figure.FORMATS)}"
        )


def logdir(result: ComparisonResult | CaptureResult, folder: Path) -> None:
    """A TensorBoard log directory with a run a side, named by it, and `comparison`.

    Raises `StoreError` where the folder exists already, or the one that it is to lie in does not.
    """
    check_name(folder)
    if folder.exists():
        raise StoreError(f"{folder}: exists already", hint="choose another -o, or remove it")
    check_parent(folder)
    making = temporary.beside(folder, "partial")
    try:
        making.mkdir()
        shown = {"a": result} if isinstance(result, CaptureResult) else result.representative()
        drawn = _capture_exhibits(result) if isinstance(result, CaptureResult) else result.exhibits()
        for side, one in shown.items():
            taken = _taken(one)
            run = making / tensorboard.run_name(side, one.side.label)
            tensorboard.write_profile(one.events, run, taken.strftime("%Y_%m_%d_%H_%M_%S"))
            tensorboard.write_run(run, side, drawn, taken.timestamp())
        if isinstance(result, ComparisonResult):
            tensorboard.write_comparison(making / "comparison", result.found, datetime.now(UTC).timestamp())
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _taken(result: CaptureResult) -> datetime:
    """When the capture was made. Raises `StoreError` where its manifest tells no time."""
    told = result.manifest.created
    try:
        found = datetime.fromisoformat(told)
        found.timestamp()
    except (ValueError, OverflowError):
        raise StoreError(f"{result.path / MANIFEST_FILE}: $.created: no time: {told[:40]!r}", hint=DAMAGED) from None
    return found


_ABSENT = {
    "waterfall": "a waterfall needs two sides with marked steps",
    "breakdown": "a breakdown plot needs two sides",
    "timeline": "a timeline needs marked steps",
    "trials": "only `dlprof compare` runs trials",
    "sweep": "a sweep needs an op timed at several sizes",
    "memory": "no memory counters were recorded",
    "epochs": "no epochs were recorded",
    "ranking": "a ranking needs a comparison of more than two sides",
}


def _draw(result: ComparisonResult | CaptureResult | RankingResult, kind: str) -> Figure | None:
    if isinstance(result, RankingResult):
        if kind == "ranking":
            return plots.ranking(result.ranking)
        result = result.named(None)
    found = result.found if isinstance(result, ComparisonResult) else None
    shown = result.exhibits() if isinstance(result, ComparisonResult) else _capture_exhibits(result)
    titles = _titles(result)
    draw: dict[str, Callable[[], Figure | None]] = {
        "waterfall": lambda: _waterfall(found),
        "breakdown": lambda: plots.breakdown(found) if found and found.rows else None,
        "timeline": lambda: plots.timeline(shown.timelines, titles) if shown.timelines else None,
        "steps": lambda: plots.step_times(shown.step_times, titles) if shown.step_times else None,
        "trials": lambda: plots.trials(shown.trials, found) if found and shown.trials else None,
        "epochs": lambda: plots.epochs(shown.epochs, titles) if shown.epochs else None,
        "sweep": lambda: plots.sweep(shown.sweeps[0], titles) if shown.sweeps else None,
        "memory": lambda: plots.memory(shown.memory, titles) if shown.memory else None,
        "ranking": lambda: None,
    }
    return draw[kind]()


def _waterfall(found: Comparison | None) -> Figure | None:
    built = waterfall.build(found) if found else None
    return waterfall.draw(built, found.a.label, found.b.label) if built and found else None


def _titles(result: ComparisonResult | CaptureResult) -> dict[str, str]:
    if isinstance(result, CaptureResult):
        return {"a": result.side.label}
    return {"a": f"A: {result.found.a.label}", "b": f"B: {result.found.b.label}"}


def _capture_exhibits(result: CaptureResult) -> exhibits.Exhibits:
    return exhibits.build(None, None, {"a": result.events}, {"a": result.manifest.epochs})


def _environment(shown: dict[str, CaptureResult]) -> list[tuple[str, str, str]]:
    """(fact, A, B) of what the two sides ran in: versions, packages, machine; equal facts too, for the record."""
    facts = _facts_of(shown)
    return [(name, values.get("a", "–"), values.get("b", "–")) for name, values in sorted(facts.items())]


def _facts_of(shown: dict[str, CaptureResult]) -> dict[str, dict[str, str]]:
    """Fact → letter of a side → what it ran in."""
    facts: dict[str, dict[str, str]] = {}
    for side, one in shown.items():
        manifest = one.manifest
        stated = {f"version of {name}": text for name, text in manifest.child.versions.items()}
        machine = {name: getattr(manifest.machine, name) for name in ("cpu", "cores_usable", "os", "kernel")}
        stated |= {name: str(value) for name, value in machine.items() if value is not None}
        environment = manifest.environment.environment if manifest.environment else ""
        stated |= {"environment": environment, "seed": str(manifest.seed)}
        for name, text in stated.items():
            facts.setdefault(name, {})[side] = text
    return facts


def _command(manifest: Manifest[Options]) -> str:
    return shlex.join(manifest.command)
