"""TensorFlow's profilers: XPlane through tf.profiler.experimental (2.2 and later); 2.0 and 2.1: tf_local_trace.py."""

from tf_written import newest

# Level 2 records every kernel the executor takes for expensive; tf_network.py sees to it that in `exact` it takes all
# real work for that. Level 3 would add the bookkeeping (Const, Identity, Reshape) in old releases only: 2.21 ignores the
# level it is given (0, 1 and 3 write what 2 writes), so 2 keeps the releases alike.
HOST_TRACER_LEVEL = 2


def make_tracer(tf):
    """The tracer that this release has."""
    if hasattr(getattr(tf, "profiler", None), "experimental"):
        return XplaneTracer(tf.profiler.experimental)
    from tf_local_trace import make_local_tracer

    return make_local_tracer(tf)


class XplaneTracer:
    """tf.profiler.experimental; `directory` becomes a TensorBoard logdir."""

    def __init__(self, profiler):
        self._profiler = profiler
        self._directory = None

    def start(self, directory, options):
        """Start; options may carry the three tracer levels of ProfilerOptions."""
        self._directory = directory
        if not hasattr(self._profiler, "ProfilerOptions"):  # 2.2
            self._profiler.start(directory)
            return
        levels = self._profiler.ProfilerOptions(
            host_tracer_level=int(options.get("host_tracer_level", HOST_TRACER_LEVEL)),
            python_tracer_level=int(options.get("python_tracer_level", 0)),
            device_tracer_level=int(options.get("device_tracer_level", 1)),
        )
        self._profiler.start(directory, options=levels)

    def stop(self):
        """Stop, write, and return the artefacts."""
        self._profiler.stop()
        return newest(self._directory, "*.xplane.pb", "xplane")

    def span(self, name, step):
        """A marker; one with a step number is a root event, by which TensorBoard's profile plugin groups steps."""
        if step is None:
            return self._profiler.Trace(name)
        return self._profiler.Trace(name, step_num=step, _r=1)
