"""Running uv: its lines go to a log and to the progress display, its failures become one essential line and a hint."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import uv

from dlprof.capture.environments.cache import CACHE_VARIABLE, Progress, silent
from dlprof.capture.workers import process
from dlprof.errors import EnvironmentFailed

_NO_SPACE = f"the disk is full: free some space, or set {CACHE_VARIABLE} (and UV_CACHE_DIR) to a folder elsewhere"
_MISMATCH = "the package index serves another file than the one locked: use another index, or `uv cache clean`"
_NO_NETWORK = (
    "no network, or no way to the package index: index, find-links, proxy and certificates are those of pip's settings "
    "(`pip config list`), or of uv's where it has its own (UV_DEFAULT_INDEX, uv.toml)"
)
NO_VERSION = (
    "this version cannot be had for this machine and Python, or pip's settings rule it out (`pip config list`: constraint, "
    "no-index); `dlprof frameworks` lists those that can"
)

# What uv or the system writes → hint; the first match wins. The texts were seen with uv 0.13.
_KNOWN = (
    (r"No space left on device|os error 28", _NO_SPACE),
    (r"Hash mismatch", _MISMATCH),
    (r"error sending request|[Cc]onnect(ion)? (error|refused|reset)|dns error|[Cc]ould not connect", _NO_NETWORK),
    (r"Failed to fetch|network connectivity|network was disabled|timed out", _NO_NETWORK),
    (r"no version of|No solution found|not found in the package registry|no matching distribution", NO_VERSION),
    (r"no wheels with a matching|no usable wheels|doesn't have a (wheel|source distribution)", NO_VERSION),
)
_CHATTER = re.compile(r"^(hint|warning|log|\s*help)\b", re.IGNORECASE)


class UvFailed(EnvironmentFailed):
    """uv ended with an error; `output` is what it wrote in this call."""

    def __init__(self, message: str, *, hint: str | None, output: str) -> None:
        super().__init__(message, hint=hint)
        self.output = output


def run(
    arguments: Sequence[str],
    *,
    doing: str,
    log: Path,
    cwd: Path,
    on_progress: Progress = silent,
    variables: Mapping[str, str] | None = None,
) -> None:
    """Run `uv ARGUMENTS`, its output appended to `log` and passed on line by line.

    `doing` completes the sentence "cannot …". variables: where uv gets packages (pip_settings.for_uv); as variables, since an
    address may hold a password, which no log and no list of processes is to show. Raises `UvFailed`; on KeyboardInterrupt uv is
    stopped first.
    """
    env = {**os.environ, **(variables or {}), "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}
    argv = [uv.find_uv_bin(), *arguments]
    lines: list[str] = []
    with log.open("ab") as file:
        file.write(f"$ uv {' '.join(arguments)}\n".encode())
        child = process.start(argv, env=env, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert child.stdout is not None
        try:
            for raw in child.stdout:
                file.write(raw)
                line = raw.decode("utf-8", "replace").rstrip()
                lines.append(line)
                if line.strip() and not line.strip().startswith(("+", "Using Python")):
                    on_progress(line.strip())
            code = child.wait()
        finally:
            child.stdout.close()
            if child.poll() is None:
                process.stop(child)
    if code != 0:
        raise failure(doing, "\n".join(lines), log, code)


def failure(doing: str, output: str, log: Path, code: int) -> UvFailed:
    """The error for a failed uv call: its essential line, where the whole log is, and what to do next."""
    hint = next((hint for pattern, hint in _KNOWN if re.search(pattern, output)), None)
    said = essential(output) or process.exit_words(code)
    return UvFailed(f"cannot {doing}: {said}\n  log: {log}", hint=hint, output=output)


def essential(output: str) -> str:
    """The lines of uv's report that say what is wrong: old uv draws `×` and `╰─▶`, new uv `error:`, `cause:`."""
    lines = [line.strip(" \t│├╰─▶×").strip() for line in output.splitlines()]
    starts = [i for i, line in enumerate(lines) if line.startswith("error:")]
    starts += [i for i, line in enumerate(output.splitlines()) if line.strip().startswith("×")]
    if not starts:
        return next((line for line in reversed(lines) if line), "")
    kept: list[str] = []
    for line in lines[min(starts) :]:
        if not line or _CHATTER.match(line) or len(kept) == 4:
            break
        kept.append(line.removeprefix("error:").removeprefix("cause:").removeprefix("Caused by:").strip())
    return "; ".join(part.rstrip(".:;") for part in kept if part)
