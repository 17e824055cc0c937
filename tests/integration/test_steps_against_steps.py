"""A JAX run of 50 steps against a PyTorch run of 10: two sides are compared step by step, in text, page and JSON.

Both are recorded here and now; what a step took is read from their JSON files with the standard library alone.
"""

from __future__ import annotations

import gzip
import json
import re
import statistics
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

STEPS = {"torch": 10, "jax": 50}
TORCH = """
import sys, torch
from torch.profiler import ProfilerActivity, profile, schedule
torch.set_num_threads(1)
net = torch.nn.Sequential(*[part for _ in range(6) for part in (torch.nn.Linear(384, 384), torch.nn.Tanh())])
optimizer, x, steps = torch.optim.SGD(net.parameters(), 1e-3), torch.randn(256, 384), int(sys.argv[2])
plan = schedule(wait=0, warmup=1, active=steps, repeat=1)
with profile(activities=[ProfilerActivity.CPU], schedule=plan) as recorded:
    for _ in range(steps + 1):
        optimizer.zero_grad()
        ((net(x) - x) ** 2).mean().backward()
        optimizer.step()
        recorded.step()
recorded.export_chrome_trace(sys.argv[1])
"""
JAX = """
import sys, jax, jax.numpy as jnp
def loss(weights, x):
    h = x
    for weight in weights:
        h = jnp.tanh(h @ weight)
    return ((h - x) ** 2).mean()
step = jax.jit(lambda weights, x: [w - 1e-3 * g for w, g in zip(weights, jax.grad(loss)(weights, x))])
key = jax.random.PRNGKey(0)
x, weights = jax.random.normal(key, (256, 256)), [jax.random.normal(key, (256, 256)) for _ in range(4)]
weights = jax.block_until_ready(step(weights, x))
jax.profiler.start_trace(sys.argv[1])
for number in range(int(sys.argv[2])):
    with jax.profiler.StepTraceAnnotation("train", step_num=number):
        weights = jax.block_until_ready(step(weights, x))
jax.profiler.stop_trace()
"""


@pytest.fixture(scope="module")
def traces(torch: Path, jax_python: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(PyTorch's trace, JAX's XPlane)."""
    folder = tmp_path_factory.mktemp("steps")
    written = folder / "torch.pt.trace.json"
    for python, program, target in ((torch, TORCH, written), (jax_python, JAX, folder / "jax")):
        steps = STEPS["torch" if program is TORCH else "jax"]
        done = subprocess.run(
            [python, "-c", program, target, str(steps)], capture_output=True, text=True, timeout=900, check=False
        )
        assert done.returncode == 0, done.stderr
    (xplane,) = (folder / "jax").rglob("*.xplane.pb")
    return written, xplane


def events(path: Path) -> list[dict[str, object]]:
    data = path.read_bytes()
    found: list[dict[str, object]] = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)["traceEvents"]
    return found


def medians(torch: Path, xplane: Path) -> tuple[float, float]:
    """Median step of each side, in µs."""
    (beside,) = xplane.parent.glob("*.trace.json.gz")
    marked = [
        e["dur"] for e in events(torch) if e.get("cat") == "user_annotation" and e["name"].startswith("ProfilerStep")
    ]
    trained = [e["dur"] for e in events(beside) if e.get("name") == "train" and "dur" in e]
    assert (len(marked), len(trained)) == (STEPS["torch"], STEPS["jax"])
    return statistics.median(marked), statistics.median(trained)


def test_json_states_the_ratio_of_two_steps(here, traces: tuple[Path, Path]) -> None:
    a, b = medians(*traces)
    done = here("diff", *traces, "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["basis"] == "step"
    assert found["ratio"]["method"] == "median traced step"
    assert found["ratio"]["estimate"] == pytest.approx(b / a, rel=1e-6)


@pytest.mark.parametrize("form", ["text", "page"])
def test_text_and_page_say_the_same(here, traces: tuple[Path, Path], tmp_path: Path, form: str) -> None:
    a, b = medians(*traces)
    page = tmp_path / "page.html"
    done = here("diff", *traces) if form == "text" else here("report", *traces, "-o", page)
    assert done.returncode == 0, done.stderr
    said = re.sub(r"\s+", " ", done.stdout if form == "text" else page.read_text())
    ratio, of_b, of_a = re.search(
        r"([\d.]+)× the time by median traced step \(([\d.]+) ms against ([\d.]+) ms\)", said
    ).groups()
    assert float(ratio) == pytest.approx(b / a, rel=0.1)
    assert float(of_b) == pytest.approx(b / 1e3, rel=1e-3)
    assert float(of_a) == pytest.approx(a / 1e3, rel=1e-3)
    assert "busy time of the whole trace" not in said
