"""manifest.json as typed values: what was written before is read, and written again in the same form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlprof.manifest import Gpu
from dlprof.store import Capture

ROOT = Path(__file__).parents[3]
MANIFESTS = sorted(path for top in ("traces", "analysis") for path in (ROOT / top).rglob("manifest.json"))


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: str(file.parent.relative_to(ROOT))[-60:])
def test_a_stored_manifest_is_written_again_key_for_key(file: Path) -> None:
    written = json.loads(file.read_bytes())
    again = json.loads(Capture.open(file.parent).manifest.encoded())
    if "child" in written and "left_out" not in written["child"]:
        again["child"].pop("left_out", None)
    # Key for key in the same order: only the digits of a float may be others, where an editor of JSON has been at work.
    assert json.dumps(again, indent=1) == json.dumps(written, indent=1)


def test_there_are_manifests_of_captures_comparisons_and_imports() -> None:
    kinds = {Capture.open(file.parent).manifest.kind for file in MANIFESTS}
    assert len(MANIFESTS) > 100
    assert kinds == {"capture", "compare", "import"}


def test_a_gpu_is_the_same_one_when_its_clock_and_temperature_are_others() -> None:
    cold = Gpu(index=0, name="NVIDIA H200", power_limit_w=700.0, mig=False, temperature_c=31, sm_clock_mhz=345)
    warm = Gpu(index=0, name="NVIDIA H200", power_limit_w=700.0, mig=False, temperature_c=64, sm_clock_mhz=1980)
    assert cold.lasting == warm.lasting != Gpu(index=0, name="NVIDIA H200", power_limit_w=350.0, mig=False).lasting
