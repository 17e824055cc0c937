"""Programs that could notice dlprof or escape it: are they recorded, and do they print and end as without?

    python3 benchmarks/script_traps.py PYTHON            # all of them, with a Python that has PyTorch
    python3 benchmarks/script_traps.py PYTHON --only NAME
    python3 benchmarks/script_traps.py --into docs/guides/own-script.md

Each is run by `script_output.row` in a folder of its own, its row kept in benchmarks/data/script_traps.json. An exit code below
zero is a signal's number; that of the run with dlprof is 128 and the number then, as a shell says it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import script_output
from marked import put, table

KEPT = Path(__file__).parent / "data" / "script_traps.json"
BEGIN, END = "<!-- traps: benchmarks/script_traps.py writes from here -->", "<!-- traps: to here -->"

FILES = {
    "base.py": """
import os, signal, subprocess, sys, torch
torch.manual_seed(0)
torch.set_num_threads(1)

def train(steps=120, data=None, at=None):
    model = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.ReLU(), torch.nn.Linear(64, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    batches = None if data is None else iter(data)
    for step in range(steps):
        x = torch.randn(16, 32) if batches is None else next(batches)
        loss = model(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if at:
            at(step)
    print("loss %.6f" % loss.item(), flush=True)
""",
    "plain.py": "from base import *\ntrain()\n",
    "workers.py": """
from base import *

class Numbers(torch.utils.data.Dataset):
    def __len__(self):
        return 2000

    def __getitem__(self, at):
        return torch.randn(32, generator=torch.Generator().manual_seed(at))

if __name__ == "__main__":
    train(120, torch.utils.data.DataLoader(Numbers(), 16, num_workers=2, multiprocessing_context=sys.argv[1]))
""",
    "forks.py": """
from base import *
train(40)
child = os.fork()
if not child:
    train(40)
    os._exit(3)
print("child ended with", os.WEXITSTATUS(os.waitpid(child, 0)[1]), flush=True)
train()
""",
    "signals.py": """
import atexit
from base import *
which = getattr(signal, sys.argv[1])
if sys.argv[2] == "caught":
    signal.signal(which, lambda *_: (print("caught", flush=True), sys.exit(7)))
elif which != signal.SIGKILL:
    signal.signal(which, signal.default_int_handler if which == signal.SIGINT else signal.SIG_DFL)
atexit.register(print, "atexit ran", flush=True)
train(400, at=lambda step: os.kill(os.getpid(), which) if step == 200 else None)
""",
    "swallows.py": """
from base import *
for _ in range(3):
    try:
        train(60)
        sys.exit(5)
    except BaseException as error:
        print("swallowed", type(error).__name__, flush=True)
sys.exit("a text as exit code")
""",
    "reads.py": """
from base import *
print("read", sys.stdin.readline().strip())
train()
print("then", sys.stdin.read().split())
""",
    "execs.py": """
import os, sys
if len(sys.argv) < 2:
    os.execv(sys.executable, [sys.executable, __file__, "again"])
from base import *
train()
""",
    "ends.py": "from base import *\ntrain()\nos._exit(9)\n",
    "calls.py": """
from base import *
print(subprocess.run([sys.executable, "-c", "print('a child of its own')"], capture_output=True, text=True).stdout)
train()
""",
    "pkg/__main__.py": "from base import *\nprint(__name__, sys.argv[1:])\ntrain()\n",
    "raises.py": "from base import *\ntrain()\nraise ValueError('after the steps')\n",
}


@dataclass(frozen=True)
class Trap:
    """A program. words: its command, `python` being the Python with PyTorch; given: its standard input."""

    name: str
    words: tuple[str, ...]
    given: bytes = b""


TRAPS = (
    Trap("loader's workers, forked", ("python", "workers.py", "fork")),
    Trap("loader's workers, spawned", ("python", "workers.py", "spawn")),
    Trap("a fork that trains too", ("python", "forks.py")),
    Trap("SIGINT", ("python", "signals.py", "SIGINT", "default")),
    Trap("SIGTERM", ("python", "signals.py", "SIGTERM", "default")),
    Trap("SIGTERM with a handler, which exits with 7", ("python", "signals.py", "SIGTERM", "caught")),
    Trap("SIGKILL", ("python", "signals.py", "SIGKILL", "default")),
    Trap("swallows `SystemExit`, then `sys.exit(text)`", ("python", "swallows.py")),
    Trap("ends by an exception", ("python", "raises.py")),
    Trap("`os._exit(9)`", ("python", "ends.py")),
    Trap("reads its standard input", ("python", "reads.py"), b"one\ntwo\nthree\n"),
    Trap("comes by standard input: `python -`", ("python", "-"), FILES["plain.py"].encode()),
    Trap("`execv` of itself", ("python", "execs.py")),
    Trap("starts another Python", ("python", "calls.py")),
    Trap("`python -m pkg`", ("python", "-m", "pkg", "a b", "--c")),
    Trap("`python -c`", ("python", "-c", "from base import *; train(); sys.exit(4)")),
    Trap("a console script", ("./console",)),
    Trap("`bash -c`, and its own exit code", ("bash", "-c", "python plain.py; echo code $?; exit 6")),
    Trap("`timeout 500 python`", ("timeout", "500", "python", "plain.py")),
    Trap("`python -O -u`", ("python", "-O", "-u", "plain.py")),
    Trap("`env -i`, which clears what dlprof sets", ("env", "-i", "python", "plain.py")),
)


def laid(folder: Path, python: Path) -> None:
    """The programs, and a console script of that Python."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text.lstrip())
    console = folder / "console"
    console.write_text(f"#!{python}\n{FILES['plain.py']}")
    console.chmod(0o755)


def tried(trap: Trap, python: Path) -> list[str]:
    """Its row."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "programs"
        folder.mkdir()
        laid(folder, python)
        os.chdir(folder)
        words = [str(python) if word == "python" and trap.words[0] != "bash" else word for word in trap.words]
        return script_output.row(trap.name, words, [], Path(scratch), trap.given)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", nargs="?", type=Path, help="a Python that has PyTorch")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", choices=[trap.name for trap in TRAPS])
    parser.add_argument("--into", type=Path, help="a document with the markers of the table")
    asked = parser.parse_args()
    into = asked.into and asked.into.absolute()
    if asked.python:
        python = asked.python.absolute()
        os.environ["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
        for trap in TRAPS:
            if not asked.only or trap.name in asked.only:
                made = tried(trap, python)
                script_output.keep(made, KEPT)
                print(f"| {' | '.join(made)} |", flush=True)
    if into:
        put(into, BEGIN, END, table(script_output.TITLES, script_output.kept(KEPT)))


if __name__ == "__main__":
    main()
