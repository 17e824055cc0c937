"""dlprof on a GPU in one go: captures, verdicts CPU against GPU, kernel times checked, all packed; no network with --carried.

    python benchmarks/gpu/run.py [--carried FOLDER] [-o gpu-results] [--torch-python PY] [--jax-python PY] [--dry-run]

Stages, each on its own: one that fails is recorded with its last lines, and the others go on. --dry-run does on the CPU
whatever needs no GPU. --carried: what carry.py gathered. PyTorch and JAX are taken from the interpreters named (default: this
one) and left out where they are not installed. Standard library alone; dlprof's own packages come from --carried if need be.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
LAST_LINES = 25


@dataclass
class Run:
    """One go. out: where all goes; environ: of every program started; results: stage → what it left."""

    out: Path
    dry: bool
    carried: Path | None
    pythons: dict[str, Path]
    timeout_s: float
    environ: dict[str, str] = field(default_factory=dict)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def device(self) -> str:
        return "cpu" if self.dry else "gpu"

    def call(self, argv: list[str], log: str) -> subprocess.CompletedProcess[str]:
        """Run a program, its output kept in logs/."""
        argv = [str(part) for part in argv]
        try:
            done = subprocess.run(
                argv,
                env=self.environ,
                cwd=self.out,
                capture_output=True,
                text=True,
                timeout=self.timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            text = f"did not end within {self.timeout_s} s"
            done = subprocess.CompletedProcess(argv, 124, _text(late.stdout), _text(late.stderr) + text)
        path = self.out / "logs" / f"{log}.txt"
        path.write_text(
            f"$ {' '.join(argv)}\n{done.stdout}\n--- standard error\n{done.stderr}\n--- exit {done.returncode}\n"
        )
        return done

    def anew(self, folder: str) -> str:
        """A folder that dlprof is to make: what an earlier go left there goes."""
        shutil.rmtree(self.out / folder, ignore_errors=True)
        return folder

    def dlprof(self, log: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.call([sys.executable, "-m", "dlprof", *arguments], log)

    def stage(self, name: str, body: Callable[[], dict[str, Any]]) -> None:
        """Run a stage and keep what it says; status: ok, failed or skipped."""
        print(f"{name} …", flush=True)
        start = time.monotonic()
        entry = body()
        entry["seconds"] = round(time.monotonic() - start, 1)
        self.results[name] = entry
        (self.out / "results.json").write_text(json.dumps(self.results, indent=1))
        print(
            f"  {entry['status']} after {entry['seconds']} s{': ' + entry['why'] if 'why' in entry else ''}", flush=True
        )


def _text(output: str | bytes | None) -> str:
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""


def outcome(done: subprocess.CompletedProcess[str], **more: Any) -> dict[str, Any]:
    """ok with what a stage adds, or failed with the last lines."""
    if done.returncode == 0:
        return {"status": "ok", **more}
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    why = next((line for line in reversed(lines) if line.startswith("error")), lines[-1] if lines else "no output")
    return {"status": "failed", "exit": done.returncode, "why": why, "last_lines": lines[-LAST_LINES:]}


def machine(run: Run) -> dict[str, Any]:
    """What dlprof sees of machine and GPUs, and its doctor's words."""
    doctor = run.dlprof("doctor", "doctor")
    code = "import json; from dlprof.capture.machine import provenance; print(json.dumps(provenance.machine()))"
    facts = run.call([sys.executable, "-c", code], "machine")
    more = {"machine": json.loads(facts.stdout)} if facts.returncode == 0 else {}
    # doctor's exit code 1 means that something which every comparison needs is missing: told, not fatal here.
    return outcome(facts, doctor=doctor.stdout.splitlines(), **more)


def capture(run: Run, framework: str) -> dict[str, Any]:
    """One traced LeNet, and where its time went."""
    folder = run.anew(f"capture-{framework}")
    steps = ["--max-steps", "10"] if run.dry else []
    arguments = ["lenet", "--framework", framework, "--device", run.device, "--epochs", "1", *steps, "-o", folder]
    done = run.dlprof(folder, "capture", *arguments)
    if done.returncode:
        return outcome(done)
    shown = {}
    for view in ("kernels", "launches", "gaps", "overlap", "idle", "memory"):
        asked = run.dlprof(f"show-{framework}-{view}", "show", folder, "--view", view, "--format", "json")
        shown[view] = json.loads(asked.stdout) if asked.returncode == 0 else outcome(asked)
    (run.out / f"views-{framework}.json").write_text(json.dumps(shown, indent=1))
    return outcome(done, folder=folder)


def compare(run: Run, name: str, a: str, b: str) -> dict[str, Any]:
    """A verdict."""
    folder = run.anew(f"compare-{name}")
    trials = ["--trials", "2", "--max-steps", "10", "--traces", "0"] if run.dry else ["--trials", "10", "--traces", "1"]
    done = run.dlprof(folder, "compare", "lenet", "--a", a, "--b", b, "--epochs", "1", *trials, "-o", folder)
    path = run.out / folder / "comparison.json"
    if done.returncode or not path.exists():
        return outcome(done) if done.returncode else {"status": "failed", "why": "no comparison.json"}
    found = json.loads(path.read_text())
    keys = ("verdict", "ratio", "warnings")
    return {
        "status": "ok",
        "folder": folder,
        "said": done.stdout.splitlines()[:3],
        **{key: found.get(key) for key in keys},
    }


def plain(run: Run, framework: str) -> dict[str, Any]:
    """LeNet in plain PyTorch or JAX under its own profiler, read by dlprof."""
    python = run.pythons[framework]
    if run.call([str(python), "-c", f"import {framework}"], f"import-{framework}").returncode:
        return {"status": "skipped", "why": f"{python} has no {framework}"}
    folder = run.out / run.anew(f"plain-{framework}")
    device = {"torch": {"gpu": "cuda:0"}, "jax": {}}[framework].get(run.device, run.device)
    steps = ["--steps", "3"] if run.dry else []
    script = str(HERE / f"{framework}_lenet.py")
    done = run.call([str(python), script, "--device", device, "--out", str(folder), *steps], f"plain-{framework}")
    if done.returncode:
        return outcome(done)
    facts = json.loads((folder / "facts.json").read_text())
    trace = (
        [str(folder / "lenet.json")]
        if framework == "torch"
        else sorted(map(str, folder.glob("plugins/profile/*/*.pb")))
    )
    kept = run.dlprof(f"import-trace-{framework}", "import", *trace, "-o", run.anew(f"capture-{framework}"))
    if kept.returncode:
        return outcome(kept)
    shown = run.dlprof(f"show-{framework}", "show", f"capture-{framework}", "--by", "kernel", "--format", "json")
    more = {key: value for key, value in facts.items() if not isinstance(value, dict)}
    return outcome(shown, folder=f"capture-{framework}", kinds=len(json.loads(shown.stdout)["rows"]), **more)


def kernel_times(run: Run) -> dict[str, Any]:
    """dlprof's kernel times against torch.profiler's and CUDA events' of the same run, within 2 %."""
    folder = run.out / "plain-torch"
    if not (folder / "facts.json").exists():
        return {"status": "skipped", "why": "no PyTorch run"}
    done = run.call([sys.executable, str(HERE / "checks.py"), str(folder)], "kernel-times")
    if done.returncode not in (0, 1) or not done.stdout.strip().startswith("{"):
        return outcome(done)
    found = json.loads(done.stdout)
    return {"status": "ok" if done.returncode == 0 else "failed", **found}


def pack(run: Run, limit_mib: float) -> dict[str, Any]:
    """recordings.tar.gz: results, logs, captures and raw traces with their sha256; files over the limit are named, not taken."""
    taken, left = {}, []
    files = [
        path for path in sorted(run.out.rglob("*")) if path.is_file() and "cache" not in path.relative_to(run.out).parts
    ]
    with tarfile.open(run.out / "recordings.tar.gz", "w:gz") as archive:
        for path in files:
            name = str(path.relative_to(run.out))
            if name == "recordings.tar.gz" or name.startswith("site/"):
                continue
            if path.stat().st_size > limit_mib * (1 << 20):
                left.append(f"{name} ({path.stat().st_size >> 20} MiB)")
                continue
            taken[name] = hashlib.sha256(path.read_bytes()).hexdigest()
            archive.add(path, name)
        sums = run.out / "SHA256SUMS"
        sums.write_text("".join(f"{digest}  {name}\n" for name, digest in taken.items()))
        archive.add(sums, "SHA256SUMS")
    size = (run.out / "recordings.tar.gz").stat().st_size
    return {"status": "ok", "files": len(taken), "left_out": left, "bytes": size}


def prepare(run: Run) -> None:
    """Variables of every program: dlprof from this repository, and nothing from the network where things were carried."""
    run.environ = {**os.environ, "NO_COLOR": "1"}
    paths = [str(REPOSITORY)]
    if run.carried:
        wheels = str(run.carried / "wheels")
        run.environ |= {
            "UV_FIND_LINKS": wheels,
            "UV_OFFLINE": "1",
            "DLPROF_CACHE": str(run.carried / "cache"),
        }
        if (run.carried / "pyenv").is_dir():
            run.environ["PYENV_ROOT"] = str(run.carried / "pyenv")
        paths.insert(0, _site(run, wheels))
    run.environ["PYTHONPATH"] = os.pathsep.join([*filter(None, paths), os.environ.get("PYTHONPATH", "")]).strip(
        os.pathsep
    )


def _site(run: Run, wheels: str) -> str:
    """dlprof's own packages from the carried wheels, where this Python lacks one."""
    if (
        subprocess.run(
            [sys.executable, "-c", "import pyarrow, scipy, msgspec, uv, isal, pynvml"], check=False
        ).returncode
        == 0
    ):
        return ""
    site = run.out / "site"
    needs = (run.carried / "dlprof-needs.txt").read_text().split("\n") if run.carried else []
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--find-links", wheels, "--target", str(site)]
    subprocess.run([*pip, *filter(None, needs)], check=True)
    run.environ["PATH"] = f"{site / 'bin'}{os.pathsep}{run.environ['PATH']}"
    return str(site)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", dest="out", type=Path, default=Path("gpu-results"))
    parser.add_argument("--carried", type=Path)
    parser.add_argument("--torch-python", type=Path, default=Path(sys.executable))
    parser.add_argument("--jax-python", type=Path, default=Path(sys.executable))
    parser.add_argument("--only", nargs="+", metavar="STAGE", help="such as: machine torch jax kernel-times")
    parser.add_argument("--timeout", type=float, default=1800, metavar="S", help="for each program (default 1800)")
    parser.add_argument("--limit-mib", type=float, default=16, help="files above are not packed (default 16)")
    parser.add_argument("--dry-run", action="store_true", help="on the CPU, as far as that goes")
    given = parser.parse_args()
    out = given.out.absolute()
    if out.exists() and any(out.iterdir()) and not given.only:
        parser.error(f"{out} is not empty; name another folder with -o, or single stages with --only")
    (out / "logs").mkdir(parents=True, exist_ok=True)
    pythons = {"torch": given.torch_python.absolute(), "jax": given.jax_python.absolute()}
    run = Run(out, given.dry_run, given.carried and given.carried.absolute(), pythons, given.timeout)
    prepare(run)
    gpu = run.device
    stages: dict[str, Callable[[], dict[str, Any]]] = {
        "machine": lambda: machine(run),
        "torch": lambda: plain(run, "torch"),
        "kernel-times": lambda: kernel_times(run),
        "jax": lambda: plain(run, "jax"),
        "tf": lambda: capture(run, "tf"),
        "mxnet": lambda: capture(run, "mxnet"),
        "tf-cpu-gpu": lambda: compare(run, "tf-cpu-gpu", "tf:graph/cpu", f"tf:graph/{gpu}"),
        "mxnet-cpu-gpu": lambda: compare(run, "mxnet-cpu-gpu", "mxnet:hybrid/cpu", f"mxnet:hybrid/{gpu}"),
        "tf-mxnet": lambda: compare(run, "tf-mxnet", f"tf:graph/{gpu}", f"mxnet:hybrid/{gpu}"),
    }
    run.results["run"] = {"dry_run": run.dry, "python": platform.python_version(), "status": "ok"}
    for name, body in stages.items():
        if not given.only or name in given.only:
            run.stage(name, body)
    run.stage("pack", lambda: pack(run, given.limit_mib))
    return 0 if all(entry["status"] != "failed" for entry in run.results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
