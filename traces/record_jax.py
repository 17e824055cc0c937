"""Records the JAX traces of this folder anew: a Flax transformer under optax, and a Keras network, three training steps each.

    python traces/record_jax.py PYTHON
    python traces/record_jax.py --read-again

--read-again: nothing is recorded; what was recorded is imported anew, after a change of what dlprof reads from it.
PYTHON: the interpreter of an environment with jax, flax, optax and keras. It runs jax_training.py; the recording is what JAX's
profiler wrote, compressed, as a capture directory that `dlprof import` makes. SHA256SUMS is written by record.py's rule.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from record import HERE, list_digests

PROGRAMS = {"flax": "transformer-jax-flax", "keras": "cnn-jax-keras"}


def main(python: str) -> int:
    for program, name in PROGRAMS.items():
        with tempfile.TemporaryDirectory(prefix="dlprof-recording-") as folder:
            if python == "--read-again":
                shutil.copy(HERE / name / "raw" / f"{program}.xplane.pb.gz", folder)
            else:
                record(python, program, Path(folder))
            read(program, HERE / name, Path(folder))
    list_digests()
    return 0


def record(python: str, program: str, folder: Path) -> None:
    """Runs a program in `folder`, and leaves its trace there."""
    subprocess.run([python, str(HERE / "jax_training.py"), program, "profile"], check=True, cwd=folder)
    (written,) = (folder / "profile").rglob("*.xplane.pb")
    (folder / f"{program}.xplane.pb.gz").write_bytes(gzip.compress(written.read_bytes(), mtime=0))


def read(program: str, target: Path, folder: Path) -> None:
    """Imports the trace in `folder` from there by a relative path."""
    subprocess.run(
        [sys.executable, "-m", "dlprof", "import", f"{program}.xplane.pb.gz", "-o", "capture"],
        check=True, cwd=folder, env={**os.environ, "PYTHONPATH": str(HERE.parent)},
    )  # fmt: skip
    shutil.rmtree(target, ignore_errors=True)
    shutil.move(folder / "capture", target)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
