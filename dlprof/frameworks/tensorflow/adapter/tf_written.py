"""The files that TensorFlow's profilers write below a TensorBoard logdir."""

import glob
import os

from dlprof_child.faults import Fault


def newest(directory, pattern, kind):
    """[(kind, path)] of what the profiler has just written. Raises Fault if it wrote nothing."""
    found = sorted(glob.glob(os.path.join(directory, "plugins", "profile", "*", pattern)))
    if not found:
        raise Fault("TensorFlow's profiler wrote no %s" % pattern, "look below %s" % directory)
    return [(kind, path) for path in found]
