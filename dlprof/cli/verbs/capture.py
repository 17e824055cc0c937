"""`dlprof capture`: one traced run of a workload in one framework, or of the user's own script."""

from __future__ import annotations

import argparse
from pathlib import Path

from dlprof.cli.terminal import line

EXAMPLES = """examples:
  dlprof capture lenet --framework tf
  dlprof capture lenet --framework mxnet@1.9.1 --mode imperative --epochs 1 -o mx-imperative
  dlprof capture lenet --framework tf --device gpu
  dlprof capture -- python train.py --epochs 1
  dlprof capture --steps 50..70 -o my-capture -- python -m project.train

After -- stands the command of a script of your own, which runs as it does without dlprof: its output, input, signals and
exit code are its own. Some of its steps are recorded, chosen after its warm-up (docs/guides/own-script.md)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from dlprof.cli.options import add_run_arguments

    add_run_arguments(parser, workload="?")
    parser.add_argument("--framework", metavar="F[@VERSION][:MODE]", help="tf, mxnet, torch (see `dlprof frameworks`)")
    parser.add_argument(
        "--fidelity",
        choices=["exact", "native"],
        default="exact",
        help="exact: nothing bulked, every step synchronised, counts exact (default); native: as it runs",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="capture directory to make")
    script = parser.add_argument_group("a script of your own (after --)")
    script.add_argument("--step", metavar="MODULE:FUNCTION", help="the function that is one step (default: found)")
    script.add_argument("--steps", metavar="A..B", help="record these steps (default: 20, once warm-up is over)")
    script.add_argument("--after", metavar="TIME", help="record from this time on, such as 30s")
    script.add_argument("--for", dest="seconds", metavar="TIME", help="record for so long instead of 20 steps")
    script.add_argument(
        "--light", action="store_true", help="record without shapes and modules' names, which costs less"
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.command is not None:
        return _script(arguments)
    return _workload(arguments)


def _script(arguments: argparse.Namespace) -> int:
    """Run the user's command; its exit code is ours."""
    from dlprof.api.script.record import ScriptCapture, record_script
    from dlprof.capture.script.command import Command
    from dlprof.capture.script.watched import WindowWish
    from dlprof.cli.terminal import say
    from dlprof.errors import UsageError
    from dlprof.units import parse_duration

    if arguments.workload or arguments.framework:
        raise UsageError(
            "a workload and a script are two things", hint="leave the workload out, or what stands after --"
        )
    first, last = _steps(arguments.steps)
    if first is not None and arguments.after is not None:
        raise UsageError("--steps and --after both say where recording begins", hint="use one of them")
    wish = WindowWish(
        first=first,
        last=last,
        after_s=parse_duration(arguments.after) if arguments.after else None,
        seconds=parse_duration(arguments.seconds) if arguments.seconds else None,
        full=not arguments.light,
    )
    asked = ScriptCapture(Command.of(arguments.command), wish, arguments.step, arguments.output)
    capture, code = record_script(asked, lambda text: say(f"dlprof: {text}"))
    if capture is not None:
        say(f"dlprof: done: `dlprof show {capture.path}` breaks it down")
    return code


def _steps(text: str | None) -> tuple[int | None, int | None]:
    """`50..70` → (50, 70). Raises `UsageError`."""
    from dlprof.errors import UsageError

    if text is None:
        return None, None
    first, dots, last = text.partition("..")
    if not dots or not first.isdecimal() or not last.isdecimal() or not 1 <= int(first) <= int(last):
        raise UsageError(f"--steps {text}: not a range of steps", hint="write it like --steps 50..70")
    return int(first), int(last)


def _workload(arguments: argparse.Namespace) -> int:
    from dlprof import temporary
    from dlprof.api import leftovers
    from dlprof.api.lockstep import items
    from dlprof.api.record import Bench, check_mode, epochs_of, output_folder, record
    from dlprof.api.sides import parse_side
    from dlprof.cli.options import run_options
    from dlprof.cli.terminal import Progress
    from dlprof.errors import UsageError

    if arguments.workload is None:
        raise UsageError(
            "nothing to capture", hint="name a workload and its --framework, or a script's command after --"
        )
    if arguments.framework is None:
        raise UsageError("no framework was named", hint="such as --framework tf; `dlprof frameworks` lists them")
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
