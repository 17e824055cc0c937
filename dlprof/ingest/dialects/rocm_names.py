"""Names that AMD's profilers share, whatever they write: directions of copies, and what a range of ROCTX is looked up as."""

from __future__ import annotations

from typing import Final

_DIRECTIONS: Final = {
    "HOST_TO_DEVICE": "HtoD",
    "DEVICE_TO_HOST": "DtoH",
    "DEVICE_TO_DEVICE": "DtoD",
    "HOST_TO_HOST": "HtoH",
}


def copy_name(name: str) -> str:
    """`MEMORY_COPY_HOST_TO_DEVICE` as it is called elsewhere: `Memcpy HtoD`."""
    return next((f"Memcpy {short}" for word, short in _DIRECTIONS.items() if word in name), name)
