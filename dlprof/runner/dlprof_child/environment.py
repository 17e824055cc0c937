"""Variables of the environment that change how fast a framework is; recorded, so that two sides can be compared."""

import os

_ALL = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "KMP_BLOCKTIME", "CUDA_VISIBLE_DEVICES", "NVIDIA_TF32_OVERRIDE")


def settings(*own):
    """name -> value of those that are set: what every framework's libraries read, and the framework's `own`."""
    return {name: os.environ[name] for name in _ALL + own if name in os.environ}


def cores():
    """Cores that this process may use: what a framework takes when it is told no number of threads."""
    return len(os.sched_getaffinity(0))
