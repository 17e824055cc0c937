"""The causes that benchmarks/planted_causes.py plants leave the results of a step as they are, in real frameworks."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from places import ROOT, RUNNER

from dlprof.api.options import RunOptions
from dlprof.api.record import Bench
from dlprof.protocol import encode

pytestmark = [pytest.mark.slow, pytest.mark.frameworks, pytest.mark.timeout(900)]

CHILD = """
import json, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from dlprof_child.backend import no_span
from dlprof_child.feed import Feed
from dlprof_child.session import check, load_adapter

request = check(json.load(open(sys.argv[2])))
with np.load(request["inputs"]["weights"]) as stored:
    weights = {name: stored[name] for name in stored.files}
feed = Feed(request["inputs"], request["workload"]["data"], 200)
inner = request["adapter"]

def losses(network):
    handles = network.train(feed.train(0, 3), no_span)
    network.sync(handles[-1])
    return [float(network.numpy(handle)) for handle in handles]

found = {"plain": losses(load_adapter(inner).create(request).network(request["workload"], weights))}
planted = load_adapter(sys.argv[3])
for plant in planted.TENSORFLOW if request["framework"] == "tf" else planted.MXNET:
    request["options"] = {"inner_adapter": inner, "plant": plant}
    found[plant] = losses(planted.create(request).network(request["workload"], weights))
json.dump(found, open(sys.argv[4], "w"))
"""


class Silent:
    """A progress display that shows nothing."""

    def stage(self, text: str) -> None: ...
    def detail(self, text: str) -> None: ...
    def say(self, text: str) -> None: ...
    def plan(self, stages: object) -> None: ...
    def expect(self, seconds: float) -> None: ...


@pytest.mark.parametrize("side", ["tf:graph", "mxnet:hybrid"])
def test_every_planted_network_trains_to_the_same_losses(tmp_path: Path, side: str) -> None:
    options = RunOptions(
        workload="lenet", preset=None, settings={}, epochs=None, device="cpu", mode=None, seed=0, python=None, data=None,
        threads=None, max_steps=None, timeout_s=600,
    )  # fmt: skip
    bench = Bench(options, Silent(), tmp_path)
    spec = bench.side(side)
    workload = options.resolve(spec.framework.name)
    request, out = tmp_path / "request.json", tmp_path / "losses.json"
    request.write_bytes(encode(bench.request(spec, workload, bench.inputs(workload, 1), task="serve")))
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    adapter = ROOT / "benchmarks" / "planted_adapter.py"
    words = [str(bench.environment(spec).python), str(script), str(RUNNER), str(request), str(adapter), str(out)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(out.read_text())
    assert len(found) == 10  # fewer threads is no plant of the adapter
    for plant, losses in found.items():
        assert losses == pytest.approx(found["plain"], rel=2e-4), plant
