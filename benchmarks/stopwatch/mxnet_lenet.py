"""A stop-watch for MXNet: LeNet on MNIST, hybridized Gluon, no dlprof and no profiler. Prints seconds per step.

    python mxnet_lenet.py images.npy labels.npy [--steps 200] [--warm-up 40] [--block 5]

images.npy: uint8 (n, 28, 28), labels.npy: uint8 (n,). Batch 200, Adam 0.001, 0.9, 0.999, 1e-8, as `dlprof compare lenet`.
The time is elapsed time over blocks of steps, each ended by waitall(); the last line is the mean over all blocks.
"""

import argparse
import time

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

BATCH = 200


def make_network():
    """The hybridized network, initialised."""
    net = gluon.nn.HybridSequential()
    net.add(
        gluon.nn.Conv2D(6, 5, activation="relu", in_channels=1),
        gluon.nn.AvgPool2D(2, 2),
        gluon.nn.Conv2D(16, 3, activation="relu", in_channels=6),
        gluon.nn.AvgPool2D(2, 2),
        gluon.nn.Flatten(),
        gluon.nn.Dense(120, activation="relu", in_units=400),
        gluon.nn.Dense(84, activation="relu", in_units=120),
        gluon.nn.Dense(10, in_units=84),
    )
    net.initialize(mx.init.Xavier())
    net.hybridize()
    return net


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("images")
    parser.add_argument("labels")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--warm-up", type=int, default=40)
    parser.add_argument("--block", type=int, default=5)
    arguments = parser.parse_args()
    images, labels = np.load(arguments.images), np.load(arguments.labels).astype(np.float32)
    random = np.random.RandomState(0)
    net = make_network()
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    loss_of.hybridize()
    trainer = gluon.Trainer(
        net.collect_params(), "adam", {"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    )

    def block(count):
        started = time.perf_counter()
        for _ in range(count):
            rows = random.randint(0, len(images), BATCH)
            x = images[rows].astype(np.float32)[:, np.newaxis] / np.float32(255)
            x, y = mx.nd.array(x), mx.nd.array(labels[rows])
            with autograd.record():
                loss = loss_of(net(x), y)
            loss.backward()
            trainer.step(BATCH)
            mean = loss.mean()
        mx.nd.waitall()
        return time.perf_counter() - started, float(mean.asscalar())

    block(arguments.warm_up)
    times = [block(arguments.block) for _ in range(arguments.steps // arguments.block)]
    print("mxnet", mx.__version__, "last loss", times[-1][1])
    print(sum(t for t, _ in times) / (len(times) * arguments.block))


if __name__ == "__main__":
    main()
