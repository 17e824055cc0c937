"""Headless Chromium for the tests of the page: opens a file with the network off and reads the page that results."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr", "--v=0",
)  # fmt: skip


@dataclass(frozen=True)
class Opened:
    """The page's DOM after its scripts have run, and what it wrote to the console."""

    dom: str
    console: list[str]


def chromium() -> str | None:
    """The browser's program, None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


needed = pytest.mark.skipif(chromium() is None, reason="no Chromium here: apt-get install chromium")
"""Marks a test that opens a page."""


def opened(page: Path, profile: Path, script: str = "", flags: tuple[str, ...] = ()) -> Opened:
    """Opens the page from disk; `script` runs after the page's own and may leave its findings in the DOM; `flags` as FLAGS."""
    if script:
        text = page.read_text(encoding="utf-8")
        page = page.with_name("driven.html")
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        text = text.replace(
            "script-src ", f"script-src 'sha256-{digest}' ", 1
        )  # the page lets its own script run alone
        page.write_text(text.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    program = chromium()
    assert program is not None
    done = subprocess.run(
        [program, *FLAGS, *flags, f"--user-data-dir={profile}", "--virtual-time-budget=20000", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=250, check=True,
    )  # fmt: skip
    console = re.findall(r"CONSOLE[^\]]*\]\s*(.*)", done.stderr)
    return Opened(done.stdout, console)


def results(seen: Opened) -> Any:
    """What a script left as JSON in `<pre id="out">`."""
    match = re.search(r'<pre id="out">(.*?)</pre>', seen.dom, re.DOTALL)
    assert match, seen.console
    return json.loads(unescape(match[1]))


DARK = "--blink-settings=preferredColorScheme=0"
FAULTS = """
axe.run(RULES).then((result) => {
  const serious = result.violations.filter((v) => ["serious", "critical"].includes(v.impact));
  const pre = document.createElement("pre"); pre.id = "out";
  pre.textContent = JSON.stringify({passes: result.passes.length,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    serious: serious.map((v) => v.id + ": " + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 150)).join(" | "))});
  document.body.append(pre);
});"""


def serious_faults(text: str, folder: Path, *, dark: bool = False) -> list[str]:
    """The serious and critical faults that axe-core finds in a page, with the elements.

    More than 15 rules must have passed. dark: the rule of contrasts alone, for no other depends on colours.
    """
    axe = pytest.importorskip("axe_core_python", reason="its wheel carries axe-core")
    source = (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    file = folder / "page.html"
    file.write_text(text, encoding="utf-8")
    rules = '{runOnly: ["color-contrast"]}' if dark else ""
    script = source.replace("</script", "<\\/script") + FAULTS.replace("RULES", rules)
    found = results(opened(file, folder / "profile", script, (DARK,) if dark else ()))
    assert found["passes"] == 1 if dark else found["passes"] > 15
    assert found["dark"] is dark
    return list(found["serious"])
