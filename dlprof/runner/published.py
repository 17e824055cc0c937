"""THE STUDY'S OWN METHOD, kept only to reproduce its conclusion: `<python> published.py CONTROL_DIR`. It is UNSOUND.

Both frameworks in one process, MXNet first, timed with time.process_time() (CPU seconds of all threads), without waiting
for MXNet's asynchronous engine: MXNet pays for queueing its work, and the work itself runs on in TensorFlow's slot.
The study's loop: for each item 50 calls of MXNet, then 50 of TensorFlow.
"""

import json
import os
import platform
import signal
import sys
import time

import numpy as np
from dlprof_child import operands
from dlprof_child.calls import compiled
from dlprof_child.channel import Channel, write_json
from dlprof_child.clock import unix_ns
from dlprof_child.faults import Unsupported
from dlprof_child.op_items import items_of
from dlprof_child.session import check, describe

FRAMEWORKS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "frameworks")
sys.path += [os.path.join(FRAMEWORKS, name, "adapter") for name in ("mxnet", "tensorflow")]

from mxnet_functions import MXNET  # noqa: E402  path set above
from tf_functions import TENSORFLOW  # noqa: E402

SIDES = (("mxnet", "b"), ("tf", "a"))  # the study's order


def main(argv):
    """Run the request in CONTROL_DIR; exit status as that of run.py."""
    if len(argv) != 2:
        sys.stderr.write("usage: published.py CONTROL_DIR\n")
        return 2
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return run(os.path.abspath(argv[1]), Channel.take_standard_streams())


def run(control, channel):
    """0 when result.json holds timings, 1 when it says why not."""
    versions, result = {}, {"protocol": 1, "status": "failed", "runtime": {}}
    result["versions"] = versions
    try:
        with open(os.path.join(control, "request.json")) as stream:
            request = check(json.load(stream))
        frameworks = {"mxnet": _MXNet(), "tf": _TensorFlow()}  # type: dict
        versions.update((name, framework.version) for name, framework in frameworks.items())
        versions.update(python=platform.python_version(), numpy=np.__version__)
        result["runtime"] = {"timings": _measure(request, frameworks, channel)}
        result["status"] = "ok"
    except Exception as error:  # noqa: BLE001 - the edge of the process: every failure must reach result.json
        result.update(describe(error))
    write_json(os.path.join(control, "result.json"), result)
    if result["status"] == "ok":
        channel.send({"event": "done"})
        return 0
    return 1


def _measure(request, frameworks, channel):
    """[item, side, repetition, position, calls, wall_ns, cpu_ns, start_ns] of every loop."""
    workload, rows = request["workload"], []
    if workload["kind"] != "op":
        raise Unsupported("the published method is known for op workloads only", "")
    run = workload["run"]
    calls = {name: items_of(workload, name) for name in frameworks}
    repetitions = int(request["options"].get("repetitions", 5))
    for number, item in enumerate(calls["tf"]):
        channel.send({"event": "phase", "name": item.name})
        operands.check_memory(item.task, item.size, int(run["count"]), run["dtype"])
        sets = operands.make(item.task, item.size, int(run["count"]), run["dtype"], int(request["seed"]))
        ready = {
            name: _ready(framework, calls[name][number], sets, run["dtype"]) for name, framework in frameworks.items()
        }
        for repetition in range(repetitions):
            frameworks["mxnet"].wait()  # so that one repetition does not leak into the next; never inside one
            for position, (name, side) in enumerate(SIDES):
                rows.append([item.name, side, repetition, position, len(sets), *_loop(*ready[name])])
        frameworks["mxnet"].wait()
    return rows


def _ready(framework, item, sets, dtype):
    """(function of the operands, operand sets as the framework's own tensors)."""
    names = [operand["name"] for operand in item.task["operands"]]
    function = compiled(item.call, names, dict(framework.scope, n=item.size, dtype=dtype), framework.listed)
    if item.creates:
        return function, sets
    return function, [tuple(framework.tensor(value) for value in values) for values in sets]


def _loop(function, sets):
    """[wall_ns, cpu_ns, start_ns] of the calls, with no synchronisation at the end: that is the published method."""
    start, wall, cpu = unix_ns(), time.perf_counter(), time.process_time()
    for values in sets:
        function(*values)
    return [int((time.perf_counter() - wall) * 1e9), int((time.process_time() - cpu) * 1e9), start]


class _MXNet:
    listed = MXNET

    def __init__(self):
        import mxnet as mx

        self.version, self.scope, self._mx = mx.__version__, {"mx": mx, "F": mx.nd}, mx

    def tensor(self, value):
        return self._mx.nd.array(value, dtype=value.dtype)

    def wait(self):
        self._mx.nd.waitall()


class _TensorFlow:
    listed = TENSORFLOW

    def __init__(self):
        import tensorflow as tf

        self.version, self.scope, self._tf = tf.__version__, {"tf": tf}, tf

    def tensor(self, value):
        return self._tf.convert_to_tensor(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
