"""Records the first ten minutes as a terminal session: `python docs/session.py [--columns 80] [--compare] [-o FILE.cast]`.

The commands of COMMANDS are run one after another in a terminal of their own (a pseudo-terminal: progress and colours are
those that a user sees), in the root of the sources. Written are an asciicast (version 2: `asciinema play FILE.cast`) and, beside
it, the same as text, without colours and with each line as it stood in the end. --compare: one more, which trains for minutes.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "docs" / "example" / "first-ten-minutes.cast"
LINES = 24
WAITED_S = 2
"""Seconds without a word that a player shows at most, however long the machine took."""
COMMANDS = (
    "dlprof",
    "dlprof diff traces/lenet-tf-exact traces/lenet-mxnet-exact",
    "dlprof help lockstep",
    "dlprof show traces/lenet-tf-exact --by layer --rows 8",
    "dlprof shwo traces/lenet-tf-exact",
    "dlprof diff traces/lenet-tf-exact traces/matmul-mxnet-exact --view settings",
    "dlprof report traces/lenet-tf-exact traces/lenet-mxnet-exact -o OUT/page.html",
    "dlprof workloads",
    "dlprof show analysis/versions/data/cells/tensorflow-tasks-tf-2.15.1-eager-vs-tf-2.21.0-eager",
)
COMPARE = "dlprof compare lenet --budget 3m -o OUT/lenet"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", type=int, default=80)
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("-o", "--output", type=Path, default=KEPT)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dlprof-session-") as folder:
        events = list(session([*COMMANDS, *([COMPARE] if asked.compare else [])], asked.columns, Path(folder)))
    size = {"version": 2, "width": asked.columns, "height": LINES}
    head = {**size, "title": "dlprof: the first ten minutes", "idle_time_limit": WAITED_S}
    lines = [json.dumps(head), *(json.dumps([round(at, 3), "o", text], ensure_ascii=False) for at, text in events)]
    asked.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    asked.output.with_suffix(".txt").write_text(plain("".join(text for _, text in events)), encoding="utf-8")
    return 0


def session(commands: list[str], columns: int, folder: Path) -> Iterator[tuple[float, str]]:
    """What the terminal shows, with the seconds since the start."""
    began = time.monotonic()
    for command in commands:
        yield time.monotonic() - began, f"$ {command}\r\n"
        for piece in output(command.replace("OUT", str(folder)), columns):
            yield time.monotonic() - began, piece.replace(str(folder), "OUT").replace(str(ROOT), ".")
        yield time.monotonic() - began, "\r\n"


def output(command: str, columns: int) -> Iterator[str]:
    """What the command writes to a terminal so wide."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, columns, 0, 0))
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        environ.pop(name, None)
    words = [sys.executable, "-m", *shlex.split(command)]
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen(words, cwd=ROOT, env=environ, start_new_session=True, **streams):  # type: ignore[call-overload]
        os.close(theirs)
        left = b""
        while True:
            try:
                piece = left + os.read(ours, 65_536)
            except OSError:  # the last one that wrote has gone
                break
            if piece == left:
                break
            whole = len(piece) - next((n for n in range(4) if _decodes(piece[: len(piece) - n])), 0)
            left = piece[whole:]
            yield piece[:whole].decode(errors="replace")
    os.close(ours)


def _decodes(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def plain(text: str) -> str:
    """The lines as they stood in the end: what was overwritten, and colours, left out."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|[\r\n]|[^\x1b\r\n]+|\x1b", text):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\r":
            column = 0
        elif part.startswith("\x1b"):
            if part.endswith("A"):  # up
                row = max(0, row - int(part[2:-1] or 1))
            elif part.endswith("K"):  # erased: all of it (2), or from here on
                lines[row] = "" if part[2:-1] == "2" else lines[row][:column]
        else:
            lines[row] = lines[row].ljust(column)[:column] + part + lines[row][column + len(part) :]
            column += len(part)
    return "\n".join(line.rstrip() for line in lines)


if __name__ == "__main__":
    raise SystemExit(main())
