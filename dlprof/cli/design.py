"""Options of every comparison, of workloads and of scripts: argv in, the fields of api.options.Design out."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypedDict

from dlprof.names import COMPILE_TIME, ENERGY, FIRST_STEP, PEAK_MEMORY


class Given(TypedDict):
    """The fields of a Design that argv says."""

    budget_s: float
    trials: int | None
    precision: float | None
    margin: float
    traces: int | None
    gate: float | None
    output: Path | None
    allow: tuple[str, ...]
    limits: dict[str, float]


LIMITS: Final = {
    "max_memory": (PEAK_MEMORY, "peak memory of a side's processes may grow"),
    "max_first_step": (
        FIRST_STEP,
        "the time from a script's start to the end of its first step (of a workload: its first call) may grow",
    ),
    "max_compile": (COMPILE_TIME, "the time that a script's framework compiles may grow"),
    "max_energy": (ENERGY, "the energy of a step may grow, where the machine tells it (RAPL, NVML)"),
}
"""Option → what it limits, and its help."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options themselves; -o is every verb's own."""
    add_budget(parser)
    add_trials(parser)
    parser.add_argument("--precision", metavar="PCT", help="go on until the interval is ±PCT, such as 2%%")
    add_margin(parser)
    parser.add_argument(
        "--gate",
        metavar="PCT",
        help="exit 3 if B (or any further side) is slower than A by more than PCT, 4 if that is undecided",
    )
    add_limits(parser)
    add_traces(parser)
    add_allow(parser)


def add_limits(parser: argparse.ArgumentParser) -> None:
    """What a gate may judge beside the timed items."""
    for option, (_, words) in LIMITS.items():
        parser.add_argument(
            f"--{option.replace('_', '-')}",
            metavar="PCT",
            help=f"with a gate: how much {words}; judged by the same trials",
        )


def add_budget(parser: argparse.ArgumentParser) -> None:
    """Of every verb that runs comparisons, as are the following."""
    parser.add_argument(
        "--budget", metavar="TIME", help="time for the trials (default 5m); they stop earlier once decided"
    )


def add_trials(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trials", type=int, metavar="N", help="exactly N trials instead of stopping when decided")


def add_margin(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--margin", default="5%", metavar="PCT", help="differences within it are negligible (default 5%%)"
    )


def add_traces(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--traces",
        type=int,
        metavar="K",
        help="trace the first K trials only (default: all; each trial ends with a short traced window); 0: timings alone",
    )


def add_allow(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="KIND",
        help="a difference in the work that shall not forbid a verdict: outputs, loss, gradients, weights, optimizer, "
        "layers, …; may be repeated",
    )


def check(arguments: argparse.Namespace, kinds: Sequence[str]) -> None:
    """Raises `UsageError` for what cannot be. kinds: the differences that --allow may name."""
    from dlprof.errors import UsageError
    from dlprof.toml_shape import choices_hint

    if arguments.trials is not None and arguments.trials < 1:
        raise UsageError(f"--trials must be at least 1, not {arguments.trials}")
    if arguments.traces is not None and arguments.traces < 0:
        raise UsageError(f"--traces must not be negative: {arguments.traces}")
    if arguments.trials is not None and (arguments.budget or arguments.precision):
        raise UsageError("--trials fixes the number; --budget and --precision let it adapt", hint="use one of them")
    for option in LIMITS:
        if getattr(arguments, option) is not None and arguments.gate is None:
            raise UsageError(f"--{option.replace('_', '-')} belongs to a gate", hint="add --gate 5%")
    for kind in arguments.allow:
        if kind not in kinds:
            raise UsageError(f"--allow {kind}: no such kind of difference", hint=choices_hint(kind, kinds))


def given(arguments: argparse.Namespace) -> Given:
    """The typed fields. Raises `UsageError` for a time or a share that is none."""
    from dlprof.api.options import DEFAULT_BUDGET_S
    from dlprof.units import parse_allowed, parse_duration, parse_percent

    return Given(
        budget_s=parse_duration(arguments.budget) if arguments.budget else DEFAULT_BUDGET_S,
        trials=arguments.trials,
        precision=parse_percent(arguments.precision) if arguments.precision else None,
        margin=parse_percent(arguments.margin),
        traces=arguments.traces,
        gate=parse_allowed(arguments.gate) if arguments.gate is not None else None,
        output=arguments.output,
        allow=tuple(arguments.allow),
        limits={
            item: parse_allowed(text)
            for option, (item, _) in LIMITS.items()
            if (text := getattr(arguments, option)) is not None
        },
    )
