"""The fuzz harness of the protobuf readers: its finds stay mended, and a short run of it finds nothing new."""

from __future__ import annotations

import random

import fuzz_xplane


def test_the_harness_reads_the_traces_it_writes_and_its_kept_finds() -> None:
    for data in fuzz_xplane.seeds():
        fuzz_xplane.one_input(data)


def test_two_hundred_mutations_are_read_or_refused() -> None:
    chance, pool = random.Random(5), fuzz_xplane.seeds()
    for _ in range(200):
        fuzz_xplane.one_input(fuzz_xplane.mutated(pool, chance))
