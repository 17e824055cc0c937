"""Public traces of ranks, read by dlprof and by Meta's Holistic Trace Analysis: the same figures of each rank, side by side.

    python3 benchmarks/ranks_against_hta.py read FOLDER HTA_PYTHON    a folder of traces; the Python of an environment with HTA
    python3 benchmarks/ranks_against_hta.py report --into docs/guides/ranks.md

`pip install HolisticTraceAnalysis` makes such an environment. The traces, which are not kept here:

- dlrm_kineto: DLRM on eight V100, one step. et_replay/tests/inputs/dlrm_kineto.tar.gz of
  https://github.com/facebookresearch/param, unpacked
- trace_filter: two of 128 ranks, two steps; nccl_parser_config: one of two ranks, three steps. Folders of tests/data of
  https://github.com/facebookresearch/HolisticTraceAnalysis

Compared are, of each rank in all of its steps: computing, other work of the device (communication that is not hidden, and
copies), and the share of communication that is hidden behind computing; HTA's stragglers stand beside dlprof's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from marked import put, table

BEGIN, END = "<!-- hta: begin -->", "<!-- hta: end -->"
KEPT = Path(__file__).parent / "data" / "ranks_against_hta.json"
MEASURES = {
    "compute": "computing, ms",
    "other": "exposed communication and copies, ms",
    "hidden": "hidden communication, %",
}
_SAME_MS, _SAME_SHARE = 0.0015, 0.0051
"""HTA prints microseconds and hundredths of a percent."""
_HTA = """
import json, sys
from importlib.metadata import version
from hta.trace_analysis import TraceAnalysis
found = TraceAnalysis(trace_dir=sys.argv[1], include_last_profiler_step=True)
times = found.get_temporal_breakdown(visualize=False).to_dict("records")
hidden = found.get_comm_comp_overlap(visualize=False).to_dict("records")
try:
    late = [int(one) for one in found.get_potential_stragglers(num_candidates=2)]
except Exception:  # of one rank it raises
    late = []
print("\\n" + json.dumps({"version": version("HolisticTraceAnalysis"), "times": times, "hidden": hidden, "late": late}))
"""


def hta(python: str, folder: Path) -> dict[str, Any]:
    """What HTA finds, ms and percent, by rank."""
    environment = {**os.environ, "HTA_DISABLE_NS_ROUNDING": "1"}  # else each kernel's ends are rounded to µs, inwards
    words = [python, "-W", "ignore", "-c", _HTA, str(folder)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout.splitlines()[-1])
    ranks = {str(one["rank"]): {"compute": one["compute_time(us)"] / 1e3, "other": one["non_compute_time(us)"] / 1e3}
             for one in said["times"]}  # fmt: skip
    for one in said["hidden"]:
        ranks[str(one["rank"])]["hidden"] = one["comp_comm_overlap_pctg"]
    return {"version": said["version"], "ranks": ranks, "late": said["late"]}


def dlprof(folder: Path) -> dict[str, Any]:
    """The same of dlprof's data set."""
    from dlprof.api.ranks.build import build
    from dlprof.api.ranks.read import analyse
    from dlprof.store.rank_set import RankSet
    from dlprof.version import __version__

    with tempfile.TemporaryDirectory(prefix="dlprof-ranks-") as place:
        target = Path(place) / "set"
        index = build(folder, target, jobs=1).index
        rows = RankSet(target).table("steps", index.parts).to_pylist()
        found = analyse(target)
    ranks: dict[str, dict[str, float]] = {}
    for rank in sorted({row["rank"] for row in rows}):
        compute, exposed, copy, hidden = (
            sum(row[f"{name}_ps"] for row in rows if row["rank"] == rank) / 1e9
            for name in ("compute", "communication", "copy", "overlapped")
        )
        share = 100 * hidden / (hidden + exposed) if hidden + exposed else 0.0
        ranks[str(rank)] = {"compute": compute, "other": exposed + copy, "hidden": share}
    charged = {str(one.rank): one.charged * found.steps / 1e6 for one in found.by_rank}
    last = {str(one.rank): one.last for one in found.by_rank}
    return {"version": __version__, "ranks": ranks, "charged": charged, "last": last, "steps": found.steps}


def same(measure: str, one: float, other: float) -> bool:
    return abs(one - other) <= (_SAME_SHARE if measure == "hidden" else _SAME_MS)


def text(kept: dict[str, Any]) -> str:
    """A line a rank, and how many figures are the same."""
    rows, sums = [], []
    for name, both in kept.items():
        here, there = both["dlprof"], both["hta"]
        equal = 0
        for rank, figures in here["ranks"].items():
            pairs = [(measure, figures[measure], there["ranks"][rank][measure]) for measure in MEASURES]
            equal += sum(same(*pair) for pair in pairs)
            cells = [
                f"{one:.3f} / {other:.3f}" if what != "hidden" else f"{one:.2f} / {other:.2f}"
                for what, one, other in pairs
            ]
            rows.append([name, rank, *cells, str(here["last"][rank]), f"{here['charged'][rank]:.2f}"])
        of = len(MEASURES) * len(here["ranks"])
        found = f"candidates for a straggler are ranks {' and '.join(map(str, there['late']))}"
        late = found if there["late"] else "search for a straggler fails"
        sums.append(f"{name}: {equal} of {of} figures are equal; HTA's {late}.")
    titles = ["traces", "rank", *(f"{title}: dlprof / HTA" for title in MEASURES.values()), "last at", "charged, ms"]
    versions = sorted({both["hta"]["version"] for both in kept.values()})
    return "\n".join([table(titles, rows), "", f"HTA {', '.join(versions)}. {' '.join(sums)}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    reading = verbs.add_parser("read")
    reading.add_argument("folder", type=Path)
    reading.add_argument("python")
    reporting = verbs.add_parser("report")
    reporting.add_argument("--into", type=Path, help="also put the table between the markers of this document")
    given = parser.parse_args()
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}
    if given.verb == "read":
        kept[given.folder.name] = {"dlprof": dlprof(given.folder), "hta": hta(given.python, given.folder)}
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    shown = text(kept)
    print(shown)
    if given.verb == "report" and given.into is not None:
        put(given.into, BEGIN, END, shown)


if __name__ == "__main__":
    main()
