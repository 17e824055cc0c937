"""Compiles the C part of the trace readers when dlprof is built or installed, with whatever C compiler is there.

With it the wheel is one for all Pythons of a platform (py3-none-PLATFORM), without it pure (py3-none-any), and traces are read in
Python. `DLPROF_BUILD_NATIVE` says what is to be done: `auto` (unset: compile where a compiler is found), `require` (releases: not
being able to is an error), `off`. `CC` names another compiler than the first of cc, gcc and clang on PATH.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VARIABLE = "DLPROF_BUILD_NATIVE"
CHOICES = ("auto", "require", "off")
FOLDER = "dlprof/native"
SOURCES = (
    "json_events.c",
    "xplane_events.c",
    "xplane_lines.c",
    "xplane_args.c",
    "nesting.c",
    "sums.c",
    "xplane_rows.c",
    "groups.c",
)
TARGET = "_readers.so"
FLAGS = ("-std=c11", "-O3", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra")


class NativeBuildHook(BuildHookInterface):
    """Hatchling's hook: before a wheel is packed, or an editable install made."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles; an editable install finds the library beside its sources, a wheel gets it packed in."""
        choice = os.environ.get(VARIABLE, "auto")
        if choice not in CHOICES:
            raise SystemExit(f"{VARIABLE}={choice}: it may be {', '.join(CHOICES)}")
        sources = [Path(self.root, FOLDER, name) for name in SOURCES]
        editable = version == "editable"
        folder = sources[0].parent if editable else Path(tempfile.mkdtemp(prefix="dlprof-build-"))
        self._scratch = None if editable else folder
        target = folder / TARGET
        target.unlink(missing_ok=True)
        reason = f"{VARIABLE}=off" if choice == "off" else compiled(sources, target)
        if reason and choice == "require":
            raise SystemExit(f"{VARIABLE}=require, but the C part was not built: {reason}")
        if reason:
            self.app.display_warning(f"dlprof is installed without its C part, and reads traces in Python: {reason}")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
        if not editable:
            build_data["force_include"][str(target)] = f"{FOLDER}/{TARGET}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Removes what was compiled for a wheel."""
        del version, build_data, artifact_path
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)


def compiled(sources: Sequence[Path], target: Path, *flags: str) -> str:
    """Compiles the library; "" where it was made, else why not."""
    compiler = (
        shlex.split(os.environ.get("CC", ""))
        or [path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))][:1]
    )
    if not compiler:
        return "no C compiler (cc, gcc, clang) is on PATH"
    made = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        done = subprocess.run(
            [*compiler, *FLAGS, *flags, *map(str, sources), "-o", str(made)],
            capture_output=True,
            text=True,
            errors="replace",
        )
    except OSError as error:
        return f"{compiler[0]} cannot be run: {error.strerror}"
    if done.returncode or not made.exists():
        return f"{' '.join(compiler)} failed: {(done.stderr.strip().splitlines() or ['no message'])[0]}"
    made.replace(target)
    return ""
