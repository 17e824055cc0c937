"""Figures hold names of others: what no font draws is shown as an escape, in lines as they are, without a warning."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from xml.etree import ElementTree

import pytest
from places import ROOT

from dlprof.report.html import figure


@pytest.mark.parametrize("form", figure.FORMATS)
def test_names_that_no_font_draws_are_escaped_and_lines_stay(form: figure.Format) -> None:
    with warnings.catch_warnings(), figure.style():
        warnings.simplefilter("error")
        made, (axis,) = figure.axes(3, 2)
        axis.set_title("two\nlines \x00")
        axis.set_yticks([0, 1], labels=["\x1b]0;owned\x07", "卷积"])
        drawn = figure.render(made, form)
    if form == "svg":
        texts = [node.text for node in ElementTree.fromstring(drawn).iter() if node.tag.endswith("}text")]
        assert {"\\x1b]0;owned\\x07", "卷积", "two", "lines \\x00"} <= set(texts)


def test_a_home_that_cannot_be_written_to_makes_no_noise() -> None:
    environ = {
        name: value for name, value in os.environ.items() if name != "MPLCONFIGDIR" and not name.startswith("XDG_")
    }
    done = subprocess.run(
        [sys.executable, "-c", "import logging, dlprof.report.html as made; print(logging.getLogger('matplotlib').level)"],
        env={**environ, "HOME": "/proc/nowhere", "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("0", "")
