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
    """Modules of a script that runs at another revision, and yet come from the working folder, of which they are not linked."""
    origin = os.environ.get("DLPROF_ORIGIN")
    linked = [os.path.realpath(one) for one in os.environ.get("DLPROF_LINKED", "").split(os.pathsep) if one]
    found = []
    for name, module in list(sys.modules.items()) if origin else ():
        path = getattr(module, "__file__", None)
        if not isinstance(path, str) or _is_installed(path):
            continue
        place = os.path.realpath(path)
        if any(place == one or place.startswith(one + os.sep) for one in linked):
            continue
        if place.startswith(os.path.realpath(origin) + os.sep):
            found.append(name)
    return sorted(found)


def installed():
    """Modules that were installed, and that the side's own folders have too, otherwise: what it is to run does not run.

    A package of that name which has more modules than those folders know is another one.
    """
    folders = [one for one in os.environ.get("DLPROF_SOURCES", "").split(os.pathsep) if one]
    known, other = {}, {}
    for name, module in sorted(sys.modules.items()) if folders else ():
        path, top = getattr(module, "__file__", None), name.partition(".")[0]
        if not isinstance(path, str) or not path.endswith(".py") or not _is_installed(path):
            continue
        if top not in known:
            known[top] = [folder for folder in folders if _source(folder, top)]
        if not known[top]:
            continue
        mine = next((one for one in (_source(folder, name) for folder in known[top]) if one), None)
        other.setdefault(top, []).append((name, mine, path))
    found = []
    for told in other.values():
        if 2 * sum(mine is not None for _, mine, _ in told) >= len(told):
            found += [name for name, mine, path in told if mine is not None and not _same(mine, path)]
    return found


def _is_installed(path):
    return "site-packages" in path or "dist-packages" in path


def _source(folder, name):
    """The file of a module in a folder, None where it has none."""
    place = os.path.join(folder, *name.split("."))
    files = (place + ".py", os.path.join(place, "__init__.py"))
    return next((one for one in files if os.path.isfile(one)), None)


def _same(one, other):
    try:
        with open(one, "rb") as left, open(other, "rb") as right:
            return left.read() == right.read()
    except OSError:
        return False
