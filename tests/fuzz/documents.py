"""Mutations of documents: a JSON or TOML text that stays one, but for a value, a key or a byte that nobody expects."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import msgspec

_ENCODE = msgspec.json.Encoder().encode
Write = Callable[[Any], bytes]
Holder = dict[str, Any] | list[Any]

ODD: list[Any] = [
    None, True, False, 0, -1, 1, 7, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e308,
    "<nan>", "<inf>",
    "", "odd", "a", "b", "1", "\x1b[31m", "\ud7ff", "../../x", "/etc/passwd", "x" * 300, "tf", "mxnet", "lenet", "matmul",
    "compare",
    "capture", "30s", "5%", "0..9/3", "ff" * 32, [], [1], [[1], [2]], ["a", "a"], [None], {}, {"a": {"b": None}}, {"": 1},
]  # fmt: skip
"""Values that must be expected anywhere."""
UNWRITABLE = {"<nan>": ("NaN", "nan"), "<inf>": ("Infinity", "inf")}
"""What stands for numbers that JSON does not have, and how JSON's writers and TOML write them."""

BYTES = [
    b"9" * 5000, b"[" * 3000,
    b"", b"\0", b"\xff", b"\xed\xa0\x80", b"{", b"}", b"[", b"]", b",", b":", b"=", b'"', b"'", b'"""', b"\\u0000", b"#", b"\n",
    b"1e999", b"-0", b"0x_1", b"1979-05-27", b"inf", b"nan", b"[[", b"]]", b"null", b"\xef\xbb\xbf",
]  # fmt: skip


def places(value: Any) -> Iterator[tuple[Holder, Any]]:
    """Where a value stands: the object or list, and the key or number in it."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


_MANY: int = 8
"""Entries of an object from which on it may be a table of alike things, such as packages by name."""


def thinned(value: Any, most: int = 2) -> Any:
    """The document with the first entries alone of each list, and of each object of alike things: what an input costs is its
    length."""
    if isinstance(value, dict):
        kept = list(value)[:most] if len(value) > _MANY and len({_shape(one) for one in value.values()}) == 1 else value
        return {key: thinned(value[key], most) for key in kept}
    return [thinned(one, most) for one in value[:most]] if isinstance(value, list) else value


def _shape(value: Any) -> Any:
    return tuple(sorted(value)) if isinstance(value, dict) else type(value)


def place(document: dict[str, Any], chance: random.Random) -> tuple[Holder, Any] | None:
    """A place found on a way down from the top, which takes no walk of the whole; None in an empty document.

    Half of the ways end at each level that has one below it, so that the outer fields get their share.
    """
    holder: Holder = document
    found: tuple[Holder, Any] | None = None
    while holder:
        key = chance.choice(list(holder)) if isinstance(holder, dict) else chance.randrange(len(holder))
        found = holder, key
        inner = holder[key]
        if not isinstance(inner, dict | list) or chance.random() < 0.25:
            break
        holder = inner
    return found


def reshape(document: dict[str, Any], keys: list[str], chance: random.Random) -> None:
    """One change in place. keys: names that other documents have."""
    found = place(document, chance)
    if found is None:
        document[chance.choice(keys)] = deepcopy(chance.choice(ODD))
        return
    holder, key = found
    what = chance.randrange(8)
    if what < 3:
        holder[key] = deepcopy(chance.choice(ODD))
    elif what == 3:
        del holder[key]
    elif what == 4:
        other, name = place(document, chance) or found
        holder[key] = deepcopy(other[name])  # type: ignore[index]
    elif what == 5 and isinstance(holder, dict):
        holder[chance.choice(keys)] = holder.pop(key)
    elif what == 6 and isinstance(holder, list):
        holder += [holder[key]] * chance.choice((1, 2, 30))
    elif isinstance(holder, dict):
        holder[chance.choice(keys)] = deepcopy(chance.choice(ODD))


def damage(data: bytearray, chance: random.Random) -> None:
    """One change of bytes in place."""
    at = chance.randrange(len(data) + 1)
    what = chance.randrange(5)
    if what == 0 and data:
        data[min(at, len(data) - 1)] = chance.randrange(256)
    elif what == 1:
        data[at:at] = chance.choice(BYTES)
    elif what == 2:
        del data[at : at + chance.choice((1, 3, 20))]
    elif what == 3:
        data[at:at] = data[at : at + 40] * chance.choice((1, 2, 9))
    elif chance.random() < 0.3:
        del data[at:]


class Mutator:
    """Makes inputs from documents. written: how a document becomes the bytes of a file."""

    def __init__(self, documents: list[dict[str, Any]], written: Write) -> None:
        self._texts = [json.dumps(one).encode() for one in documents]
        self._keys = sorted({str(key) for one in documents for holder, key in places(one) if isinstance(holder, dict)})
        self._written = written

    def seeds(self) -> list[bytes]:
        return [self._written(msgspec.json.decode(text)) for text in self._texts]

    def mutated(self, pool: list[bytes], chance: random.Random) -> bytes:
        """Mostly a document with some values changed; some texts with bytes changed as well, and some of the pool."""
        if chance.random() < 0.1:
            data = bytearray(chance.choice(pool))
            damage(data, chance)
            return bytes(data)
        document = msgspec.json.decode(chance.choice(self._texts))
        for _ in range(chance.choice((1, 1, 2, 3, 8))):
            reshape(document, self._keys, chance)
        data = bytearray(self._written(document))
        if chance.random() < 0.1:
            damage(data, chance)
        return bytes(data)


def as_json(document: Any) -> bytes:
    data = _ENCODE(document)
    for stands, (written, _) in UNWRITABLE.items():
        data = data.replace(f'"{stands}"'.encode(), written.encode())
    return data


def as_toml(document: Any) -> bytes:
    """Top keys a line each, all below inline; what TOML has no word for is left out."""
    lines = (f"{json.dumps(key)} = {_inline(value)}" for key, value in document.items() if value is not None)
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        told = (f"{json.dumps(key)} = {_inline(one)}" for key, one in value.items() if one is not None)
        return "{" + ", ".join(told) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(one) for one in value if one is not None) + "]"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str) and value in UNWRITABLE:
        return UNWRITABLE[value][1]
    return json.dumps(value)
