"""Batches of a network workload: gathered from the parent's files in the parent's order, the same for every framework."""

import contextlib
import copy
from functools import partial

import numpy as np

from .faults import Fault


class Feed:
    """uint8 images in memory; float32 (n, rows, columns, channels) batches out.

    Gathering, padding and scaling happen at each call, in NumPy, so that both frameworks pay for the same input work.
    """

    def __init__(self, inputs, data, batch_size):
        for key in ("images", "labels", "train"):
            if not inputs.get(key):
                raise Fault("request.json names no inputs.%s" % key, "a network workload needs its prepared inputs")
        self._images = np.load(inputs["images"])
        self._labels = np.load(inputs["labels"]).astype(np.int32)
        self._train = np.load(inputs["train"])
        self._sets = {key: np.load(inputs[key]) for key in ("validation", "test") if inputs.get(key)}
        self._pad = int(data.get("pad", 0))
        self._scale = np.float32(data.get("scale", 1.0))
        self.batch_size = batch_size
        self.steps_per_epoch = self._train.shape[1] // batch_size
        self.dropped_per_epoch = self._train.shape[1] % batch_size
        if not self.steps_per_epoch:
            raise Fault("a batch of %d needs more than %d training images" % (batch_size, self._train.shape[1]))

    def batch(self, indices):
        """(float32 images (n, rows + 2 pad, columns + 2 pad, 1), or (n, features) where they are no images; int32 labels)."""
        pixels = self._images[indices]
        if pixels.ndim != 3:
            return pixels.astype(np.float32) / self._scale, self._labels[indices]
        n, rows, columns = pixels.shape
        pad = self._pad
        images = np.zeros((n, rows + 2 * pad, columns + 2 * pad, 1), np.float32)
        inner = images[:, pad : pad + rows, pad : pad + columns, 0]
        inner[...] = pixels
        inner /= self._scale  # not uint8 / scalar at once: old NumPy would choose the precision by the scalar's value
        return images, self._labels[indices]

    def train_indices(self, step):
        """Indices of training batch `step`, counted over all epochs; after the last epoch it starts over."""
        epoch, within = divmod(step, self.steps_per_epoch)
        row = self._train[epoch % len(self._train)]
        return row[within * self.batch_size : (within + 1) * self.batch_size]

    def train(self, first, count):
        """Yield a function for each training batch `first` .. `first + count - 1`; calling it gathers the batch.

        So that the caller can count the gathering as input work.
        """
        for step in range(first, first + count):
            yield partial(self._train_batch, step)

    @contextlib.contextmanager
    def altered(self, seed, step, count=1, apart=True):
        """While this lasts, training batches `step` .. `step + count - 1` are others in the same place: their images and labels
        are those of other examples, so that a batch which was kept from before is none of these. apart: labels are others'
        than images, so that neither can be told from the other."""
        numbers, random = range(step, step + count), np.random.RandomState(seed)
        rows = np.unique(np.concatenate([self.train_indices(number) for number in numbers]))
        images, labels = self._images[rows], self._labels[rows]
        others = [random.randint(len(self._images), size=len(rows)) for _ in range(2)]
        self._images[rows], self._labels[rows] = self._images[others[0]], self._labels[others[int(apart)]]
        try:
            yield
        finally:
            self._images[rows], self._labels[rows] = images, labels

    def _train_batch(self, step):
        return self.batch(self.train_indices(step))

    def has(self, name):
        """Whether there is a held-out set of that name with anything in it."""
        return len(self._sets.get(name, ())) > 0

    def evaluation(self, name):
        """Yield (images, labels) over a whole held-out set, the last batch possibly smaller."""
        indices = self._sets[name]
        for start in range(0, len(indices), self.batch_size):
            yield self.batch(indices[start : start + self.batch_size])

    def infer(self, first, count):
        """Yield a function for each batch of the test set (else of the training set), going round: its images."""
        indices = self._sets["test"] if self.has("test") else self._train[0]
        batches = max(1, len(indices) // self.batch_size)
        for step in range(first, first + count):
            start = (step % batches) * self.batch_size
            yield partial(self._images_of, indices[start : start + self.batch_size])

    def mixed(self, seed, count):
        """Functions as those of `infer`, of images that nobody has seen before: each gathers mixtures of two examples, which are
        made now."""
        random, found = np.random.RandomState(seed), []
        for _ in range(count):
            rows = [random.randint(len(self._images), size=self.batch_size) for _ in range(2)]
            left, right = (self._images[one].astype(np.float32) for one in rows)  # first: old NumPy, see `batch`
            share = np.float32(random.uniform(0.3, 0.7))
            other = copy.copy(self)
            other._images = (share * left + (1 - share) * right).astype(self._images.dtype)
            found.append(partial(other._images_of, random.permutation(self.batch_size)))
        return found

    def _images_of(self, indices):
        return self.batch(indices)[0]
