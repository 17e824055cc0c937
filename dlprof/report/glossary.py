"""What the words of the reports mean: the one source of `dlprof help glossary` and docs/glossary.md."""

from __future__ import annotations

from typing import Final

TERMS: Final[dict[str, str]] = {
    "anomaly": (
        "Something odd that reading a trace repaired, skipped or noticed. Each kind has a name and is counted; "
        "nothing is dropped silently."
    ),
    "budget": "The time that a comparison may take for its trials. It ends earlier once the verdict is decided.",
    "bulked": (
        "Several operators that MXNet's engine runs as one unit, to save dispatch. A trace of fidelity `native` "
        "shows the bulk as one row; one of fidelity `exact` is recorded with bulking off, so each operator has a "
        "row of its own."
    ),
    "burst": "A few iterations of one side, one after the other, while the other side is stopped.",
    "busy time": (
        "The time in which at least one operator or kernel runs: the union of all their intervals, so what runs at "
        "the same time counts once."
    ),
    "calibration": (
        "Running a side against itself (`dlprof calibrate`), to learn how often identical sides would be called "
        "different on this machine, and how small a slow-down can be seen."
    ),
    "capture": "A directory with one traced run: its events in one table, its manifest, and the raw trace files.",
    "comparison": (
        "A directory with all evidence of `dlprof compare`: every timed iteration, and the traced windows of both "
        "sides."
    ),
    "confidence": (
        "How often intervals made in this way hold the true ratio. 95 % is the usual; it is higher where trials go "
        "on until something is decided, to pay for looking again and again."
    ),
    "dispatch": (
        "Time in which the framework's own code is on its way to the work (its C API, Python between calls) and no "
        "operator runs."
    ),
    "eager": (
        "A mode in which each operator runs as the program names it. TensorFlow and PyTorch call it eager, MXNet "
        "imperative."
    ),
    "equivalent": (
        "A verdict: the whole interval lies within the margin, so the sides are shown to be alike within ±5 %."
    ),
    "exact": (
        "The fidelity of a traced run in which each step ends synchronised and nothing is bulked: counts are exact "
        "and each operator lies in its step. It can be slower than the run as it is; the report says by how much."
    ),
    "gap": (
        "Time of B − time of A for the same work. The timed gap is measured with the profiler off, the traced one "
        "with it on."
    ),
    "gate": "A limit that B may not exceed (`--gate 5%`): passed, failed or undecided, for builds.",
    "graph": (
        "A mode in which the whole step is first made into a graph, which the runtime then executes (TensorFlow's "
        "`tf.function`)."
    ),
    "hybrid": (
        "MXNet's mode in which a Python model is traced into a graph once (`hybridize`) and then runs as that graph."
    ),
    "inconclusive": "A verdict: the trials cannot tell. The report says how many more would probably do.",
    "interval": (
        "The range of ratios that the trials leave, at the stated confidence. One that holds +0 % leaves open which"
        " side is faster."
    ),
    "item": "One thing that is timed and judged: a training step, or one operator call of one size.",
    "kernel": "A function that runs on a device (a GPU, or a CPU library's primitive), as its trace names it.",
    "layer": "The part of the network, such as conv1, that an operator works for.",
    "ledger": (
        "The table that splits each side's wall time into parts without overlap. The parts sum to the wall times, "
        "and their differences to the gap, exactly."
    ),
    "lockstep": (
        "How two sides are timed: a process of each is alive, and they alternate short bursts while the other one "
        "is stopped. What disturbs the machine disturbs both alike."
    ),
    "margin": "The difference that counts as none, ±5 % unless said otherwise.",
    "mean": (
        "The sum over all steps ÷ their number. Walls and the ledger are means, for means add up; rare slow steps "
        "count fully."
    ),
    "median": (
        "The middle one of all steps: half take less, half more. Timings are medians, for single slow steps hardly "
        "move them. So a table of medians and one of means need not agree."
    ),
    "native": (
        "The fidelity of a traced run as the framework runs by itself: asynchronous, with operators bulked or fused."
    ),
    "negligible": "A verdict: the sides differ surely, but by less than the margin.",
    "not comparable": (
        "No verdict: the two sides did different work. Their times say nothing about which one is faster."
    ),
    "op": "An operator, such as Conv or Relu, under its ONNX name whatever the framework calls it.",
    "parity": (
        "The check that both sides do the same work: the same logits, loss, gradients and updated weights from the "
        "same inputs."
    ),
    "phase": "What an operator is for in a training step: forward, loss, backward, optimizer, input or bookkeeping.",
    "q": (
        "A p-value adjusted for looking at many rows at once (Benjamini-Hochberg). Rows with q ≤ .05 count as "
        "different; of those, about one in twenty is expected to be wrong."
    ),
    "ratio": "Time of B ÷ time of A. Below 1 means that B is faster.",
    "round": "One burst of each side, in random order. A trial has many.",
    "self time": (
        "The time of an operator without that of operators that run inside it. Operators that run at the same time "
        "on several threads each have their own, so self times can sum to more than the wall time."
    ),
    "side": (
        "One of what is compared: a framework with version and mode, or a script. A is the one it is held against, "
        "B the other."
    ),
    "steal": "Time that a hypervisor gave to other machines while this one wanted to run.",
    "step": (
        "One turn of the training loop: input, forward, loss, backward, optimizer. Times per step are of one turn."
    ),
    "study": "Many comparisons or captures that one file declares (`dlprof run`); each is a cell.",
    "synchronisation": (
        "Waiting until the device or engine has done all that was asked of it. A clock that does not wait measures "
        "the queueing."
    ),
    "traced": (
        "Recorded by the framework's own profiler. Profiling costs time, so traces explain a difference but do not "
        "decide it."
    ),
    "trial": (
        "One fresh process of each side, measured together. The trial is what is counted: identical programs differ"
        " between processes by more than within one, so more iterations of one process prove little."
    ),
    "typical": (
        "Of bursts rather than of a sum: the ratio of typical times hardly sees rare, very slow iterations; that of"
        " mean times does."
    ),
    "unexplained": (
        "Wall time with no recorded event behind it. It is a line of its own and never spread over the others."
    ),
    "verdict": "Faster, slower, equivalent, negligible, inconclusive or not comparable: of B seen from A.",
    "wall time": "Time by the clock on the wall, from the start of a step to its end, whatever ran in it.",
    "work at the same time": (
        "A line of the ledger that takes back what operators on several threads or streams did at once, so that the"
        " lines sum to the wall time."
    ),
}
"""Term → meaning, in the order of the alphabet."""


def markdown() -> str:
    """The page docs/glossary.md."""
    lines = [
        "# Glossary",
        "",
        "The words of dlprof's reports; `dlprof help glossary` prints them, `dlprof help TERM` one.",
        "",
    ]
    for term, meaning in TERMS.items():
        lines += [f"**{term}**: {meaning}", ""]
    return "\n".join(lines)


def text(term: str) -> str:
    """One term for a terminal."""
    from dlprof.report.text.layout import paragraph

    return "\n".join(paragraph(TERMS[term].replace("`", ""), first=f"{term}: ", rest="  "))
