"""Regenerates what README shows from real runs: `python docs/regenerate.py [diff] [page] [compare] [four] [bisect] [audit]`.

Without a word: diff.

diff: `dlprof diff` of two recordings of traces/; deterministic, and a test holds README to it.
page: a screenshot of the report page of the same two recordings (needs Chromium).
audit: the headline of analysis/audit/audit.json, which `analysis/regenerate.py audit` made; a test holds README to it.
compare: `dlprof compare lenet` with its defaults, for real (minutes); keeps comparison.json and two pictures under docs/example/.
four: the same with four frameworks at once, for real (minutes); keeps ranking.json and its picture.
    Words behind it (`four --trials 4`) are its command's.
bisect: the search of docs/bisect.md over real releases of JAX, for real (minutes; needs pip's index and a quiet machine); keeps
    bisect.json. A test holds the document to it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "docs" / "example"
DIFF = ["diff", "traces/lenet-tf-exact", "traces/lenet-mxnet-exact"]
FOUR = ["compare", "lenet", "--frameworks", "tf,mxnet,torch,jax"]
BISECT = ["bisect", "--with", "jax", "--good", "0.4.31", "--bad", "0.4.35", "--budget", "15m", "--", "python",
          "examples/jax/scan.py"]  # fmt: skip
LINES = {"dlprof diff": 22, "dlprof compare lenet": 41, "four frameworks": 34, "dlprof bisect": 60}
"""Lines of output that are shown; the rest is cut, and said to be."""
BEFORE_FOUR = "(docs/example/compare-lenet-waterfall.svg)\n"
SECTION_OF_FOUR = """
Several at once (three to eight sides) run in the same trials, every pair is judged from these, and all intervals hold together:

<!-- begin: four frameworks (docs/regenerate.py) -->
<!-- end -->

![Ranking: time of each framework ÷ time of the fastest](docs/example/compare-four-ranking.svg)
"""
BEFORE_BISECT = "## A second change\n"
SECTION_OF_BISECT = """## A run over releases

JAX's CPU runtime was replaced in 0.4.32, which was withdrawn, and a loop of small operations takes many times as long from 0.4.33
on (jax-ml/jax#25190, #36799). [examples/jax/scan.py](../examples/jax/scan.py) takes the gradient of such a loop in each step;
`python docs/regenerate.py bisect` made this:

<!-- begin: dlprof bisect (docs/regenerate.py) -->
<!-- end -->

"""
CHROMIUM = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1100,1500"]


def main() -> int:
    wanted = sys.argv[1:] or ["diff"]
    if "shorten" in wanted:  # the kept output again, without a new run
        text = (EXAMPLE / "compare-lenet.txt").read_text()
        replace("dlprof compare lenet", ["compare", "lenet"], text, full="docs/example/compare-lenet.txt")
        if (EXAMPLE / "compare-four.txt").exists():
            four((EXAMPLE / "compare-four.txt").read_text())
    if "diff" in wanted:
        replace("dlprof diff", DIFF, dlprof(*DIFF), full="")
    if "audit" in wanted:
        put("audit", audit())
    if "page" in wanted:
        with tempfile.TemporaryDirectory(prefix="dlprof-example-") as folder:
            page = Path(folder) / "report.html"
            dlprof("report", *DIFF[1:], "-o", str(page))
            EXAMPLE.mkdir(exist_ok=True)
            picture = EXAMPLE / "report-page.png"
            subprocess.run([*CHROMIUM, f"--screenshot={picture}", page.as_uri()], check=True, stderr=subprocess.DEVNULL)
    if "compare" in wanted:
        with tempfile.TemporaryDirectory(prefix="dlprof-example-") as folder:
            made = Path(folder) / "lenet"
            text = dlprof("compare", "lenet", "-o", str(made)).replace(str(made), "lenet")
            EXAMPLE.mkdir(exist_ok=True)
            (EXAMPLE / "compare-lenet.txt").write_text(text)
            found = (made / "comparison.json").read_text().replace(str(made), "lenet")
            (EXAMPLE / "compare-lenet.json").write_text(found)
            shutil.copy(made / "timings.parquet", EXAMPLE / "compare-lenet-timings.parquet")
            for kind in ("waterfall", "trials"):
                dlprof("plot", str(made), "--kind", kind, "-o", str(EXAMPLE / f"compare-lenet-{kind}.svg"))
        replace("dlprof compare lenet", ["compare", "lenet"], text, full="docs/example/compare-lenet.txt")
    if "four" in wanted:
        measure_four(wanted[wanted.index("four") + 1 :])
    if "bisect" in wanted:
        search_releases()
    return 0


def search_releases() -> None:
    """The bisection over releases, run here and kept; its section of the document is made at the first time."""
    with tempfile.TemporaryDirectory(prefix="dlprof-example-") as folder:
        shutil.copytree(ROOT / "examples" / "jax", Path(folder) / "examples" / "jax")
        text = dlprof("bisect", "-o", "scan-bisect", *BISECT[1:], folder=Path(folder), codes=(0, 4))
        shutil.copy(Path(folder) / "scan-bisect" / "bisect.json", EXAMPLE / "bisect-jax.json")
    document = ROOT / "docs" / "bisect.md"
    old = document.read_text()
    if "<!-- begin: dlprof bisect " not in old:
        document.write_text(old.replace(BEFORE_BISECT, SECTION_OF_BISECT + BEFORE_BISECT, 1))
    put("dlprof bisect", block("dlprof bisect", BISECT, text, full=""), document)


def measure_four(more: list[str]) -> None:
    """The comparison of four, run here and kept. more: further words of its command."""
    with tempfile.TemporaryDirectory(prefix="dlprof-example-") as folder:
        made = Path(folder) / "four"
        text = dlprof(*FOUR, *more, "-o", str(made)).replace(str(made), "four")
        EXAMPLE.mkdir(exist_ok=True)
        (EXAMPLE / "compare-four.txt").write_text("$ dlprof " + " ".join([*FOUR, *more]) + "\n" + text)
        (EXAMPLE / "compare-four.json").write_text((made / "ranking.json").read_text().replace(str(made), "four"))
        dlprof("plot", str(made), "--kind", "ranking", "-o", str(EXAMPLE / "compare-four-ranking.svg"))
    four((EXAMPLE / "compare-four.txt").read_text())


def four(kept: str) -> None:
    """README's block of the comparison of four, from its kept output, whose first line is the command; made at the first time."""
    readme = ROOT / "README.md"
    text = readme.read_text()
    if "<!-- begin: four frameworks " not in text:
        readme.write_text(text.replace(BEFORE_FOUR, BEFORE_FOUR + SECTION_OF_FOUR, 1))
    put("four frameworks", four_block(kept))


def four_block(kept: str) -> str:
    """What stands between the markers of the comparison of four."""
    command, _, text = kept.partition("\n")
    words = command.removeprefix("$ dlprof ").split()
    return block("four frameworks", words, text, "docs/example/compare-four.txt")


def dlprof(*words: str, folder: Path = ROOT, codes: tuple[int, ...] = (0,)) -> str:
    """Standard output of the command, run as a user does; `python` of a script's command is this one. codes: exit codes with
    which it has an answer."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "PATH": path}
    command = [sys.executable, "-m", "dlprof", *words]
    done = subprocess.run(command, check=False, cwd=folder, env=environ, text=True, stdout=subprocess.PIPE)
    if done.returncode not in codes:
        done.check_returncode()
    return done.stdout


def block(name: str, words: list[str], text: str, full: str) -> str:
    """What stands between the markers: the command and the first lines of its output."""
    lines, shown = text.splitlines(), LINES[name]
    cut = [f"… ({len(lines) - shown} more lines{f' in {full}' if full else ''})"] if len(lines) > shown else []
    return "```text\n$ dlprof " + " ".join(words) + "\n" + "\n".join([*lines[:shown], *cut]) + "\n```\n"


def audit() -> str:
    """The audit's headline and a line for each of the study's tasks."""
    found = json.loads((ROOT / "analysis" / "audit" / "audit.json").read_text())
    published = tomllib.loads((ROOT / "analysis" / "audit" / "published.toml").read_text())["tasks"]
    claims = [claim for claim in found["claims"] if claim["id"] in published]
    count = {word: sum(claim["verdict"] == word for claim in claims) for word in ("stands", "falls", "cannot_tell")}
    told = f", {count['cannot_tell']} cannot be told" if count["cannot_tell"] else ""
    lines = [
        f"Of the study's {len(claims)} conclusions on single operations, {count['stands']} stand, {count['falls']} fall{told}, "
        "on the same versions with the same calls (time of TensorFlow ÷ time of MXNet; above 1 MXNet is faster):",
        "",
        "| operation | published | its method, run here | measured soundly | the conclusion |",
        "| --- | --- | --- | --- | --- |",
    ]
    for claim in claims:
        sound = [one["ratio"] for one in claim["sound"] if one["ratio"]]
        spans = [span(values) for values in (claim["original_ratio"], claim["ratio_by_original_method_here"], sound)]
        lines.append(
            f"| {published[claim['id']]['title']} | {' | '.join(spans)} | {claim['verdict'].replace('_', ' ')} |"
        )
    return "\n".join(lines) + "\n"


def span(values: list[float] | None) -> str:
    """Smallest to largest, two significant digits."""
    return (
        "–".join(f"{one:.3g}" if one >= 10 else f"{one:.2g}" for one in (min(values), max(values))) if values else "–"
    )


def replace(name: str, words: list[str], text: str, full: str) -> None:
    """Put the command's output between README's markers of that name."""
    put(name, block(name, words, text, full))


def put(name: str, content: str, document: Path = ROOT / "README.md") -> None:
    """Put the content between the document's markers of that name."""
    old = document.read_text()
    pattern = re.compile(rf"(<!-- begin: {re.escape(name)} [^\n]*-->\n).*?(<!-- end -->)", re.DOTALL)
    if not pattern.search(old):
        raise SystemExit(f"{document.name} has no block {name!r}")
    document.write_text(pattern.sub(lambda m: m[1] + content + m[2], old, count=1))


if __name__ == "__main__":
    raise SystemExit(main())
