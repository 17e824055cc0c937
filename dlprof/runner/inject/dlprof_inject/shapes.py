"""Arrays of any framework, told by shape and element type."""

import collections.abc
import hashlib
import re

_NESTED = 4
"""Lists in lists that are looked into for arrays."""


def of(array):
    """`float32[32, 784]`."""
    dtype = str(getattr(array, "dtype", "?"))
    name = dtype.replace("torch.", "").replace("<dtype: '", "").replace("'>", "").replace("<class 'numpy.", "")
    return "{}[{}]".format(name, ", ".join(_size(one) for one in tuple(array.shape)))


def _size(one):
    """A dimension, `*` where it is open (TensorFlow)."""
    size = getattr(one, "value", one)
    return "*" if size is None else str(int(size))


def arrays(value, nested=_NESTED):
    """The arrays in a value, in order: itself, or those in a list, tuple or mapping. What tells no shape is none."""
    try:
        tuple(value.shape)
    except Exception:  # noqa: BLE001  a nested tensor of PyTorch raises an error of its own
        if nested and isinstance(value, collections.abc.Mapping):
            value = list(value.values())
        if nested and isinstance(value, (list, tuple)):
            return [array for one in value for array in arrays(one, nested - 1)]
        return []
    return [value]


def together(texts):
    """Shapes of the same argument in several calls: a dimension that varies is `*`."""
    found = sorted(set(texts))
    parts = [re.findall(r"[^\[\], ]+", text) for text in found]
    if len(found) < 2 or len({(len(one), one[0]) for one in parts}) > 1:
        return found
    sizes = [same[0] if len(set(same)) == 1 else "*" for same in list(zip(*parts))[1:]]
    return ["{}[{}]".format(parts[0][0], ", ".join(sizes))]


def told(arrays):
    """How many there are, their elements by type, and a digest of all shapes in order."""
    texts = [of(one) for one in arrays]
    elements = {}
    for text, one in zip(texts, arrays):
        count = 1
        for size in tuple(one.shape):
            count *= int(size)
        kind = text.split("[")[0]
        elements[kind] = elements.get(kind, 0) + count
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]
    return {"arrays": len(texts), "elements": elements, "digest": digest, "first": texts[:4]}
