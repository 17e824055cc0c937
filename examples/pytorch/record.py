"""Records the PyTorch traces of this folder anew: one training script as it is, with a fused optimizer, with another activation.

    python examples/pytorch/record.py PYTHON

PYTHON: the interpreter of an environment with torch. It runs train.py; what torch.profiler wrote is compressed and kept
as it is, a raw trace file, for that is what users have.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = {"base": [], "fused-adam": ["--fused"], "gelu": ["--gelu"]}
HERE = Path(__file__).parent


def main(python: str) -> int:
    for name, options in RUNS.items():
        with tempfile.TemporaryDirectory(prefix="dlprof-recording-") as folder:
            trace = Path(folder) / "trace.json"
            subprocess.run([python, str(HERE / "train.py"), "--trace", str(trace), *options], check=True, cwd=folder)
            document = json.loads(trace.read_text())
            document.pop("traceName", None)  # the temporary file's own path
            with gzip.GzipFile(HERE / f"{name}.pt.trace.json.gz", "wb", mtime=0) as packed:
                packed.write(json.dumps(document, separators=(",", ":")).encode())
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    raise SystemExit(main(sys.argv[1]))
