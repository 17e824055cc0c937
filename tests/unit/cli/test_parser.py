"""The command line: words become typed options, and what cannot be is refused in one line with exit code 2."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dlprof.api.options import RunOptions
from dlprof.cli import options
from dlprof.cli.main import VERBS, Parser, build_parser, main
from dlprof.errors import UsageError
from dlprof.version import __version__


def read(*words: str) -> RunOptions:
    parser = argparse.ArgumentParser()
    options.add_run_arguments(parser)
    return options.run_options(parser.parse_args(words))


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example_of_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([verb, "--help"])
    assert end.value.code == 0
    assert f"dlprof {verb}" in capsys.readouterr().out.partition("usage:")[2].partition("\n\n")[2]


def test_help_of_the_program_lists_all_verbs_and_loads_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert {line.split()[0] for line in shown.splitlines() if line.startswith("    ")} >= set(VERBS)
    build_parser().parse_args(["show"])  # without its verb's arguments: none is required


def test_of_the_verbs_one_alone_has_a_parser_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    plain = Parser.__init__

    def counted(self: Parser, **options: Any) -> None:
        made.append(options["prog"])
        plain(self, **options)

    monkeypatch.setattr(Parser, "__init__", counted)
    assert build_parser("show").parse_args(["show", "t.json"]).run.__module__ == "dlprof.cli.verbs.show"
    assert made == ["dlprof", "dlprof", "dlprof show"], "the program's, the one that stands for all others, the verb's"


def test_the_version_is_that_of_the_package_and_the_trace_reader_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLPROF_READER", "python")
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    version, reader = capsys.readouterr().out.splitlines()
    assert (end.value.code, version) == (0, f"dlprof {__version__}")
    assert reader.startswith("trace reader: python")


def test_a_trace_reader_that_there_is_not_is_an_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLPROF_READER", "rust")
    assert main(["--version"]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error == "error: DLPROF_READER=rust is no reader"
    assert hint == "hint: it may be native or python; unset, native where built"


def test_the_program_alone_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "VERB" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("shwo", "x"), "show"),
        (("show", "x", "--by", "layr"), "layer"),
        (("diff", "x", "y", "--format", "jsn"), "json"),
        (("diff", "x", "y", "--reapir"), "--repair"),
        (("--verion",), "--version"),
    ],
)
def test_what_may_have_been_meant_is_suggested(
    words: tuple[str, ...], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert f"hint: did you mean {meant}? dlprof" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told", "hint"),
    [
        (
            ("show", "x", "--brief"),
            "unrecognized arguments: --brief",
            "--brief is of compare, diff; dlprof show --help",
        ),
        (
            ("diff", "x", "y", "--where=host"),
            "unrecognized arguments: --where=host",
            "--where is of show; dlprof diff --help",
        ),
        (("-x",), "unrecognized arguments: -x", "dlprof --help"),
        (
            ("completion", "tcsh"),
            "argument shell: invalid choice: 'tcsh'",
            "choose from bash, zsh, fish; dlprof completion",
        ),
        (("show", "x", "--rows", "many"), "argument --rows: not a whole number: 'many'", "dlprof show --help"),
    ],
)
def test_an_option_of_another_verb_a_choice_and_a_number_are_told_in_plain_words(
    words: tuple[str, ...], told: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(words)
    error, meant = capsys.readouterr().err.splitlines()
    assert error == f"error: {told}"
    assert meant.startswith(f"hint: {hint}")
    assert meant.endswith("--help shows what can be said")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("capture", "python", "train.py", "--lr", "1"), "`dlprof capture … -- python train.py`;"),
        (("gate", "--base", "main", "python", "-m", "train"), "`dlprof gate … -- python train.py`;"),
        (("python", "train.py"), "`dlprof capture -- python train.py`;"),
        (("capture", "lenet", "--framework", "tf", "mxnet"), "hint: dlprof capture --help"),
        (("compare", "lenet", "--frameworks", "tf", "mxnet"), "--frameworks tf,mxnet;"),
        (("compare", "a.py", "b.py"), "--a 'python train.py' --b 'python train.py --fused';"),
        (("compare", __file__, str(Path(__file__).parent)), "`dlprof diff A B`;"),
        (("export", "x", "--to", "perfetto", "-o", "y"), "did you mean chrome?"),
    ],
)
def test_a_word_with_no_place_is_told_where_it_would_stand(
    words: tuple[str, ...], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(words)
    assert hint in capsys.readouterr().err.splitlines()[1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("compare", "train.py"), "error: train.py is a script, no workload"),
        (("capture", "train.py", "--framework", "torch"), "error: train.py is a script, no workload"),
        (("gate", "train.py"), "error: train.py is no workload"),
        (("compare", "--a", "python train.py"), "error: no workload was named, and --a and --b are not two commands"),
    ],
)
def test_a_script_where_a_workload_belongs_is_told_how_scripts_are_named(
    words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error == told
    assert "python train.py" in hint


@pytest.mark.parametrize("words", [("show",), ("show", "x", "--by")])
def test_words_that_cannot_be_parsed_are_an_error_a_hint_and_exit_code_2(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    error, hint = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert error.startswith("error: ")
    assert hint.startswith("hint: dlprof")
    assert hint.endswith("--help shows what can be said")


def test_an_error_of_dlprof_is_printed_once_and_gives_its_exit_code(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["verify", str(tmp_path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "hint"]
    assert str(tmp_path) in lines[0]


def test_what_is_not_said_has_its_default() -> None:
    found = read("lenet")
    assert (found.workload, found.device, found.seed, found.timeout_s) == ("lenet", "cpu", 0, 1800.0)
    assert found.settings == {}
    assert (found.epochs, found.threads, found.max_steps, found.mode, found.preset) == (None,) * 5


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        (("--set", "batch_size=100", "--set", "lr=0.1"), {"batch_size": "100", "lr": "0.1"}),
        (("--set", "sizes=50,100"), {"sizes": "50,100"}),
        (("--set", "note=a=b"), {"note": "a=b"}),
        (("--batch-size", "32", "--infer"), {"batch_size": "32", "task": "infer"}),
        (("--batch-size", "32", "--set", "batch_size=32"), {"batch_size": "32"}),
        (("--set", "lr=0.1", "--set", "lr=0.2"), {"lr": "0.2"}),
    ],
)
def test_settings_are_those_of_set_and_of_the_options_that_stand_for_one(
    words: tuple[str, ...], settings: dict[str, Any]
) -> None:
    assert read("lenet", *words).settings == settings


@pytest.mark.parametrize("text", ["batch_size", "=100", "batch_size="])
def test_a_setting_that_is_no_key_and_value_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not KEY=VALUE"):
        read("lenet", "--set", text)


def test_two_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(UsageError, match="--batch-size and --set batch_size=64 contradict each other"):
        read("lenet", "--batch-size", "32", "--set", "batch_size=64")
    with pytest.raises(UsageError, match="--infer and --set task=train contradict each other"):
        read("lenet", "--infer", "--set", "task=train")


@pytest.mark.parametrize("option", ["--epochs", "--threads", "--max-steps"])
@pytest.mark.parametrize("value", ["0", "-1"])
def test_a_count_below_one_is_refused_by_name(option: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"{option} must be at least 1, not {value}"):
        read("lenet", option, value)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(UsageError, match="--seed must not be negative: -3"):
        read("lenet", "--seed", "-3")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90.0), ("2m", 120.0), ("1h", 3600.0)])
def test_a_time_limit_is_read_with_its_unit(text: str, seconds: float) -> None:
    assert read("lenet", "--timeout", text).timeout_s == seconds


def compared(*words: str) -> Any:
    from dlprof.cli.verbs import compare

    parser = argparse.ArgumentParser()
    compare.add_arguments(parser)
    return compare.compare_options(parser.parse_args(["lenet", *words]))


@pytest.mark.parametrize(
    ("words", "sides"),
    [
        ((), ("tf", "mxnet")),
        (("--a", "tf:graph", "--b", "tf:eager"), ("tf:graph", "tf:eager")),
        (("--frameworks", "tf,mxnet,torch"), ("tf", "mxnet", "torch")),
        (("--side", "tf:graph", "--side", "tf:eager"), ("tf:graph", "tf:eager")),
        (("--side", "tf", "--side", "tf", "--side", "mxnet", "--side", "np"), ("tf", "tf", "mxnet", "np")),
    ],
)
def test_sides_of_a_comparison_are_named_in_three_ways(words: tuple[str, ...], sides: tuple[str, ...]) -> None:
    assert compared(*words).sides == sides


@pytest.mark.parametrize(
    "words",
    [
        ("--side", "tf"),
        ("--frameworks", "tf,,mxnet"),
        ("--frameworks", "tf,mxnet", "--side", "tf"),
        ("--side", "tf", "--side", "mxnet", "--b", "tf"),
        ("--frameworks", ",".join(["tf"] * 9)),
        ("--frameworks", "tf,mxnet,tf", "--method", "as-published"),
    ],
)
def test_sides_that_contradict_each_other_or_are_too_few_or_too_many_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as error:
        compared(*words)
    assert error.value.hint


def test_python_looks_for_circles_neither_while_the_program_starts_nor_when_it_ends() -> None:
    code = """
import atexit, gc, sys
def tell(phase, info):
    print("looked", file=sys.stderr)
atexit.register(lambda: print(gc.get_freeze_count() > 10_000, len(gc.get_objects()) < 10_000))  # runs last
import dlprof.cli
gc.callbacks.append(tell)
from dlprof.cli.main import main
main(["frameworks"])
gc.callbacks.clear()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True True"
    assert "looked" not in done.stderr
