"""Names of others in a spreadsheet are texts, and in a drawing are drawn as they are."""

import csv as reader
import io
import json
import os
import subprocess
import sys

import pytest

from dlprof.report import csv
from dlprof.report.html import figure

FORMULAS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1",
    '=HYPERLINK("u")',
    "+",
    "-",
    "=",
    "@",
    "-x",
    "--1",
]
NUMBERS = ["-1", "+1.5", "-2e-3", "1", "-.5", "+7."]


def trace(folder, name):
    file = folder / "t.json"
    events = [{"name": name, "cat": "cpu_op", "ph": "X", "pid": 1, "tid": 1, "ts": 1, "dur": 2}]
    file.write_text(json.dumps({"traceEvents": events}))
    return file


@pytest.mark.parametrize("name", FORMULAS)
def test_no_cell_is_a_formula(attack, tmp_path, name):
    file, out = trace(tmp_path, name), tmp_path / "out.csv"
    texts = [
        attack("show", file, "--format", "csv").stdout,
        attack("show", file, "--view", "slowest", "--format", "csv").stdout,
    ]
    attack("export", file, "--to", "csv", "-o", out)
    texts.append(out.read_bytes().decode())
    for text in texts:
        cells = [cell for row in reader.reader(io.StringIO(text, newline="")) for cell in row]
        assert not [
            cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") and cell not in NUMBERS
        ]
    assert f"'{name}" in "".join(cells)


@pytest.mark.parametrize("value", [*NUMBERS, -1, -1.5, "x-1", "a=b", "", None])
def test_numbers_stay_numbers_and_harmless_texts_as_they_are(value):
    assert csv._cell(value) == ("" if value is None else value)


@pytest.mark.parametrize(
    "name", [r"$\frac{", r"$\undefined$", "$x^2$", r"$\input{/etc/passwd}$", "a$b$c", "$" * 20, "_hidden"]
)
def test_a_name_is_drawn_as_it_is_and_no_formula(attacked, name):
    attacked()
    with figure.style():
        drawn, (axis,) = figure.axes(3, 2)
        axis.set_title(name)
        axis.set_yticks([0, 1], [name, name])
        text = figure.render(drawn, "svg").decode()
    assert name.replace("&", "&amp;") in text


def test_the_ticks_of_a_logarithmic_axis_are_numbers(attacked):
    with figure.style():
        drawn, (axis,) = figure.axes(3, 2)
        axis.set(xscale="log", xlim=(1, 1e5), yscale="log", ylim=(1e-4, 1))
        text = figure.render(drawn, "svg").decode()
    assert "mathdefault" not in text


RC = [
    "text.usetex: True",
    "text.parse_math: True\nfont.size: 40",
    "backend: nosuch",
    "svg.fonttype: path",
    "\xff\xfe",
    "axes.titlesize",
]


@pytest.mark.parametrize("rc", RC)
def test_a_matplotlibrc_of_the_working_folder_changes_nothing(attacked, tmp_path, rc):
    attacked()
    code = (
        "from dlprof.report.html import figure\nimport sys\nwith figure.style():\n"
        " d, (a,) = figure.axes(3, 2)\n a.set_title('$x$')\n"
        " sys.stdout.buffer.write(figure.render(d, 'svg'))"
    )
    (tmp_path / "plain").mkdir()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "matplotlibrc").write_bytes(rc.encode("latin-1"))
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    drawn = [
        subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path / folder, env=environ, capture_output=True, check=False
        )
        for folder in ("plain", "theirs")
    ]
    assert drawn[0].stdout == drawn[1].stdout != b""
    assert drawn[1].returncode == 0
