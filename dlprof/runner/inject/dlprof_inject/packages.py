"""Versions of the packages in the script's environment, and modules that come from elsewhere than they should."""

import os
import sys


def versions():
    """Name → version of every installed package; those of modules in use where the environment cannot be asked."""
    try:
        from importlib import metadata
    except ImportError:  # Python 3.7 and older
        found = ((name, getattr(module, "__version__", None)) for name, module in list(sys.modules.items()))
        return {name: str(version) for name, version in found if version and "." not in name}
    found = {}
    for one in metadata.distributions():
        name = one.metadata["Name"]
        if name:
            found.setdefault(str(name).lower().replace("_", "-"), str(one.version))
    return found


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
