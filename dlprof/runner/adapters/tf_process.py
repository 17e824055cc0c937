"""What the process of a TensorFlow child was given: variables that matter, cores, and which release this is."""

import os

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
    "NVIDIA_TF32_OVERRIDE",
)


def environment():
    """Those of the variables that are set."""
    return {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}


def cores():
    """Cores that this process may use: what TensorFlow takes when it is told no number of threads."""
    return len(os.sched_getaffinity(0))


def has_functions(tf):
    """Whether this is TensorFlow 2 (tf.function, eager by default), not the sessions of TensorFlow 1."""
    return int(tf.__version__.split(".")[0]) >= 2
