"""Options that `capture` and `compare` share: argv in, api.options.RunOptions out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dlprof.errors import UsageError

if TYPE_CHECKING:
    from dlprof.api.options import RunOptions


def add_run_arguments(parser: argparse.ArgumentParser, *, workload: str | None = None) -> None:
    """The shared arguments. workload: nargs of the workload's name, where it may be left out."""
    parser.add_argument(
        "workload", metavar="WORKLOAD", nargs=workload, help="name from `dlprof workloads`, or the path of a TOML file"
    )
    parser.add_argument("--preset", metavar="P", help="preset of the workload")
    add_set(parser)
    task = parser.add_mutually_exclusive_group()
    task.add_argument(
        "--train", dest="task", action="store_const", const="train", help="train (default); --set task=train"
    )
    task.add_argument("--infer", dest="task", action="store_const", const="infer", help="forward passes alone")
    parser.add_argument("--batch-size", metavar="N", help="examples in a step; --set batch_size=N")
    parser.add_argument("--epochs", type=int, metavar="N", help="epochs of a traced run; the last one is traced")
    parser.add_argument("--device", default="cpu", metavar="cpu|gpu[:N]", help="default cpu")
    parser.add_argument("--mode", metavar="M", help="execution mode, from `dlprof frameworks`")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of weights, split and batch order (default 0)"
    )
    parser.add_argument("--python", type=Path, metavar="PATH", help="use this Python, with the framework in it, as is")
    parser.add_argument(
        "--calls",
        type=Path,
        metavar="FILE.py",
        help="RUN this Python file in the child: functions that the calls of an own workload name",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with your own MNIST IDX files")
    parser.add_argument(
        "--threads", type=int, metavar="N", help="CPU threads for the framework (default: its own choice)"
    )
    parser.add_argument("--max-steps", type=int, metavar="N", help="at most N steps an epoch, for a short trace")
    parser.add_argument("--timeout", default="30m", metavar="TIME", help="limit for one child process (default 30m)")


def add_set(parser: argparse.ArgumentParser) -> None:
    """Settings of the workload."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change one setting; may be repeated"
    )


def add_brief_argument(parser: argparse.ArgumentParser) -> None:
    """For verbs that say what was found."""
    parser.add_argument(
        "--brief", action="store_true", help="with --format json: verdict, causes, checks and next steps, below 4 kB"
    )


def add_pair_argument(parser: argparse.ArgumentParser) -> None:
    """For verbs that look at a result."""
    parser.add_argument(
        "--pair",
        metavar="X,Y",
        help="two sides (such as a,c) of a comparison of more than two, as a comparison of these",
    )


def run_options(arguments: argparse.Namespace) -> RunOptions:
    """The typed value. Raises `UsageError`."""
    from dlprof.api.options import RunOptions
    from dlprof.units import parse_duration

    for name, value in (
        ("--epochs", arguments.epochs),
        ("--threads", arguments.threads),
        ("--max-steps", arguments.max_steps),
    ):
        if value is not None and value < 1:
            raise UsageError(f"{name} must be at least 1, not {value}")
    if arguments.seed < 0:
        raise UsageError(f"--seed must not be negative: {arguments.seed}")
    return RunOptions(
        workload=arguments.workload or "",
        preset=arguments.preset,
        settings=_settings(arguments),
        epochs=arguments.epochs,
        device=arguments.device,
        mode=arguments.mode,
        seed=arguments.seed,
        python=arguments.python,
        data=arguments.data,
        calls=arguments.calls,
        threads=arguments.threads,
        max_steps=arguments.max_steps,
        timeout_s=parse_duration(arguments.timeout),
    )


def _settings(arguments: argparse.Namespace) -> dict[str, str]:
    """Those of --set, and those that have an option of their own."""
    settings = dict(_setting(text) for text in arguments.set)
    for key, value, option in (
        ("task", arguments.task, f"--{arguments.task}"),
        ("batch_size", arguments.batch_size, "--batch-size"),
    ):
        if value is not None and settings.setdefault(key, value) != value:
            raise UsageError(f"{option} and --set {key}={settings[key]} contradict each other", hint="use one of them")
    return settings


def _setting(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key or not value:
        raise UsageError(f"--set {text}: not KEY=VALUE", hint="write it like --set batch_size=100")
    return key, value
