"""MXNet: a step ends with Gluon's Trainer.step, or with the update of a Module."""

import sys

from dlprof_inject import packages, profilers, shapes
from dlprof_inject.jobs import now


def trainers(module, session):
    """mxnet.gluon.trainer was imported."""
    _watch(module.Trainer, "step", session, "each step of Gluon's Trainer")


def modules(module, session):
    """mxnet.module.module was imported."""
    _watch(module.Module, "update", session, "each update of a Module")


def _watch(kind, method, session, found):
    run = getattr(kind, method)

    def watched(self, *args, **kwargs):
        result = run(self, *args, **kwargs)
        if session.stepper is None:
            if session.may_begin():
                session.begin(MXNet(session, self, found), 1, ends=[now()])
        elif getattr(session.stepper, "owner", None) is self:
            session.tick()
        return result

    watched.__doc__ = run.__doc__
    watched.__wrapped__ = run
    setattr(kind, method, watched)


class MXNet(object):
    """The trainer or module whose steps are counted."""

    framework = "mxnet"

    def __init__(self, session, owner, found):
        self.session = session
        self.owner = owner
        self.found = found
        self.mxnet = sys.modules["mxnet"]

    def version(self):
        return str(self.mxnet.__version__)

    def synchronise(self, result=None):
        self.mxnet.nd.waitall()

    def compiled(self):
        return 0, None, None

    def profiler(self, folder, full):
        return profilers.MXNet(self.mxnet, folder, full)

    def look(self):
        return dict

    def facts(self):
        facts = {"versions": packages.versions(), "device": "cpu:0", "batch": []}
        parameters = getattr(self.owner, "_params", None)
        if isinstance(parameters, list):  # Gluon's
            arrays = [one.data() for one in parameters]
            facts["parameters"] = sum(one.size for one in arrays)
            facts["parameter arrays"] = shapes.told(arrays)
            facts["device"] = str(arrays[0].context).replace("(", ":").rstrip(")")
        elif hasattr(self.owner, "data_shapes"):
            facts["batch"] = [str(one) for one in self.owner.data_shapes]
            arrays = list(self.owner.get_params()[0].values())
            facts["parameters"] = sum(one.size for one in arrays)
            facts["parameter arrays"] = shapes.told(arrays)
        return facts

    def release(self):
        self.owner = None
