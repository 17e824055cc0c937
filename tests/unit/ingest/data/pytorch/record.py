"""Records the traces of this folder: three training steps of a small network under torch.profiler, in a Python that has torch.

    python record.py FOLDER [RUN …]

RUN: of RUNS; without any the two that are stored here. Writes NAME.pt.trace.json.gz and NAME.averages.json, which is what
torch's own key_averages says of the same run: name → [count, total, self] of host operators, times in microseconds.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function, schedule

RUNS = {
    "plain": {},
    "with_stack": {"with_stack": True},
    "record_shapes": {"record_shapes": True},
    "with_modules": {"with_modules": True},
    "profile_memory": {"profile_memory": True},
    "everything": {"with_stack": True, "with_modules": True, "record_shapes": True, "profile_memory": True},
}


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(4 * 36, 16), nn.ReLU(), nn.Linear(16, 5))

    def forward(self, images):
        with record_function("stem"):
            images = torch.relu(self.conv(images))
        return self.head(images)


STORED = ("plain", "everything")


def main(folder: Path, runs: Sequence[str]) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network, loss = Network(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    images, labels = torch.randn(8, 1, 8, 8), torch.randint(0, 5, (8,))
    folder.mkdir(parents=True, exist_ok=True)
    for name in runs:
        plan = schedule(wait=0, warmup=1, active=3, repeat=1)
        with profile(activities=[ProfilerActivity.CPU], schedule=plan, **RUNS[name]) as profiler:
            for _ in range(4):
                optimizer.zero_grad()
                loss(network(images), labels).backward()
                optimizer.step()
                profiler.step()
        write(profiler, folder, name)


def write(profiler: profile, folder: Path, name: str) -> None:
    """The trace, and what torch says of it itself."""
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "trace.json"
        profiler.export_chrome_trace(str(file))
        text = file.read_text().replace(json.dumps(str(file)), json.dumps("trace.json"))
    value = json.loads(text)
    value["host_name"] = "recorder"
    for event in value["traceEvents"]:
        if event.get("cat") == "python_function":
            # Where Python and its packages lie on the recording machine is nobody's business.
            event["name"] = event["name"].rpartition("site-packages/")[2].rpartition("python3.11/")[2]
    packed = gzip.compress(json.dumps(value, separators=(",", ":")).encode(), 9, mtime=0)
    (folder / f"{name}.pt.trace.json.gz").write_bytes(packed)
    averages = {one.key: [one.count, one.cpu_time_total, one.self_cpu_time_total] for one in profiler.key_averages()}
    (folder / f"{name}.averages.json").write_text(json.dumps(averages, indent=0, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or STORED)
