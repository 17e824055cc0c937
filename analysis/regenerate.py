"""Runs a study of this folder and renders it: `python3 analysis/regenerate.py fundamental-operations [--quick]`.

A study is run by `dlprof run`, which keeps finished cells, so a run that was stopped goes on where it was; then its data
(tables and manifests, without raw traces) and the rendered README, tables and charts are put into its folder.

  --quick          a short version into --out, from fresh data: it shows that everything works, and says nothing else
  --only PATTERN   run only cells whose id matches (may be repeated); the rendering says what was not measured
  --add-session    keep the data that are there, and add what WORK has as further runs of the same cells: a session at another
                   hour, or on another machine
  --render-only    render the data that are there again
"""

from __future__ import annotations

import argparse
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

from publishing import add_session, publish

HERE = Path(__file__).resolve().parent
STUDIES = ("fundamental-operations", "lenet", "audit", "versions")
USES = {"audit": ("fundamental-operations", "lenet")}
"""Studies whose data another one reads."""
MADE = ("data", "tables", "charts", "README.md", "rendered.json", "audit.json")
"""What is generated in a study's folder."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN")
    parser.add_argument("--add-session", action="store_true")
    parser.add_argument("--render-only", action="store_true")
    parser.add_argument("--work", type=Path, default=Path("dlprof-out/analysis"), help="where dlprof runs the study")
    parser.add_argument("--out", type=Path, help="where results go (default: this folder; with --quick WORK/quick)")
    arguments = parser.parse_args()
    out = (arguments.out or (arguments.work / "quick" if arguments.quick else HERE)).resolve()
    if out != HERE:
        shutil.copytree(HERE, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*MADE, "__pycache__"))
    needed = [name for name in USES.get(arguments.study, ()) if not (out / name / "data").is_dir()]
    for name in [*needed, arguments.study]:
        if not arguments.render_only:
            measure(name, arguments, out)
        render(out / name)
    return 0


def measure(name: str, arguments: argparse.Namespace, out: Path) -> None:
    """Run the study and copy what its rendering needs. Cells that failed are part of the result, and said there."""
    target = arguments.work / (f"{name}-quick" if arguments.quick else name)
    words = [sys.executable, "-m", "dlprof", "run", str(HERE / name / "study.toml"), "-o", str(target)]
    words += ["--quick"] * arguments.quick + [word for pattern in arguments.only for word in ("--only", pattern)]
    path = os.pathsep.join(filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(words, env={**os.environ, "PYTHONPATH": path}, check=False)
    if not (target / "study.json").is_file():
        raise SystemExit(done.returncode or 1)
    places = {str(target.absolute()): f"dlprof-out/analysis/{name}", f"{HERE.parent}/": ""}
    if arguments.add_session:
        add_session(target, out / name / "data", places)
    else:
        publish(target, out / name / "data", places)


def render(folder: Path) -> None:
    """README, tables and charts of a study from its data."""
    for name in ("tables", "charts"):
        shutil.rmtree(folder / name, ignore_errors=True)
    sys.path[:0] = [str(HERE.parent), str(folder.parent)]
    runpy.run_path(str(folder / "render.py"))["render"](folder / "data", folder)
    print(f"rendered: {folder}")


if __name__ == "__main__":
    raise SystemExit(main())
