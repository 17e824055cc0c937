"""Calls a hook when a module has been imported: by a finder that lets all others find, and then wraps the loader."""

import importlib
import importlib.util
import os
import sys


class _Finder(object):
    """hooks: module name → (module of this package, function in it); each is called once."""

    def __init__(self, hooks, session):
        self.hooks = hooks
        self.session = session
        self.busy = set()

    def find_spec(self, name, path=None, target=None):
        if name not in self.hooks or name in self.busy or not self.session.may_begin():
            return None
        self.busy.add(name)
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, AttributeError, ValueError):
            return None
        finally:
            self.busy.discard(name)
        if spec is None or spec.loader is None or not hasattr(spec.loader, "exec_module"):
            return None
        _wrap(spec.loader, name, self)
        return spec

    def imported(self, name, module):
        where, function = self.hooks.pop(name, (None, None))
        if where is None:
            return
        self.session.imported(name.split(".")[0])
        try:
            getattr(importlib.import_module("dlprof_inject." + where), function)(module, self.session)
        except Exception as error:
            if os.environ.get("DLPROF_DEBUG"):
                raise
            self.session.trouble("{}: {!r}".format(name, error))


def _wrap(loader, name, finder):
    run = loader.exec_module

    def exec_module(module):
        run(module)
        finder.imported(name, module)

    try:
        loader.exec_module = exec_module
    except AttributeError:
        finder.session.trouble("{}: its loader cannot be watched".format(name))


def install(hooks, session):
    """hooks: module name → (module of this package, function in it), called as function(imported module, session)."""
    if os.environ.get("DLPROF_STEP"):  # the user says what a step is: nothing else is taken for one
        from dlprof_inject import named

        named.watch(os.environ["DLPROF_STEP"], session)
    else:
        sys.meta_path.insert(0, _Finder(dict(hooks), session))
