"""`kill -9` at random points of compare, run and import: nothing that was finished is lost, nothing is left over.

    python3 tests/hardening/kill_points.py --verb compare --points 100

A run is started, killed after a random part of its usual time, and gone on with; the run that goes on may be killed too, after a
random part of what it is likely to take. After each kill the finished trials and traced runs on disk are noted and no child
process may live. When a run is left alone to its end, what had been finished must be unchanged in the result, the planned number
must be reached, `dlprof verify` must agree, and neither the folder nor the system's temporary directory may hold anything else.
The counts are added to kill_points.json, with commit, seed and moments of the kills; `--show` adds them up. A point is a kill:
a run that had ended by itself before its moment came is counted apart. `--a np --b np` takes the third party's framework of the
tests, whose children start in a moment, instead of MXNet. `--verb script` compares two programs of plain Python, side A's started
by a shell that stays.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[2]
LOG = Path(__file__).with_name("kill_points.json")
TRIALS = 2
AGAIN = 0.4
"""Share of the runs that go on after a kill which are killed themselves."""

STARTING = 0.35
"""Share of a run's usual time that it takes whatever is finished already."""

ORPHAN_S = 5.0
LIMIT_S = 600

Environ = dict[str, str]

Finished = dict[str, str]
"""What is finished → digest of its content: `CELL/trial N` of its rows, `CELL/CAPTURE` of its events."""


@dataclass(frozen=True)
class Verb:
    """A command under attack. first: its words; again: words that go on with it after a kill; finished: what a folder holds of
    it; planned: how many finished things the end has; whole: what is wrong with the result at its end;
    once: a result that is there is done, and the command would only say that it exists already."""

    first: list[str]
    again: list[str]
    finished: Callable[[Path], Finished]
    planned: int
    whole: Callable[[Path, Environ], Iterator[str]]
    once: bool = False


@dataclass
class Counted:
    """counts: name → how often; failures: what was wrong, in words; at: when each kill came, in seconds."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    usual: float = 0.0


class Place:
    """A folder with a command's output and a system temporary directory of its own."""

    def __init__(self, root: Path, prepare: Callable[[Path], None]) -> None:
        self.work = Path(tempfile.mkdtemp(dir=root, prefix="point-"))
        self.temporary = self.work / "tmp"
        self.temporary.mkdir()
        prepare(self.work)
        self.given = {path.name for path in self.work.iterdir()}
        self.environ = {
            **os.environ,
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": os.pathsep.join(map(str, _site(root))),
        }

    def start(self, words: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-m", "dlprof", *words], cwd=self.work, env=self.environ, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip

    def run(self, words: list[str]) -> tuple[int, str]:
        process = self.start(words)
        try:
            said, _ = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
        return process.returncode, said

    def leftovers(self) -> list[str]:
        """Everything beside what was given and the result."""
        beside = [path.name for path in self.work.iterdir() if path.name not in {*self.given, "out"}]
        return [*beside, *(f"tmp/{path.name}" for path in self.temporary.iterdir())]

    def orphans(self) -> list[psutil.Process]:
        """Processes that work in this folder and should not live any more, after a moment of patience."""
        deadline = time.monotonic() + ORPHAN_S
        while (alive := list(self._processes())) and time.monotonic() < deadline:
            time.sleep(0.1)
        return alive

    def _processes(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                # cwd, not the command line alone: descendants of a child have other words.
                inside = Path(process.cwd()).is_relative_to(self.work)
                if inside and process.status() != psutil.STATUS_ZOMBIE:
                    yield process


def _site(root: Path) -> list[Path]:
    """Where Python finds dlprof, the framework of the tests, and the metadata by which dlprof finds that."""
    info = root / "site" / "numpy_framework-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy-framework\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[dlprof.frameworks]\nnp = numpy_framework:NumpyFramework\n"
        "[dlprof.readers]\nnumpy-calls = numpy_trace:numpy_calls\n"
    )
    return [ROOT, ROOT / "tests" / "plugin", info.parent]


def attack(
    verb: Verb, prepare: Callable[[Path], None], points: int, seed: int, tell: Callable[[str], None], *, runs: int = 2
) -> Counted:
    """Kill `points` times; Ctrl-C ends it early, with the counts of the rounds that were finished.

    runs: how often the command runs before, left alone; the last one says how long it takes. 1 where no environment is made
    """
    chance, found = random.Random(seed), Counted()
    with tempfile.TemporaryDirectory(prefix="kill-points-") as name:
        usual = found.usual = _usual(verb, prepare, Path(name), runs)
        tell(f"a run takes {usual:.1f} s")
        while found.counts["points"] < points:
            place, this = Place(Path(name), prepare), Counted()
            try:
                _round(verb, place, usual, points - found.counts["points"], chance, this)
            except KeyboardInterrupt:
                break
            finally:
                shutil.rmtree(place.work, ignore_errors=True)
            found.counts.update(this.counts)
            found.failures += this.failures
            found.at += this.at
            for failure in this.failures:
                tell(f"failure: {failure}")
            tell(f"{found.counts['points']} points, {found.counts['ends']} ends, {len(found.failures)} failures")
    return found


def _usual(verb: Verb, prepare: Callable[[Path], None], root: Path, runs: int) -> float:
    """Seconds of a run that is left alone, the last of so many; the first makes environments and caches on the way."""
    for _ in range(runs):
        place = Place(root, prepare)
        began = time.monotonic()
        code, said = place.run(verb.first)
        took = time.monotonic() - began
        wrong = (
            [*verb.whole(place.work / "out", place.environ), *place.leftovers()] if code == 0 else [f"exit code {code}"]
        )
        if wrong:
            raise SystemExit(f"the command fails without being killed: {wrong}\n{said}")
        shutil.rmtree(place.work)
    return took


def _round(verb: Verb, place: Place, usual: float, points: int, chance: random.Random, found: Counted) -> None:
    """A run that is killed once or more, and then left alone to its end."""
    finished: Finished = {}
    words = verb.first
    while not (verb.once and (place.work / "out").exists()):
        left = 1 - len(finished) / verb.planned if verb.planned else 1
        after_s = chance.random() * usual * (STARTING + (1 - STARTING) * left)
        finished = _killed(verb, place, words, after_s, finished, found)
        words = verb.again
        if found.counts["points"] >= points or chance.random() >= AGAIN:
            break
    there = verb.once and (place.work / "out").exists()
    code, said = (0, "") if there else place.run(words)
    if code and "nothing is there to go on with" in said:
        found.counts["begun anew, since nothing was finished"] += 1
        code, said = place.run(verb.first)
    found.counts["ends"] += 1
    wrong = [] if code == 0 else [f"exit code {code}: {said[-2000:]}"]
    after = verb.finished(place.work / "out") if code == 0 else {}
    wrong += [f"{name} has changed or is gone" for name in finished if after.get(name) != finished[name]]
    if len(after) != verb.planned:
        wrong.append(f"{len(after)} finished of {verb.planned} planned")
    if code == 0:
        wrong += verb.whole(place.work / "out", place.environ)
    left = place.leftovers()
    found.counts["left over after the next run"] += len(left)
    wrong += [f"left over: {name}" for name in left]
    found.failures += wrong


def _killed(verb: Verb, place: Place, words: list[str], after_s: float, before: Finished, found: Counted) -> Finished:
    """Start, kill, and see what is there."""
    process, said = place.start(words), ""
    with contextlib.suppress(subprocess.TimeoutExpired):
        said, _ = process.communicate(timeout=after_s)
    ended = process.returncode is not None
    if not ended:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        found.counts["points"] += 1
        found.at.append(round(after_s, 2))
    found.counts["had ended by itself"] += ended
    if ended and process.returncode and "nothing is there to go on with" not in said:
        found.failures.append(f"ended by itself with exit code {process.returncode}: {said[-1000:]}")
    orphans = place.orphans()
    found.counts["orphaned children"] += len(orphans)
    found.failures += [f"lives on after the kill: {process.cmdline()}" for process in orphans]
    for orphan in orphans:
        orphan.kill()
    finished = dict(before)
    for folder in _outputs(place.work):
        finished |= verb.finished(folder)
    lost = [name for name in before if before[name] != finished[name]]
    found.failures += [f"{name} changed by a kill" for name in lost]
    found.counts["finished things at a kill"] += len(finished)
    found.counts["left over after a kill"] += len(place.leftovers())
    return finished


def _outputs(work: Path) -> list[Path]:
    """The result, or what there is of it under temporary names."""
    return [path for path in work.iterdir() if path.name == "out" or path.name.startswith(".out.partial-")]


# What is finished of each verb.


def of_comparison(folder: Path, prefix: str = "") -> Finished:
    """The trials that the manifest names, and their traced windows. Windows come first: those of a trial that is not noted yet
    are made again with it."""
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
    except FileNotFoundError:
        return {}
    found = {}
    if manifest["trials"]:
        rows = pq.read_table(folder / "timings.parquet")
        for trial in manifest["trials"]:
            one = rows.filter(pc.field("trial") == trial["number"])
            content = json.dumps([trial, one.to_pydict()], sort_keys=True)
            found[f"{prefix}trial {trial['number']}"] = hashlib.sha256(content.encode()).hexdigest()
    for inside in folder.iterdir():
        if (
            not inside.name.startswith(".")
            and (inside / "events.parquet").exists()
            and (inside / "manifest.json").exists()
        ):
            told = json.loads((inside / "manifest.json").read_bytes())["options"].get("trial")
            if told is not None and told not in {trial["number"] for trial in manifest["trials"]}:
                continue
            found[f"{prefix}{inside.name}"] = _digest(inside / "events.parquet") + _digest(inside / "manifest.json")
    return found


def of_study(folder: Path) -> Finished:
    """Of all cells, those under way included."""
    found: Finished = {}
    cells = folder / "cells"
    for cell in sorted(cells.iterdir()) if cells.is_dir() else []:
        if not cell.name.startswith("."):
            found |= of_comparison(cell, f"{cell.name}/")
        elif ".partial-" in cell.name:
            found |= of_comparison(cell, f"{cell.name[1:].partition('.partial-')[0]}/")
    return found


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# What is wrong with a result at its end.


def whole_comparison(out: Path, environ: Environ) -> Iterator[str]:
    manifest = json.loads((out / "manifest.json").read_bytes())
    if not manifest["complete"]:
        yield "the comparison is not complete"
    if [trial["number"] for trial in manifest["trials"]] != list(range(TRIALS)):
        yield f"the trials are {[trial['number'] for trial in manifest['trials']]}"
    sittings = [session["trials"] for session in manifest["options"]["sessions"]]
    if sum(sittings) != TRIALS:
        yield f"sittings of {sittings} trials"
    rows = set(pq.read_table(out / "timings.parquet")["trial"].to_pylist())
    if rows != set(range(TRIALS)):
        yield f"timings of the trials {sorted(rows)}"
    yield from _verified(out, environ)


def whole_study(out: Path, environ: Environ) -> Iterator[str]:
    record = json.loads((out / "study.json").read_bytes())
    yield from (f"{cell['id']} is {cell['status']}" for cell in record["cells"] if cell["status"] != "done")
    hidden = [path.name for path in (*out.iterdir(), *(out / "cells").iterdir())
              if path.name.startswith(".") and path.name != ".lock"]  # fmt: skip
    yield from (f"left over: {name}" for name in hidden)
    for cell in sorted((out / "cells").iterdir()):
        yield from whole_comparison(cell, environ)


def _verified(out: Path, environ: Environ) -> Iterator[str]:
    done = subprocess.run([sys.executable, "-m", "dlprof", "verify", str(out)], cwd=out.parent, capture_output=True, text=True,
                          env=environ, check=False)  # fmt: skip
    if done.returncode:
        yield f"verify: {done.stdout[-1000:]}{done.stderr[-1000:]}"


class SameBytes:
    """Every import must leave what the first one left, but for the time in the manifest."""

    def __init__(self) -> None:
        self._first: dict[str, str] | None = None

    def __call__(self, out: Path, environ: Environ) -> Iterator[str]:
        content = {str(path.relative_to(out)): _digest(path) for path in sorted(out.rglob("*")) if path.is_file()}
        manifest = json.loads((out / "manifest.json").read_bytes())
        content["manifest.json"] = json.dumps({**manifest, "created": None}, sort_keys=True)
        self._first = self._first or content
        if content != self._first:
            names = sorted({*content, *self._first})
            yield f"other bytes: {[name for name in names if content.get(name) != self._first.get(name)]}"


# The commands.

WORKLOAD = """name = "tiny"
kind = "op"
title = "A call that takes microseconds"

[run]
sizes = [64]
dtype = "float32"
count = 2

[[tasks]]
name = "clip"
op = "Clip"
operands = [{ name = "x", shape = ["n"] }]

[tasks.calls.idiomatic]
np = "np.clip(x, 0.2, 0.8)"
mxnet = "F.clip(x, 0.2, 0.8)"
tf = "tf.clip_by_value(x, 0.2, 0.8)"
"""

STUDY = """name = "kills"
title = "Two comparisons that are killed at random points"

[[experiments]]
name = "small"
workloads = ["tiny.toml"]
sides = [["{a}", "{b}"]]
runs = 2
trials = {trials}
traces = 0
reasons = false
"""


def compare_verb(a: str, b: str) -> Verb:
    words = ["tiny.toml", "--a", a, "--b", b, "--trials", str(TRIALS), "--no-reasons", "-o", "out"]
    return Verb(["compare", *words], ["compare", "--resume", "out"], of_comparison, 3 * TRIALS, whole_comparison)


def run_verb() -> Verb:
    words = ["run", "study.toml", "-o", "out"]
    return Verb(words, words, of_study, 2 * TRIALS, whole_study)


def import_verb() -> Verb:
    words = ["import", "trace.json", "-o", "out"]
    return Verb(words, words, lambda _: {}, 0, SameBytes(), once=True)


PROGRAM = """
import time
def step():
    time.sleep(0.002)
while True:
    step()
"""


def script_verb() -> Verb:
    sides = ["--a", f"sh -c '{sys.executable} program.py; true'", "--b", f"{sys.executable} program.py"]
    more = ["--step", "__main__:step", "--traces", "0", "--trials", str(TRIALS), "-o", "out"]
    return Verb(
        ["compare", *sides, *more], ["compare", "--resume", "out", *sides], of_comparison, TRIALS, whole_comparison
    )


def program_file(work: Path) -> None:
    (work / "program.py").write_text(PROGRAM)


def study_files(a: str, b: str) -> Callable[[Path], None]:
    """Writes the workload and a study of it."""

    def prepare(work: Path) -> None:
        (work / "tiny.toml").write_text(WORKLOAD)
        (work / "study.toml").write_text(STUDY.format(a=a, b=b, trials=TRIALS))

    return prepare


def trace_file(work: Path, events: int = 60_000) -> None:
    with (work / "trace.json").open("w") as file:
        file.write('{"traceEvents": [\n')
        for number in range(events):
            file.write(
                f'{{"ph": "X", "name": "Conv{number % 7}", "pid": 1, "tid": {number % 3}, "ts": {10 * number}, "dur": 5}},\n'
            )
        file.write("{}]}")


def chosen(verb: str, a: str, b: str) -> tuple[Verb, Callable[[Path], None]]:
    if verb == "import":
        return import_verb(), trace_file
    if verb == "script":
        return script_verb(), program_file
    return (compare_verb(a, b) if verb == "compare" else run_verb()), study_files(a, b)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verb", choices=["compare", "run", "import", "script"])
    parser.add_argument("--show", action="store_true", help="the kills of the log so far, and no more")
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--a", default="mxnet", help="side A (default mxnet)")
    parser.add_argument("--b", default="mxnet", help="side B (default mxnet)")
    parser.add_argument("--log", type=Path, default=LOG, help="JSON file that the counts are added to")
    arguments = parser.parse_args()
    if arguments.show:
        print("\n".join(totals(arguments.log)))  # noqa: T201
        return 0
    if arguments.verb is None:
        parser.error("which --verb?")
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell starts background jobs with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    verb, prepare = chosen(arguments.verb, arguments.a, arguments.b)
    found = attack(verb, prepare, arguments.points, arguments.seed, lambda text: print(text, flush=True))  # noqa: T201
    _log(arguments, found)
    print(json.dumps({**found.counts, "failures": found.failures}, indent=1))  # noqa: T201
    return 1 if found.failures else 0


def totals(log: Path) -> list[str]:
    """A Markdown table: kills of each command and pair of sides, and what was found. Before the moments of kills were noted, a
    run that had ended by itself was counted as a point."""
    found: dict[str, Counter[str]] = {}
    for run in json.loads(log.read_bytes()):
        counts = found.setdefault(" ".join([run["verb"], *run.get("sides", [])]), Counter())
        counts["kills"] += run["points"] - (0 if "at_s" in run else run.get("had ended by itself", 0))
        counts["failures"] += len(run["failures"])
        for name in ("ends", "orphaned children", "left over after the next run"):
            counts[name] += run.get(name, 0)
    names = ["kills", "ends", "orphaned children", "left over after the next run", "failures"]
    lines = [f"| command | {' | '.join(names)} |", "|" + " --- |" * (len(names) + 1)]
    return lines + [f"| {what} | {' | '.join(str(counts[name]) for name in names)} |" for what, counts in found.items()]


def _log(arguments: argparse.Namespace, found: Counted) -> None:
    runs = json.loads(arguments.log.read_bytes()) if arguments.log.exists() else []
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    sides = {"sides": [arguments.a, arguments.b]} if arguments.verb in ("compare", "run") else {}
    told = {"verb": arguments.verb, **sides, "commit": commit.stdout.strip(), "seed": arguments.seed}
    told["date"] = time.strftime("%Y-%m-%d", time.gmtime())
    runs.append(
        {**told, **found.counts, "usual_s": round(found.usual, 1), "at_s": found.at, "failures": found.failures}
    )
    arguments.log.write_text(json.dumps(runs, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
