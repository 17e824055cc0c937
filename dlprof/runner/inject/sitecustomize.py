"""Python runs this at the start of every program that dlprof watches: its folder is on PYTHONPATH.

It installs hooks that wait for a framework to be imported, and then runs the sitecustomize that would have run without it.
Nothing is imported, opened or changed in a program that imports no framework.
"""

import importlib.machinery
import importlib.util
import os
import sys


def _install(here):
    try:
        if os.environ.get("DLPROF_SOCKET"):  # a child may have been given the search path alone
            import dlprof_inject

            dlprof_inject.install(os.environ["DLPROF_SOCKET"])
    except Exception as error:  # noqa: BLE001  the program is the user's: it runs on, unwatched
        sys.stderr.write("dlprof: this program cannot be watched: {!r}\n".format(error))
    finally:  # the program sees the search path that it would see without dlprof
        sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]


def _chain():
    """Run the next sitecustomize on the search path, as if this one were not there."""
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


_install(os.path.dirname(os.path.abspath(__file__)))
_chain()
