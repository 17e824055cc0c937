"""TensorFlow's half of the child: device and threads. Networks are in tf_network.py, profilers in tf_trace.py,
TensorFlow 1 in tf1_backend.py."""

import os

from dlprof_child.backend import CallsBackend
from dlprof_child.environment import cores
from dlprof_child.faults import FrameworkMissing, Unsupported
from tf_ops import TensorFlowCalls
from tf_process import environment, has_functions
from tf_trace import make_tracer

MODES = ("graph", "eager", "xla", "keras")


def create(request):
    """A TensorFlowBackend for the request. Raises FrameworkMissing, Unsupported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow as tf
    except ImportError as error:
        raise FrameworkMissing(
            "TensorFlow cannot be imported: %s" % error, "see the log for the environment's Python"
        ) from None
    if not has_functions(tf):
        from tf1_backend import TensorFlow1Backend

        return TensorFlow1Backend(tf, request)
    if request["mode"] not in MODES:
        raise Unsupported("TensorFlow has no mode '%s'" % request["mode"], "modes: " + ", ".join(MODES))
    return TensorFlowBackend(tf, request)


class TensorFlowBackend(CallsBackend):
    """TensorFlow 2 on one device."""

    def __init__(self, tf, request):
        self._tf = tf
        self._mode = request["mode"]
        self.device = _take_device(tf, request["device"])
        self._tracer = make_tracer(tf)
        self._calls = TensorFlowCalls(tf, request["mode"], self.device)
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
            "intra_op_threads": tf.config.threading.get_intra_op_parallelism_threads() or cores(),
            "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads() or cores(),
            "environment": environment(),
            "build": {key: str(value) for key, value in _build_info(tf).items()},
        }

    def network(self, description, weights):
        from tf_network import make_network

        return make_network(self._tf, self._mode, self.device, description, weights)

    def span(self, name, step=None):
        return self._tracer.span(name, step)

    def start_trace(self, directory, fidelity, options):
        self._tracer.start(directory, options)

    def stop_trace(self):
        return self._tracer.stop()


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
    for gpu in gpus:  # by default the first process takes all memory, and the other side's child lives at the same time
        config.experimental.set_memory_growth(gpu, True)
    if os.environ.get("NVIDIA_TF32_OVERRIDE") == "0" and hasattr(
        config.experimental, "enable_tensor_float_32_execution"
    ):
        config.experimental.enable_tensor_float_32_execution(False)  # XLA's own kernels do not read the variable
    return "/GPU:%d" % device["index"]
