"""Calls a hook when a module has been imported: by a finder that lets all others find, and then wraps the loader."""

import importlib
import importlib.util
import os
import sys


class _Finder(object):
    """hooks: module name → (module of this package, function in it); each is called once. always: the same, called even where
    the script or --step says what a step is."""

    def __init__(self, always, hooks, session):
        self.always = always
        self.hooks = hooks
        self.session = session
        self.busy = set()

    def find_spec(self, name, path=None, target=None):
        if name in self.busy or not self._wanted(name):
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

    def _wanted(self, name):
        if name in self.always and self.session.may_begin(self):
            return True
        return name in self.hooks and self.session.may_begin()

    def imported(self, name, module):
        self._call(self.always.pop(name, None), name, module)
        hook = self.hooks.pop(name, None)
        if hook is not None and self.session.may_begin():
            self.session.imported(name.split(".")[0])
            self._call(hook, name, module)

    def _call(self, hook, name, module):
        if hook is None:
            return
        where, function = hook
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


def install(always, hooks, session):
    """hooks: module name → (module of this package, function in it), called as function(imported module, session); `always` as
    well where the user says what a step is, so that nothing else is taken for one."""
    if os.environ.get("DLPROF_STEP"):
        from dlprof_inject import named

        named.watch(os.environ["DLPROF_STEP"], session)
        hooks = {}
    sys.meta_path.insert(0, _Finder(dict(always), dict(hooks), session))
