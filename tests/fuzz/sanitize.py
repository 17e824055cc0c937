"""Runs the C part of the trace readers under sanitizers on mutated texts, and adds the run to log.json.

    python tests/fuzz/sanitize.py --seconds 60 --seed 1

sanitized.c makes the mutations and is built here with AddressSanitizer and UndefinedBehaviorSanitizer by the C compiler on PATH
(cc; CC names another). Its seeds are plain documents, those of fuzz_readers.py, and lines of fuzz_xplane.py's traces. A report of
sanitizers ends the run as an error.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shlex
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import campaign
import fuzz_readers
import fuzz_xplane
import msgspec

HERE = Path(__file__).resolve().parent
FLAGS = ("-std=c11", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-Wall", "-Wextra")
_DONE = re.compile(
    r"^done: (\d+) inputs, (\d+) of them plain, (\d+) plain runs of events, (\d+) plain lines, (\d+) with objects",
    re.MULTILINE,
)


def inside(document: bytes) -> bytes:
    """The list of events of a document, without the bracket before it: what the C part is given."""
    start = document.find(b'"traceEvents"')
    return document[document.find(b"[", max(start, 0)) + 1 :]


def planes() -> list[bytes]:
    """Lines of the traces that fuzz_xplane.py writes, and their events alone."""
    found = []
    for trace in fuzz_xplane.written():
        for _, plane in fuzz_xplane.parts(trace[1:]) or []:
            for tag, line in fuzz_xplane.parts(plane) or []:
                events = [part for part in (fuzz_xplane.parts(line) or []) if part[0] == 0x22] if tag == 0x1A else []
                found += [fuzz_xplane.joined(events), line] if events else []
    return found


def build(target: Path) -> None:
    """Compiles the driver."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    subprocess.run([*compiler, *FLAGS, str(HERE / "sanitized.c"), "-o", str(target)], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        program = Path(scratch, "sanitized")
        build(program)
        chance = random.Random(options.seed)
        texts = [*(fuzz_readers.plain(chance, 8) for _ in range(200)), *(seed[1:] for seed in fuzz_readers.seeds())]
        files = []
        for at, text in enumerate(texts[:1000]):
            files.append(Path(scratch, f"seed-{at}"))
            files[-1].write_bytes(inside(text)[:4096])
        for at, run in enumerate(planes()):
            files.insert(2 * at, Path(scratch, f"planes-{at}"))
            files[2 * at].write_bytes(run[:4096])
        begin = time.monotonic()
        done = subprocess.run(
            [program, str(options.seconds), str(options.seed), *files], capture_output=True, text=True, errors="replace"
        )
        took = time.monotonic() - begin
    found = _DONE.search(done.stdout)
    if done.returncode or found is None:
        sys.stderr.write(done.stderr[-5000:])
        return 1
    record = {
        "harness": "native", "engine": "own mutations in C under ASan and UBSan", "seed": options.seed,
        "inputs": int(found[1]), "plain": int(found[2]), "plain_planes": int(found[3]), "plain_lines": int(found[4]),
        "objects": int(found[5]), "seconds": round(took, 1),
        "executions_per_second": round(int(found[1]) / took), "exit_code": 0, "finds": [], "commit": campaign._commit(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"), "python": sys.version.split()[0],
    }  # fmt: skip
    campaign.LOG.write_bytes(msgspec.json.format(msgspec.json.encode([*campaign.records(), record]), indent=1) + b"\n")
    print(record)  # noqa: T201
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
