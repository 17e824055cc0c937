"""Versions of the packages in the script's environment."""

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
