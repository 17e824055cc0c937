"""A control directory with prepared inputs, and a child started by path as dlprof's parent does it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

RUNNER = Path(__file__).resolve().parents[2] / "dlprof" / "runner" / "run.py"
FAKE = Path(__file__).resolve().parent / "fake_adapter.py"

WORKLOAD = {
    "name": "tiny",
    "kind": "network",
    "data": {"pad": 0, "scale": 255.0},
    "model": {
        "input": [4, 4, 1],
        "layers": [{"name": "flatten", "op": "Flatten"}, {"name": "logits", "op": "Gemm", "units": 3}],
    },
    "loss": {"op": "SoftmaxCrossEntropyLoss"},
    "optimizer": {"op": "SGD", "learning_rate": 0.5},
    "run": {"batch_size": 10, "block_steps": 2},
}


def prepare_inputs(folder):
    """Three classes of 4×4 images that differ in which rows are bright; 40 training, 10 validation, 10 test images."""
    random = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = random.integers(0, 40, (60, 4, 4))
    images[np.arange(60), labels] += 200
    arrays = {
        "images": images.astype(np.uint8),
        "labels": labels.astype(np.uint8),
        "train": np.stack([random.permutation(40) for _ in range(3)]).astype(np.int32),
        "validation": np.arange(40, 50, dtype=np.int32),
        "test": np.arange(50, 60, dtype=np.int32),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    weights = {"logits/w": random.normal(0, 0.1, (16, 3)).astype(np.float32), "logits/b": np.zeros(3, np.float32)}
    np.savez(folder / "weights.npz", **weights)
    return {name: str(folder / f"{name}.npy") for name in arrays} | {"weights": str(folder / "weights.npz")}


@pytest.fixture
def control(tmp_path):
    """Writes request.json with the given changes and returns the control directory."""

    def write(**changes):
        request = {
            "protocol": 1,
            "task": "serve",
            "framework": "fake",
            "adapter": str(FAKE),
            "device": {"kind": "cpu", "index": 0},
            "mode": "numpy",
            "fidelity": "exact",
            "workload": WORKLOAD,
            "seed": 0,
            "epochs": 1,
            "max_steps": None,
            "threads": None,
            "inputs": prepare_inputs(tmp_path),
            "options": {},
        }
        request.update(changes)
        (tmp_path / "request.json").write_text(json.dumps(request))
        return tmp_path

    return write


class Child:
    """A running child: `ask` sends a command and reads the answer."""

    def __init__(self, folder):
        self.folder = folder
        self._log = (folder / "stderr.log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, str(RUNNER), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def line(self):
        return json.loads(self.process.stdout.readline())

    def until(self, event):
        """Lines up to the event, it included."""
        lines = [self.line()]
        while lines[-1]["event"] != event:
            lines.append(self.line())
        return lines

    def ask(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self.line()

    def finish(self):
        """(exit status, result.json)."""
        self.process.stdin.close()
        self.process.stdin = None
        rest = self.process.stdout.read()
        status = self.process.wait(60)
        result = self.folder / "result.json"
        return status, json.loads(result.read_text()) if result.exists() else None, rest

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self._log):
            if stream is not None:
                stream.close()


@pytest.fixture
def start():
    """Starts children and makes sure that none outlives the test."""
    children = []

    def launch(folder):
        children.append(Child(folder))
        return children[-1]

    yield launch
    for child in children:
        child.close()
