"""`dlprof capture`: one traced run of a workload in one framework."""

from __future__ import annotations

import argparse
from pathlib import Path

from dlprof.cli.terminal import line

EXAMPLES = """examples:
  dlprof capture lenet --framework tf
  dlprof capture lenet --framework mxnet@1.9.1 --mode imperative --epochs 1 -o mx-imperative
  dlprof capture lenet --framework tf --device gpu"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from dlprof.cli.options import add_run_arguments

    add_run_arguments(parser)
    parser.add_argument(
        "--framework", required=True, metavar="F[@VERSION][:MODE]", help="tf, mxnet, torch (see `dlprof frameworks`)"
    )
    parser.add_argument(
        "--fidelity",
        choices=["exact", "native"],
        default="exact",
        help="exact: nothing bulked, every step synchronised, counts exact (default); native: as it runs",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="capture directory to make")


def run(arguments: argparse.Namespace) -> int:
    from dlprof import temporary
    from dlprof.api import leftovers
    from dlprof.api.compare import items
    from dlprof.api.record import Bench, check_mode, epochs_of, output_folder, record
    from dlprof.api.sides import parse_side
    from dlprof.cli.options import run_options
    from dlprof.cli.terminal import Progress

    options = run_options(arguments)
    parse_side(arguments.framework, device=options.device, mode=options.mode)
    with temporary.folder() as scratch, Progress() as progress:
        leftovers.clear(leftovers.folder_of(arguments.output), progress.say)
        bench = Bench(options, progress, scratch)
        side = bench.side(arguments.framework)
        workload = options.resolve(side.framework.name)
        check_mode(side, workload)
        items.check(workload, side.framework.name)
        target = output_folder(arguments.output, f"{workload.name}-{side.slug}")
        leftovers.check_free(target)
        capture = record(
            bench, side, workload, fidelity=arguments.fidelity, epochs=epochs_of(options, workload), target=target
        )
        progress.say(f"done: `dlprof show {capture.path}` breaks it down")
    line(capture.path)
    return 0
