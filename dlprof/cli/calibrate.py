"""`dlprof calibrate`: a side against itself on this machine; how often it would be called different, what can be seen."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlprof.api.calibrating import Calibrated
    from dlprof.stats import Calibration

EXAMPLES = """examples:
  dlprof calibrate lenet --side tf:graph --time 20m
  dlprof calibrate lenet --side mxnet --time 10m --format json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from dlprof.cli.options import add_run_arguments

    add_run_arguments(parser)
    parser.add_argument("--side", default="tf", metavar="SIDE", help="framework[@version][:mode] (default tf)")
    parser.add_argument("--time", default="15m", metavar="TIME", help="how long to run trials (default 15m)")
    parser.add_argument("--format", choices=["text", "json"], default="text")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api.calibrating import calibrate, plain
    from dlprof.cli.options import run_options
    from dlprof.cli.output import deliver
    from dlprof.cli.terminal import Progress
    from dlprof.report.json import plain as values
    from dlprof.units import parse_duration

    with Progress() as progress:
        found = calibrate(run_options(arguments), arguments.side, parse_duration(arguments.time), progress)
    if arguments.format == "json":
        import json

        deliver(json.dumps(values(plain(found)), indent=1, allow_nan=False) + "\n", None)
    else:
        deliver(_text(found), None)
    return 0


def _text(found: Calibrated) -> str:
    result = found.result
    lines = [
        f"{found.workload}, {found.side} against itself, item {found.item}",
        f"{result.trials} trials of {result.trial_seconds:.1f} s"
        + (f"; {found.without_ratio} more gave no ratio and are left out" if found.without_ratio else ""),
        "",
        f"SD between trials {result.sd:.3f} [{result.sd_low:.3f}, {result.sd_high:.3f}] on the log scale",
        f"bias {result.bias:+.4f} [{result.bias_low:+.4f}, {result.bias_high:+.4f}] (0 should lie inside)",
        "",
        "called different although nothing differs      rate  95 % interval   comparisons",
        *_rates(result),
        "",
        "smallest slow-down seen with 80 % power in",
    ]
    lines += [
        f"  {minutes:4.0f} min   {'none: too few trials' if e is None else f'{e:+.1%}'}"
        for minutes, e in result.detectable
    ]
    return "\n".join([*lines, "", f"saved: {found.path}"]) + "\n"


def _rates(result: Calibration) -> list[str]:
    rates = {
        "6 trials, as they ran": result.real_fixed,
        "adaptive, as they ran": result.real_adaptive,
        "6 trials, resampled": result.fixed.significant,
        "adaptive, resampled": result.adaptive.significant,
    }
    return [
        f"  {name:43} {rate.rate:6.1%}  [{rate.low:.1%}, {rate.high:.1%}]  {rate.comparisons:6}"
        if rate
        else f"  {name:43}  too few trials for one comparison"
        for name, rate in rates.items()
    ]
