"""Records three batches of Keras's own fit on PyTorch under torch.profiler, in a Python that has torch and Keras.

    python record_keras.py FOLDER [RUN …]

RUN: of record.RUNS. Writes NAME.pt.trace.json.gz and NAME.averages.json as record.py does.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras
import numpy as np
import torch
from record import RUNS, write
from torch.profiler import ProfilerActivity, profile, schedule

STEPS = 3
BATCH = 16


class Steps(keras.callbacks.Callback):
    """Tells the profiler where a batch ends."""

    def __init__(self, profiler):
        super().__init__()
        self.profiler = profiler

    def on_train_batch_end(self, batch, logs=None):
        self.profiler.step()


def main(folder: Path, runs: list[str]) -> None:
    torch.set_num_threads(1)
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((12, 12, 1)), layers.Conv2D(8, 3, activation="relu", name="stem"), layers.MaxPooling2D(name="pool"),
        layers.Flatten(name="flat"), layers.Dense(32, activation="relu", name="hidden"), layers.Dense(10, name="head"),
    ])  # fmt: skip
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    chance = np.random.default_rng(1)
    count = BATCH * (STEPS + 1)
    images, labels = chance.random((count, 12, 12, 1), dtype=np.float32), chance.integers(0, 10, count)
    model.fit(images, labels, batch_size=BATCH, verbose=0)
    folder.mkdir(parents=True, exist_ok=True)
    for name in runs:
        plan = schedule(wait=0, warmup=1, active=STEPS, repeat=1)
        with profile(activities=[ProfilerActivity.CPU], schedule=plan, **RUNS[name]) as profiler:
            model.fit(images, labels, batch_size=BATCH, verbose=0, callbacks=[Steps(profiler)])
        write(profiler, folder, name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or list(RUNS))
