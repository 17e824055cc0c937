"""What dlprof's hook costs a script's step outside of the recorded window: hook on and off in alternating bursts in one process.

    python3 benchmarks/script_overhead.py torch=TORCH_PYTHON jax=JAX_PYTHON

Each named Python trains a small network while dlprof streams its steps, as `dlprof capture` does before its window. Bursts with
the hook and without it alternate in random order. Printed are the mean difference of a step with its 95 % interval over pairs of
bursts, and the upper limit as a share of the step: by the clock, and by the CPU time of the process, which other programs of a
busy machine hardly disturb (of a framework whose threads spin or share a step it is more than the time by the clock).
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from dlprof.capture.script.command import INJECTED
from dlprof.capture.script.link import Listener, ScriptEnded
from dlprof.stats.sample.location import t_quantile

BURSTS, STEPS = int(os.environ.get("BURSTS", "200")), 20

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


def main() -> None:
    print("| framework | time | step, µs | hook adds a step, µs [95 %] | upper limit, share of a step |")
    print("| --- | --- | ---: | ---: | ---: |")
    for word in sys.argv[1:]:
        name, _, python = word.partition("=")
        found = measured(python, {"torch": TORCH, "jax": JAX}[name])
        for time_of, on, off in (("clock", "on", "off"), ("CPU", "cpu on", "cpu off")):
            print(f"| {name} | {time_of} | {added(found[on], found[off])} |")


def added(on: list[float], off: list[float]) -> str:
    """What the hook adds, as the last three cells of a row."""
    differences = [(a - b) / 1e3 for a, b in zip(on, off, strict=True)]
    # A burst that another program interrupted says nothing of the hook: a tenth at either end is left out.
    kept = sorted(differences)[len(differences) // 10 : -(len(differences) // 10)]
    mean = statistics.fmean(kept)
    half = t_quantile(0.975, len(kept) - 1) * statistics.stdev(kept) / math.sqrt(len(kept))
    one = statistics.median(off) / 1e3
    return f"{one:.0f} | {mean:.1f} [{mean - half:.1f}, {mean + half:.1f}] | {(mean + half) / one:.2%}"


if __name__ == "__main__":
    main()
