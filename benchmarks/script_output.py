"""Does a script run under dlprof as it runs without? Once without, once recorded: exit codes, output, how its steps were found.

    python3 benchmarks/script_output.py --name 'word_language_model/main.py' -- python main.py --epochs 1
    python3 benchmarks/script_output.py --into docs/guides/own-script.md

Each run is in a fresh copy of the working folder; with --scratch DIR those that have ended are kept there, and a long script is
gone on with where it was stopped. The first prints a row of the table and keeps it in benchmarks/data/script_output.json in the
place of an earlier one of that name; the second writes the table of all rows into the
guide. Its column `standard output` says by what the output of the recorded run equals that of the first run: byte for byte, once
numbers are masked, or once what a terminal overwrites is left out too (a progress bar is drawn as often as time allows); where it
is not byte for byte, by what a second run without dlprof does.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from marked import put, table

KEPT = Path(__file__).parent / "data" / "script_output.json"
BEGIN, END = "<!-- scripts: benchmarks/script_output.py writes from here -->", "<!-- scripts: to here -->"
TITLES = ("script", "exit codes without, with", "standard output", "how its steps were found", "marked")

NUMBER = re.compile(rb"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s?([mun]?s\b|\xc2\xb5s\b)?|\bnan\b|\binf\b")
ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]")


def masked(text: bytes) -> bytes:
    """Numbers, with the unit of a time, as `#`; spaces that only fill a column count as one."""
    return re.sub(rb"[ \t]+", b" ", NUMBER.sub(b"#", text))


def on_terminal(text: bytes) -> bytes:
    """What remains of each line after carriage returns and backspaces."""
    lines = []
    for line in ESCAPE.sub(b"", text).split(b"\n"):
        shown: list[int] = []
        at = 0
        for byte in line.rstrip(b"\r"):
            if byte == 0x0D:
                at = 0
            elif byte == 0x08:
                at = max(at - 1, 0)
            else:
                shown[at : at + 1] = [byte]
                at += 1
        lines.append(bytes(shown).rstrip())
    return b"\n".join(lines)


SAME = (
    ("identical", lambda text: text),
    ("identical, numbers masked", masked),
    ("identical as a terminal shows it, numbers masked", lambda text: masked(on_terminal(text))),
)
"""By what two outputs may be the same, the strictest first."""


def likeness(a: bytes, b: bytes) -> str | None:
    """The strictest that holds, which proves little where there is nothing to compare; None where none does."""
    found = next((name for name, of in SAME if of(a) == of(b)), None)
    return f"{found} (empty)" if found is not None and not a + b else found


def ran(command: list[str], folder: Path, given: bytes | None) -> subprocess.CompletedProcess[bytes]:
    """The command in a fresh copy of the working folder. given: its standard input; None for ours.

    What it said is kept beside the folder, so that one that has ended is not run again.
    """
    ended = [folder.with_suffix(f".{name}") for name in ("stdout", "stderr", "code")]
    if ended[-1].is_file():
        stdout, stderr, code = (one.read_bytes() for one in ended)
        return subprocess.CompletedProcess(command, int(code), stdout, stderr)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(Path.cwd(), folder, symlinks=True)
    done = subprocess.run(command, cwd=folder, input=given, capture_output=True, check=False)
    for file, content in zip(ended, (done.stdout, done.stderr, str(done.returncode).encode()), strict=True):
        file.write_bytes(content)
    return done


def row(name: str, command: list[str], options: list[str], scratch: Path, given: bytes | None = None) -> list[str]:
    """The runs as a row of the table. given: their standard input."""
    plain = ran(command, scratch / "plain-0", given)
    made = scratch / "made"
    if not (scratch / "recorded.code").is_file():
        shutil.rmtree(made, ignore_errors=True)
    recorded = ran(
        [sys.executable, "-m", "dlprof", "capture", "-o", str(made), *options, "--", *command],
        scratch / "recorded",
        given,
    )
    said = [line for line in recorded.stderr.decode(errors="replace").splitlines() if line.startswith("dlprof: ")]
    print(*said, sep="\n", file=sys.stderr)
    codes = f"{plain.returncode}, {recorded.returncode}"
    same = own = likeness(plain.stdout, recorded.stdout)
    if plain.stdout != recorded.stdout:  # do two runs without dlprof say the same?
        own = likeness(plain.stdout, ran(command, scratch / "plain-1", given).stdout)
    told = same or f"differs; two runs without dlprof {'differ too' if own is None else f'are {own}'}"
    if same != own and own is not None and same is not None:
        told += f" (two runs without dlprof: {own})"
    if not made.is_dir():
        return [name, codes, told, "nothing was recorded", ""]
    found = json.loads((made / "manifest.json").read_text())["child"]["runtime"]["steps found by"]
    asked = [sys.executable, "-m", "dlprof", "show", str(made), "--by", "step", "--rows", "1000", "--format", "json"]
    steps = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)["rows"]
    return [name, codes, told, found, str(len([one for one in steps if one["step"] is not None]))]


def kept(file: Path = KEPT) -> list[list[str]]:
    """The rows of all scripts so far."""
    rows: list[list[str]] = json.loads(file.read_text()) if file.exists() else []
    return rows


def keep(made: list[str], file: Path = KEPT) -> None:
    """A row in the place of the one of its name, or at the end."""
    rows = kept(file)
    at = next((at for at, one in enumerate(rows) if one[0] == made[0]), len(rows))
    rows[at : at + 1] = [made]
    file.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", help="of the script, for the table")
    parser.add_argument("--into", type=Path, help="a document with the markers of the table")
    parser.add_argument(
        "--scratch", type=Path, help="keep here what runs said: those that have ended are not run again"
    )
    parser.add_argument("--option", action="append", default=[], help="of dlprof capture, such as --option=--light")
    parser.add_argument("command", nargs="*", help="after --: the command, as it is typed without dlprof")
    asked = parser.parse_args()
    if asked.command:
        if not asked.name:
            parser.error("--name: how shall the script be called in the table?")
        with tempfile.TemporaryDirectory() as scratch:
            made = row(asked.name, asked.command, asked.option, (asked.scratch or Path(scratch)).absolute())
        keep(made)
        print(f"| {' | '.join(made)} |", flush=True)
    if asked.into:
        put(asked.into, BEGIN, END, table(TITLES, kept()))


if __name__ == "__main__":
    main()
