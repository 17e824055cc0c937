"""An interpreter of the user's with some packages exchanged: what an upgrade would bring, tried without making it.

The overlay is an environment of its own. It holds what uv installs for the wish, and sees all else in the user's environment
through the search path. So that uv changes no more than it must, the overlay first gets the records (`*.dist-info`) of all
packages there, without their files: uv then takes them for installed, and exchanges those alone that the wish requires.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from dlprof.capture.environments import pip_settings, uv_tool
from dlprof.errors import EnvironmentFailed, UsageError

_ASK: Final = """
import sys
sys.path = [one for one in sys.path if one]  # without the working folder, whose json.py must not run
import json, site
folders = list(site.getsitepackages()) + ([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])
print(json.dumps({"prefix": sys.prefix, "folders": [one for one in folders if one in sys.path]}))
"""

_NO_VERSION: Final = (
    "this version cannot be had for this machine and Python, or pip's settings rule it out (`pip config list`: constraint, "
    "no-index); `pip index versions PACKAGE` lists those that can"
)


def made(python: Path, wishes: Sequence[str], folder: Path, say: Callable[[str], None]) -> Path:
    """The interpreter of an overlay of `python`'s environment with `wishes` (`jax==0.9.0`) installed, made in `folder`, which
    must not exist. Raises `EnvironmentFailed`, `UsageError`."""
    there = _asked(python)
    folders = [Path(one) for one in there["folders"]]
    folder.parent.mkdir(parents=True, exist_ok=True)
    log = folder.with_name(f"{folder.name}.log")
    settings = pip_settings.for_uv(pip_settings.read(prefix=Path(there["prefix"])))
    doing = f"try {' '.join(wishes)} beside the environment of {python}"

    def uv(*words: str) -> None:
        try:
            uv_tool.run(words, doing=doing, log=log, cwd=folder.parent, on_progress=say, variables=settings)
        except uv_tool.UvFailed as error:  # the log goes with its folder, before anybody could read it
            hint = _NO_VERSION if error.hint == uv_tool.NO_VERSION else error.hint
            raise EnvironmentFailed(error.message.partition("\n  log: ")[0], hint=hint) from None

    uv("venv", "--no-project", "--python", str(python), str(folder))
    mine = folder / "bin" / "python"
    [own] = [Path(one) for one in _asked(mine)["folders"] if Path(one).is_relative_to(folder)][:1]
    _records(folders, own)
    uv("pip", "install", "--python", str(mine), *wishes)
    seen = "; ".join(f"site.addsitedir({str(one)!r})" for one in folders)
    (own / "_dlprof_overlay.pth").write_text(f"import site; {seen}\n")
    return mine


def _asked(python: Path) -> dict[str, Any]:
    """What an interpreter says of its search path. Raises `UsageError`."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    try:
        done = subprocess.run([str(python), "-c", _ASK], env=clean, capture_output=True, timeout=60, check=True)
        found: dict[str, Any] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise UsageError(f"{python}: cannot be asked where its packages are: {error}", hint="is it a Python?") from None
    return found


def _records(folders: Sequence[Path], own: Path) -> None:
    """Copy what says which packages are installed; of a package that is there twice the first counts, as for Python."""
    seen: set[str] = set()
    for folder in folders:
        for record in sorted(folder.glob("*.dist-info")) if folder.is_dir() else ():
            name = record.name.rpartition("-")[0].lower()
            target = own / record.name
            if name in seen or target.exists():
                continue
            seen.add(name)
            try:
                shutil.copytree(record, target)
            except (OSError, shutil.Error) as error:
                raise EnvironmentFailed(f"{record}: cannot be copied: {error}") from None
