"""Fuzzes the readers of protobuf (XPlane, local.trace, Perfetto) and the finishing pass: any bytes are read or a TraceError.

    python tests/fuzz/fuzz_xplane.py --atheris --runs 500000   coverage-guided
    python tests/fuzz/fuzz_xplane.py --runs 500000             the same mutations without guidance or dependency
    python tests/fuzz/fuzz_xplane.py FILE…                     replays finds

Each input is read, with --repair too if it is refused; some seeds go through detection and the finishing pass as a file would.
A crash, a broken column, a negative self time, damage in spite of --repair or an input that takes over two seconds of CPU
is a find: it is kept below tests/fuzz/corpus_xplane, which a test replays. fuzz_json.py does the same for the JSON family, and
campaign.py runs both and keeps the log.
"""

from __future__ import annotations

import contextlib
import random
import sys
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1]), str(HERE.parent / "unit" / "ingest")]

from engine import Harness, MemorySource, coverage_guided, main  # noqa: E402  path set above

instrument = contextlib.nullcontext()
if coverage_guided():
    import atheris

    instrument = atheris.instrument_imports(include=["dlprof.ingest"])

with instrument:
    from dlprof.errors import TraceError
    from dlprof.ingest.anomalies import Anomalies
    from dlprof.ingest.batch import NULLABLE_INTS, POOLED, Pools, RawBatch
    from dlprof.ingest.dialects import local_trace, perfetto, xplane  # noqa: F401  loaded here to be instrumented
    from dlprof.ingest.dialects.registry import reader_for, told
    from dlprof.ingest.finish.finisher import Finisher, Place
    from dlprof.ingest.reader import Context, Damaged
    from dlprof.ingest.texts import Packed
    from dlprof.plugin import Operator

from hlo_bytes import Hlo, metadata_plane, module  # noqa: E402  path set above
from perfetto_trace import BEGIN, COUNTER, INSTANT, Writer, event, note, packet, rocprof, snapshot, track  # noqa: E402
from xspace_bytes import PlaneBytes, block, number, space, varint  # noqa: E402  path set above

VOCABULARY = {name: Operator(name.title()) for name in ("dot", "add", "mul", "fusion", "dot_general")}
KINDS = ("xplane", "tf-local-trace", "perfetto")
TOKENS = [
    b"\x0a", b"\x12", b"\x1a", b"\x22", b"\x2a", b"\x08\x01", b"\x10\x05", b"\x18\xff\x01",
    b"\x22\x80\x01", b"\xff" * 9 + b"\x01",
    b"\xff" * 11, b"\x80", b"\x7f", b"\x0a\xff\xff\xff\xff\x7f", b"\x22\x00", b"\x11" + b"\xff" * 8, b"\x11" + bytes(7) + b"\x7f",
    b"\x20" + b"\xff" * 9 + b"\x01", b"\x28\x07", b"\x82\x01\x00", b"\xc3\x28", b"\xef\xbf\xbd", b"\0", b"/device:GPU:0",
    b"Stream #1", b"Steps", b"XLA Ops", b"Async XLA Ops", b"/device:TPU:0 SparseCore 0", b"/device:CUSTOM:Megascale Trace",
    b"jit(f)/transpose(jvp(M))/a/dot_general", b"...qhd,...khd->...hqk", b"mul|add!{a:b,c", b"step_num", b"Hlo Proto",
    b"\x58\x01", b"\x50\x01", b"\x48\x01", b"\x68\x01", b"\x68\x02", b"\xd0\x03\x40", b"\xf9\x02" + bytes(8), b"kernel_dispatch",
    b"dlprof:step=1", b"dlprof:item=a#1", b"a/MatMul:MatMul", b"#id=1#",
]  # fmt: skip


def check(batch: RawBatch, context: Context) -> None:
    """What must hold of every batch."""
    rows = len(batch)
    assert (batch.duration_ps >= 0).all(), "negative duration"
    assert rows == len(batch.track) == len(batch.name), "columns of different length"
    assert batch.track.min() >= 0, "row without track"
    assert batch.track.max() < len(context.pools.tracks), "unknown track"
    for column in (*POOLED, *NULLABLE_INTS, "level", "occurrences", "value"):
        values = getattr(batch, column)
        if values is None:
            continue
        assert len(values) == rows, column
        if column in POOLED:
            assert values.min() >= -1, column
            assert values.max() < len(context.pools.text[column].values_list), column
    if batch.args is not None:
        assert len(batch.args) == rows
        if isinstance(batch.args, Packed):
            batch.args.array().validate(full=True)


def read_one(data: bytes, kind: str, repair: bool, finish: bool) -> bool:
    """Reads an input; says whether it was refused. Raises on what must not happen; `TraceError` is an answer."""
    anomalies = Anomalies()
    reader = reader_for(kind)
    context = Context("memory", "memory", Pools(), anomalies, repair, reader.producer)
    finisher = Finisher(context.pools, anomalies) if finish else None
    refused = False
    try:
        for batch in reader.read(MemorySource(data, anomalies, repair), context):
            if len(batch):
                check(batch, context)
                if finisher is not None:
                    finisher.add(batch, "memory")
    except TraceError:
        if repair:
            raise AssertionError("damage raised in spite of repair") from None
        refused = True
    except Damaged:
        assert repair, "the signal of repair without repair"
    if finisher is not None:
        resolve = partial(reader.operator, vocabulary=VOCABULARY)
        places = {
            "memory": Place(context.host, context.rank, run_steps=context.run_steps, run_launches=context.run_launches)
        }
        finisher.finish(resolve, {"memory": 0}, lambda batch: batch.validate(), places)
        finisher.close()
    return refused


def one_input(data: bytes) -> None:
    """The first byte chooses the reader and whether the finishing pass runs; the rest is the file."""
    choice = data[0] if data else 0
    body = data[1:]
    if choice & 128:
        kind = told(body)
        if kind not in KINDS:
            return
    else:
        kind = KINDS[2 if choice & 32 else choice & 1]
    if read_one(body, kind, repair=False, finish=choice & 30 == 14):
        read_one(body, kind, repair=True, finish=choice & 30 == 14)


def written() -> list[bytes]:
    """Small traces that together reach every part of the readers; small, since an input's cost is that of its lines."""
    device = number(1, 0) + block(2, block(1, "/host:CPU") + block(3, number(1, 7) + block(2, block(1, "main"))))
    event = number(2, 7) + block(3, "MatMul") + number(9, 5_000_000) + number(10, 6_000_000)
    labelled = event + block(11, block(1, "label") + block(2, "id=0,device=/cpu:0"))
    local = block(1, device) + block(4, event) + block(4, labelled)
    planes = [_host(), _operators(), _gpu(), _jax(), _tpu(), space(errors=["lost"], start_ns=1_700_000_000_000_000_000)]
    return [
        *(
            bytes([choice]) + data
            for data, choices in zip(
                planes, (b"\x00\x80", b"\x00\x0e", b"\x00\x0e", b"\x00\x0e", b"\x00\x0e", b"\x80"), strict=True
            )
            for choice in choices
        ),
        *(bytes([choice]) + local for choice in (0x01, 0x0F, 0x8E)),
        *(bytes([choice]) + data for data in (rocprof(), _tracks(), _older_events()) for choice in (0x20, 0x2E, 0x8E)),
    ]


def _host() -> bytes:
    host = PlaneBytes("/host:CPU")
    host.line(
        "python",
        [host.event("dlprof:step=1", 0, 900), host.event("dlprof:input", 10, 20, n=-1, x=0.5, t="s", r=("q",))],
    )
    return space(host)


def _operators() -> bytes:
    host = PlaneBytes("/host:CPU")
    host.line(
        "tf_Compute/1",
        [host.event("forward/d/MatMul:MatMul", 30, 50, shape="(f32[2])"),
         host.event("f/d/BiasAdd:BiasAdd", 90, 5, correlation_id=3),
         host.event("agg:Op", 0, 9, 4), host.event("hlo.3", 200, 9, hlo_op="dot.3")],
        timestamp_ns=5,
    )  # fmt: skip
    return space(host)


def _gpu() -> bytes:
    gpu = PlaneBytes("/device:GPU:0")
    kernel = gpu.event("k", 100, 5, correlation_id=3, tf_op="a/b:C")
    gpu.line("Stream #1", [kernel, gpu.event("MemcpyH2D", 120, 5, memcpy_details="size:9 x")])
    gpu.line("Steps", [gpu.event("0", 0, 900)])
    return space(gpu)


def _jax() -> bytes:
    """Instructions of a module, launched by steps that do not wait."""
    inside = [Hlo("p", "parameter"), Hlo("dot.9", "dot", "jit(f)/jvp(N)/a/dot_general", frame=1)]
    entry = [Hlo("fusion.1", "fusion", kind="kLoop", calls=[1]), Hlo("add.5", "add", "jit(f)/mul;x", frame=2)]
    data = module("jit_f", [inside, entry], [("t.py", 3, 0), ("optax/u.py", 9, 1)])
    host = PlaneBytes("/host:CPU")
    launch = "PjRtExecutable::ExecuteHelper"
    host.line("python", [host.event("train", 0, 9, step_num=1, group_id=4), host.event(launch, 2, 3)])
    host.line(
        "tf_XLAEigen/1",
        [host.event(name, 9, 5, hlo_op=(name,), program_id=7, run_id=3) for name in ("fusion.1", "add.5")]
        + [host.event("x", 30, 5, group_id=4)],
    )
    return space(metadata_plane(jit_f=(7, data)), host)


def _tpu() -> bytes:
    """A TPU's lines and steps, and a device that only receives."""
    tpu = PlaneBytes("/device:TPU:0 SparseCore 1")
    tpu.line("Sparse Core Steps", [tpu.event("3", 0, 50), tpu.event("s", 60, 9, step_num=4)], id_=1)
    tpu.line("Sparse Core Ops", [tpu.event("%w.1 = f()", 0, 40), tpu.event("a", 5, 9, device_duration_ps=7)], id_=2)
    tpu.line("Async XLA Ops", [tpu.event("a", 5, 9)], id_=3)
    tpu.describe("%w.1 = f()", program_id=7, tf_op="jit(f)/transpose(jvp(M))/a/dot_general:", hlo_category="while")
    network = PlaneBytes("/device:CUSTOM:Megascale Trace")
    network.line("r", [network.event("Receive", 0, 9)])
    return space(tpu, network)


def _tracks() -> bytes:
    """Clocks of the machine, tracks of tracks, counters, flows, arguments that nest, a sequence that begins anew."""
    writer = Writer(default_track=2)
    writer.start(1000, 5_000_000)
    writer.describe(1, process=(7, "p"))
    writer.describe(2, parent=1, thread=(7, 8, "main"))
    writer.describe(3, "mem", parent=2, counter=number(4, 8) + number(5, 1))
    writer.event(COUNTER, 1010, "", "", number(30, 7), track=3)
    writer.span("a/MatMul", 1020, 1090, "c", note("m", {"k": [1, 2.5, "x"]}), flow=9)
    writer.event(INSTANT, 1100, "dlprof:step=1", "c", note("b", True))
    writer.start(2000)
    writer.event(BEGIN, 2010, "open", "d", track=99)
    plain = packet(snapshot({6: 5, 3: 9}, primary=3), number(10, 2)) + packet(track(5, "q", parent=5), number(10, 2))
    plain += packet(event(number(9, 3), block(23, "n"), block(22, "c")), number(8, 50), number(58, 6), number(10, 2))
    return writer.data() + plain


def _older_events() -> bytes:
    """Chrome's phases, times in us that count on, what nobody reads, packets that were dropped."""
    names = block(12, block(2, number(1, 1) + block(2, "x")) + block(1, number(1, 1) + block(2, "c")))
    data = packet(snapshot({6: 9000, 3: 9000}), number(10, 3), number(13, 1))
    data += packet(block(44, number(1, 7) + number(2, 8) + block(5, "t") + number(6, 10)), names, number(10, 3))
    for phase in "XBEbenSFIOs":
        legacy = number(1, 1) + number(2, ord(phase)) + number(3, 4) + number(6, 11)
        data += packet(event(number(1, 5), number(3, 1), block(6, legacy)), number(10, 3), number(13, 2))
    data += packet(block(1, b""), number(8, 1), number(42, 1), number(10, 3))
    return data + packet(block(35, block(1, number(3, 1))), block(50, b"x"), number(10, 4))


def seeds() -> list[bytes]:
    """Written traces and all finds."""
    return [*written(), *(path.read_bytes() for path in sorted(HARNESS.corpus.glob("*")))]


EDGES = (0, 1, 127, 128, 2**31, 2**53, 2**63 - 1, 2**63, 2**64 - 1)
Parts = list[tuple[int, bytes]]
"""Fields of a message: tag, and the bytes behind it without the length."""


def parts(data: bytes) -> Parts | None:
    """The fields of a message, None where it is none."""
    found: Parts = []
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        wire = tag & 7
        if at < 0 or wire not in (0, 1, 2, 5) or not tag >> 3:
            return None
        if wire == 2:
            size, at = _read_varint(data, at)
            end = at + size
        elif wire == 0:
            _, end = _read_varint(data, at)
        else:
            end = at + (8 if wire == 1 else 4)
        if at < 0 or end < at or end > len(data):
            return None
        found.append((tag, data[at:end]))
        at = end
    return found


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for place in range(at, min(at + 10, len(data))):
        value |= (data[place] & 0x7F) << shift
        shift += 7
        if data[place] < 0x80:
            return value, place + 1
    return 0, -1


def joined(message: Parts) -> bytes:
    """The message again, with lengths that fit."""
    return b"".join(varint(tag) + (varint(len(data)) if tag & 7 == 2 else b"") + data for tag, data in message)


def reshaped(data: bytes, chance: random.Random, depth: int = 0) -> bytes:
    """One change to one field somewhere in the message, all lengths around it kept right, so that it reaches the readers'
    inside instead of being refused at the door."""
    message = parts(data)
    if not message:
        return data
    at = chance.randrange(len(message))
    tag, content = message[at]
    if tag & 7 == 2 and depth < 6 and chance.random() < 0.85 and parts(content):
        message[at] = (tag, reshaped(content, chance, depth + 1))
        return joined(message)
    what = chance.randrange(7)
    if what == 0:
        del message[at]
    elif what == 1:
        message.insert(chance.randrange(len(message) + 1), message[at])
    elif what == 2:
        message[at:at] = [message[at]] * chance.choice((2, 10, 60))
    elif what == 3 and tag & 7 == 0:
        message[at] = (
            tag,
            varint(chance.choice((0, 1, 127, 128, 2**31, 2**53, 2**63 - 1, 2**63, 2**64 - 1, chance.getrandbits(20)))),
        )
    elif what == 4 and tag & 7 == 2:
        message[at] = (tag, chance.choice(TOKENS) * chance.choice((1, 1, 300)))
    elif what == 5:
        message[at] = ((chance.randrange(1, 20) << 3) | (tag & 7), content)
    else:
        chance.shuffle(message)
    return joined(message)


def mutated(pool: list[bytes], chance: random.Random) -> bytes:
    """One mutation chain: fields with lengths that fit, or bytes, tokens, slices of others, cuts, repetitions."""
    data = bytearray(chance.choice(pool))
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(data) + 1)
        what = chance.randrange(14)
        if what in (0, 7) and data:
            data[min(at, len(data) - 1)] = chance.randrange(256)
        elif what == 1:
            data[at:at] = chance.choice(TOKENS)
        elif what == 2:
            del data[at : at + chance.choice((1, 2, 10, 100))]
        elif what == 3:
            other = chance.choice(pool)
            start = chance.randrange(len(other) + 1)
            data[at:at] = other[start : start + chance.choice((5, 50, 500))]
        elif what == 4:
            token = chance.choice(TOKENS)
            data[at : at + len(token)] = token
        elif what == 5 and chance.random() < 0.3:
            del data[at:]
        elif what == 6:
            data[at:at] = bytes(data[at : at + 60]) * chance.choice((1, 2, 5))
        elif what > 7:
            data[1:] = reshaped(bytes(data[1:]), chance)
    return bytes(data[:LARGEST])


LARGEST = 4_000
HARNESS = Harness(HERE / "corpus_xplane", LARGEST, one_input, seeds, mutated)

if __name__ == "__main__":
    raise SystemExit(main(HARNESS, __doc__ or ""))
