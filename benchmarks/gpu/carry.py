"""Gathers what run.py needs on a machine without network: wheels of the GPU environments and of dlprof itself, MNIST, a Python.

    python benchmarks/gpu/carry.py --to carried [--frameworks tf mxnet] [--python 3.12] [--pyenv]

--python: the version that will run run.py there. --pyenv: also the Python of the environments (3.11), copied from pyenv, for a
machine that has none. --list: only say what would be fetched. Wheels are fetched by their hashes in the lock files (pip
download); MNIST through dlprof. tf is about 3.0 GiB of wheels, mxnet 2.2 GiB.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LOCKS = {"tf": "tensorflow/locks/tf-2.21.0", "mxnet": "mxnet/locks/mxnet-1.9.1"}
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 26, 24, 17, 12, 5)]
PLATFORMS += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]


def pip_of() -> str:
    """An interpreter that has pip: this one, else one on PATH."""
    for candidate in (sys.executable, shutil.which("python3.11"), shutil.which("python3")):
        if (
            candidate
            and subprocess.run([candidate, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
        ):
            return candidate
    raise SystemExit("error: no Python with pip found")


def download(pip: str, to: Path, python: str, *what: str) -> None:
    """Wheels for Linux on x86-64 and `python`."""
    platforms = [part for name in PLATFORMS for part in ("--platform", name)]
    command = [
        pip,
        "-m",
        "pip",
        "download",
        "-q",
        "--only-binary=:all:",
        "--implementation",
        "cp",
        "--python-version",
        python,
    ]
    subprocess.run([*command, *platforms, "-d", str(to), *what], check=True)


def locks(frameworks: list[str]) -> list[Path]:
    """Lock files of both devices: run.py compares CPU and GPU."""
    folder = REPOSITORY / "dlprof" / "frameworks"
    return [folder / f"{LOCKS[name]}-{device}.txt" for name in frameworks for device in ("gpu", "cpu")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--frameworks", nargs="*", choices=list(LOCKS), default=list(LOCKS))
    parser.add_argument("--python", default=f"{sys.version_info.major}.{sys.version_info.minor}", metavar="X.Y")
    parser.add_argument("--pyenv", action="store_true")
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    needs = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"]
    if given.list:
        print("\n".join([*(str(path.relative_to(REPOSITORY)) for path in locks(given.frameworks)), *needs]))
        return 0
    to, pip = given.to.absolute(), pip_of()
    wheels = to / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    download(pip, wheels, given.python, *needs)
    (to / "dlprof-needs.txt").write_text("\n".join(needs) + "\n")
    for lock in locks(given.frameworks):
        download(pip, wheels, "3.11", "--no-deps", "--require-hashes", "-r", str(lock))
    code = "from dlprof.capture.data import datasets; print(datasets.mnist().source)"
    environ = {**os.environ, "DLPROF_CACHE": str(to / "cache"), "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-c", code], env=environ, check=True)
    if given.pyenv:
        root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
        source = next(iter(sorted(root.glob("versions/3.11.*"))), None)
        if source is None:
            raise SystemExit(f"error: no Python 3.11 below {root}")
        leave = shutil.ignore_patterns("test", "site-packages", "__pycache__")
        shutil.copytree(
            source, to / "pyenv" / "versions" / source.name, symlinks=True, ignore=leave, dirs_exist_ok=True
        )
    size = sum(path.stat().st_size for path in to.rglob("*") if path.is_file())
    print(f"{to}: {size / (1 << 30):.1f} GiB, {len(list(wheels.iterdir()))} wheels")
    return 0


if __name__ == "__main__":
    sys.exit(main())
