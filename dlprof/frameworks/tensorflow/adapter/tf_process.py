"""What the process of a TensorFlow child was given: variables that matter, cores, and which release this is."""

from dlprof_child.environment import settings

ENVIRONMENT = (
    "KMP_AFFINITY",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
)


def environment():
    """Those of the variables that are set."""
    return settings(*ENVIRONMENT)


def has_functions(tf):
    """Whether this is TensorFlow 2 (tf.function, eager by default), not the sessions of TensorFlow 1."""
    return int(tf.__version__.split(".")[0]) >= 2
