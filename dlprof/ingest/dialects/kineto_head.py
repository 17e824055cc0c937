"""What a Kineto file says of itself: whether an accelerator was recorded, schema version, rank, devices."""

from __future__ import annotations

import re
from typing import Any, Final

from dlprof.ingest.source import Source

_DEVICES: Final = re.compile(rb'"deviceProperties"\s*:\s*\[\s*([\]{])')
_EVENT: Final = re.compile(
    rb'"cat"\s*:\s*"(?:[kK]ernel|gpu_mem(?:cpy|set)|Mem(?:cpy|set)|cuda_(?:runtime|driver)|Runtime)"'
)
_OVERLAP: Final = 256


def has_device_events(source: Source) -> bool:
    """Whether the file records an accelerator, which makes its CPU threads the host side.

    The header lists the devices since 2021; an empty list, or events of none, is a trace of CPU work. Files without the
    list are searched, at memory speed, since the first kernel may stand behind thousands of operators.
    """
    listed = _DEVICES.search(source.head())
    if listed:
        return listed[1] == b"{"
    rest = b""
    for piece in source.chunks():
        if _EVENT.search(rest + piece):
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
    devices = header.get("deviceProperties")
    if isinstance(devices, list):
        names = [device.get("name") for device in devices if isinstance(device, dict)]
        found["devices"] = [name for name in names if isinstance(name, str)]
    return found
