"""What commands print, put into the documentation between markers that state the command: `python docs/shown.py`.

A marker is a line of its own:

    <!-- shown: 12 lines of: dlprof diff A B -->

What stands between it and the next `<!-- end -->` is the command and the first 12 lines of its standard output, which this
program writes and a test holds it to (tests/integration/test_guides.py). A command runs in the root of the sources at 80
columns; its results must be the same everywhere, so it reads recordings and stored results and measures nothing.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "docs").glob("**/*.md"))
MARKED = re.compile(r"(<!-- shown: (\d+) lines of: dlprof ([^\n]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> int:
    for file in FILES:
        old = file.read_text(encoding="utf-8")
        new = filled(old, printed)
        if new != old:
            file.write_text(new, encoding="utf-8")
            print(file.relative_to(ROOT))
    return 0


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command whose output the text shows."""
    return (shlex.split(found[3]) for found in MARKED.finditer(text))


def filled(text: str, run: Callable[[list[str]], str]) -> str:
    """The text with every marked block made anew. run: standard output of `dlprof WORD…`."""

    def block(found: re.Match[str]) -> str:
        lines, shown = run(shlex.split(found[3])).rstrip("\n").splitlines(), int(found[2])
        cut = [f"… ({len(lines) - shown} more lines)"] if len(lines) > shown else []
        output = "\n".join([*lines[:shown], *cut])
        return f"{found[1]}```text\n$ dlprof {found[3]}\n{output}\n```\n{found[4]}"

    return MARKED.sub(block, text)


def printed(words: list[str]) -> str:
    """Standard output of the command, run as a user does."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "80"}
    command = [sys.executable, "-m", "dlprof", *words]
    return subprocess.run(command, check=True, cwd=ROOT, env=environ, text=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    raise SystemExit(main())
