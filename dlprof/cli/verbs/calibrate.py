"""`dlprof calibrate`: a side against itself on this machine; how often it would be called different, what can be seen."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

from dlprof.names import DEFAULT_SIDES
from dlprof.units import format_share

if TYPE_CHECKING:
    from dlprof.api.calibrate import Calibrated
    from dlprof.stats import Calibration

EXAMPLES = """examples:
  dlprof calibrate lenet --side tf:graph --time 20m
  dlprof calibrate lenet --side mxnet --time 10m --format json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from dlprof.cli.options import add_run_arguments

    add_run_arguments(parser)
    parser.add_argument(
        "--side", default=DEFAULT_SIDES[0], metavar="SIDE", help="framework[@version][:mode] (default %(default)s)"
    )
    parser.add_argument(
        "--time", default="15m", metavar="TIME", help="how long to run trials (default 15m); a later run adds to them"
    )
    parser.add_argument("--format", choices=["text", "json"], default="text")


def run(arguments: argparse.Namespace) -> int:
    from dlprof.api import leftovers
    from dlprof.api.calibrate import calibrate
    from dlprof.cli.options import run_options
    from dlprof.cli.output import deliver, show, though_unread
    from dlprof.cli.terminal import Progress
    from dlprof.errors import Interrupted
    from dlprof.units import parse_duration

    with Progress() as progress:
        leftovers.clear_system()
        found, stopped = calibrate(run_options(arguments), arguments.side, parse_duration(arguments.time), progress)
    with though_unread():
        if arguments.format == "json":
            import msgspec

            deliver(msgspec.json.format(msgspec.json.encode(found), indent=1).decode() + "\n", None)
        else:
            show(_text(found))
    return Interrupted.exit_code if stopped else 0


def _text(found: Calibrated) -> str:
    from dlprof.report.text.verdict import item_words

    lines = [f"{found.workload}, {found.label} against itself: {found.trials} trials of {found.seconds:.1f} s"]
    for name, item in found.items.items():
        lines += ["", item_words(name) if len(found.items) > 1 else f"item: {item_words(name)}"]
        if item.without_ratio:
            lines.append(f"  {item.without_ratio} trials gave no ratio and are left out")
        lines += _item(item.result) if item.result else ["  too few usable trials"]
    return "\n".join([*lines, "", f"saved: {found.path}"]) + "\n"


def _item(result: Calibration) -> list[str]:
    ratio = "mean ratio {:.4f} [{:.4f}, {:.4f}]".format(
        *(math.exp(value) for value in (result.bias, result.bias_low, result.bias_high))
    )
    return [
        f"  SD between trials {result.sd:.3f} [{result.sd_low:.3f}, {result.sd_high:.3f}] on the log scale",
        f"  {ratio} (1 should lie inside)",
        "  called different although nothing differs    rate  95 % interval   comparisons",
        *_rates(result),
        "  smallest slow-down found with 80 % power, fixed number of trials",
        *(
            f"    in {minutes:3.0f} min   {'none: fewer than six trials fit' if e is None else format_share(e, 1, signed=True)}"
            for minutes, e in result.detectable
        ),
    ]


def _rates(result: Calibration) -> list[str]:
    rates = {
        "6 trials, as they ran": result.real_fixed,
        "adaptive, as they ran": result.real_adaptive,
        "6 trials, resampled": result.fixed.significant,
        "adaptive, resampled": result.adaptive.significant,
    }
    return [
        f"    {name:39} {format_share(rate.rate, 1):>7}  "
        f"[{format_share(rate.low, 1)}, {format_share(rate.high, 1)}]  {rate.comparisons:6}"
        if rate
        else f"    {name:39}  too few trials for one comparison"
        for name, rate in rates.items()
    ]
