"""Looking into an environment from outside: a small script run by its own Python, and its installed files on disk."""

from __future__ import annotations

import base64
import contextlib
import csv
import hashlib
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dlprof import temporary
from dlprof.capture.workers import process
from dlprof.capture.workers.launch_env import child_environ
from dlprof.errors import EnvironmentFailed

IMPORT_S = 300
"""Seconds that a framework may take to import; a cold disk was seen to need 40."""

_DRIVER = "libcuda.so.1"

# Python 3.6 syntax, standard library alone. Reads the metadata of every distribution on sys.path; importlib.metadata is
# not in 3.6 and 3.7. argv: the modules to import, and the shared libraries to load; comma between them, or ''. The working
# folder, which `-c` puts on the path, goes first of all: a glob.py or mxnet.py that lies there must not run.
_PROBE = r"""
import sys
sys.path = [p for p in sys.path if p]
import ctypes, glob, json, os
out = {"python": "%d.%d.%d" % sys.version_info[:3], "executable": sys.executable, "packages": {}, "module": None,
       "missing": []}
for place in reversed([p for p in sys.path if p]):
    for pattern in ("*.dist-info/METADATA", "*.egg-info/PKG-INFO"):
        for path in glob.glob(os.path.join(glob.escape(place), pattern)):
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = [line.rstrip("\n") for line in file if line.startswith(("Name: ", "Version: "))]
            head = dict(line.split(": ", 1) for line in reversed(lines))
            if "Name" in head and "Version" in head:
                out["packages"][head["Name"].lower().replace("_", "-").replace(".", "-")] = head["Version"]
for name in filter(None, sys.argv[2].split(",")):
    try:
        ctypes.CDLL(name)
    except OSError as error:
        out["missing"].append(str(error))
if sys.argv[1] and not out["missing"]:
    modules = [__import__(name) for name in sys.argv[1].split(",")]
    out["module"] = str(getattr(modules[0], "__version__", ""))
print("\n@" + json.dumps(out))
"""


def ask(
    python: Path, module: str | None, *, environ: Mapping[str, str] | None = None, libraries: Sequence[str] = ()
) -> dict[str, Any]:
    """What `python` says of itself: python, executable, packages (name → version), module (version of the first imported).

    environ: as in Environment; libraries: sonames that must load before the import. Raises `EnvironmentFailed` when it
    does not run, when a library does not load, or when importing `module` fails or takes over `IMPORT_S` seconds.
    """
    argv = [str(python), "-c", _PROBE, module or "", ",".join(libraries)]
    try:
        with temporary.folder() as settings:
            done = subprocess.run(
                argv,
                env=child_environ(environ, settings=settings),
                capture_output=True,
                timeout=IMPORT_S,
                check=False,
                stdin=subprocess.DEVNULL,
            )
    except OSError as failure:
        raise EnvironmentFailed(
            f"cannot run {python}: {failure.strerror or failure}", hint="give the path of a Python interpreter"
        ) from failure
    except subprocess.TimeoutExpired:
        raise EnvironmentFailed(
            f"importing {module} with {python} did not end within {IMPORT_S} s", hint="is the disk very slow or full?"
        ) from None
    answer = next(
        (line for line in reversed(done.stdout.decode("utf-8", "replace").splitlines()) if line[:2] == "@{"), ""
    )
    if done.returncode == 0 and answer:
        result: dict[str, Any] = json.loads(answer[1:])
        if result["missing"]:
            raise EnvironmentFailed(f"with {python} a shared library does not load: {'; '.join(result['missing'])}")
        return result
    how = _last_error(done.stderr.decode("utf-8", "replace")) if done.returncode > 0 else ""
    how = how or process.exit_words(done.returncode)
    driver = "libcuda.so.1 belongs to the NVIDIA driver: install that, or use --device cpu" if _DRIVER in how else None
    raise EnvironmentFailed(f"importing {module or 'nothing'} with {python} failed: {how}", hint=driver)


def _last_error(stderr: str) -> str:
    """The line that names the last exception (its message may go on for many lines), else the last line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt)\b", line)]
    return (named or lines or [""])[-1]


STAMPS: Final = "dlprof-files.json"
"""Inside an environment: file → size, times of its content and of its inode, when its content was last found to be right."""


def damage(root: Path, contents: Mapping[str, str] | None = None) -> str | None:
    """What is wrong with the installed files of the environment `root`, or None.

    contents: what `content_hashes` said when it was made, against which each RECORD is held; None: RECORD is believed

    Every file that the packages' RECORD lists must be there with the content that RECORD states. Content is read where a file's
    stamp is not that of the last time (the inode's time cannot be set back by whoever changes a file): 15 000 `stat` calls
    take about 0.2 s where importing TensorFlow takes 5, and hashing all of it as long again.
    """
    try:
        return _other_packages(root, contents) or _other_files(root)
    except (OSError, ValueError, csv.Error) as failure:
        return f"what was installed cannot be read: {failure}"


def _other_packages(root: Path, contents: Mapping[str, str] | None) -> str | None:
    """Which package's RECORD is not the one that was installed, or None."""
    now = content_hashes(root) if contents is not None else {}
    for name, stated in (contents or {}).items():
        if name not in now:
            return f"the RECORD of {name} is missing"
        if now[name] != stated:
            return f"the RECORD of {name} is not the one that was installed"
    return None


def _other_files(root: Path) -> str | None:
    """Which file is not as its package's RECORD states, or None."""
    known = _stamps(root)
    found: dict[str, list[int]] = {}
    for site in site_packages(root):
        for record in sorted(site.glob("*.dist-info/RECORD")):
            for path, digest, size in _rows(record):
                if path.endswith(".pyc"):
                    continue
                file = site / path
                try:
                    stat = file.stat()
                    stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
                    if size and stat.st_size != int(size):
                        return f"{path} has {stat.st_size} bytes where {size} were installed"
                    if digest and known.get(str(file)) != stamp and _digest(file, digest) != digest:
                        return f"{path} has another content than was installed"
                except OSError:
                    return f"{path} is missing"
                found[str(file)] = stamp
    if found != known:
        _keep_stamps(root, found)
    return None


def _digest(file: Path, like: str) -> str:
    """The file's digest as RECORD writes it: `sha256=` and URL-safe base64 without padding."""
    name = like.partition("=")[0]
    if name not in hashlib.algorithms_guaranteed:
        return like  # one that this Python cannot compute
    with file.open("rb") as stream:
        value = hashlib.file_digest(stream, name).digest()
    return f"{name}={base64.urlsafe_b64encode(value).rstrip(b'=').decode()}"


def _stamps(root: Path) -> dict[str, list[int]]:
    try:
        known = json.loads((root / STAMPS).read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _keep_stamps(root: Path, stamps: Mapping[str, list[int]]) -> None:
    """For the next time; where the cache cannot be written the contents are read again then."""
    with contextlib.suppress(OSError), temporary.atomic(root / STAMPS) as place:
        place.write_text(json.dumps(stamps), encoding="utf-8")


def content_hashes(root: Path) -> dict[str, str]:
    """Package name → sha256 over the (path, sha256) lines of its RECORD: what was really installed, file by file.

    pip and uv do not keep which of a lock's allowed wheels they chose; this identifies its contents instead.
    """
    hashes = {}
    for site in site_packages(root):
        for record in sorted(site.glob("*.dist-info/RECORD")):
            name = record.parent.name.split("-")[0].lower().replace("_", "-").replace(".", "-")
            # INSTALLER, REQUESTED, uv_cache.json, scripts and RECORD itself differ from machine to machine.
            lines = sorted(
                f"{path},{digest}"
                for path, digest, _ in _rows(record)
                if digest and not path.startswith("..") and record.parent.name not in path.split("/")[0]
            )
            hashes[name] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return hashes


def site_packages(root: Path) -> list[Path]:
    """The site-packages folders of the environment `root` (one, unless it was tampered with)."""
    return sorted((root / "lib").glob("python*/site-packages"))


def _rows(record: Path) -> list[tuple[str, str, str]]:
    with record.open(newline="", encoding="utf-8") as file:
        return [(row[0], row[1], row[2]) for row in csv.reader(file) if len(row) >= 3]
