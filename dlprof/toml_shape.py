"""The user's text files as typed values: what does not fit is an error with its place, a misspelt key gets a suggestion."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec

from dlprof.errors import UsageError

T = TypeVar("T")
_AT: Final = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_FIELD: Final = re.compile(r"unknown field `(?P<name>[^`]*)`")
_PART: Final = re.compile(r"\.(?P<name>[\w-]+)|\[(?P<index>\d+|\.\.\.)\]")


def convert(document: Any, kind: type[T], source: str, hint: str) -> T:
    """The document as a `kind`. Raises `UsageError`: `clip.toml: tasks[0].differentiat: no such key (differentiate?)`."""
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as failure:
        check_keys(document, kind, source)
        raise UsageError(f"{source}: {failure}", hint=hint) from None


def check_keys(document: Any, kind: type[Any], source: str) -> None:
    """Raises `UsageError` for a key that the document may not have, as far as it can be read."""
    try:
        msgspec.convert(document, kind)
    except msgspec.ValidationError as failure:
        message = str(failure)
    else:
        return
    match, unknown = _AT.search(message), _FIELD.search(message)
    if unknown is None:
        return
    path, name = match["path"] if match else "", unknown["name"]
    known = keys_at(kind, path)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    where = f"{path}.{name}".removeprefix(".")
    raise UsageError(
        f"{source}: {where}: no such key{f' ({close[0]}?)' if close else ''}", hint=choices_hint(name, known)
    )


def keys_at(kind: Any, path: str) -> list[str]:
    """The keys that the table at a path (`.tasks[0]`) of a `kind` may have."""
    node = _inspected(kind)
    for part in _PART.finditer(path):
        node = _table(node)
        if isinstance(node, msgspec.inspect.StructType):
            found = [field.type for field in node.fields if field.encode_name == part["name"]]
            if not found:
                return []
            node = found[0]
        elif isinstance(node, msgspec.inspect.DictType):
            node = node.value_type
        elif isinstance(node, msgspec.inspect.ListType):
            node = node.item_type
    node = _table(node)
    return [field.encode_name for field in node.fields] if isinstance(node, msgspec.inspect.StructType) else []


@functools.cache
def _inspected(kind: Any) -> msgspec.inspect.Type:
    return msgspec.inspect.type_info(kind)


def _table(node: msgspec.inspect.Type) -> msgspec.inspect.Type:
    """Of alternatives, the one that is a table or list."""
    holders = (msgspec.inspect.StructType, msgspec.inspect.DictType, msgspec.inspect.ListType)
    if isinstance(node, msgspec.inspect.UnionType):
        return next((one for one in node.types if isinstance(one, holders)), node)
    return node


def choices_hint(given: str, known: Iterable[str]) -> str:
    """`did you mean …? there are: …`"""
    known = list(known)
    close = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    there = f"there are: {', '.join(known)}" if known else "there are none"
    return f"did you mean {close[0]}? {there}" if close else there
