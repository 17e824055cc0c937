"""LeNet in plain PyTorch under torch.profiler, and large kernels timed by CUDA events under the same profiler.

    python torch_lenet.py --device cuda:0 --out FOLDER

Needs PyTorch alone (no dlprof). Writes lenet.json and kernels.json (Chrome traces of torch.profiler) and facts.json: versions,
torch.profiler's own totals for each trace, and, on a GPU, what CUDA events measured around each large kernel.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

BATCH, REPEATS = 200, 20


def lenet() -> nn.Module:
    """The layers of dlprof's workload `lenet`."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def activities(device: torch.device) -> list[ProfilerActivity]:
    return [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]


def totals(profiler: profile) -> list[dict[str, object]]:
    """torch.profiler's own sums: name, where (CPU or CUDA), count, µs."""
    rows = []
    for event in profiler.key_averages():
        where = str(event.device_type).rpartition(".")[2]
        time = event.self_device_time_total if where == "CUDA" else event.cpu_time_total
        rows.append({"name": event.key, "where": where, "count": event.count, "us": float(time)})
    return rows


def train(device: torch.device, out: Path, steps: int) -> dict[str, object]:
    """`steps` steps to warm up and as many traced, each synchronised."""
    torch.manual_seed(0)
    model = lenet().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    images = torch.rand(BATCH, 1, 28, 28, device=device)
    labels = torch.randint(0, 10, (BATCH,), device=device)
    loss_of = nn.CrossEntropyLoss()

    def step() -> None:
        optimizer.zero_grad()
        loss_of(model(images), labels).backward()
        optimizer.step()
        synchronise(device)

    for _ in range(steps):
        step()
    with profile(activities=activities(device), record_shapes=True) as profiler:
        for number in range(steps):
            with torch.profiler.record_function(f"ProfilerStep#{number}"):
                step()
    profiler.export_chrome_trace(str(out / "lenet.json"))
    return {"steps": steps, "totals": totals(profiler)}


def kernels(device: torch.device, out: Path, size: int) -> dict[str, object]:
    """Large matrix products and element-wise sums. On a GPU each is timed by a pair of CUDA events, under the profiler."""
    a, b = (torch.rand(size, size, device=device) for _ in range(2))
    work = {"matmul": lambda: a @ b, "add": lambda: a + b}
    for call in work.values():
        call()
    synchronise(device)
    measured: dict[str, list[float]] = {name: [] for name in work}
    with profile(activities=activities(device)) as profiler:
        for name, call in work.items():
            pairs = []
            for _ in range(REPEATS):
                if device.type == "cuda":
                    pair = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
                    pair[0].record()
                    call()
                    pair[1].record()
                    pairs.append(pair)
                else:
                    call()
            synchronise(device)
            measured[name] = [begin.elapsed_time(end) * 1000 for begin, end in pairs]
    profiler.export_chrome_trace(str(out / "kernels.json"))
    return {"size": size, "repeats": REPEATS, "totals": totals(profiler), "cuda_events_us": measured}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("PyTorch sees no GPU", file=sys.stderr)
        return 1
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    arguments.out.mkdir(parents=True, exist_ok=True)
    facts = {
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "lenet": train(device, arguments.out, arguments.steps),
        # A kernel must be long beside the microseconds that a pair of events adds.
        "kernels": kernels(device, arguments.out, 8192 if device.type == "cuda" else 512),
    }
    (arguments.out / "facts.json").write_text(json.dumps(facts, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
