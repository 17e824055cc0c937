"""Every irregularity that reading a trace can count, declared once: name, severity, what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

Severity = Literal["info", "warning", "error"]


class Anomaly(msgspec.Struct, frozen=True):
    """What a counter of irregularities counts.

    severity: info (normal for this producer), warning (numbers may mislead) or error (data was lost)
    """

    severity: Severity
    meaning: str


ANOMALIES: Final[Mapping[str, Anomaly]] = {
    # any format
    "damage_skipped": Anomaly(
        "error",
        "damaged places that --repair stepped over: in JSON to the next event, elsewhere to the end of that part",
    ),
    "bytes_lost": Anomaly("error", "bytes that --repair could not read"),
    "compressed_tail_damaged": Anomaly("error", "compressed files whose end is missing or corrupt"),
    "text_not_utf8": Anomaly("warning", "strings with bytes that are not UTF-8; the bytes were replaced by U+FFFD"),
    "negative_duration": Anomaly("error", "events that end before they start; their duration was set to 0"),
    "time_out_of_range": Anomaly(
        "error",
        "events whose clock is far from that of all others: 26 days, or a day in a trace of PyTorch; left out",
    ),
    "nanosecond_times": Anomaly("warning", "files whose times are nanoseconds where their format has microseconds"),
    "unknown_operator": Anomaly("info", "operator events whose name the vocabulary does not know; op is empty"),
    "repeated_step_numbers": Anomaly(
        "info",
        "steps whose marker bears the number of an earlier one, as where each epoch or evaluation counts from 0; counted on",
    ),
    "overlapping_step_markers": Anomaly("warning", "step markers that overlap an earlier one of the same file"),
    "orphan_kernel": Anomaly(
        "info", "kernels or copies with no recorded launch, such as those launched before the window"
    ),
    "kernel_before_launch": Anomaly(
        "warning",
        "kernels or copies that begin before the call that launched them: the device's and the host's clocks disagree",
    ),
    "partial_overlap": Anomaly("info", "events of a CPU thread that overlap a neighbour without nesting in it"),
    "empty_file": Anomaly("warning", "trace files without a single event"),
    "refused_file": Anomaly(
        "warning", "files of a folder that are called as traces are and hold none that can be read; passed over"
    ),
    "other_file": Anomaly("info", "files of a folder that are no traces, by their names or content; passed over"),
    "derived_file": Anomaly("info", "traces made of another one that is read: it has everything that they have"),
    "copied_file": Anomaly("info", "links to, or copies of, a trace that is read already; passed over"),
    "identical_file": Anomaly(
        "warning",
        "traces with the very bytes of another whose names say that another host or rank wrote them; each is counted",
    ),
    "repeated_host": Anomaly(
        "warning",
        "traces of one host's name in several folders without a date, read together; they may be several runs",
    ),
    # PyTorch
    "unknown_category": Anomaly(
        "warning",
        "events of a category that dlprof does not know: in no sum, unless the vocabulary knows their name as an operator",
    ),
    "work_not_recorded": Anomaly(
        "warning",
        "calls that launch kernels, in files that hold no kernel and no copy: what ran on the device was not recorded (as where "
        "the profiler had no access to it, or hardware counters were) or not run (a graph's capture); all work shown is the "
        "host's",
    ),
    "duplicate_event": Anomaly(
        "warning", "kernels, copies, operators and calls that the file holds twice; counted once"
    ),
    "stream_overlap": Anomaly(
        "warning",
        "kernels and copies that begin before the one before them on their stream has ended: a stream runs one at a time",
    ),
    "merged_ranks": Anomaly(
        "info", "processes in files that hold several whose ids repeat; ids were joined within each process"
    ),
    "older_run": Anomaly("info", "profile runs in the folder that are older than the one read; passed over"),
    "unplaced_file": Anomaly(
        "info",
        "files, of several read together, that tell no rank, and no host or that of others; each process counts as one with "
        "devices of its own: a rank of its host, else its file's name stands for the host",
    ),
    # XPlane
    "derived_line_events": Anomaly(
        "info",
        "events of derived lines (Steps, TensorFlow Ops, XLA Modules, Ascend's Overlap Analysis …) that repeat "
        "the time of others; left out of the table",
    ),
    "async_line_events": Anomaly(
        "info",
        "events of a TPU's asynchronous line, from an operation's start to its end beside the operators that hold "
        "the time that it costs; left out of the table",
    ),
    "unknown_line": Anomaly(
        "warning", "events of a TPU's line that dlprof does not know, beside the line of its operators: in no sum"
    ),
    "profiler_errors": Anomaly("error", "errors that the profiler itself recorded in the trace (XSpace.errors)"),
    "profiler_warnings": Anomaly(
        "warning", "warnings that the profiler itself recorded in the trace (XSpace.warnings)"
    ),
    "profiler_dropped_events": Anomaly("error", "events that the profiler says it dropped, in its errors or warnings"),
    "unknown_event_metadata": Anomaly("error", "events whose metadata id the file does not define; named event#ID"),
    "odd_occurrences": Anomaly(
        "warning", "events that say they stand for fewer than no or for 2^31 and more executions; counted as one"
    ),
    "large_stat": Anomaly("info", "stats of metadata of over 16 MiB, as of compiled modules; not read as a whole"),
    "hlo_module_damaged": Anomaly(
        "warning", "compiled modules that cannot be read; what they say of their instructions is missing"
    ),
    "unknown_field": Anomaly("info", "protobuf fields that this version of dlprof does not know; skipped"),
    # Perfetto's protobuf traces
    "missing_text": Anomaly("warning", "names and texts by an id that their sequence never told; shown as `name #3`"),
    "lost_state": Anomaly(
        "error", "events whose sequence had lost what they refer to, as where a ring buffer wrapped around; left out"
    ),
    "dropped_packets": Anomaly("error", "places where a sequence says that packets before it were dropped"),
    "unknown_clock": Anomaly("error", "events on a clock that no snapshot relates to the trace's; left out"),
    "unknown_track": Anomaly("info", "tracks that no descriptor tells of; called by their numbers"),
    "track_cycle": Anomaly("warning", "tracks that are their own ancestors; the process they belong to is not known"),
    "large_packet": Anomaly("warning", "packets of over 64 MiB; not read"),
    # chrome trace-event JSON, any dialect
    "json_unclosed": Anomaly(
        "info", "files whose list or object of events is not closed, as in one read while it is written"
    ),
    "json_header_missing": Anomaly(
        "warning", "files that start in the middle of the list of events, so tracks may lack names"
    ),
    "json_trailing_comma": Anomaly("info", "commas with nothing behind them"),
    "json_missing_comma": Anomaly("info", "missing commas between two events"),
    "json_bad_string": Anomaly("info", "strings with control characters or broken escapes; these were escaped"),
    "json_nonfinite_number": Anomaly("info", "NaN and Infinity, which JSON does not have; read as null"),
    "json_hex_number": Anomaly("info", "hexadecimal numbers, as in thread ids of older MXNet"),
    "json_odd_type": Anomaly(
        "warning", "events with a value of another type than the format says; converted where possible"
    ),
    "json_not_an_event": Anomaly("warning", "elements of the list of events that are no objects; left out"),
    "json_empty_element": Anomaly("info", "empty objects in the list of events"),
    "json_too_deep": Anomaly("warning", "events nested more deeply than can be read; left out"),
    "json_footer_skipped": Anomaly("info", "files with more than 32 MiB of other data behind their events; not read"),
    "json_second_list": Anomaly(
        "warning", "events of a second list (traceEvents) in one file, behind the first; left out"
    ),
    "json_bad_metadata": Anomaly("warning", "process or thread names that could not be read"),
    "no_time": Anomaly("warning", "events without a time that can be read; left out"),
    "no_phase": Anomaly(
        "warning",
        "objects in the list of events that hold something but no phase (`ph`), so they are no events; left out",
    ),
    "unread_phase": Anomaly(
        "info", "events of a phase that carries no time of its own, such as flows and object snapshots"
    ),
    "unmatched_begin": Anomaly("warning", "spans that were opened and never closed; left out"),
    "unmatched_end": Anomaly("warning", "closings of spans that were never opened; left out"),
    # placing operators in the layers of the workload (analysis.trace.layers)
    "layer_unassigned": Anomaly(
        "info",
        "operators without a layer of their own whose calls a step are not those that the workload's layers ask for",
    ),
    # MXNet
    "mxnet_async_duplicate": Anomaly(
        "info", "second records (async b/e) of operators that MXNet writes twice; left out"
    ),
    "mxnet_unescaped_name": Anomaly("info", "names that MXNet wrote without escaping quotes or backslashes"),
    "mxnet_gpu_operator": Anomaly(
        "warning",
        "operators on a GPU, each timed from its start on the engine's thread to the return of the wait for its stream: "
        "launch and synchronisation are in it, and its kernels are not recorded",
    ),
    "mxnet_unnamed_device": Anomaly("warning", "operators on a process id that the file gives no device name for"),
    # TensorFlow 1
    "tf1_duplicate_gpu_record": Anomaly(
        "info", "second records of GPU work (stream:all and memcpy) that a timeline keeps beside the streams; left out"
    ),
}
"""Readers add theirs here, in a block of their own; `Anomalies.count` refuses a name that is not declared."""


class Anomalies(msgspec.Struct):
    """Counters by declared name."""

    counts: dict[str, int] = msgspec.field(default_factory=dict)

    def count(self, name: str, times: int = 1) -> None:
        """Adds to a counter. Raises `KeyError` for a name that is not declared in ANOMALIES."""
        if name not in ANOMALIES:
            raise KeyError(f"anomaly {name!r} is not declared in ANOMALIES")
        if times:
            self.counts[name] = self.counts.get(name, 0) + int(times)
