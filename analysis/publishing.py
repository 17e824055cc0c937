"""Data of a study as a reader gets them: without raw traces and logs, and with paths inside the repository.

dlprof writes down where a result lay and how it was asked for, so that it can be resumed. In a repository those are paths of
somebody's machine. They are replaced here, and the digests that cover the files changed by that are stated anew: the manifest's
of comparison.json, and comparison.json's of its captures' manifests. `dlprof verify` checks all of them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

LEFT_OUT = ("raw", "logs", ".lock", "parity", ".*")


def publish(source: Path, target: Path, places: Mapping[str, str]) -> None:
    """Copy the study directory `source` to `target`. places: path of this machine → what stands there instead."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for file in target.rglob("*.json"):
        _replace(file, places)
    for file in target.rglob("comparison.json"):
        _restate(file)


def _replace(file: Path, places: Mapping[str, str]) -> None:
    text = file.read_text(encoding="utf-8")
    for path, instead in places.items():
        text = text.replace(path, instead)
    file.write_text(text, encoding="utf-8")


def _restate(file: Path) -> None:
    """Digests of a comparison whose captures' manifests and findings may have changed."""
    found, manifest = json.loads(file.read_bytes()), file.with_name("manifest.json")
    for side in ("a", "b"):
        capture = found[side].get("capture")
        if capture and found[side].get("manifest_digest"):
            found[side]["manifest_digest"] = _sha256(file.parent / Path(capture).name / "manifest.json")
    file.write_text(json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    kept = json.loads(manifest.read_bytes())
    kept["files"][file.name] |= {"bytes": file.stat().st_size, "sha256": _sha256(file)}
    manifest.write_text(json.dumps(kept, indent=1, ensure_ascii=False), encoding="utf-8")


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
