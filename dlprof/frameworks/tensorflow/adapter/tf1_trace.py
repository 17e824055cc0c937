"""TensorFlow 1's profiler: RunMetadata of session runs, or of eager execution, written as its own Timeline (chrome JSON).

A Timeline counts whole microseconds from the Unix epoch. It knows no markers: the child's own are added, timed by the same
clock (CLOCK_REALTIME) and rounded outwards.
"""

import json
import os

from dlprof_child.channel import write_json
from dlprof_child.clock import unix_ns

MARKERS = "dlprof"


class Recorder:
    """Collects step statistics between `start` and `stop`. eager: they come from the eager context, not from sessions."""

    def __init__(self, tf, eager):
        self._tf = tf
        self._eager = eager
        self._options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        self._directory = None
        self._runs = []
        self._markers = []

    def run(self, session, fetches, feeds):
        """session.run, with full tracing while the recorder is on."""
        if self._directory is None:
            return session.run(fetches, feed_dict=feeds)
        metadata = self._tf.RunMetadata()
        result = session.run(fetches, feed_dict=feeds, options=self._options, run_metadata=metadata)
        self._runs.append(metadata.step_stats)
        return result

    def start(self, directory):
        """Record from now on; the file goes below `directory`."""
        self._directory = directory
        if self._eager:
            _context().enable_run_metadata()

    def stop(self):
        """Write, and return [(kind, path)]."""
        path = os.path.join(self._directory, "timeline.json")
        if self._eager:
            self._runs.append(_context().export_run_metadata().step_stats)
            _context().disable_run_metadata()
        write_json(path, self._timeline())
        self._directory = None
        return [("tf1-timeline", path)]

    def span(self, name):
        """A marker as a context manager."""
        return _Marker(name, self._markers)

    def _timeline(self):
        from tensorflow.python.client import timeline

        merged = timeline.Timeline(self._merged())
        written = json.loads(merged.generate_chrome_trace_format(show_dataflow=False, show_memory=False))
        events = written["traceEvents"]
        events += self._marker_events(events)
        return written

    def _merged(self):
        """One StepStats of all runs, each device once."""
        whole, devices = self._runs[0].__class__() if self._runs else self._tf.RunMetadata().step_stats, {}
        for run in self._runs:
            for part in run.dev_stats:
                if part.node_stats:  # eager execution adds an empty device without a name
                    if part.device not in devices:
                        devices[part.device] = whole.dev_stats.add(device=part.device)
                    devices[part.device].node_stats.extend(part.node_stats)
        return whole

    def _marker_events(self, events):
        """Eager operators run one after the other on the thread that sets the markers, so both share a lane; those of a
        session run on threads of its own, so the markers get a process of their own."""
        names = {event["pid"]: event["args"]["name"] for event in events if event["ph"] == "M"}
        lane = [pid for pid, name in names.items() if name.endswith("CPU:0 Compute")] if self._eager else []
        pid = lane[0] if lane else max(names, default=0) + 1
        head = {"ph": "M", "pid": pid, "name": "process_name", "args": {"name": MARKERS}}
        spans = [
            {"ph": "X", "cat": MARKERS, "pid": pid, "tid": 0, "name": name, "ts": start, "dur": end - start}
            for name, start, end in self._markers
        ]
        return spans if lane else [head, *spans]


def _context():
    from tensorflow.python.eager import context

    return context


class _Marker:
    """Notes (name, start, end) in whole microseconds of Unix time."""

    def __init__(self, name, markers):
        self._name = name
        self._markers = markers

    def __enter__(self):
        self._start = unix_ns() // 1000

    def __exit__(self, *exc):
        self._markers.append((self._name, self._start, -(-unix_ns() // 1000)))
        return False
