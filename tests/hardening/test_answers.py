"""Names that others chose in what dlprof answers with: brief JSON, JUnit, Markdown, annotations, pages, notebooks, progress."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

import dlprof
from dlprof.analysis.facts import Ratio
from dlprof.analysis.model import Comparison, Gate, GatedItem, ItemResult, Side
from dlprof.analysis.timing import ranking
from dlprof.analysis.timing.ranking import Ranking
from dlprof.cli import forge
from dlprof.cli.terminal import Manner, Progress, in_manner
from dlprof.names import LETTERS, Pair, pairs_of
from dlprof.report import brief, junit, markdown
from dlprof.report.text.layout import neutral

EVIL = (
    "</script><script>alert(1)</script>", "<!--<script>", "]]>", "\u2028\u2029", "\x1b]0;owned\x07", "\ud7ff\ufffe\uffff",
    "a\nb::error::c", "::set-output name=x::y", "##vso[task.setvariable]x", "|`*_[a](javascript:x)", "@everyone #1", "=1+1",
    '" onload="alert(1)', "\0",
    "x" * 5_000, "\x1b" * 3_000, "é" * 3_000, "\U0001f600" * 2_000,
)  # fmt: skip
RATIO = Ratio(1.5, 1.4, 1.6, 0.95, 6, "t")


def compared(name: str) -> Comparison:
    """A gated comparison in which everything that has a name has this one."""
    side = Side("f", name, name, name, name, name)
    item = ItemResult(name, "slower", RATIO, 1e6, 1.5e6, name, warnings=(name,))
    gate = Gate(0.05, "failed", (GatedItem(name, "failed", RATIO, 0.1, 0.1, None),))
    return Comparison(
        name, side, side, (item,), (), {}, {"a": None, "b": None}, (), (name, f"{name} again"), {name: 3}, gate=gate
    )


def ranked(label: str, sides: int = len(LETTERS)) -> Ranking:
    """A ranking of as many sides as there may be."""
    named = {letter: dataclasses.replace(compared(label).a, label=f"{label} {letter}") for letter in LETTERS[:sides]}
    found: dict[Pair, Comparison] = {
        pair: dataclasses.replace(compared(label), a=named[pair[0]], b=named[pair[1]]) for pair in pairs_of(named)
    }
    return ranking.build(found, {of: ranking.headline(one) for of, one in found.items()}, warnings=(label,), alpha=0.01)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", EVIL)
def test_brief_json_is_json_below_its_limit(name: str, attacked: Callable[[int], None]) -> None:
    attacked(2)
    for text in (brief.comparison(compared(name)), brief.ranking(ranked(name))):
        assert len(text.encode()) <= brief.MOST
        assert json.loads(text)["kind"] == "brief"


def test_a_brief_of_as_many_sides_as_there_may_be_names_them_all(attacked: Callable[[int], None]) -> None:
    attacked(1)
    found = json.loads(
        brief.ranking(ranked("TensorFlow 2.21.0 (graph), whose label is as long as one of a script may be"))
    )
    assert [one["letter"] for one in found["sides"]] == list(LETTERS)


@pytest.mark.parametrize("name", EVIL)
def test_junit_is_xml(name: str, attacked: Callable[[int], None]) -> None:
    attacked(2)
    for found in (compared(name), ranked(name, 3)):
        root = ElementTree.fromstring(junit.gates(found))
        assert {one.tag for one in root.iter()} <= {
            "testsuites",
            "testsuite",
            "testcase",
            "failure",
            "error",
            "system-out",
        }


@pytest.mark.parametrize("name", EVIL)
def test_markdown_makes_nothing_of_a_name(name: str, attacked: Callable[[int], None]) -> None:
    attacked(2)
    for text in (markdown.comparison(compared(name)), markdown.ranking(ranked(name, 3))):
        outside = re.sub(r"(`{3,})text\n.*?\n\1", "", text, flags=re.DOTALL)
        assert "<script" not in outside
        assert "[a](" not in outside
        assert "@everyone" not in outside
        assert not [character for character in text if character < " " and character != "\n"]
        assert len(text) <= 65_536


MARKED = (
    "$\\frac{1}{2}$ and $x$", ":tada:", ":x: ok", "/close", "/lgtm", "www.a.de", "http://a.de", "mailto:a@b.c", "xmpp:a",
    "GH-1", "o/r#12", "&#x3C;script>", "&lt;b&gt;", "<!-- x", "a<br>b", "![i](u)", "[x]: http://e", "~~s~~", "`c`", "``", "|",
    "\\|", "- [ ] t", "1. x", "12) y", "123456789. z", "> q", "# h", "===", "---", "    code", "<details>", "</details>",
    "[!NOTE]", "%23", "^x^", "==x==", "!12", "@a/b", "_a_", "**b**", "<http://e>", "*", "+ x", "${{ secrets.X }}", "\\",
    "a:b:c", "aten::conv2d", "50 %",
)  # fmt: skip
"""What Markdown, or a forge that shows it, makes something of."""


@pytest.mark.parametrize("name", [*MARKED, *EVIL[:14]])
def test_a_name_in_markdown_is_the_text_that_it_is(attack, tmp_path: Path, name: str) -> None:
    shown = attack("show", trace(tmp_path / "t.json", name), "--by", "name", "--format", "markdown").stdout
    parts = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(shown)
    inner = [one for part in parts for one in part.children or ()]
    assert {one.type for one in inner} <= {"text", "text_special", "strong_open", "strong_close", "softbreak"}
    assert {part.tag for part in parts} <= {"", "p", "table", "thead", "tbody", "tr", "th", "td"}
    cells = ["".join(one.content for one in part.children or ()) for part in parts if part.type == "inline"]
    asked = " ".join(neutral(f"{name}0").split())
    assert asked in cells, (asked, cells)
    for active in (r"\$", r":[\w+-]+:", r"(?m)^/\w", r"\bwww\.", r"\w://", r"@\w", r"#\d"):
        assert not re.search(active, re.sub(r"&#\d+;|&\w+;", "&", shown)), active


@pytest.mark.parametrize("name", EVIL)
def test_an_annotation_is_one_line(name: str, attacked: Callable[[int], None]) -> None:
    attacked(1)
    assert "\n" not in forge.annotation("failed", name)


@pytest.mark.parametrize("name", EVIL)
def test_progress_for_programs_is_one_object_a_line(name: str, attacked: Callable[[int], None], capsys) -> None:
    attacked(1)
    with in_manner(Manner(progress="jsonl")), Progress() as progress:
        progress.stage(name)
        progress.detail(name)
        progress.say(name)
    lines = capsys.readouterr().err.splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["stage", "detail", "said"]


def trace(path: Path, name: str) -> Path:
    place = {"ph": "X", "cat": "cpu_op", "pid": name, "tid": name, "dur": 5, "args": {name: name}}
    events = [{**place, "name": f"{name}{at % 3}", "ts": 10 * at} for at in range(8)]
    path.write_text(json.dumps({"schemaVersion": 1, "host_name": name, "traceEvents": events}))
    return path


@pytest.mark.parametrize("name", EVIL[:14])
def test_a_page_has_no_element_that_a_name_made(attack, tmp_path: Path, name: str) -> None:
    plain, evil = trace(tmp_path / "plain.json", "op"), trace(tmp_path / "evil.json", name)
    counts = []
    for one in (plain, evil):
        page = tmp_path / "page.html"
        assert attack("report", one, one, "-o", page, "--force").code == 0
        text = page.read_text()
        counts.append(
            [len(re.findall(f"(?i){tag}", text)) for tag in ("<script", "</script", "<!--", "<iframe", "<img")]
        )
        assert not re.search(r'(?i)<[^>]* onload="?alert', text)
    assert counts[0] == counts[1]


@pytest.mark.parametrize("name", EVIL[:14])
def test_what_a_notebook_shows_is_escaped(tmp_path: Path, name: str, attacked: Callable[[int], None]) -> None:
    attacked(1)
    path = trace(tmp_path / "evil.json", name)
    loaded, differing = dlprof.load(path), dlprof.diff(path, path)
    for text in (loaded._repr_html_(), loaded.view("name")._repr_html_(), differing._repr_html_()):
        assert "<script" not in text
        assert "<!--" not in text
    for said in (repr(loaded), repr(differing)):
        assert "\x1b" not in said
        assert "\n" not in said


CLOSED = (">&-", "2>&-", ">&- 2>&-", "| head -c 0", ">/dev/full")


@pytest.mark.parametrize("closed", CLOSED)
def test_a_closed_output_is_no_fault_of_the_later_verbs(
    tmp_path: Path, attacked: Callable[[int], None], closed: str
) -> None:
    """In one shell: a start of Python each is dear."""
    trace(tmp_path / "a.json", "op")
    lines = ("completion bash", "help glossary", "help --man", "diff a.json a.json --format json --brief",
             "diff a.json a.json --progress jsonl", "show a.json --quiet")  # fmt: skip
    script = "\n".join(f'"{sys.executable}" -m dlprof {line} {closed}' for line in lines)
    attacked(len(lines))
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert "Traceback" not in done.stderr
    assert "itself failed" not in done.stderr
