"""Renders the audit: each of the original's conclusions beside its own method run here and the sound measurement."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import charts
import claims
import results
import transfer
from artefacts import Folder
from results import factor

import dlprof

SOUND = ("study-versions-study-calls", "matrix-products")
"""Experiments of the fundamental operations that measure the study's versions and calls soundly; of an operation that several
have, the last has more sizes."""


def render(study: Path, out: Path) -> None:
    """From the study directory, and those of the two studies beside it, to README.md, audit.json and the rest in `out`."""
    root = study.resolve().parent.parent
    loaded, operations, lenet = (dlprof.load(folder) for folder in
                                 (study, root / "fundamental-operations" / "data", root / "lenet" / "data"))  # fmt: skip
    told = tomllib.loads((HERE / "published.toml").read_text())
    sound, published = sound_items(operations), results.items(loaded)
    found = [
        *of_tasks(operations, sound, published, told["tasks"]),
        *claims.of_lenet(claims.lenet(lenet), told["lenet"]),
    ]
    folder = Folder(out, Path(__file__))
    folder.table("tables/as-published.csv", [item.row() for item in published])
    folder.table("tables/sound.csv", [item.row() for item in sound])
    again = sound_runs(operations)
    folder.table("tables/runs.csv", transfer.run_rows(again))
    folder.table("tables/between-runs.csv", transfer.rows(again))
    folder.json("audit.json", {"schema_version": 1, "kind": "audit", "source": told["source"], "quick": loaded.record.quick,
                               "measured": loaded.record.created, "machine": loaded.record.machine.cpu,
                               "claims": [claim.entry() for claim in found]})  # fmt: skip
    folder.chart(
        "charts/audit.svg", charts.audit(drawn(found, sound, told["tasks"]), "What was published, and what is so")
    )
    folder.text("README.md", "\n".join(readme(loaded, told, found, again, measured_twice(sound, again))) + "\n")
    folder.close()


def sound_cells(operations: Any) -> list[Any]:
    """The cells of SOUND that left a result when first run, in that order."""
    return [
        cell
        for name in SOUND
        for cell in operations.cells
        if cell.record.experiment == name and cell.record.run == 1 and cell.has_result
    ]


def sound_runs(operations: Any) -> list[list[results.Item]]:
    """The items of the cell that has every operation, run by run, as far as there are any."""
    runs = [
        results.items(operations, SOUND[0], run)
        for run in range(1, 1 + max(cell.record.run for cell in operations.cells))
    ]
    return [found for found in runs if found]


def sound_items(operations: Any) -> list[results.Item]:
    """Their items, each operation from the last that has it."""
    by_task: dict[str, list[results.Item]] = {}
    for name in SOUND:
        found = results.items(operations, name)
        by_task |= {task: [item for item in found if item.task == task] for task in results.tasks_of(found)}
    return [item for found in by_task.values() for item in found]


def of_tasks(
    operations: Any, sound: list[results.Item], published: list[results.Item], told: dict[str, Any]
) -> list[claims.Claim]:
    traces: dict[str, claims.Traced] = {}
    names = {}
    for cell in sound_cells(operations):
        comparison = results.loaded(cell)
        traces |= claims.traced(comparison)
        for item in comparison.items:
            match = results.ITEM.fullmatch(item.item)
            if match:
                names[match["task"], int(match["size"])] = item.item
    return [
        claims.of_task(
            task, entry, *([item for item in found if item.task == task] for found in (sound, published)), traces, names
        )
        for task, entry in told.items()
    ]


def drawn(found: list[claims.Claim], sound: list[results.Item], told: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the chart."""
    return [
        {
            "title": told[claim.id]["title"], "verdict": claim.verdict, "published": claim.original,
            "by_its_method": claim.by_its_method, "sound": [item for item in sound if item.task == claim.id and item.ratio],
        }
        for claim in found if claim.id in told
    ]  # fmt: skip


def measured_twice(sound: list[results.Item], again: list[list[results.Item]]) -> list[str]:
    """Where the verdict rests on another measurement than the first of those that were repeated: both figures, in words."""
    first = {(item.task, item.size): item for item in (again[0] if again else ())}
    both = [
        (item, first[item.task, item.size])
        for item in sound
        if item.ratio and (other := first.get((item.task, item.size))) and other.ratio and other.ratio != item.ratio
    ]
    told = [f"{here.task} {here.size}: {interval(here)} above, {interval(other)} below" for here, other in both]
    return (
        ["", "Of an operation that has a cell with more sizes too, the table above shows that cell, which was measured once; the table "
         f"below the cell with all operations, which was repeated ({'; '.join(told)})."]
        if told else []
    )  # fmt: skip


def interval(item: results.Item) -> str:
    """A ratio with its interval, as the tables have it; one trial has none."""
    if not item.low or not item.high:
        return factor(item.ratio)
    return f"{factor(item.ratio)} [{factor(item.low)}, {factor(item.high)}]"


def readme(
    study: Any,
    told: dict[str, Any],
    found: list[claims.Claim],
    again: list[list[results.Item]],
    twice: list[str],
) -> list[str]:
    tasks = [claim for claim in found if claim.id in told["tasks"]]
    count = {word: sum(claim.verdict == word for claim in tasks) for word in ("stands", "falls", "cannot_tell")}
    lines = [
        "<!-- generated by analysis/regenerate.py audit; do not edit -->",
        "# Audit: which of the original study's conclusions stand",
        "",
        f"The original: {told['source']}. It concluded that MXNet is faster nearly everywhere. Its method: {told['method']}.",
        "",
        f"Of its eleven conclusions on single operations (CPU), **{count['stands']} stand, {count['falls']} fall**"
        + (f", and {count['cannot_tell']} cannot be told here" if count["cannot_tell"] else "")
        + ", measured on the same versions (TensorFlow 2.1.0, MXNet 1.5.1) with the same calls.",
        "",
        "![For each operation: the published range of TensorFlow ÷ MXNet, the same method run here, the sound ratios](charts/audit.svg)",
        "",
        "All ratios are time of TensorFlow ÷ time of MXNet: above 1 MXNet is faster. *its method, here* is the original's method run "
        "on this machine: `dlprof compare --method as-published`. *sound* is elapsed time of synchronised calls in lockstep trials, "
        "with 95 % intervals. A conclusion *stands* where every measured size shows the direction that was published, *falls* where "
        "at least one shows the contrary, and cannot be told otherwise; this judges the direction, not the published size of it.",
        "",
        "| operation | published | its method, here | sound, by size | verdict |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [table_line(claim, told["tasks"][claim.id]["title"]) for claim in tasks]
    if transfer.carried(again):
        lines += ["", "## At another hour, and on another machine", *twice, "", *transfer.words(again)]
    lines += [
        "",
        "## Why",
        "",
        "What the two methods charge a call, and what the frameworks' own traces hold of it:",
        "",
    ]
    lines += [f"- {told['tasks'][claim.id]['title']}: {claim.why}." for claim in tasks]
    lines += ["", "## LeNet", "", *claims.table([claim for claim in found if claim.id not in told["tasks"]]), ""]
    lines += [
        "Where a conclusion rests on one session its interval says how sure the ratio of that session is, not what another hour or "
        "machine would show. `runs = 2` is in the study's specification: `python3 analysis/regenerate.py lenet` measures what is missing.",
        "",
    ]
    lines += [
        f"{claims.NO_METHOD[0].upper()}{claims.NO_METHOD[1:]}. [The LeNet study](../lenet/README.md) has the rest."
    ]
    lines += [
        "",
        "GPU numbers were published too; this machine has none, so nothing is said of them.",
        "",
        "[audit.json](audit.json) has one entry a claim. The sound measurements are those of [the fundamental operations]"
        "(../fundamental-operations/README.md) and of [LeNet](../lenet/README.md). `dlprof verify analysis/audit --render` computes all of "
        "this anew.",
        "",
        "## Machine",
        "",
        *results.about(study),
        "",
        "Run it: `python3 analysis/regenerate.py audit`",
    ]
    return lines


def table_line(claim: claims.Claim, title: str) -> str:
    sound = "<br>".join(sound_words(one) for one in claim.sound)
    verdict = f"**{claim.verdict.replace('_', ' ')}**: {claim.note}"
    return f"| {title} | {claims.span(claim.original)} | {claims.span(claim.by_its_method)} | {sound} | {verdict} |"


def sound_words(one: dict[str, Any]) -> str:
    interval = f" [{results.factor(one['low'])}, {results.factor(one['high'])}]" if one["low"] and one["high"] else ""
    return f"{one['size']}: {results.factor(one['ratio']) if one['ratio'] else '–'}{interval}"
