"""Small projects in git whose training script is slower by a known share: what gates and bisections are measured on.

A step trains a small network for some milliseconds and then, for `PLANTED` of the time that this took, does more. So B takes
1 + PLANTED times what the same process would take without, however fast the machine is at the moment: the true ratio is known.
With PyTorch and JAX up to one call more is added, and what the calls do to the processor's caches (of sorts it is 2 to 4 % of a
step of .8 ms; so PyTorch's calls are of a kind that the step makes too). Their steps end, and wait for the other side, within
what is timed here: so the time is the median of the last 21, in which waiting does not count.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

NUMPY: Final = '''"""Trains a network of two layers on made-up digits, in plain NumPy."""
import time

import numpy as np

from planted import PLANTED

generator = np.random.default_rng(0)
inputs = generator.normal(size=(256, 196)).astype(np.float32)
labels = generator.integers(0, 10, 256)
targets = np.eye(10, dtype=np.float32)[labels]
first = generator.normal(0, 0.1, (196, 128)).astype(np.float32)
second = generator.normal(0, 0.1, (128, 10)).astype(np.float32)


def more(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def train_step():
    global first, second
    began = time.perf_counter()
    hidden = np.maximum(inputs @ first, 0)
    scores = hidden @ second
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    error = (odds / odds.sum(axis=1, keepdims=True) - targets) / len(inputs)
    back = (error @ second.T) * (hidden > 0)
    first, second = first - 0.1 * (inputs.T @ back), second - 0.1 * (hidden.T @ error)
    more(PLANTED * (time.perf_counter() - began))


while True:
    train_step()
'''

TORCH: Final = '''"""Trains a network of two layers on made-up digits, with PyTorch."""
import collections
import statistics
import time

import torch

from planted import PLANTED

torch.manual_seed(0)
torch.set_num_threads(1)
inputs, labels = torch.randn(256, 196), torch.randint(0, 10, (256,))
model = torch.nn.Sequential(torch.nn.Linear(196, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
probe = torch.randn(32, 32)


def more(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        torch.mm(probe, probe)


durations = collections.deque(maxlen=21)
while True:
    began = time.perf_counter()
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(inputs), labels)
    loss.backward()
    optimizer.step()
    durations.append(time.perf_counter() - began)
    more(PLANTED * statistics.median(durations))
'''

JAX: Final = '''"""Trains a network of two layers on made-up digits, with JAX."""
import collections
import statistics
import time

import jax
import jax.numpy as jnp

from planted import PLANTED

keys = jax.random.split(jax.random.PRNGKey(0), 5)
inputs, labels = jax.random.normal(keys[0], (256, 196)), jax.random.randint(keys[1], (256,), 0, 10)
weights = {"first": 0.1 * jax.random.normal(keys[2], (196, 128)), "second": 0.1 * jax.random.normal(keys[3], (128, 10))}
probe = jax.random.normal(keys[4], (256,))


def loss(weights):
    scores = jax.nn.relu(inputs @ weights["first"]) @ weights["second"]
    return -jnp.mean(jax.nn.log_softmax(scores)[jnp.arange(256), labels])


@jax.jit
def train_step(weights):
    slopes = jax.grad(loss)(weights)
    return jax.tree.map(lambda weight, slope: weight - 0.1 * slope, weights, slopes)


sort = jax.jit(jnp.sort)
sort(probe).block_until_ready()


def more(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sort(probe).block_until_ready()


durations = collections.deque(maxlen=21)
while True:
    began = time.perf_counter()
    weights = jax.block_until_ready(train_step(weights))
    durations.append(time.perf_counter() - began)
    more(PLANTED * statistics.median(durations))
'''

SCRIPTS: Final = {"numpy": NUMPY, "torch": TORCH, "jax": JAX}
STEPS: Final[dict[str, tuple[str, ...]]] = {"numpy": ("--step", "__main__:train_step"), "torch": (), "jax": ()}
"""Further words of the command line: how the step is found."""

_PLANTED_BY_ARGUMENT: Final = "import sys\n\nPLANTED = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0\n"

_WHO: Final = ("-c", "user.name=toy", "-c", "user.email=toy@example.org", "-c", "commit.gpgsign=false")


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *_WHO, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def made(folder: Path, script: str, planted: Sequence[float]) -> Path:
    """A repository with a commit for each of these shares, oldest first; its script is train.py."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "train.py").write_text(SCRIPTS[script])
    for at, share in enumerate(planted):
        (folder / "planted.py").write_text(f"PLANTED = {share!r}\nCHANGE = {at}\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", f"change {at}")
    return folder


def compared(
    scratch: Path,
    script: str,
    python: str,
    share: str,
    *words: str,
    program: Sequence[str] = ("-m", "dlprof"),
) -> subprocess.CompletedProcess[str]:
    """`dlprof compare` of a script with itself, B's step `share` percent slower, into `made` in `scratch`. python: in whose
    environment the script runs; words: more of the command line; program: what Python is to run as dlprof."""
    project = scratch / "project"
    project.mkdir()
    (project / "train.py").write_text(SCRIPTS[script])
    (project / "planted.py").write_text(_PLANTED_BY_ARGUMENT)
    a, b = (shlex.join(["python", "train.py", *more]) for more in ([], [str(float(share) / 100)]))
    path = os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", os.defpath)])
    return subprocess.run(
        [sys.executable, *program, "compare", "--a", a, "--b", b, *words, "-o", str(scratch / "made")],
        cwd=project,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
