"""The original study's claims, each judged by what was measured here: stands, falls or cannot tell, with the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from results import TASKS, Item, factor, loaded, turned, when_and_where

SAME_ACCURACY = 0.006
"""Accuracies on 10 000 test images that differ by less are not told apart: three standard errors of a difference at .98."""


@dataclass(frozen=True)
class Claim:
    """One claim. original, by_its_method, sound: ratios of time, TensorFlow ÷ MXNet; sound with its interval, by size where
    there are sizes. verdict: stands | falls | cannot_tell. why: the evidence, in words. rests_on: how many sessions, when and where."""

    id: str
    text: str
    original: Sequence[float]
    by_its_method: Sequence[float]
    sound: Sequence[Mapping[str, Any]]
    verdict: str
    why: str
    note: str = ""
    rests_on: str = ""

    def entry(self) -> dict[str, Any]:
        """As audit.json has it."""
        return {
            "id": self.id,
            "claim": self.text,
            "original_ratio": list(self.original) or None,
            "ratio_by_original_method_here": list(self.by_its_method) or None,
            "sound": [dict(one) for one in self.sound],
            "verdict": self.verdict,
            "why": self.why,
            "note": self.note,
        } | ({"rests_on": self.rests_on} if self.rests_on else {})


def table(found: Sequence[Claim]) -> list[str]:
    """Markdown: claim, verdict, on how many sessions it rests, evidence."""
    lines = ["| the study's claim | here | rests on | evidence |", "| --- | --- | --- | --- |"]
    return lines + [
        f"| {one.text} | **{one.verdict.replace('_', ' ')}** | {one.rests_on} | {one.why} |" for one in found
    ]


def span(values: Sequence[float]) -> str:
    """`12–31`, or one number."""
    if not values:
        return "–"
    low, high = factor(min(values)), factor(max(values))
    return low if low == high else f"{low}–{high}"


# --- single operations -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Traced:
    """What the traces say of one call: operators and their time on each side, ns; None where the side recorded none."""

    a_ops: str
    b_ops: str
    a_ns: float | None
    b_ns: float | None


def traced(comparison: Any) -> dict[str, Traced]:
    """Item → what both traces recorded inside its markers, a call."""
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for row in comparison.rows.rows:
        if row["layer"] and row["phase"] != "bookkeeping":
            rows.setdefault(row["layer"], []).append(row)
    found = {}
    for item, mine in rows.items():
        (a_ops, a_ns), (b_ops, b_ns) = (_ops(mine, side) for side in "ab")
        found[item] = Traced(a_ops, b_ops, a_ns, b_ns)
    return found


def _ops(rows: Sequence[Mapping[str, Any]], side: str) -> tuple[str, float | None]:
    """Operators with their number a call, and time of a call, ns."""
    mine = [row for row in rows if row[f"{side}_ns"] is not None and row[f"{side}_count"]]
    if not mine:
        return "", None
    calls = min(row[f"{side}_count"] for row in mine)
    words = []
    for row in sorted(mine, key=lambda row: -row[f"{side}_ns"]):
        times = row[f"{side}_count"] / calls
        words.append(f"{times:g} {row['op']}" if times != 1 else row["op"])
    return ", ".join(words), sum(row[f"{side}_ns"] for row in mine) / calls


def of_task(task: str, told: Mapping[str, Any], sound: Sequence[Item], published: Sequence[Item], traces: Mapping[str, Traced],
            calls: Mapping[tuple[str, int], str]) -> Claim:  # fmt: skip
    """The claim about one task. told: its entry in published.toml. sound, published: items of this task by both methods.
    calls: (task, size) → name of the item in the traces."""
    original: list[float] = list(told["cpu"])
    faster = "TensorFlow" if max(original) < 1 else "MXNet"
    verdict, note = _judge(faster, sound)
    here = [item.ratio for item in published if item.ratio]
    if (
        here
        and verdict != "stands"
        and (min(here) > 1) != (faster == "MXNet")
        and (max(here) > 1) != (faster == "MXNet")
    ):
        note += (
            "; its own method does not show it here either, so the machine or the builds differ from the original's too"
        )
    return Claim(
        id=task,
        text=f"{TASKS[task]}: {faster} is faster (TensorFlow ÷ MXNet {span(original)})",
        original=original,
        by_its_method=here,
        sound=[
            {
                "size": item.size,
                "ratio": item.ratio,
                "low": item.low,
                "high": item.high,
                "confidence": item.confidence,
                "trials": item.trials,
                "q": item.q,
                "faster": {"a": "TensorFlow", "b": "MXNet", None: None}[item.faster],
            }
            for item in sound
        ],
        verdict=verdict,
        why=_why(sound, published, traces, calls),
        note=note,
    )


def _judge(claimed: str, sound: Sequence[Item]) -> tuple[str, str]:
    """stands: shown at every measured size. falls: the contrary is shown at one or more (the claim is about all of them).
    cannot_tell: neither."""
    side = "b" if claimed == "MXNet" else "a"
    for_it = [item.size for item in sound if item.faster == side]
    against = [
        item.size for item in sound if item.faster not in (side, None) or item.verdict in ("equivalent", "negligible")
    ]
    sizes = f"{len(for_it)} of {len(sound)} sizes show it"
    if against:
        contrary = (
            "the contrary" if any(item.faster not in (side, None) for item in sound) else "no difference that matters"
        )
        return "falls", f"{contrary} at {', '.join(map(str, against))}; {sizes}"
    if sound and len(for_it) == len(sound):
        return "stands", f"{sizes}"
    return "cannot_tell", sizes


def _why(
    sound: Sequence[Item],
    published: Sequence[Item],
    traces: Mapping[str, Traced],
    calls: Mapping[tuple[str, int], str],
) -> str:
    """At the largest size that both methods measured: what the original's clock charged, what the call takes, what ran."""
    charged = {item.size: item for item in published}
    both = [item for item in sound if item.size in charged and item.a_ns and item.b_ns]
    if not both:
        return "not measured by both methods here"
    item = max(both, key=lambda one: one.size)
    old = charged[item.size]
    texts = [
        f"size {item.size}: the original's clock charges MXNet {time(old.b_ns)} a call and TensorFlow {time(old.a_ns)}; "
        f"waited for, a call takes {time(item.b_ns)} and {time(item.a_ns)}"
    ]
    seen = traces.get(calls.get((item.task, item.size), ""))
    if seen is not None and seen.b_ns is not None:
        texts.append(f"MXNet's trace has {seen.b_ops} for {time(seen.b_ns)} of it")
    else:
        texts.append("MXNet's trace holds no operator for it")
    if seen is not None and seen.a_ns is not None:
        texts.append(f"TensorFlow's trace has {seen.a_ops} for {time(seen.a_ns)}")
    if old.b_ns and item.b_ns and old.b_ns < 0.5 * item.b_ns:
        texts.append("so MXNet was charged for queueing, and most of its work ran in TensorFlow's turn")
    elif old.b_ns and item.b_ns and old.b_ns > 0.8 * item.b_ns:
        texts.append("so next to nothing of MXNet's work is left to the queue, and the method misleads little here")
    return "; ".join(texts)


def time(ns: float | None) -> str:
    """`8.34 ms`: three significant digits."""
    if ns is None:
        return "?"
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.3g} ns"


# --- LeNet -------------------------------------------------------------------------------------------------------------------


DOUBTFUL = ("cannot explain", "steps are not synchronised", "the trace is incomplete")
"""A comparison with a warning that says so has traces that do not explain its ratio."""


@dataclass(frozen=True)
class Trained:
    """One side of a run. step_ns: median time of a training step without profiler. epochs: those without profiler."""

    label: str
    version: str
    mode: str
    step_ns: float | None
    epochs: Sequence[int] = ()
    test_accuracy: Sequence[float] = ()
    validation_accuracy: Sequence[float] = ()
    train_loss: Sequence[float] = ()
    wall_ns: Sequence[int] = ()


@dataclass(frozen=True)
class Run:
    """One comparison of LeNet. session: which of several runs of the study. measured, machine: when and where. ratio: time of a step on A ÷ on B with its interval. steps: of an epoch. why: the largest
    lines of the ledger, (name, ns that B takes beyond A). caution: why the traces cannot explain the ratio, '' where they can."""

    cell: str
    experiment: str
    session: int
    measured: str
    machine: str
    sides: tuple[Trained, Trained]
    ratio: float | None
    low: float | None
    high: float | None
    confidence: float
    trials: int
    verdict: str
    steps: int
    why: Sequence[tuple[str, float]] = field(default=())
    caution: str = ""

    def reason(self) -> str:
        """What the traces say of the ratio; '' where there are none."""
        if self.caution:
            return f"the traces do not explain it ({self.caution})"
        parts = "; ".join(f"{name} {delta / 1e6:+.2f} ms" for name, delta in self.why)
        return f"in the traced steps {self.sides[1].label} takes {parts}" if parts else ""

    def row(self) -> dict[str, Any]:
        """As a line of tables/steps.csv."""
        a, b = self.sides
        return {
            "experiment": self.experiment, "run": self.session, "measured": self.measured, "machine": self.machine,
            "a": a.label, "b": b.label, "a_step_ns": a.step_ns, "b_step_ns": b.step_ns,
            "ratio": self.ratio, "low": self.low, "high": self.high, "confidence": self.confidence, "trials": self.trials,
            "verdict": self.verdict,
        }  # fmt: skip

    def line(self) -> str:
        """As a line of the README's table."""
        a, b = self.sides
        ms = [f"{side.step_ns / 1e6:.2f}" if side.step_ns else "–" for side in self.sides]
        interval = (
            f" [{factor(self.low)}, {factor(self.high)}] ({self.confidence:.0%})" if self.low and self.high else ""
        )
        ratio = f"{factor(self.ratio)}{interval}" if self.ratio else "–"
        return (
            f"| {a.label} | {b.label} | {ms[0]} | {ms[1]} | {ratio} | B is {self.verdict.replace('_', ' ')} |".replace(
                "B is inconclusive", "inconclusive"
            ).replace("B is not comparable", "not comparable")
        )

    def epoch_rows(self) -> list[dict[str, Any]]:
        """As lines of tables/epochs.csv."""
        return [
            {
                "experiment": self.experiment, "run": self.session, "side": side.label, "epoch": epoch, "wall_s": side.wall_ns[at] / 1e9,
                "train_loss": side.train_loss[at], "validation_accuracy": side.validation_accuracy[at],
                "test_accuracy": side.test_accuracy[at],
            }
            for side in self.sides
            for at, epoch in enumerate(side.epochs)
        ]  # fmt: skip


def lenet(study: Any) -> list[list[Run]]:
    """The comparisons of the LeNet study that left a result, session by session (`runs` of the study), the first one first."""
    found: dict[int, list[Run]] = {}
    for cell in study.cells:
        if cell.has_result and cell.record.method == "compare":
            found.setdefault(cell.record.run, []).append(_run(cell, loaded(cell)))
    return [found[number] for number in sorted(found)]


def _run(cell: Any, found: Any) -> Run:
    item = found.items[0]
    shown = found.representative()
    medians = {"a": item.a_median_ns, "b": item.b_median_ns}
    sides = []
    for name, side in (("a", found.found.a), ("b", found.found.b)):
        kept = [epoch for epoch in found.epochs(name) if not epoch.traced and epoch.test_accuracy is not None]
        sides.append(
            Trained(
                side.label, side.version, side.mode, medians[name],
                [epoch.epoch for epoch in kept],
                *([getattr(epoch, key) for epoch in kept] for key in ("test_accuracy", "validation_accuracy", "train_loss", "wall_ns")),
            )
        )  # fmt: skip
    workload = shown["a"].manifest.workload if "a" in shown else {}
    steps = workload["data"]["train"] // workload["run"]["batch_size"] if workload else 0
    lines = sorted(found.ledger.rows if found.ledger else (), key=lambda line: -abs(line["delta_ns"]))
    return Run(
        cell=cell.id,
        experiment=cell.record.experiment,
        session=cell.record.run,
        **when_and_where(cell),
        sides=(sides[0], sides[1]),
        **turned(item),
        steps=steps,
        why=[(line["name"], line["delta_ns"]) for line in lines[:4]],
        caution=next((text for text in found.found.warnings if any(word in text for word in DOUBTFUL)), ""),
    )


NOT_MEASURED, TOO_FEW_EPOCHS = "not measured here", "too few epochs were trained here"
MISSING = (NOT_MEASURED, TOO_FEW_EPOCHS)
NO_METHOD = (
    "`dlprof compare --method as-published` exists for the single operations only, so the original's way of timing LeNet (one "
    "process, MXNet under its profiler, TensorFlow not) was not run here"
)


def of_lenet(sessions: Sequence[Sequence[Run]], published: Mapping[str, Any]) -> list[Claim]:
    """The claims about LeNet, of the slides and of the report: the evidence is the first session's that has some, and where a
    later session judges otherwise none can be told."""
    if not sessions:
        return _of_session([], published)
    found = []
    for of_claim in zip(*(_of_session(runs, published) for runs in sessions), strict=True):
        measured = [(claim, runs) for claim, runs in zip(of_claim, sessions, strict=True) if claim.why not in MISSING]
        if not measured:
            found.append(of_claim[0])
            continue
        claim, verdicts = measured[0][0], [one.verdict for one, _ in measured]
        rests_on = _sessions_of([runs for _, runs in measured])
        if len(set(verdicts)) > 1:
            told = ", ".join(f"{word.replace('_', ' ')} in {verdicts.count(word)}" for word in dict.fromkeys(verdicts))
            claim, rests_on = replace(claim, verdict="cannot_tell"), f"{rests_on}, which disagree: {told}"
        found.append(replace(claim, rests_on=rests_on))
    return found


def _sessions_of(sessions: Sequence[Sequence[Run]]) -> str:
    """`one session (2026-11-27, AMD EPYC)`."""
    places = ["; ".join(dict.fromkeys(f"{run.measured[:10]}, {run.machine}" for run in runs)) for runs in sessions]
    count = "one session" if len(sessions) == 1 else f"{len(sessions)} sessions"
    return f"{count} ({'; '.join(dict.fromkeys(places))})"


def _of_session(runs: Sequence[Run], published: Mapping[str, Any]) -> list[Claim]:
    found = []
    slides, report = published["slides"], published["report"]
    ratios = [tf / mx for tf, mx in zip(slides["tf_s"], slides["mxnet_s"], strict=True)]
    found.append(_faster("lenet_time", f"slides: MXNet trains LeNet about 4× faster than Keras ({span(ratios)})", ratios,
                         _find(runs, "slides")))  # fmt: skip
    found.append(_accuracy(runs, slides))
    found.append(_faster("lenet_report", "report: MXNet trains LeNet faster than Keras, with the same optimizer and pooling",
                         [report["tf_s"] / report["mxnet_s"]], _find(runs, "report")))  # fmt: skip
    found.append(_faster("lenet_hybridize", "report: hybridizing makes MXNet a little faster",
                         [report["mxnet_s"] / report["mxnet_hybrid_s"]], _find(runs, "modes", "hybrid")))  # fmt: skip
    found.append(_no_help(_find(runs, "modes", "xla")))
    return found


def _find(runs: Sequence[Run], experiment: str, mode: str | None = None) -> Run | None:
    return next((run for run in runs if run.experiment == experiment and mode in (None, run.sides[1].mode)), None)


def _sound(run: Run | None) -> list[dict[str, Any]]:
    if run is None or run.ratio is None:
        return []
    return [{
        "a": run.sides[0].label, "b": run.sides[1].label, "ratio": run.ratio, "low": run.low, "high": run.high,
        "confidence": run.confidence, "trials": run.trials, "verdict": run.verdict,
    }]  # fmt: skip


def _faster(name: str, text: str, original: Sequence[float], run: Run | None) -> Claim:
    """A claim that B (of the run) is the faster side."""
    if run is None:
        return Claim(name, text, original, [], [], "cannot_tell", NOT_MEASURED)
    word = {"faster": "stands", "slower": "falls", "equivalent": "falls", "negligible": "falls"}.get(
        run.verdict, "cannot_tell"
    )
    a, b = (side.label for side in run.sides)
    interval = f" [{factor(run.low)}, {factor(run.high)}]" if run.low and run.high else ""
    ratio = f"{factor(run.ratio)}{interval}" if run.ratio else "unknown"
    why = f"time of {a} ÷ time of {b} = {ratio} a step" + (f"; {run.reason()}" if run.reason() else "")
    return Claim(name, text, original, [], _sound(run), word, why, NO_METHOD if name == "lenet_time" else "")


def _no_help(run: Run | None) -> Claim:
    """The claim that XLA made nothing faster."""
    text = "report: XLA does not make TensorFlow faster"
    if run is None:
        return Claim("lenet_xla", text, [], [], [], "cannot_tell", NOT_MEASURED)
    claim = _faster("lenet_xla", text, [], run)
    word = {"faster": "falls", "slower": "stands", "equivalent": "stands", "negligible": "stands"}.get(
        run.verdict, "cannot_tell"
    )
    return Claim(claim.id, text, [], [], claim.sound, word, claim.why)


def _accuracy(runs: Sequence[Run], slides: Mapping[str, Any]) -> Claim:
    """That TensorFlow converges faster and is more accurate: does it with the slides' settings, does it with equal ones?"""
    text = (
        f"slides: TensorFlow converges faster and is more accurate ({slides['tf_accuracy'][0]} against "
        f"{slides['mxnet_accuracy'][0]} after {slides['epochs'][0]} epochs)"
    )
    own, equal = (_find(runs, name) for name in ("slides", "matched"))
    gaps = [_gaps(run, slides["epochs"]) for run in (own, equal)]
    if not gaps[0] or not gaps[1]:
        return Claim("lenet_accuracy", text, [], [], [], "cannot_tell", TOO_FEW_EPOCHS)
    told = [", ".join(f"{n} epochs: {tf:.4f} against {mx:.4f}" for n, tf, mx in gap) for gap in gaps]
    with_own = [tf - mx for _, tf, mx in gaps[0]]
    with_equal = [abs(tf - mx) for _, tf, mx in gaps[1]]
    why = f"with the slides' settings {told[0]}; with equal weights, batches and optimizer {told[1]}"
    if min(with_own) > SAME_ACCURACY >= max(with_equal):
        return Claim("lenet_accuracy", text, [], [], [], "falls",
                     f"{why}: the optimizer and its rate made the difference, not the framework")  # fmt: skip
    if min(with_own) > SAME_ACCURACY and min(tf - mx for _, tf, mx in gaps[1]) > SAME_ACCURACY:
        return Claim("lenet_accuracy", text, [], [], [], "stands", why)
    return Claim("lenet_accuracy", text, [], [], [], "cannot_tell", f"{why}; one run a side")


def _gaps(run: Run | None, epochs: Sequence[int]) -> list[tuple[int, float, float]]:
    """(epochs, accuracy of TensorFlow, of MXNet) where both sides were trained so long."""
    if run is None:
        return []
    a, b = (dict(zip(side.epochs, side.test_accuracy, strict=True)) for side in run.sides)
    return [(n, a[n], b[n]) for n in epochs if n in a and n in b]
