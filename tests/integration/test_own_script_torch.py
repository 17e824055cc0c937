"""Scripts in a real PyTorch, unchanged: captured, with their output and exit codes as without dlprof, and compared."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.frameworks]

TRAIN = """
import argparse, sys, time
import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=6000)
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--width", type=int, default=64)
parser.add_argument("--slow", type=float, default=0.0)
parser.add_argument("--accumulate", type=int, default=1)
parser.add_argument("--bf16", action="store_true")
parser.add_argument("--by-name", action="store_true")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--crash", type=int, default=-1)
parser.add_argument("--exit", type=int, default=0)
a = parser.parse_args()
torch.manual_seed(a.seed)
model = nn.Sequential(nn.Linear(64, a.width), nn.ReLU(), nn.Linear(a.width, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(a.steps):
    for _ in range(a.accumulate):
        x, y = torch.randn(a.batch_size, 64), torch.randint(0, 10, (a.batch_size,))
        with torch.autocast("cpu", torch.bfloat16, enabled=a.bf16):
            loss = nn.functional.cross_entropy(model(input=x) if a.by_name else model(x), y)
        loss.backward()
    end = time.perf_counter() + a.slow
    while time.perf_counter() < end:
        pass
    optimizer.step()
    optimizer.zero_grad()
    if step == a.crash:
        raise RuntimeError("planted")
    if step % 100 == 0:
        print("step", step, "loss", loss.item())
print("weights", model[0].weight.sum().item())
sys.exit(a.exit)
"""

GAN = """
import torch
from torch import nn
d, g = nn.Linear(8, 1), nn.Linear(4, 8)
of_d, of_g = torch.optim.SGD(d.parameters(), 0.1), torch.optim.SGD(g.parameters(), 0.1)
for _ in range(4000):
    for _ in range(2):
        of_d.zero_grad(); d(g(torch.randn(16, 4)).detach()).mean().backward(); of_d.step()
    of_g.zero_grad(); d(g(torch.randn(16, 4))).mean().backward(); of_g.step()
"""

COMPILED = """
import torch
from torch import nn
torch.manual_seed(0)
model = torch.compile(nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(400):
    loss = nn.functional.cross_entropy(model(torch.randn(32, 64)), torch.randint(0, 10, (32,)))
    optimizer.zero_grad(); loss.backward(); optimizer.step()
print("loss", loss.item())
"""

INFER = """
import torch
from torch import nn
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)).eval()
with torch.no_grad():
    for _ in range(20000):
        model(torch.randn(32, 64))
"""

SEARCH = """
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Linear(64, 10)
def train(lr, steps):
    optimizer = torch.optim.SGD(model.parameters(), lr)
    for _ in range(steps):
        loss = model(torch.randn(32, 64)).pow(2).mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    return loss.item()
best = min((train(lr, 5), lr) for lr in (1e-4, 1e-3, 1e-2))[1]
print("best", best, "loss", train(best, 500))
"""


SPAWNED = """
import sys
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

def main(rank, how, path, barrier):
    torch.manual_seed(rank)
    model = torch.nn.Linear(64, 10)
    if how == "gloo":
        dist.init_process_group("gloo", init_method="file://" + path, rank=rank, world_size=2)
        model = torch.nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    for _ in range(300):
        barrier.wait()
        loss = model(torch.randn(32, 64)).pow(2).mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    if rank == 0:
        print("loss", loss.item(), flush=True)
    if how == "gloo":  # a process that ends without it aborts at times, as its threads let tensors go (pytorch/pytorch#190489)
        dist.destroy_process_group()

if __name__ == "__main__":
    barrier = mp.get_context("spawn").Barrier(2)
    mp.spawn(main, (sys.argv[1], sys.argv[2], barrier), nprocs=2)
"""

TRANSFORMED = """
import torch
from torch import nn

class Flip(nn.Module):
    def forward(self, x):
        return x.flip(-1)

torch.manual_seed(0)
flip, model = Flip(), nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
for _ in range(20):
    flip(torch.randn(64))
with torch.no_grad():
    for _ in range(200):
        batch = torch.stack([flip(torch.randn(64)) for _ in range(8)])
        out = model(batch)
print("sum", out.sum().item())
"""

PROFILED = """
import sys
import torch
from torch.profiler import ProfilerActivity, profile, schedule
torch.manual_seed(0)
model = torch.nn.Linear(64, 10)
optimizer = torch.optim.SGD(model.parameters(), 0.01)
when = schedule(wait=int(sys.argv[1]), warmup=int(sys.argv[2]), active=3, repeat=1)
with profile(activities=[ProfilerActivity.CPU], schedule=when) as own:
    for _ in range(200):
        loss = model(torch.randn(32, 64)).pow(2).mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
        own.step()
print("operators", len(own.key_averages()) > 5, "loss", loss.item())
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    scripts = {"train": TRAIN, "gan": GAN, "infer": INFER, "compiled": COMPILED, "search": SEARCH, "profiled": PROFILED}
    scripts |= {"spawned": SPAWNED, "transformed": TRANSFORMED}
    for name, text in scripts.items():
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "run.sh").write_text('exec "$PYTHON" train.py "$@"\n')
    return tmp_path


ENV = {"OMP_NUM_THREADS": "1"}


def _captured(dlprof, project: Path, *command: object, options: tuple[object, ...] = ()):
    return dlprof("capture", "-o", project / "made", *options, "--", *command, cwd=project, env=ENV)


def _plain(project: Path, *command: object) -> subprocess.CompletedProcess[str]:
    words = [*map(str, command)]
    return subprocess.run(words, cwd=project, env={**os.environ, **ENV}, capture_output=True, text=True, check=False)


def _manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


def test_a_captured_script_prints_and_ends_as_without_dlprof_and_its_steps_have_layers(
    dlprof, here, torch: Path, project: Path
) -> None:
    command = (torch, "train.py", "--exit", 3)
    plain, done = _plain(project, *command), _captured(dlprof, project, *command)
    assert (done.returncode, done.stdout) == (3, plain.stdout), done.stderr
    made = _manifest(project / "made")
    assert made["child"]["window"]["steps"] == 20
    assert "optimizer torch.optim.SGD" in made["child"]["runtime"]["steps found by"]
    assert made["child"]["runtime"]["batch"] == ["float32[32, 64]"]
    assert made["child"]["runtime"]["parameters"] == 64 * 64 + 64 + 640 + 10
    shown = json.loads(here("show", project / "made", "--by", "layer", "--format", "json").stdout)
    layers = {row["layer"] for row in shown["rows"]}
    assert {"0", "2"} <= layers
    assert not any("dlprof" in (layer or "") for layer in layers)
    steps = json.loads(here("show", project / "made", "--by", "step", "--format", "json").stdout)
    assert len([row for row in steps["rows"] if row["step"] is not None]) == 20
    assert "recording cost" in done.stderr


def test_the_steps_that_are_named_are_recorded(dlprof, torch: Path, project: Path) -> None:
    done = _captured(dlprof, project, torch, "train.py", options=("--steps", "31..40"))
    assert done.returncode == 0, done.stderr
    assert "recorded: steps 31 to 40" in done.stderr


@pytest.mark.parametrize("how", ["-c", "-m", "shell"])
def test_commands_of_other_kinds_are_watched_too(dlprof, torch: Path, project: Path, how: str) -> None:
    words = {
        "-c": (
            torch,
            "-c",
            "import runpy, sys; sys.argv = ['train.py']; runpy.run_path('train.py', run_name='__main__')",
        ),
        "-m": (torch, "-m", "train"),
        "shell": ("env", f"PYTHON={torch}", "bash", "run.sh"),
    }[how]
    done = _captured(dlprof, project, *words)
    assert done.returncode == 0, done.stderr
    assert _manifest(project / "made")["child"]["window"]["steps"] == 20


def test_a_script_that_fails_before_its_first_step_says_why_and_not_what_was_looked_for(
    dlprof, torch: Path, project: Path
) -> None:
    words = f"{torch} -c 'import torch; torch.zeros(2) @ torch.zeros(3)'"
    done = dlprof("compare", "--a", words, "--b", words, "--trials", 1, cwd=project, env=ENV)
    assert done.returncode == 1
    assert "failed before any training step was seen (exit code 1)" in done.stderr
    assert "inconsistent tensor size" in done.stderr
    assert "looked for" not in done.stderr


def test_a_script_that_crashes_after_its_window_leaves_it_and_its_traceback(dlprof, torch: Path, project: Path) -> None:
    command = (torch, "train.py", "--crash", 5900)
    plain, done = _plain(project, *command), _captured(dlprof, project, *command)
    assert (done.returncode, done.stdout) == (plain.returncode, plain.stdout)
    assert "RuntimeError: planted" in done.stderr
    assert (project / "made").exists()
    early = dlprof("capture", "-o", project / "none", "--", torch, "train.py", "--crash", 6, cwd=project, env=ENV)
    assert early.returncode == 1
    assert not (project / "none").exists()


def test_a_script_that_ends_inside_its_window_ends_well_and_leaves_what_was_recorded(
    dlprof, torch: Path, project: Path
) -> None:
    done = _captured(dlprof, project, torch, "train.py", "--steps", 50, options=("--steps", "41..90"))
    assert done.returncode == 0, done.stderr
    assert "the script ended after 10 of the 50 steps" in done.stderr
    assert _manifest(project / "made")["child"]["window"]["steps"] == 10


def test_of_two_optimizers_the_one_that_steps_least_often_makes_the_step(dlprof, torch: Path, project: Path) -> None:
    done = _captured(dlprof, project, torch, "gan.py")
    assert done.returncode == 0, done.stderr
    runtime = _manifest(project / "made")["child"]["runtime"]
    assert "of 2 optimizers the one that steps least often" in runtime["steps found by"]
    assert runtime["backward passes"] == 3


def test_an_optimizer_that_a_search_has_dropped_is_followed_by_the_next(dlprof, torch: Path, project: Path) -> None:
    plain, done = _plain(project, torch, "search.py"), _captured(dlprof, project, torch, "search.py")
    assert (done.returncode, done.stdout) == (plain.returncode, plain.stdout), done.stderr
    assert _manifest(project / "made")["child"]["window"]["steps"] == 20
    assert "that came one after the other" in done.stderr


@pytest.mark.parametrize(
    ("words", "fact", "value"),
    [(("--bf16",), "autocast", ["cpu bfloat16"]), (("--accumulate", "4"), "backward passes", 4)],
)
def test_mixed_precision_and_accumulated_gradients_are_told_and_the_output_stays(
    dlprof, torch: Path, project: Path, words: tuple[str, ...], fact: str, value: object
) -> None:
    command = (torch, "train.py", "--steps", 600, *words)
    plain, done = _plain(project, *command), _captured(dlprof, project, *command)
    assert (done.returncode, done.stdout) == (plain.returncode, plain.stdout), done.stderr
    assert _manifest(project / "made")["child"]["runtime"][fact] == value


def test_a_compiled_module_is_not_compiled_anew_for_the_recording(dlprof, torch: Path, project: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("torch.compile needs a C++ compiler on a CPU, and there is none")
    command = (torch, "compiled.py")
    plain, done = _plain(project, *command), _captured(dlprof, project, *command)
    assert (done.returncode, done.stdout) == (plain.returncode, plain.stdout), done.stderr
    child = _manifest(project / "made")["child"]
    assert child["runtime"]["start"]["compiled"] == 1
    assert "compiled among the recorded steps" not in done.stderr
    assert child["window"]["steps"] == 20


def test_without_an_optimizer_a_forward_pass_is_a_step(dlprof, torch: Path, project: Path) -> None:
    done = _captured(dlprof, project, torch, "infer.py")
    assert done.returncode == 0, done.stderr
    assert "forward pass of the outermost module" in _manifest(project / "made")["child"]["runtime"]["steps found by"]


def test_a_script_that_takes_no_step_is_told_what_was_looked_for_and_what_was_there(
    dlprof, torch: Path, project: Path
) -> None:
    done = _captured(dlprof, project, torch, "-c", "import torch; print(torch.ones(3).sum().item())")
    assert (done.returncode, done.stdout) == (1, "3.0\n")
    assert "though torch 2." in done.stderr
    assert "looked for: an optimizer of PyTorch" in done.stderr


def _compared(dlprof, project: Path, a: str, b: str, *more: object):
    target = project.parent / f"{project.name}-made"
    return dlprof("compare", "--a", a, "--b", b, "--format", "json", "-o", target, *more, cwd=project, env=ENV)


def test_a_planted_slow_down_is_found_and_stands_first_in_the_ledger(dlprof, here, torch: Path, project: Path) -> None:
    train = f"{torch} train.py --steps 1000000"
    done = _compared(dlprof, project, f"{train} --slow 0.002", f"{train} --slow 0.004", "--trials", 6)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["verdict"] == "slower"
    assert found["ratio"]["low"] > 1.2
    assert any("a step is each step of the optimizer" in text for text in found["warnings"])
    lines = found["ledger"]["lines"]
    # The planted wait is no operator: it is time of the step that nothing explains.
    widest = max(lines, key=lambda line: abs(line["b_ns"] - line["a_ns"]))
    assert re.search("unexplained|idle|outside", widest["name"]), lines
    verified = here("verify", project.parent / f"{project.name}-made")
    assert verified.returncode == 0, verified.stdout


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("--batch-size 64", "batch"),
        ("--by-name --batch-size 64", "batch"),
        ("--width 128", "parameters"),
        ("--accumulate 4", "accumulation"),
        ("--bf16", "precision"),
    ],
)
def test_other_work_is_refused_with_its_name(dlprof, torch: Path, project: Path, words: str, kind: str) -> None:
    train = f"{torch} train.py --steps 1000000"
    done = _compared(dlprof, project, train, f"{train} {words}", "--trials", 1, "--traces", 0)
    assert done.returncode == 5, done.stderr
    assert f"--allow {kind}" in done.stderr
    assert json.loads(done.stdout)["verdict"] == "not_comparable"


def test_work_that_is_allowed_by_name_stands_in_the_verdict(dlprof, here, torch: Path, project: Path) -> None:
    train = f"{torch} train.py --steps 1000000"
    done = _compared(
        dlprof, project, train, f"{train} --batch-size 64", "--trials", 1, "--traces", 0, "--allow", "batch"
    )
    assert done.returncode == 0, done.stderr
    assert "batch differs: A float32[32, 64], B float32[64, 64]" in json.loads(done.stdout)["items"][0]["sentence"]
    assert here("verify", project.parent / f"{project.name}-made").returncode == 0


def test_another_seed_is_stated_and_compared(dlprof, torch: Path, project: Path) -> None:
    train = f"{torch} train.py --steps 1000000"
    done = _compared(dlprof, project, train, f"{train} --seed 1", "--trials", 1, "--traces", 0)
    assert done.returncode == 0, done.stderr
    assert [one["where"] for one in json.loads(done.stdout)["parity"]] == ["seed"]


def test_forward_passes_of_what_has_no_weights_are_no_steps(dlprof, torch: Path, project: Path) -> None:
    plain = _plain(project, torch, "transformed.py")
    done = _captured(dlprof, project, torch, "transformed.py")
    assert (done.returncode, done.stdout) == (0, plain.stdout), done.stderr
    assert "steps: each forward pass of the outermost module, Sequential (no optimizer was made)" in done.stderr
    assert _manifest(project / "made")["child"]["window"]["steps"] == 20


@pytest.mark.parametrize(
    ("own", "code", "said"),
    [
        (("40", "1"), 0, "warning: the script started its own profiler after"),
        (("20", "100"), 1, "the script's own torch.profiler runs at this step (--steps names others)"),
    ],
)
def test_a_script_with_a_profiler_of_its_own_keeps_it(
    dlprof, torch: Path, project: Path, own: tuple[str, str], code: int, said: str
) -> None:
    plain = _plain(project, torch, "profiled.py", *own)
    assert plain.stdout.startswith("operators True")
    done = _captured(dlprof, project, torch, "profiled.py", *own, options=("--steps", "30..60"))
    assert done.stdout == plain.stdout
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("how", "ranks"), [("gloo", 2), ("alone", 1)])
def test_processes_that_the_script_spawns_and_that_wait_for_each_other_are_ranks_or_run_on(
    dlprof, torch: Path, project: Path, how: str, ranks: int
) -> None:
    command = (torch, "spawned.py", how)
    plain = _plain(project, *command, project / "store-plain")
    done = _captured(dlprof, project, *command, project / "store")
    assert (done.returncode, done.stdout) == (0, plain.stdout), done.stderr
    assert _manifest(project / "made")["child"]["window"]["steps"] == 20 * ranks
    assert ("of 2 ranks" in done.stderr) == (ranks == 2)
    assert ("took steps too and was not recorded" in done.stderr) == (ranks == 1)
