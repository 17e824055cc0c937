"""The seam between the formats and the rest of ingest.

What a format is (`Format`), what its reader is given (`Context`), and what a reader must do (`Reader`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, NoReturn, Protocol

import msgspec

from dlprof.errors import TraceError
from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.batch import Int64, Pool, Pools, RawBatch, Track
from dlprof.plugin import Operator, Vocabulary

if TYPE_CHECKING:
    from dlprof.ingest.source import Source


class Damaged(Exception):  # a signal inside ingest, not an error for the user
    """Raised by `Context.damage` under --repair: the reader stops this part, keeps what it has, and returns."""


class Context(msgspec.Struct):
    """What a reader gets for one file, and where it leaves what it learned.

    label: the file as named in messages
    source: the file relative to the root, as stored
    producers: all that are known, in whose words an older file may name its own
    origin_ns: Unix ns that start_ps is relative to (None: the trace has no absolute time, start_ps is relative to its
        own zero); set before the first batch
    producer: tensorflow | mxnet | jax | pytorch | chrome, set by the reader where the content tells better than the
        kind
    host, rank: machine and rank that recorded the file, where it tells; may be set until reading ends
    process: what tells the process that recorded the file from others of its host; several files may be of one
    nested: operators call operators (PyTorch): the outermost of one canonical operator is the call, phase and layer
        come from what is around, and what a process's device ran twice or at once on one stream is looked for
    run_steps: for each execution of RawBatch.run the step that launched it, or NO_STEP or NO_INT; set at the end
    run_launches: track and time of the launch of each, two rows, NO_INT of one that is not known
    completeness: name → statement (caps hit, drops the profiler reported)
    facts: anything else for the manifest
    columns: those of schema.EVENTS that are asked for; None: all. A reader may leave out what no other column takes (`wants`)
    """

    label: str
    source: str
    pools: Pools
    anomalies: Anomalies
    repair: bool = False
    producer: str = ""
    producers: Collection[str] = ()
    origin_ns: int | None = None
    host: str | None = None
    rank: int | None = None
    process: str = ""
    nested: bool = False
    run_steps: Int64 | None = None
    run_launches: Int64 | None = None
    completeness: dict[str, str] = msgspec.field(default_factory=dict)
    facts: dict[str, object] = msgspec.field(default_factory=dict)
    columns: Collection[str] | None = None

    def wants(self, column: str) -> bool:
        """Whether a column of schema.EVENTS is asked for."""
        return self.columns is None or column in self.columns

    def pool(self, column: str) -> Pool:
        """The pool of a text column (batch.POOLED)."""
        return self.pools.text[column]

    def track(
        self,
        device: str,
        stream: str,
        key: object = "",
        *,
        on_device: bool = False,
        host: str | None = None,
        rank: int | None = None,
        process: object = "",
        nests: bool = False,
    ) -> int:
        """The code for RawBatch.track of a thread or stream of this file.

        host, rank: of this track alone, where one file holds several; None: those of the file.
        process, nests: see `batch.Track`.
        """
        track = Track(self.source, device, stream, str(key), on_device, host, rank, str(process), nests)
        return self.pools.track(track)

    def damage(self, offset: int, expected: str, *, lost: int = 0) -> NoReturn:
        """Damage at a byte offset: raises `TraceError`, or under --repair counts it and raises `Damaged`.

        lost: bytes from here that cannot be read, if known.
        """
        if not self.repair:
            raise TraceError(
                f"{self.label}: damaged at byte {offset}: expected {expected}",
                hint="read the part before the damage with --repair, or record the trace again",
            )
        self.skip(offset, expected, lost=lost)
        raise Damaged

    def skip(self, offset: int, expected: str, *, lost: int) -> None:
        """Damage that reading goes on behind: raises `TraceError`, or under --repair counts it and says the first."""
        if not self.repair:
            self.damage(offset, expected, lost=lost)
        self.anomalies.count("damage_skipped")
        self.anomalies.count("bytes_lost", lost)
        self.completeness.setdefault("damage", f"{self.source}: damaged at byte {offset}, expected {expected}")


class Reader(Protocol):
    """One trace format."""

    @property
    def producer(self) -> str:
        """Who writes this format, as in Context.producer, where the content does not tell."""

    def read(self, source: Source, ctx: Context) -> Iterator[RawBatch]:
        """Streams the events of one file in batches of about TARGET_ROWS, in bounded memory.

        Shapes the producer is known to write are read and counted in ctx.anomalies; damage goes to ctx.damage.
        """

    def operator(self, name: str, vocabulary: Vocabulary) -> Operator | None:
        """The meaning of a raw operator name (lookup, else name), asked once per distinct one; None = unknown.

        Usually `vocabulary.get(name)`; a format whose names need work first (bulked `a,b,c`, suffixes) does it here.
        """


class Format(msgspec.Struct, frozen=True):
    """A trace format: how a file of it is told, and who reads it.

    kind: its name, as stored in manifests
    sniff: whether a file is of it, from its first 64 KiB, decompressed. Certain, since the first format to say yes is
        taken
    reader: makes or imports the reader; called when there is a file to read
    """

    kind: str
    sniff: Callable[[bytes], bool]
    reader: Callable[[], Reader]
