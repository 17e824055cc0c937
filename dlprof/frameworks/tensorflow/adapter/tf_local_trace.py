"""The profiler of TensorFlow 2.0 and 2.1, which writes `local.trace`, and markers for it.

2.0 drops what stands before a colon in a name, so its markers are written with a semicolon, which the reader knows. In 2.1
the Python binding of TraceMe (_pywrap_traceme.so) is bound to the recorder of libtensorflow_framework.so, while the profiler
starts and reads the one of _pywrap_tensorflow_internal.so: no marker ever reaches the trace, Keras' own neither. (Loading the
latter into the global scope, so that both bind to it, ends in SIGSEGV.) There the child times its markers itself and adds them
to what the profiler has written.
"""

from dlprof_child import names
from dlprof_child.clock import unix_ns
from dlprof_child.faults import Fault
from tf_written import newest

_ANCHORS = 16  # calls whose times are known on both clocks; together they place the trace's zero to a few microseconds
_PS_PER_NS = 1000
_ANCHOR = "EagerExecute: Neg"


def make_local_tracer(tf):
    """The tracer for this release."""
    try:
        from tensorflow.python import _pywrap_traceme  # noqa: F401 - only 2.1 has it
    except ImportError:
        return LocalTracer()
    return AddedMarkers(tf)


class LocalTracer:
    """tensorflow.python.eager.profiler, with the markers that TensorFlow 2.0 records."""

    def __init__(self):
        from tensorflow.python.eager import profiler

        self._profiler = profiler
        self._directory = None

    def start(self, directory, options):
        self._directory = directory
        self._profiler.start()

    def stop(self):
        self._profiler.save(self._directory, self._profiler.stop())
        return newest(self._directory, "local.trace", "tf-local-trace")

    def span(self, name, step):
        from tensorflow.python import pywrap_tensorflow

        return _TraceMe(pywrap_tensorflow.PythonTraceMe(names.without_colon(name)))


class AddedMarkers(LocalTracer):
    """The same for TensorFlow 2.1, whose markers are lost: they are timed here and added to the trace."""

    def __init__(self, tf):
        super(AddedMarkers, self).__init__()
        self._tf = tf
        self._markers = []
        self._anchors = []

    def start(self, directory, options):
        super(AddedMarkers, self).start(directory, options)
        value = self._tf.constant(0.0)
        for _ in range(_ANCHORS):
            with _Timed("", self._anchors):
                self._tf.negative(value)

    def stop(self):
        self._profiler.save(self._directory, self._marked(self._profiler.stop()))
        return newest(self._directory, "local.trace", "tf-local-trace")

    def span(self, name, step):
        return _Timed(names.without_colon(name), self._markers)

    def _marked(self, written):
        """The trace with the markers on the thread that set them, and without the anchors."""
        from tensorflow.core.protobuf import trace_events_pb2

        trace = trace_events_pb2.Trace.FromString(written)
        anchors = [event for event in trace.trace_events if event.args.get("long name") == _ANCHOR][:_ANCHORS]
        zero = _zero(anchors, self._anchors)
        last = max(event.timestamp_ps + event.duration_ps for event in anchors)
        work = [event for event in trace.trace_events if event.timestamp_ps > last]
        del trace.trace_events[:]
        trace.trace_events.extend(work)
        for name, start, end in self._markers:
            trace.trace_events.add(
                device_id=anchors[0].device_id,
                resource_id=anchors[0].resource_id,  # the thread that ran them, and sets the markers
                name=name,
                timestamp_ps=max(0, start - zero) * _PS_PER_NS,
                duration_ps=(end - start) * _PS_PER_NS,
            )
        return trace.SerializeToString()


def _zero(recorded, timed):
    """Unix time (ns) of the trace's zero: every anchor was recorded (whole microseconds) within the time that it took."""
    if len(recorded) < len(timed):
        raise Fault("TensorFlow's profiler recorded %d of %d anchors" % (len(recorded), len(timed)))
    starts = sorted(event.timestamp_ps // _PS_PER_NS for event in recorded)
    ends = sorted((event.timestamp_ps + event.duration_ps) // _PS_PER_NS for event in recorded)
    least = max(before - start for start, (_, before, _) in zip(starts, timed))
    most = min(after - end for end, (_, _, after) in zip(ends, timed))
    return (least + most) // 2


class _Timed:
    """Notes (name, start, end) in Unix nanoseconds."""

    def __init__(self, name, log):
        self._name = name
        self._log = log

    def __enter__(self):
        self._start = unix_ns()

    def __exit__(self, *exc):
        self._log.append((self._name, self._start, unix_ns()))
        return False


class _TraceMe:
    """PythonTraceMe as a context manager."""

    def __init__(self, trace_me):
        self._trace_me = trace_me

    def __enter__(self):
        self._trace_me.Enter()

    def __exit__(self, *exc):
        self._trace_me.Exit()
        return False
