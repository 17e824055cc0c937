"""Pictures of the report page as people see it: `python docs/screens.py [FOLDER]` (else docs/example/screens; needs Chromium).

The page is that of two recordings of traces/. light, dark and narrow (a phone) show its top; zoom is a window of 1100 pixels at
200 %; timeline is a line of the ledger followed to its work, light and dark; print is the page under the rules for paper, as wide
as a sheet of A4. `page.pdf` is what a browser prints, kept only where a FOLDER is named. The pictures keep 256 colours each.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent
SIDES = ("traces/lenet-tf-exact", "traces/lenet-mxnet-exact")
CHROMIUM = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=4000",
)  # fmt: skip
DARK = "--blink-settings=preferredColorScheme=0"
COLOURS = 256
FOLLOW = """
for (const part of document.querySelectorAll("header, section")) part.hidden = !part.querySelector(".timeline");
document.querySelector('td[data-line="0"] button').click();
const canvas = document.querySelector("canvas"), area = canvas.getBoundingClientRect();
canvas.dispatchEvent(new KeyboardEvent("keydown", {key: "0"}));
canvas.dispatchEvent(new PointerEvent("pointermove", {clientX: area.left + 0.8 * area.width, clientY: area.top + 138}));
"""
"""The first line of the ledger, all of the step, the pointer on B's first lane."""
PAPER = """
const print = document.createElement("style");
for (const sheet of document.styleSheets) for (const rule of sheet.cssRules)
  if (rule instanceof CSSMediaRule && rule.media.mediaText === "print")
    print.textContent += [...rule.cssRules].map((one) => one.cssText).join("\\n");
document.head.append(print);
"""


@dataclass(frozen=True)
class Screen:
    """One picture: the window in CSS pixels, how many pixels of the picture each is, more of Chromium's flags, a script."""

    name: str
    width: int
    height: int
    scale: float = 1.0
    flags: tuple[str, ...] = ()
    script: str = ""


SCREENS = (
    Screen("light", 1100, 1500),
    Screen("dark", 1100, 1500, flags=(DARK,)),
    Screen("narrow", 500, 1500),
    Screen("zoom", 550, 800, scale=2.0),
    Screen("timeline", 1100, 560, script=FOLLOW),
    Screen("timeline-dark", 1100, 560, flags=(DARK,), script=FOLLOW),
    Screen("print", 718, 1600, script=PAPER),
)


def main() -> int:
    named = len(sys.argv) > 1
    folder = Path(sys.argv[1]) if named else ROOT / "docs" / "example" / "screens"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dlprof-screens-") as made:
        page = Path(made) / "report.html"
        command = [sys.executable, "-m", "dlprof", "report", *SIDES, "-o", str(page)]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        for screen in SCREENS:
            take(screen, page, folder / f"{screen.name}.png")
        if named:
            chromium(page, f"--print-to-pdf={folder / 'page.pdf'}", "--no-pdf-header-footer")
    return 0


def take(screen: Screen, page: Path, picture: Path) -> None:
    """Write one picture."""
    shown = page.with_name(f"{screen.name}.html")
    shown.write_text(with_script(page.read_text(encoding="utf-8"), screen.script), encoding="utf-8")
    size = (f"--window-size={screen.width},{screen.height}", f"--force-device-scale-factor={screen.scale}")
    chromium(shown, *size, *screen.flags, f"--screenshot={picture}")
    with Image.open(picture) as taken:
        taken.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            picture, optimize=True
        )


def with_script(page: str, script: str) -> str:
    """The page with a script of ours behind its own, which its policy is told of."""
    if not script:
        return page
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = page.replace("script-src ", f"script-src 'sha256-{digest}' ", 1)
    return page.replace("</body>", f"<script>{script}</script></body>")


def chromium(page: Path, *flags: str) -> None:
    subprocess.run([*CHROMIUM, *flags, page.as_uri()], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
