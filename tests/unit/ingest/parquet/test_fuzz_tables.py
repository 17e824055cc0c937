"""The fuzz harness of reports that are tables: its files are read as they are, and a short run of it finds nothing new."""

from __future__ import annotations

import random

import fuzz_tables


def test_the_harness_reads_the_files_it_writes_and_its_kept_finds() -> None:
    for data in fuzz_tables.seeds():
        fuzz_tables.one_input(data)


def test_sixty_mutations_are_read_or_refused() -> None:
    chance, pool = random.Random(5), fuzz_tables.seeds()
    for _ in range(60):
        fuzz_tables.one_input(fuzz_tables.mutated(pool, chance))
