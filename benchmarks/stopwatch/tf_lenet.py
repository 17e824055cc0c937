"""A stop-watch for TensorFlow: LeNet on MNIST, a plain tf.function, no dlprof and no profiler. Prints seconds per step.

    python tf_lenet.py images.npy labels.npy [--steps 200] [--warm-up 40] [--block 5]

images.npy: uint8 (n, 28, 28), labels.npy: uint8 (n,). Batch 200, Adam 0.001, 0.9, 0.999, 1e-8, as `dlprof compare lenet`.
The time is elapsed time over blocks of steps, each ended by reading the loss; the last line is the mean over all blocks.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

BATCH = 200


def glorot(random, *shape):
    """A float32 variable, uniform within the limits of Glorot and Bengio."""
    field = int(np.prod(shape[:-2]))
    limit = np.sqrt(6 / (field * shape[-2] + field * shape[-1]))
    return tf.Variable(random.uniform(-limit, limit, shape).astype(np.float32))


def make_step(random):
    """A compiled training step: (images, labels) -> mean loss."""
    shapes = [(5, 5, 1, 6), (3, 3, 6, 16), (400, 120), (120, 84), (84, 10)]
    weights = [glorot(random, *shape) for shape in shapes]
    biases = [tf.Variable(tf.zeros(shape[-1])) for shape in shapes]
    variables = weights + biases
    first = [tf.Variable(tf.zeros_like(v)) for v in variables]
    second = [tf.Variable(tf.zeros_like(v)) for v in variables]
    power1, power2 = tf.Variable(0.9), tf.Variable(0.999)

    def forward(x):
        for i in (0, 1):
            x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, weights[i], 1, "VALID"), biases[i]))
            x = tf.nn.avg_pool2d(x, 2, 2, "VALID")
        x = tf.reshape(x, [-1, 400])
        for i in (2, 3):
            x = tf.nn.relu(tf.matmul(x, weights[i]) + biases[i])
        return tf.matmul(x, weights[4]) + biases[4]

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(logits=forward(x), labels=y))
        for v, m, s, g in zip(variables, first, second, tape.gradient(loss, variables), strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=v.handle,
                m=m.handle,
                v=s.handle,
                beta1_power=power1.read_value(),
                beta2_power=power2.read_value(),
                lr=0.001,
                beta1=0.9,
                beta2=0.999,
                epsilon=1e-8,
                grad=g,
            )
        power1.assign(power1 * 0.9)
        power2.assign(power2 * 0.999)
        return loss

    return step


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("images")
    parser.add_argument("labels")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--warm-up", type=int, default=40)
    parser.add_argument("--block", type=int, default=5)
    arguments = parser.parse_args()
    images, labels = np.load(arguments.images), np.load(arguments.labels).astype(np.int32)
    random = np.random.RandomState(0)
    step = make_step(random)

    def block(count):
        started = time.perf_counter()
        for _ in range(count):
            rows = random.randint(0, len(images), BATCH)
            x = images[rows].astype(np.float32)[..., np.newaxis] / np.float32(255)
            loss = step(tf.convert_to_tensor(x), tf.convert_to_tensor(labels[rows]))
        value = float(loss.numpy())
        return time.perf_counter() - started, value

    block(arguments.warm_up)
    times = [block(arguments.block) for _ in range(arguments.steps // arguments.block)]
    print("tensorflow", tf.__version__, "last loss", times[-1][1])
    print(sum(t for t, _ in times) / (len(times) * arguments.block))


if __name__ == "__main__":
    main()
