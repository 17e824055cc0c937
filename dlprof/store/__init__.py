"""The capture directory: sole reader and writer of manifest.json, raw/, events.parquet, timings.parquet and logs/.

A directory is written under a temporary name beside its place and renamed when whole, so a name that exists is complete. What a
comparison has finished is readable there all the while, and `taken_up` finds it after its process was killed.
Layout and meaning: docs/architecture.md, "A capture directory".
"""

from dlprof.store.capture import (
    COMPARISON_FILE,
    EVENTS_FILE,
    MANIFEST_FILE,
    RANKING_FILE,
    TIMINGS_FILE,
    Capture,
    Unstored,
    inside,
    manifest_of,
    sha256,
    traced_folders,
)
from dlprof.store.unfinished import Unfinished, taken_up, unfinished
from dlprof.store.writer import PARQUET_OPTIONS, CaptureWriter, write_events

__all__ = [
    "COMPARISON_FILE",
    "EVENTS_FILE",
    "MANIFEST_FILE",
    "PARQUET_OPTIONS",
    "RANKING_FILE",
    "TIMINGS_FILE",
    "Capture",
    "CaptureWriter",
    "Unfinished",
    "Unstored",
    "inside",
    "manifest_of",
    "sha256",
    "taken_up",
    "traced_folders",
    "unfinished",
    "write_events",
]
