"""TensorFlow 1: sessions (mode `graph`), or eager execution as `tf.enable_eager_execution()` gave it (mode `eager`)."""

from dlprof_child.backend import CallsBackend
from dlprof_child.environment import cores
from dlprof_child.faults import Unsupported
from tf1_ops import SessionCalls
from tf1_trace import Recorder
from tf_ops import TensorFlowCalls
from tf_process import environment

MODES = ("graph", "eager")


class TensorFlow1Backend(CallsBackend):
    """TensorFlow 1 on a CPU."""

    def __init__(self, tf, request):
        if request["mode"] not in MODES:
            raise Unsupported(
                "TensorFlow %s has no mode '%s' here" % (tf.__version__, request["mode"]), "modes: " + ", ".join(MODES)
            )
        if request["device"]["kind"] != "cpu":
            raise Unsupported("TensorFlow 1 is run on the CPU only", "use --device cpu")
        self._tf = tf
        self._mode = request["mode"]
        self._seed = int(request["seed"])
        self._threads = int(request.get("threads") or 0)
        self._config = tf.ConfigProto(
            intra_op_parallelism_threads=self._threads, inter_op_parallelism_threads=self._threads
        )
        self._recorder = Recorder(tf, self._mode == "eager")
        self.device = "/CPU:0"
        if self._mode == "eager":
            tf.enable_eager_execution(config=self._config)
            tf.set_random_seed(self._seed)
            tf.constant(0.0).numpy()  # the device and its thread pools come up here, not in the first timed call
            self._calls = TensorFlowCalls(tf, "eager", self.device)
        else:
            self._calls = SessionCalls(tf, self._recorder, self.device, self._config)

    def versions(self):
        return {"tensorflow": self._tf.__version__}

    def runtime(self):
        return {
            "mode": self._mode,
            "device": self.device,
            "intra_op_threads": self._threads or cores(),
            "inter_op_threads": self._threads or cores(),
            "environment": environment(),
            "build": {},
        }

    def network(self, description, weights):
        if self._mode == "eager":
            from tf_network import TensorFlowNetwork

            return TensorFlowNetwork(self._tf, "eager", self.device, description, weights)
        from tf1_network import SessionNetwork

        return SessionNetwork(self._tf, self._recorder, self.device, self._config, self._seed, description, weights)

    def span(self, name, step=None):
        return self._recorder.span(name)

    def start_trace(self, directory, fidelity, options):
        self._recorder.start(directory)

    def stop_trace(self):
        return self._recorder.stop()
