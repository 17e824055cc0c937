"""What dlprof's hook costs a script's step outside of the recorded window: hook on and off in alternating bursts in one process.

    python3 benchmarks/script_overhead.py collect torch=TORCH_PYTHON jax=JAX_PYTHON jax-mnist=JAX_PYTHON
    python3 benchmarks/script_overhead.py report --into docs/guides/own-script.md

Each named script trains a small network while dlprof streams its steps, as `dlprof capture` does before its window. Bursts with
the hook and without it alternate in random order. A run is a line of benchmarks/data/script-overhead.jsonl; the table has the
last one of each script: the mean difference of a step with its 95 % interval over pairs of bursts, and the upper limit as a
share of the step: by the clock, and by the CPU time of the process, which other programs of a busy machine disturb less (of a
framework whose threads spin or share a step it is more than the time by the clock).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import kept
import marked

from dlprof.capture.script.command import INJECTED
from dlprof.capture.script.link import Listener, ScriptEnded
from dlprof.stats.sample.location import t_quantile

FILE: Final = kept.DATA / "script-overhead.jsonl"
BEGIN, END = "<!-- overhead: benchmarks/script_overhead.py writes from here -->", "<!-- overhead: to here -->"
TITLES: Final = (
    "script",
    "time",
    "step, µs",
    "hook adds a step, µs",
    "upper limit, share of a step",
    "runnable programs",
)
TIMES: Final = (("clock", "on", "off"), ("CPU", "cpu on", "cpu off"))
BURSTS, STEPS = 1000, 8
"""Short bursts: what else happens on the machine meanwhile is in both. The first step of a burst is not timed."""

TIMED = """
import json, random, sys, time
def timed(on, off, step):
    random.seed(0)
    found = {"on": [], "off": [], "cpu on": [], "cpu off": []}
    for _ in range(%d):
        for kind in random.sample(["on", "off"], 2):
            (on if kind == "on" else off)()
            step()
            began, cpu = time.perf_counter_ns(), time.process_time_ns()
            for _ in range(%d):
                step()
            found[kind].append((time.perf_counter_ns() - began) / %d)
            found["cpu " + kind].append((time.process_time_ns() - cpu) / %d)
    print(json.dumps(found))
""" % (BURSTS, STEPS, STEPS, STEPS)  # noqa: UP031  the script has braces

TORCH = """
import torch
from torch import nn
head = [nn.Flatten(), nn.Linear(1152, 64), nn.ReLU(), nn.Linear(64, 10)]
model = nn.Sequential(nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(2), *head)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x, y = torch.randn(32, 1, 28, 28), torch.randint(0, 10, (32,))
def step():
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
for _ in range(10):
    step()
import dlprof_inject
from torch.optim.optimizer import register_optimizer_step_post_hook
stepper = dlprof_inject.SESSION.stepper
held = [stepper.handle]
def on():
    if not held: held.append(register_optimizer_step_post_hook(stepper.stepped))
def off():
    while held: held.pop().remove()
timed(on, off, step)
"""

JAX = """
import jax, jax.numpy as jnp
def loss(p, x, y):
    h = jax.nn.relu(x @ p[0])
    return -jnp.mean(jax.nn.log_softmax(h @ p[1])[jnp.arange(32), y])
@jax.jit
def train_step(p, x, y):
    return [a - 0.01 * b for a, b in zip(p, jax.grad(loss)(p, x, y))]
key = jax.random.PRNGKey(0)
p = [jax.random.normal(key, (784, 512)) * 0.1, jax.random.normal(key, (512, 10)) * 0.1]
x, y = jax.random.normal(key, (32, 784)), jnp.zeros(32, int)
state = {"p": p, "call": train_step}
def step():
    state["p"] = state["call"](state["p"], x, y)
    jax.block_until_ready(state["p"])
for _ in range(10):
    step()
def on(): state["call"] = train_step
def off(): state["call"] = train_step._function
timed(on, off, step)
"""

MNIST = """
import jax, jax.numpy as jnp, numpy as np
from jax.example_libraries import optimizers, stax
from jax.example_libraries.stax import Dense, LogSoftmax, Relu
init, predict = stax.serial(Dense(1024), Relu, Dense(1024), Relu, Dense(10), LogSoftmax)
opt_init, opt_update, get_params = optimizers.momentum(0.001, mass=0.9)
def loss(params, batch):
    return -jnp.mean(jnp.sum(predict(params, batch[0]) * batch[1], axis=1))
@jax.jit
def update(i, opt_state, batch):
    return opt_update(i, jax.grad(loss)(get_params(opt_state), batch), opt_state)
noise = np.random.default_rng(0)
batch = noise.random((128, 784), np.float32), np.eye(10, dtype=np.float32)[noise.integers(0, 10, 128)]
state = {"p": opt_init(init(jax.random.PRNGKey(0), (-1, 784))[1]), "call": update, "i": 0}
def step():
    state["p"] = state["call"](state["i"], state["p"], batch)
    state["i"] += 1
    jax.block_until_ready(state["p"])
for _ in range(10):
    step()
def on(): state["call"] = update
def off(): state["call"] = update._function
timed(on, off, step)
"""

SCRIPTS: Final = {"torch": TORCH, "jax": JAX, "jax-mnist": MNIST}
CALLED: Final = {
    "torch": "PyTorch {}: a convolution and two layers, 32 images of 28 × 28",
    "jax": "JAX {}: two layers (784, 512, 10), 32 images of 28 × 28",
    "jax-mnist": "JAX {}: as JAX' own `examples/mnist_classifier.py` (784, 1024, 1024, 10; momentum), 128 images of noise",
}


def measured(python: str, script: str) -> dict[str, list[float]]:
    """Times (ns) of a step in bursts with the hook and without."""
    with tempfile.TemporaryDirectory() as folder, Listener(Path(folder) / "s") as listener:
        environment = {**os.environ, "PYTHONPATH": str(INJECTED), "DLPROF_SOCKET": str(listener.path)}
        command = [python, "-c", TIMED + script]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
            job = listener.job(lambda: process.poll() is None, time.monotonic() + 600)
            if job is None:
                process.kill()
                raise SystemExit(f"{python}: took no step that was seen")
            job.send({"cmd": "stream"})
            threading.Thread(target=_drained, args=(job.links[0],), daemon=True).start()
            assert process.stdout is not None
            found: dict[str, list[float]] = json.loads(process.stdout.read())
            job.close()
            return found


def _drained(link) -> None:
    try:
        while True:
            link.read(time.monotonic() + 600)
    except (ScriptEnded, ValueError, OSError):
        pass


def collect(script: str, python: str) -> dict[str, Any]:
    """What is kept of a run."""
    asked = [python, "-c", f"import {script.partition('-')[0]} as module; print(module.__version__)"]
    version = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    found = measured(python, SCRIPTS[script])
    running = os.getloadavg()[0]
    times = {name: added(found[on], found[off]) for name, on, off in TIMES}
    return {"script": script, "version": version, "bursts": BURSTS, "steps": STEPS, "times": times, "running": running}


def added(on: list[float], off: list[float]) -> dict[str, float]:
    """The step without the hook, and what the hook adds with its interval, µs."""
    differences = [(a - b) / 1e3 for a, b in zip(on, off, strict=True)]
    # A burst that another program interrupted says nothing of the hook: a tenth at either end is left out.
    within = sorted(differences)[len(differences) // 10 : -(len(differences) // 10)]
    mean = statistics.fmean(within)
    half = t_quantile(0.975, len(within) - 1) * statistics.stdev(within) / math.sqrt(len(within))
    return {"step": statistics.median(off) / 1e3, "mean": mean, "low": mean - half, "high": mean + half}


def rows(records: Sequence[dict[str, Any]]) -> Iterator[Sequence[str]]:
    """Of the last run of each script."""
    last = {one["script"]: one for one in records}
    for script, one in sorted(last.items(), key=lambda item: list(SCRIPTS).index(item[0])):
        for name, cost in one["times"].items():
            yield (
                CALLED[script].format(one["version"]),
                name,
                f"{cost['step']:.0f}",
                f"{cost['mean']:.1f} [{cost['low']:.1f}, {cost['high']:.1f}]".replace("-", "−"),
                f"{cost['high'] / cost['step']:.2%}",
                f"{one['running']:.1f}",
            )


def table() -> str:
    return marked.table(TITLES, rows(kept.read(FILE)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    collecting, reporting = verbs.add_parser("collect"), verbs.add_parser("report")
    collecting.add_argument("scripts", nargs="+", metavar="SCRIPT=PYTHON", help=f"one of {', '.join(SCRIPTS)}")
    reporting.add_argument("--into", type=Path, help="also put the table between the markers of this document")
    asked = parser.parse_args()
    for word in asked.scripts if asked.verb == "collect" else ():
        script, _, python = word.partition("=")
        kept.add(FILE, collect(script, python))
    print(table())
    if asked.verb == "report" and asked.into is not None:
        marked.put(asked.into, BEGIN, END, table())


if __name__ == "__main__":
    main()
