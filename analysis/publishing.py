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
from typing import Any

FINISHED = ("done", "not_comparable")
LEFT_OUT = ("raw", "logs", ".lock", "parity", ".*")


def publish(source: Path, target: Path, places: Mapping[str, str]) -> None:
    """Copy the study directory `source` to `target`. places: path of this machine → what stands there instead."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for file in target.rglob("*.json"):
        _replace(file, places)
    for file in target.rglob("comparison.json"):
        _restate(file)


def add_session(source: Path, target: Path, places: Mapping[str, str]) -> None:
    """Put the finished cells of `source`, the same study run anew elsewhere or later, into the published directory `target`, as
    further runs of its cells. What `target` has stays as it is; a session that it has already is left out."""
    published = json.loads((target / "study.json").read_text(encoding="utf-8"))
    added = json.loads((source / "study.json").read_text(encoding="utf-8"))
    cells = published["cells"]
    for cell in added["cells"]:
        base = _base(cell)
        before = [one for one in cells if _base(one) == base and one["status"] in FINISHED]
        if cell["status"] not in FINISHED or any(one["started"] == cell["started"] for one in before):
            continue
        run = 1 + max((one["run"] for one in before), default=0)
        name = base if run == 1 else f"{base}-run{run}"
        moved = {**cell, "id": name, "run": run, "path": f"cells/{name}"}
        publish(source / cell["path"], target / moved["path"], {**places, cell["path"]: moved["path"]})
        cells[:] = [one for one in cells if one["id"] != name] + [moved]
    text = json.dumps(published, indent=1, ensure_ascii=False)
    (target / "study.json").write_text(text + "\n", encoding="utf-8")


def _base(cell: Mapping[str, Any]) -> str:
    """What a cell is called in its first run."""
    return str(cell["id"]).removesuffix(f"-run{cell['run']}")


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
