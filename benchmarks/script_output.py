"""Does a script run under dlprof as it runs without? Twice without, once recorded: exit codes, output, how its steps were found.

    python3 benchmarks/script_output.py --name 'word_language_model/main.py' -- python main.py --epochs 1

Each run is in a fresh copy of the working folder. Printed is a row of the table in docs/guides/own-script.md. Its column `stdout`
says by what the output of the recorded run equals that of the first run: byte for byte, once numbers are masked, or once what a
terminal overwrites is left out too (a progress bar is drawn as often as time allows); where it equals in no way, whether the two
runs without dlprof are alike at least.
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
    """The strictest that holds; None where none does."""
    return next((name for name, of in SAME if of(a) == of(b)), None)


def ran(command: list[str], folder: Path) -> subprocess.CompletedProcess[bytes]:
    """The command in a fresh copy of the working folder."""
    shutil.copytree(Path.cwd(), folder, symlinks=True)
    return subprocess.run(command, cwd=folder, capture_output=True, check=False)


def row(name: str, command: list[str], options: list[str], scratch: Path) -> str:
    """The three runs as a row."""
    plain, again = (ran(command, scratch / f"plain-{number}") for number in range(2))
    made = scratch / "made"
    recorded = ran(
        [sys.executable, "-m", "dlprof", "capture", "-o", str(made), *options, "--", *command], scratch / "recorded"
    )
    said = [line for line in recorded.stderr.decode(errors="replace").splitlines() if line.startswith("dlprof: ")]
    print(*said, sep="\n", file=sys.stderr)
    codes = f"{plain.returncode}, {recorded.returncode}"
    same, own = likeness(plain.stdout, recorded.stdout), likeness(plain.stdout, again.stdout)
    told = same or f"differs; two runs without dlprof {'differ too' if own is None else f'are {own}'}"
    if same != own and own is not None and same is not None:
        told += f" (two runs without dlprof: {own})"
    if not made.is_dir():
        return f"| {name} | {codes} | {told} | nothing was recorded | |"
    found = json.loads((made / "manifest.json").read_text())["child"]["runtime"]["steps found by"]
    asked = [sys.executable, "-m", "dlprof", "show", str(made), "--by", "step", "--rows", "1000", "--format", "json"]
    steps = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)["rows"]
    return f"| {name} | {codes} | {told} | {found} | {len([one for one in steps if one['step'] is not None])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True, help="of the script, for the table")
    parser.add_argument("--option", action="append", default=[], help="of dlprof capture, such as --option=--light")
    parser.add_argument("command", nargs="+", help="after --: the command, as it is typed without dlprof")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        print(row(asked.name, asked.command, asked.option, Path(scratch)), flush=True)


if __name__ == "__main__":
    main()
