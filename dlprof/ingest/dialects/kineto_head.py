"""What a Kineto file says of itself: whether an accelerator was recorded, schema version, rank, devices."""

from __future__ import annotations

import re
from typing import Any, Final

from dlprof.ingest.dialects.kineto_categories import CATEGORIES, LEGACY
from dlprof.ingest.source import Source

_DEVICES: Final = re.compile(rb'"deviceProperties"\s*:\s*\[\s*([\]{])')
_ON_DEVICE: Final = "|".join(re.escape(name) for name, one in CATEGORIES.items() if one.place != "host")
_EVENT: Final = re.compile(rb'"cat"\s*:\s*"(?:cuda_(?:runtime|driver)|Runtime|' + _ON_DEVICE.encode() + rb')"')
_PROCESSES: Final = (
    b'"Ascend Hardware"',
    *(f'"{name}"'.encode() for name, one in LEGACY.items() if one.place == "device"),
)
"""Searched for one by one: a pattern with one beginning, and plain words, are found several times as fast as alternatives."""
_HOST: Final = re.compile(r"(.+?)_(?:rank\d+|(\d+)\.\d+)(?:\..*)?\.json(?:\.gz|\.zst)?")
"""torch.profiler.tensorboard_trace_handler names a file HOST_PID.TIME.pt.trace.json; others HOST_rankN.pt.trace.json."""
_RANK: Final = re.compile(r"(?:^|[^A-Za-z])rank[_-]?(\d{1,9})(?!\d)", re.IGNORECASE)
_IN_HEAD: Final = re.compile(rb'"distributedInfo"\s*:\s*\{[^{}\[\]]*?"(?P<key>rank)"\s*:\s*"?(?P<value>\d{1,9})\b')
_OVERLAP: Final = 256


def has_device_events(source: Source) -> bool:
    """Whether the file records an accelerator, which makes its CPU threads the host side.

    The header lists CUDA's devices since 2021. Files without such a list, or with an empty one (other accelerators are not
    listed), are searched, at memory speed, since the first kernel may stand behind thousands of operators.
    """
    listed = _DEVICES.search(source.head())
    if listed and listed[1] == b"{":
        return True
    rest = b""
    for piece in source.chunks():
        text = rest + piece
        if _EVENT.search(text) or any(word in text for word in _PROCESSES):
            return True
        rest = piece[-_OVERLAP:]
    return False


def facts(header: dict[str, Any]) -> dict[str, object]:
    """Facts for the manifest: schema version, rank and world size, names of the devices."""
    found: dict[str, object] = {}
    if isinstance(header.get("schemaVersion"), int):
        found["kineto_schema"] = header["schemaVersion"]
    distributed = header.get("distributedInfo")
    if isinstance(distributed, dict):
        found.update({name: distributed[name] for name in ("rank", "world_size", "backend") if name in distributed})
        found.update(_groups(distributed.get("pg_config")))
    devices = header.get("deviceProperties")
    if isinstance(devices, list):
        names = [device.get("name") for device in devices if isinstance(device, dict)]
        found["devices"] = [name for name in names if isinstance(name, str)]
    return found


def host_of(header: dict[str, Any], source: str) -> str | None:
    """The machine that recorded a file: its header's host_name, else what its name begins with."""
    named = header.get("host_name")
    if isinstance(named, str) and named:
        return named
    match = _HOST.fullmatch(source.rpartition("/")[2])
    return match[1] if match else None


def process_of(source: str) -> str:
    """The process that recorded a file: the id in a name as torch's handler gives; else the file itself."""
    match = _HOST.fullmatch(source.rpartition("/")[2])
    return match[2] if match and match[2] else source


def rank_of(header: dict[str, Any], source: str) -> int | None:
    """The rank that recorded a file: its header's distributedInfo, else what its name says."""
    distributed = header.get("distributedInfo")
    told = distributed.get("rank") if isinstance(distributed, dict) else None
    if isinstance(told, str) and told.isascii() and told.isdigit() and len(told) < 10:
        told = int(told)
    if isinstance(told, int) and not isinstance(told, bool) and 0 <= told < 2**31:
        return told
    return rank_in_name(source.rpartition("/")[2])


def rank_in_name(name: str) -> int | None:
    """The rank that a file's or folder's name says: rank3.json, host_rank3.pt.trace.json."""
    match = _RANK.search(name)
    return int(match[1]) if match else None


def rank_in_head(head: bytes) -> int | None:
    """The rank that the first bytes of a file tell, before it is read."""
    match = _IN_HEAD.search(head)
    return int(match["value"]) if match else None


def _groups(config: object) -> dict[str, object]:
    """The process groups: name → ranks."""
    if not isinstance(config, list):
        return {}
    told = [one for one in config if isinstance(one, dict) and isinstance(one.get("ranks"), list)]
    groups = {str(one.get("pg_name", at)): one["ranks"] for at, one in enumerate(told)}
    return {"process_groups": groups} if groups else {}
