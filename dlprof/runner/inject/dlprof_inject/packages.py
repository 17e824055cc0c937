"""Versions of the packages in the script's environment, and modules that come from elsewhere than they should."""

import os
import re
import sys

_RECORD = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)(-.*)?[.](dist|egg)-info$")
"""`absl_py-2.1.0.dist-info`, `six-1.16.0-py3.7.egg-info`."""


def versions():
    """Name → version of every installed package."""
    try:
        from importlib import metadata
    except ImportError:  # Python 3.7 and older
        told = _by_records()
    else:
        records = (one.metadata for one in metadata.distributions())
        told = ((one.get("Name"), one.get("Version")) for one in records)
    found = {}
    for name, version in told:
        if name:
            found.setdefault(str(name).lower().replace("_", "-"), str(version))
    return found


def _by_records():
    """Name and version of each package by the name of its record, in the order in which Python would find it."""
    for folder in sys.path:
        try:
            records = sorted(os.listdir(folder or "."))
        except OSError:  # an archive, or nothing
            continue
        for record in records:
            told = _RECORD.match(record)
            if told:
                yield told.group("name"), told.group("version")


def strays():
    """Modules of a script that runs at another revision, and yet come from the working folder itself."""
    origin = os.environ.get("DLPROF_ORIGIN")
    found = []
    for name, module in list(sys.modules.items()) if origin else ():
        path = getattr(module, "__file__", None)
        if not isinstance(path, str) or "site-packages" in path or "dist-packages" in path:
            continue
        if os.path.realpath(path).startswith(os.path.realpath(origin) + os.sep):
            found.append(name)
    return sorted(found)
