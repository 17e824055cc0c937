"""MXNet's half of the child: device, threads, profiler and markers. The networks are in mxnet_modes.py."""

import os

from dlprof_child.backend import CallsBackend
from dlprof_child.environment import cores, settings
from dlprof_child.faults import Fault, FrameworkMissing, Unsupported
from mxnet_ops import MXNetCalls

MODES = ("hybrid", "hybrid-static", "imperative", "symbolic", "estimator")

ENVIRONMENT = (
    "MXNET_CPU_WORKER_NTHREADS",
    "MXNET_ENGINE_TYPE",
    "MXNET_EXEC_BULK_EXEC_TRAIN",
    "MXNET_EXEC_BULK_EXEC_INFERENCE",
    "MXNET_SUBGRAPH_BACKEND",
    "MXNET_CUDNN_AUTOTUNE_DEFAULT",
)


def create(request):
    """An MXNetBackend for the request. Raises FrameworkMissing, Unsupported."""
    if request.get("threads"):
        os.environ["OMP_NUM_THREADS"] = str(int(request["threads"]))
    try:
        import mxnet as mx
    except ImportError as error:
        raise FrameworkMissing("MXNet cannot be imported: %s" % error, "MXNet 1.9.1 needs numpy < 1.24") from None
    if request["mode"] not in MODES:
        raise Unsupported("MXNet has no mode '%s'" % request["mode"], "modes: " + ", ".join(MODES))
    return MXNetBackend(mx, request)


class MXNetBackend(CallsBackend):
    """MXNet 1.x on one device."""

    def __init__(self, mx, request):
        self._mx = mx
        self._mode = request["mode"]
        self._domain = None
        self._trace_file = None
        self.context = _take_device(mx, request["device"])
        self._calls = MXNetCalls(mx, self._mode, self.context)
        mx.random.seed(int(request["seed"]))
        mx.nd.zeros((1,), ctx=self.context).asnumpy()  # the engine's threads come up here, not in the first timed call

    def versions(self):
        return {"mxnet": self._mx.__version__}

    def runtime(self):
        return {
            "mode": self._mode,
            "device": str(self.context),
            # MXNet takes what OpenMP offers unless the variable says otherwise
            "openmp_threads": int(os.environ.get("OMP_NUM_THREADS", cores())),
            "engine": os.environ.get("MXNET_ENGINE_TYPE", "ThreadedEnginePerDevice (default)"),
            "environment": settings(*ENVIRONMENT),
            "build": _features(self._mx),
        }

    def network(self, description, weights):
        from mxnet_modes import make_network

        return make_network(self._mx, self._mode, self.context, description, weights)

    def span(self, name, step=None):
        return _Task(self._domain.new_task(name))

    def start_trace(self, directory, fidelity, options):
        profiler = self._mx.profiler
        self._trace_file = os.path.join(directory, "profile.json")
        profiler.set_config(
            filename=self._trace_file,
            profile_symbolic=True,
            profile_imperative=True,
            profile_api=bool(options.get("profile_api", True)),
            profile_memory=bool(options.get("profile_memory", False)),
            # With aggregation on, the engine does not bulk: every operator has its own event, so counts are exact.
            aggregate_stats=fidelity == "exact",
            # Its default writes once a second, by a thread that would run while the other side is timed.
            continuous_dump=False,
        )
        self._domain = profiler.Domain("dlprof")
        profiler.set_state("run")

    def stop_trace(self):
        self._mx.nd.waitall()  # else the tail of the work is lost
        self._mx.profiler.set_state("stop")
        self._mx.profiler.dump(finished=True)
        if not os.path.exists(self._trace_file):
            raise Fault("MXNet's profiler wrote no file", "expected %s" % self._trace_file)
        return [("mxnet-profile", self._trace_file)]


class _Task:
    """A profiler Task as a context manager: one async pair b/e in category `dlprof`."""

    def __init__(self, task):
        self._task = task

    def __enter__(self):
        self._task.start()

    def __exit__(self, *exc):
        self._task.stop()
        return False


def _features(mx):
    """Build features that are on; MXNet before 1.5 cannot tell."""
    try:
        from mxnet import runtime
    except ImportError:
        return {}
    return {"features": sorted(name for name, feature in runtime.Features().items() if feature.enabled)}


def _take_device(mx, device):
    if device["kind"] == "cpu":
        return mx.cpu(0)
    count = mx.context.num_gpus()
    if device["index"] >= count:
        raise Unsupported(
            "MXNet sees %d GPUs, not gpu:%d" % (count, device["index"]),
            "use --device cpu, or an environment with a CUDA build and a driver",
        )
    return mx.gpu(device["index"])
