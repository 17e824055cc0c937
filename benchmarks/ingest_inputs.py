"""Large inputs of the ingest benchmark: recorded traces written out again and again, times and ids moved on."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

from dlprof.ingest.json.envelope import ends_of_events

ROOT = Path(__file__).resolve().parent.parent
TRACES = ROOT.parent / "shared" / "traces"
SOURCES = {
    "mxnet": TRACES / "mxnet" / "gpu-mnist-2019" / "gpu_mnist_cnn_profile_output.json",
    "kineto-2021": TRACES / "kineto" / "resnet50-three-schemas" / "worker0.1623143089861.pt.trace.json.gz",
    "kineto-2025": TRACES / "kineto" / "h100" / "Qwen_Qwen1.5-0.5B-Chat__1016005.json.gz",
}
"""Recorded by others; none of them is part of this project."""
XPLANE = ROOT / "traces" / "lenet-tf-exact"


def made(folder: Path, name: str, mb: float) -> Path:
    """The input of that name (`kineto-2021`, `kineto-2021.gz`, `mxnet`, `xplane` …) and size, made unless it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    base, _, packed = name.partition(".")
    suffix = "xplane.pb" if base == "xplane" else "json"
    path = folder / f"{base}-{mb:.0f}.{suffix}{'.gz' if packed else ''}"
    if path.exists():
        return path
    if packed:
        with gzip.open(path, "wb", compresslevel=1) as target, made(folder, base, mb).open("rb") as plain:
            while piece := plain.read(1 << 24):
                target.write(piece)
    elif base == "xplane":
        from ingest_xplane import grow

        grow(next(XPLANE.rglob("*.xplane.pb")), mb, path)
    else:
        _repeated(SOURCES[base], path, mb)
    return path


def _repeated(source: Path, target: Path, mb: float) -> None:
    """A JSON trace, again and again until `mb` are reached; not a byte else is changed."""
    data = source.read_bytes()
    text = gzip.decompress(data) if source.suffix == ".gz" else data
    start = text.index(b"[", text.index(b'"traceEvents"')) + 1
    end = start + max(ends_of_events(text[start:]))
    body = text[start:end]
    times = [int(us) for us in re.findall(rb'"ts": (\d+)', body)]
    span = max(times) - min(times) + 1000
    ids = rb'("(?:External id|external id|correlation)": ?)(\d+)'
    with target.open("wb") as file:
        file.write(text[:start])
        for turn in range(max(1, round(mb * 1e6 / len(body)))):
            moved = re.sub(rb'"ts": (\d+)', lambda m, by=turn * span: b'"ts": %d' % (int(m[1]) + by), body)
            moved = re.sub(ids, lambda m, by=turn * 10_000_000: m[1] + b"%d" % (int(m[2]) + by), moved)
            file.write((b",\n" if turn else b"") + moved)
        file.write(text[end:])
