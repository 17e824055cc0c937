"""What manifest.json holds, as typed values: one class for each object in it, and the form in which it is written."""

from dlprof.manifest.document import MANIFEST_VERSION, Described, File, Kind, Manifest, without_empty
from dlprof.manifest.facts import DataFacts, EnvironmentFacts, Package, SideName, Start, TraceFacts, TrialFacts, Used
from dlprof.manifest.machine import Disturbance, Gpu, Machine
from dlprof.manifest.options import (
    CaptureOptions,
    ImportedOptions,
    ImportOptions,
    LockstepOptions,
    Margin,
    Options,
    PublishedOptions,
    Session,
    Work,
    options_of,
)

__all__ = [
    "MANIFEST_VERSION",
    "CaptureOptions",
    "DataFacts",
    "Described",
    "Disturbance",
    "EnvironmentFacts",
    "File",
    "Gpu",
    "ImportOptions",
    "ImportedOptions",
    "Kind",
    "LockstepOptions",
    "Machine",
    "Manifest",
    "Margin",
    "Options",
    "Package",
    "PublishedOptions",
    "Session",
    "SideName",
    "Start",
    "TraceFacts",
    "TrialFacts",
    "Used",
    "Work",
    "options_of",
    "without_empty",
]
