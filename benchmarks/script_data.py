"""Data of noise, laid where others' scripts look for theirs, in the format that they read: nothing is downloaded then.

    python3 benchmarks/script_data.py digits data                # MXNet's examples: `data/train-images-idx3-ubyte` and so on
    python3 benchmarks/script_data.py digits --gzip /tmp/jax_example_data      # JAX's examples
    python3 benchmarks/script_data.py pets PetImages             # Keras' image classification: folders Cat and Dog of JPEGs

The same noise each time. A script that checks a checksum of its data (Keras' and Gluon's own MNIST do) cannot be given any.
`pets` needs Pillow.
"""

from __future__ import annotations

import argparse
import gzip
import struct
from pathlib import Path

import numpy as np

LABELS, IMAGES = 2049, 2051
"""The first number of a file of the MNIST format."""


def digits(folder: Path, train: int, test: int, packed: bool) -> None:
    """Images of 28 × 28 and labels from 0 to 9. packed: as `.gz`."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0)
    for name, n in (("train", train), ("t10k", test)):
        images, labels = noise.integers(0, 256, (n, 28, 28), np.uint8), noise.integers(0, 10, n, np.uint8)
        files = {
            f"{name}-images-idx3-ubyte": struct.pack(">IIII", IMAGES, n, 28, 28) + images.tobytes(),
            f"{name}-labels-idx1-ubyte": struct.pack(">II", LABELS, n) + labels.tobytes(),
        }
        for file, content in files.items():
            (folder / f"{file}.gz").write_bytes(gzip.compress(content)) if packed else (folder / file).write_bytes(
                content
            )


def pets(folder: Path, n: int) -> None:
    """So many JPEGs (JFIF) in all, half of them cats, one of which is the one that the script looks at in the end."""
    from PIL import Image

    noise = np.random.default_rng(0)
    for at in range(n):
        kind = ("Cat", "Dog")[at % 2]
        (folder / kind).mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(noise.integers(0, 256, (200, 200, 3), np.uint8))
        image.save(folder / kind / f"{6779 + at}.jpg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["digits", "pets"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gzip", action="store_true", help="digits: packed, as they are downloaded")
    parser.add_argument("--train", type=int, default=6400, help="digits: images to train with")
    parser.add_argument("--test", type=int, default=640, help="digits: images to test with")
    parser.add_argument("--images", type=int, default=12, help="pets: of both kinds")
    asked = parser.parse_args()
    if asked.kind == "digits":
        digits(asked.folder, asked.train, asked.test, asked.gzip)
    else:
        pets(asked.folder, asked.images)


if __name__ == "__main__":
    main()
