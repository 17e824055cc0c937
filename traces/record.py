"""Records the traces of this folder anew, with dlprof itself: LeNet and a matrix product, both frameworks, both fidelities.

    python traces/record.py

Each recording is what `dlprof capture` left, without logs/ (they hold paths of the recording machine). SHA256SUMS lists
every file.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
WORKLOADS = {
    "lenet": ["lenet", "--epochs", "1", "--max-steps", "6"],
    "matmul": ["matmul", "--set", "sizes=100,400", "--set", "count=5"],
}
FRAMEWORKS = ("tf", "mxnet")
FIDELITIES = ("exact", "native")


def main() -> int:
    for workload, words in WORKLOADS.items():
        for framework in FRAMEWORKS:
            for fidelity in FIDELITIES:
                record(
                    HERE / f"{workload}-{framework}-{fidelity}",
                    [*words, "--framework", framework, "--fidelity", fidelity],
                )
    list_digests()
    return 0


def list_digests() -> None:
    """Writes SHA256SUMS: every file of every recording."""
    folders = [folder for folder in HERE.iterdir() if (folder / "manifest.json").is_file()]
    files = sorted(p for folder in folders for p in folder.rglob("*") if p.is_file())
    sums = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(HERE)}\n" for p in files]
    (HERE / "SHA256SUMS").write_text("".join(sums))
    print(f"{len(files)} files, {sum(p.stat().st_size for p in files) / 1e6:.1f} MB")


def record(target: Path, words: list[str]) -> None:
    """Capture into a neutral place (TensorFlow writes the folder's path into the trace), then move it here."""
    with tempfile.TemporaryDirectory(prefix="dlprof-recording-") as folder:
        made = Path(folder) / target.name
        subprocess.run([sys.executable, "-m", "dlprof", "capture", *words, "-o", str(made)], check=True, cwd=folder,
                       env={**os.environ, "PYTHONPATH": str(HERE.parent)}, stdout=subprocess.DEVNULL)  # fmt: skip
        shutil.rmtree(made / "logs")
        manifest = json.loads((made / "manifest.json").read_text())
        manifest["files"] = {name: facts for name, facts in manifest["files"].items() if not name.startswith("logs/")}
        manifest["command"] = [word if word != str(made) else target.name for word in manifest["command"]]
        (made / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
        shutil.rmtree(target, ignore_errors=True)
        shutil.move(made, target)


if __name__ == "__main__":
    raise SystemExit(main())
