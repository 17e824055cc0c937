"""JAX's half of the child: device, threads, profiler and markers. Networks are in jax_network.py, single calls in jax_ops.py."""

import glob
import os

from dlprof_child.backend import CallsBackend
from dlprof_child.environment import cores, settings
from dlprof_child.faults import Fault, FrameworkMissing, Unsupported
from jax_ops import JaxCalls

MODES = ("jit", "op-by-op")

ENVIRONMENT = (
    "NPROC",
    "XLA_FLAGS",
    "XLA_PYTHON_CLIENT_PREALLOCATE",
    "JAX_PLATFORMS",
    "JAX_ENABLE_X64",
    "JAX_DEFAULT_MATMUL_PRECISION",
)

# Host events of JAX, XLA and dlprof's markers; 3 would add the runtime's own bookkeeping.
HOST_TRACER_LEVEL = 2


def create(request):
    """A JaxBackend for the request. Raises FrameworkMissing, Unsupported."""
    if request.get("threads"):
        # The one thing that XLA's CPU client reads for the size of its thread pools; without it, as many as there are cores.
        os.environ["NPROC"] = str(int(request["threads"]))
    cpu = request["device"]["kind"] == "cpu"
    os.environ["JAX_PLATFORMS"] = "cpu" if cpu else "cuda,cpu"
    # By default the first process takes most of a GPU's memory, and the other side's child lives at the same time.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    try:
        import jax
    except ImportError as error:
        raise FrameworkMissing(
            "JAX cannot be imported: %s" % error, "see the log for the environment's Python"
        ) from None
    if request["mode"] not in MODES:
        raise Unsupported("JAX has no mode '%s'" % request["mode"], "modes: " + ", ".join(MODES))
    return JaxBackend(jax, request)


class JaxBackend(CallsBackend):
    """JAX on one device."""

    def __init__(self, jax, request):
        self._jax = jax
        self._mode = request["mode"]
        self._directory = self._session = None
        # Must be set before the first array is made; off, JAX makes float32 of what is given as float64.
        double = request["workload"].get("run", {}).get("dtype") == "float64"
        jax.config.update("jax_enable_x64", double)
        if os.environ.get("NVIDIA_TF32_OVERRIDE") == "0":
            jax.config.update("jax_default_matmul_precision", "float32")  # XLA's own kernels do not read the variable
        self.device = _take_device(jax, request["device"])
        jax.config.update("jax_default_device", self.device)
        self._calls = JaxCalls(jax, self._mode, self.device)
        jax.numpy.zeros(1).block_until_ready()  # the device and its threads come up here, not in the first timed call

    def versions(self):
        import jaxlib

        return {"jax": self._jax.__version__, "jaxlib": jaxlib.__version__}

    def runtime(self):
        return {
            "mode": self._mode,
            "device": str(self.device),
            "intra_op_threads": int(os.environ.get("NPROC") or cores()),
            "environment": settings(*ENVIRONMENT),
            "build": {"platform": self.device.platform, "device_kind": self.device.device_kind},
        }

    def network(self, description, weights):
        from jax_network import JaxNetwork

        return JaxNetwork(self._jax, self._mode, self.device, description, weights)

    def span(self, name, step=None):
        profiler = self._jax.profiler
        return profiler.TraceAnnotation(name) if step is None else profiler.StepTraceAnnotation(name, step_num=step)

    def start_trace(self, directory, fidelity, options):
        """`directory` becomes a TensorBoard logdir. options may carry the tracer levels of ProfileOptions."""
        self._directory = directory
        profiler = self._jax.profiler
        if hasattr(profiler, "ProfileOptions"):
            profiler.start_trace(directory, profiler_options=_leveled(profiler.ProfileOptions(), options))
            return
        # Before JAX 0.6 start_trace takes no options, but the session that it makes does.
        from jax._src.lib import xla_client

        self._session = xla_client.profiler.ProfilerSession(_leveled(xla_client.profiler.ProfileOptions(), options))

    def stop_trace(self):
        if self._session is None:
            self._jax.profiler.stop_trace()
        else:
            self._session.export(self._session.stop(), self._directory)
            self._session = None
        found = sorted(glob.glob(os.path.join(self._directory, "plugins", "profile", "*", "*.xplane.pb")))
        if not found:
            raise Fault("JAX's profiler wrote no *.xplane.pb", "look below %s" % self._directory)
        return [("xplane", path) for path in found]


def _leveled(levels, options):
    levels.host_tracer_level = int(options.get("host_tracer_level", HOST_TRACER_LEVEL))
    levels.python_tracer_level = int(options.get("python_tracer_level", 0))
    return levels


def _take_device(jax, device):
    """The device after checking that it is there."""
    if device["kind"] == "cpu":
        return jax.devices("cpu")[0]
    try:
        gpus = jax.devices("cuda")
    except RuntimeError as error:
        raise Unsupported(
            "JAX sees no GPU: %s" % error, "use --device cpu, or an environment with a CUDA build and a driver"
        ) from None
    if device["index"] >= len(gpus):
        raise Unsupported("JAX sees %d GPUs, not gpu:%d" % (len(gpus), device["index"]), "use --device cpu, or gpu:0")
    return gpus[device["index"]]
