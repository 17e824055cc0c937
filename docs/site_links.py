"""A hook of mkdocs: links out of docs/ lead to the repository, and what they name must be there.

The pages are read in two places: in the repository, where `../README.md` and `../traces` are files beside docs/, and on the
site, which holds docs/ alone. A link to something that does not exist is a warning, which `mkdocs build --strict` makes an
error; those between pages mkdocs checks itself.
"""

from __future__ import annotations

import logging
import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LOG = logging.getLogger("mkdocs.hooks.site")
LINK = re.compile(r"(\]\()([^)\s]+)(\))")


def repository() -> str:
    """The address of the sources, of pyproject.toml, its one source."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"])


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:
    """The text of a page, its links out of docs/ made absolute."""
    return absolute(markdown, ROOT / "docs" / page.file.src_uri)


def absolute(markdown: str, page: Path) -> str:
    """page: the file whose text it is."""

    def resolved(found: re.Match[str]) -> str:
        path, _, anchor = found[2].partition("#")
        if not path or "://" in path or path.startswith(("mailto:", "/")):
            return found[0]
        target = (page.parent / path).resolve()
        if target.is_relative_to(ROOT / "docs") and target.suffix in (".md", ".svg", ".png"):
            return found[0]
        if not target.exists() or not target.is_relative_to(ROOT):
            LOG.warning("%s: no %s in the sources", page.relative_to(ROOT), found[2])
            return found[0]
        kind = "tree" if target.is_dir() else "blob"
        where = f"{repository()}/{kind}/main/{target.relative_to(ROOT)}"
        return f"{found[1]}{where}{'#' + anchor if anchor else ''}{found[3]}"

    return LINK.sub(resolved, markdown)
