"""Headless Chromium for the tests of the page: opens a file with the network off and reads the page that results."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

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


def opened(page: Path, profile: Path, script: str = "") -> Opened:
    """Opens the page from disk; `script` runs after the page's own and may leave its findings in the DOM."""
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
        [program, *FLAGS, f"--user-data-dir={profile}", "--virtual-time-budget=20000", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    console = re.findall(r"CONSOLE[^\]]*\]\s*(.*)", done.stderr)
    return Opened(done.stdout, console)
