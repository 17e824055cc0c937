"""A line of the user's program as `source_line` holds it, one spelling for all who record one."""

from __future__ import annotations

import re
from typing import Final

_PACKAGES: Final = re.compile(r"\A.*[/\\](?:site|dist)-packages[/\\]", re.DOTALL)


def source_line(text: str) -> str:
    """`file:line`, without the folder that packages lie in: `torchvision/models/resnet.py:128` is one on every machine."""
    return _PACKAGES.sub("", text)
