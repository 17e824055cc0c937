"""Operands of op workloads: made in NumPy from the seed, the same for every framework, within a budget of memory."""

import collections
import zlib

import numpy as np

from . import names
from .faults import Unsupported

CACHE_BYTES = 256 << 20  # operand sets kept between bursts; others are made anew, outside the timing
LIST_ELEMENT_BYTES = 32  # a float object and its place in a list


def shape_of(operand, size):
    """["n", "n"] at size 50 -> (50, 50)."""
    return tuple(size if part == "n" else int(part) for part in operand["shape"])


def bytes_of(task, size, count, dtype):
    """Memory of `count` operand sets."""
    total = 0
    for operand in task["operands"]:
        elements = int(np.prod([float(n) for n in shape_of(operand, size)]))
        element = np.dtype(operand.get("dtype", dtype)).itemsize
        total += elements * (LIST_ELEMENT_BYTES if operand.get("as") == "list" else element)
    return total * count


def check_memory(task, size, count, dtype):
    """Raise Unsupported where the operands (and as much again for results and copies) exceed the free memory."""
    needed, free = 2 * bytes_of(task, size, count, dtype), available_memory()
    if free is not None and needed > free:
        raise Unsupported(
            "%s: %d items need about %.1f GB, %.1f GB are free"
            % (names.item(task["name"], size), count, needed / 1e9, free / 1e9),
            "use a smaller --set size=… or --set count=…",
        )


def available_memory():
    """Bytes that can be allocated without swapping; None where the system does not tell."""
    try:
        with open("/proc/meminfo") as stream:
            for line in stream:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return None
    return None


def make(task, size, count, dtype, seed):
    """`count` operand sets as NumPy values: tuples of arrays, or lists where the operand says so.

    `as = "list"` is a Python list of floats; `as = "row_list"` a list holding one NumPy row, which is what the study
    measured under the name of a list.
    """
    random = np.random.RandomState(zlib.crc32(("%d/%s/%d" % (seed, task["name"], size)).encode("ascii")))
    sets = []
    for _ in range(count):
        values = []
        for operand in task["operands"]:
            low, high = operand.get("range", (0.0, 1.0))
            array = random.uniform(low, high, shape_of(operand, size)).astype(operand.get("dtype", dtype))
            values.append(_as(array, operand.get("as", "tensor")))
        sets.append(tuple(values))
    return sets


_CHANNELS_FIRST = {"image": (0, 3, 1, 2), "filter": (3, 2, 0, 1), "matrix": (1, 0)}


def laid_out(array, kind, layout):
    """An operand as a call of that layout wants it. Descriptions are NHWC: an image is (n, rows, columns, channels), a
    filter (rows, columns, in, out), a matrix of a dense layer (in, out). NCHW: (n, c, h, w), (out, in, h, w), (out, in).
    """
    if layout != "NCHW" or kind is None:
        return array
    return np.ascontiguousarray(array.transpose(_CHANNELS_FIRST[kind]))


def described(array, kind, layout):
    """A result of such a call in the layout of the description."""
    if layout != "NCHW" or kind is None:
        return array
    return array.transpose(np.argsort(_CHANNELS_FIRST[kind]))


def _as(array, form):
    if form == "list":
        return array.tolist()
    if form == "row_list":
        return [array]
    return array


class Cache:
    """Operand sets by item, least recently used first out."""

    def __init__(self, budget=CACHE_BYTES):
        self._budget = budget
        self._held = collections.OrderedDict()

    def get(self, key, size_bytes, build):
        """The value of `key`, built if it is not held; older ones go when the budget is exceeded."""
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key][0]
        total = size_bytes + sum(held[1] for held in self._held.values())
        while self._held and total > self._budget:
            total -= self._held.popitem(last=False)[1][1]
        value = build()
        self._held[key] = (value, size_bytes)
        return value
