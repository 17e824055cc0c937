"""Both sections of the ingest benchmark, one behind the other: ingest_xplane.py and ingest_json.py with their defaults.

python benchmarks/ingest.py [--peer xprof=PYTHON] [--peer protobuf=PYTHON]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    print("XPlane", flush=True)
    xplane = subprocess.run([sys.executable, str(HERE / "ingest_xplane.py"), *sys.argv[1:]], check=False)
    print("\nJSON", flush=True)
    json = subprocess.run([sys.executable, str(HERE / "ingest_json.py")], check=False)
    return xplane.returncode or json.returncode


if __name__ == "__main__":
    raise SystemExit(main())
