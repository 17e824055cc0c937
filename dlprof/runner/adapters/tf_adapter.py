"""TensorFlow's half of the child: device, threads, profiler and markers. The networks are in tf_network.py."""

import glob
import os

from dlprof_child.backend import Backend
from dlprof_child.faults import Fault, FrameworkMissing, Unsupported

MODES = ("graph", "eager", "xla")

# Read by TensorFlow, oneDNN or OpenMP at import; recorded so that two sides can be compared.
ENVIRONMENT = (
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "KMP_BLOCKTIME",
    "KMP_AFFINITY",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
    "CUDA_VISIBLE_DEVICES",
)

# Level 2 records every kernel the executor takes for expensive; tf_network.py sees to it that in `exact` it takes all
# real work for that. Level 3 would add the bookkeeping (Const, Identity, Reshape) in old releases only: 2.21 ignores the
# level it is given (0, 1 and 3 write what 2 writes), so 2 keeps the releases alike.
HOST_TRACER_LEVEL = 2


def create(request):
    """A TensorFlowBackend for the request. Raises FrameworkMissing, Unsupported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow as tf
    except ImportError as error:
        raise FrameworkMissing(
            "TensorFlow cannot be imported: %s" % error, "see the log for the environment's Python"
        ) from None
    if request["mode"] not in MODES:
        raise Unsupported("TensorFlow has no mode '%s'" % request["mode"], "modes: " + ", ".join(MODES))
    return TensorFlowBackend(tf, request)


class TensorFlowBackend(Backend):
    """TensorFlow 2 on one device."""

    def __init__(self, tf, request):
        self._tf = tf
        self._mode = request["mode"]
        self._trace_directory = None
        self.device = _take_device(tf, request["device"])
        threads = request.get("threads")
        if threads:
            tf.config.threading.set_intra_op_parallelism_threads(int(threads))
            tf.config.threading.set_inter_op_parallelism_threads(int(threads))
        tf.random.set_seed(int(request["seed"]))
        with tf.device(self.device):
            tf.constant(0.0).numpy()  # the device and its thread pools come up here, not in the first timed call

    def versions(self):
        return {"tensorflow": self._tf.__version__}

    def runtime(self):
        tf = self._tf
        return {
            "mode": self._mode,
            "device": self.device,
            # 0 = TensorFlow decides: as many as there are cores
            "intra_op_threads": tf.config.threading.get_intra_op_parallelism_threads() or _cores(),
            "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads() or _cores(),
            "environment": {name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
            "build": {key: str(value) for key, value in _build_info(tf).items()},
        }

    def network(self, description, weights):
        from tf_network import make_network

        return make_network(self._tf, self._mode, self.device, description, weights)

    def span(self, name, step=None):
        if step is None:
            return self._tf.profiler.experimental.Trace(name)
        # _r = 1 makes the event a root, by which TensorBoard's profile plugin groups steps
        return self._tf.profiler.experimental.Trace(name, step_num=step, _r=1)

    def start_trace(self, directory, fidelity, options):
        profiler = self._tf.profiler.experimental
        levels = profiler.ProfilerOptions(
            host_tracer_level=int(options.get("host_tracer_level", HOST_TRACER_LEVEL)),
            python_tracer_level=int(options.get("python_tracer_level", 0)),
            device_tracer_level=int(options.get("device_tracer_level", 1)),
        )
        self._trace_directory = directory
        profiler.start(directory, options=levels)

    def stop_trace(self):
        self._tf.profiler.experimental.stop()
        found = sorted(glob.glob(os.path.join(self._trace_directory, "plugins", "profile", "*", "*.xplane.pb")))
        if not found:
            raise Fault("TensorFlow's profiler wrote no .xplane.pb", "look below %s" % self._trace_directory)
        return [("xplane", path) for path in found]


def _cores():
    return len(os.sched_getaffinity(0))


def _build_info(tf):
    """CUDA, cuDNN and the like; TensorFlow before 2.3 cannot tell."""
    return dict(tf.sysconfig.get_build_info()) if hasattr(tf.sysconfig, "get_build_info") else {}


def _take_device(tf, device):
    """'/CPU:0' or '/GPU:1' after checking that it is there; hides GPUs from a CPU run."""
    config = tf.config if hasattr(tf.config, "list_physical_devices") else tf.config.experimental
    gpus = config.list_physical_devices("GPU")
    if device["kind"] == "cpu":
        if gpus:
            config.set_visible_devices([], "GPU")
        return "/CPU:0"
    if device["index"] >= len(gpus):
        raise Unsupported(
            "TensorFlow sees %d GPUs, not gpu:%d" % (len(gpus), device["index"]),
            "use --device cpu, or an environment with a CUDA build and a driver",
        )
    return "/GPU:%d" % device["index"]
