"""Memory that programs may still take: of the machine, and of the group that confines this one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import psutil

_GROUPS: Final = Path("/sys/fs/cgroup")


def available_bytes(groups: Path = _GROUPS, group: Path = Path("/proc/self/cgroup")) -> int:
    """The lesser of what the machine has left and what the control groups around this process allow (Linux). groups, group:
    where they are told."""
    return min([int(psutil.virtual_memory().available), *_of_groups(groups, group)])


def _of_groups(groups: Path, group: Path) -> list[int]:
    """What is left in each group around this process that has a limit (version 2 of control groups; 1 in its usual place)."""
    try:
        own = next(line[3:] for line in group.read_text().splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        own = "/"
    place = groups / own.lstrip("/")
    around = [place, *(one for one in place.parents if one.is_relative_to(groups))]
    left = [_left(one, "memory.max", "memory.current", "inactive_file") for one in around]
    left.append(_left(groups / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"))
    return [one for one in left if one is not None]


def _left(folder: Path, limit: str, used: str, cached: str) -> int | None:
    """Limit less use, files that are only cached not counted; None where the group has no limit."""
    try:
        most, now = int((folder / limit).read_text()), int((folder / used).read_text())
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    return max(most - now + int(statistics.get(cached, 0)), 0)
