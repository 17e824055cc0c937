"""Which rows are a collective from its call to its end, which its call alone."""

from __future__ import annotations

import re
from typing import Final

import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.columns import Bools
from dlprof.analysis.trace import steps

SPAN: Final = re.compile(r"(?:gloo|mpi|ucc|nccl|xccl|hccl|c10d):(?!:)\w.*", re.IGNORECASE)
"""How torch.distributed names the span of a collective from its call to its end."""
_LAUNCH: Final = re.compile(r"(?:nccl|xccl|hccl):.*", re.IGNORECASE)
"""Of these the host's span is the launch alone; the collective is a kernel."""


def on_host(events: pa.Table) -> Bools:
    """Markers of the host that span a collective from its call to its end; of launches none where kernels do the collectives."""
    level, name, device = (columns.text(events, one) for one in ("level", "name", "device"))
    spans: Bools = level.where("marker") & name.flags([bool(SPAN.fullmatch(one)) for one in name.values])
    spans &= device.flags([steps.is_host(one) for one in device.values])
    if (level.where("kernel") & columns.text(events, "phase").where("communication")).any():
        spans &= ~name.flags([bool(_LAUNCH.fullmatch(one)) for one in name.values])
    return spans
