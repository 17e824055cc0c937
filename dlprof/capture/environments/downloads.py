"""What making an environment would download, and how large it is: asked of uv before anything is fetched."""

from __future__ import annotations

import tomllib
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

_ANSWER_S: Final = 10
_NAMED: Final = 4
"""How many of the largest files are named."""


@dataclass(frozen=True, slots=True)
class File:
    """A wheel or source archive. size: bytes, None where nobody says. place: the folder of one that lies on this machine, else
    the host that serves it."""

    name: str
    size: int | None
    place: str
    local: bool


def files(lock: Path) -> list[File]:
    """The files of a pylock.toml that uv wrote for this machine."""
    found = []
    for package in tomllib.loads(lock.read_text(encoding="utf-8")).get("packages", []):
        choices = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        if choices:
            found.append(_file(choices[0]))
    return found


def _file(entry: Mapping[str, Any]) -> File:
    url = str(entry.get("url") or entry.get("path") or "")
    parts = urlsplit(url)
    name = unquote(parts.path).rpartition("/")[2]
    if parts.scheme in ("", "file"):
        path = Path(unquote(parts.path))
        size = path.stat().st_size if path.is_file() else entry.get("size")
        return File(name, size, str(path.parent), local=True)
    return File(name, entry.get("size") or _asked(url), parts.hostname or "", local=False)


def _asked(url: str) -> int | None:
    """What the server says of the file's size, where an index does not."""
    try:
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:  # nosec B310
            length = answer.headers.get("Content-Length")
    except (OSError, ValueError):
        return None
    return int(length) if length and length.isdecimal() else None


def statement(found: Sequence[File]) -> str:
    """`11 packages: up to 31.2 MB to download (numpy-… 16.6 MB, …), 191.8 MB from /opt/wheels`."""
    remote, local = [one for one in found if not one.local], [one for one in found if one.local]
    parts = []
    if remote:
        known = sum(one.size or 0 for one in remote)
        largest = sorted(remote, key=lambda one: -(one.size or 0))[:_NAMED]
        named = ", ".join(f"{one.name.split('-')[0]} {_mb(one.size)}" for one in largest)
        more = (
            f" and {sum(one.size is None for one in remote)} of unknown size"
            if None in {r.size for r in remote}
            else ""
        )
        hosts = ", ".join(sorted({one.place for one in remote}))
        parts.append(f"up to {_mb(known)}{more} to download from {hosts} ({named}; less what uv's cache has)")
    if local:
        folders = ", ".join(sorted({one.place for one in local}))
        parts.append(f"{_mb(sum(one.size or 0 for one in local))} from {folders}")
    return f"{len(found)} packages: {'; '.join(parts)}"


def _mb(size: int | None) -> str:
    return "of unknown size" if size is None else f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"
