"""Keras 2 and 3: a step is a call of the train function that `fit` makes, on every backend."""

import collections.abc
import functools
import sys

from dlprof_inject import of_jax, of_tensorflow, of_torch, packages, shapes
from dlprof_inject.jobs import now

_FITTED = {}
"""id of a model → shape of a batch that its fit is given, where that can be told."""


def on_torch(module, session):
    """keras.src.backend.torch.trainer was imported."""
    _wrapped(module.TorchTrainer, session, "torch")


def on_jax(module, session):
    """keras.src.backend.jax.trainer was imported."""
    _wrapped(module.JAXTrainer, session, "jax")


def on_tensorflow(module, session):
    """keras.src.backend.tensorflow.trainer was imported."""
    _wrapped(module.TensorFlowTrainer, session, "tensorflow")


def keras_2(module, session):
    """The module of Model of Keras 2, or of TensorFlow's own Keras, was imported."""
    if hasattr(module.Model, "make_train_function"):
        _wrapped(module.Model, session, "tensorflow")
    else:
        session.trouble("fit of this Keras (before TensorFlow 2.2) cannot be watched: name the step with --step")


_STEPPERS = {
    "torch": of_torch._Torch,
    "jax": of_jax._Jax,
    "tensorflow": of_tensorflow.TensorFlow,
}


def _wrapped(trainer, session, backend):
    make = trainer.make_train_function

    def make_train_function(self, *args, **kwargs):
        made = make(self, *args, **kwargs)
        function = self.train_function
        if function is None or isinstance(function, TrainFunction):
            return made
        self.train_function = TrainFunction(function, self, session, backend)
        return self.train_function if made is not None else made

    make_train_function.__doc__ = make.__doc__
    make_train_function.__wrapped__ = make
    trainer.make_train_function = make_train_function
    fit = trainer.fit

    @functools.wraps(fit)
    def fitting(self, *args, **kwargs):
        x = args[0] if args else kwargs.get("x")
        try:
            _FITTED[id(self)] = batch(x, args[2] if len(args) > 2 else kwargs.get("batch_size"))
        except Exception as error:  # noqa: BLE001  of data of any kind: the script goes on
            session.trouble("the shape of a batch could not be told: {!r}".format(error))
        return fit(self, *args, **kwargs)

    trainer.fit = fitting


def batch(x, size):
    """Shape of a batch of what fit is given, without taking one: of arrays, of a tf.data.Dataset, of a DataLoader; else []."""
    spec = getattr(x, "element_spec", None)
    if spec is not None:
        while not hasattr(spec, "shape"):
            spec = next(iter(spec.values() if isinstance(spec, collections.abc.Mapping) else spec))
        sizes = list(spec.shape)
        if sizes and sizes[0] is None:
            sizes[0] = _size_of(x)
        words = ["*" if one is None else str(int(one)) for one in sizes]
        return ["{}[{}]".format(getattr(spec.dtype, "name", spec.dtype), ", ".join(words))]
    for array in shapes.arrays(x)[:1]:
        first, _, rest = shapes.of(array).partition("[")
        count, comma, rest = rest.rstrip("]").partition(",")
        return ["{}[{}{}{}]".format(first, min(int(size or 32), int(count)), comma, rest)]
    told = getattr(x, "batch_size", None)
    return ["batches of {}".format(told)] if isinstance(told, int) else []


def _size_of(dataset):
    """The size that a tf.data.Dataset was batched with, which its element_spec leaves open."""
    while dataset is not None:
        size = getattr(dataset, "_batch_size", None)
        if size is not None:
            return int(size)
        dataset = getattr(dataset, "_input_dataset", None)
    return None


class TrainFunction(object):
    """A train function, which tells of its calls and is the function itself in all else."""

    def __init__(self, function, model, session, backend):
        self.__dict__.update(_function=function, _model=model, _session=session, _backend=backend, _stepper=None)

    def __call__(self, *args, **kwargs):
        began = now() if self._stepper is None else 0
        result = self._function(*args, **kwargs)
        session = self._session
        if self._stepper is not None:
            if session.stepper is self._stepper:
                session.tick(result)
        elif session.stepper is None and session.may_begin():
            at = now()
            self.__dict__["_stepper"] = _stepper(self, self._model, session, self._backend)
            session.begin(self._stepper, 1, ends=[at], first_call=at - began)
        return result

    def __getattr__(self, name):
        return getattr(self.__dict__["_function"], name)


def _stepper(function, model, session, backend):
    """The backend's stepper, which knows the model and its train function."""

    class Stepper(_STEPPERS[backend]):
        def __init__(self):
            _STEPPERS[backend].__init__(self, session, *([sys.modules[backend]] if backend != "torch" else []))
            self.torch = sys.modules.get("torch")
            self.found = "each call of the train function of Keras's fit, on {}".format(backend)

        def compiled(self):
            if backend != "tensorflow":
                return _STEPPERS[backend].compiled(self)
            count = of_tensorflow.traced(function)
            return count or 0, None, of_tensorflow.again(count)

        def facts(self):
            facts = _STEPPERS[backend].facts(self)
            facts.update(_of_model(model))
            facts["batch"] = _FITTED.get(id(model), [])
            return facts

        def release(self):
            pass

    return Stepper()


def _of_model(model):
    """What Keras knows of the work."""
    found = {"versions": packages.versions()}
    try:
        found["parameters"] = int(model.count_params())
    except (ValueError, AttributeError):
        pass
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None:
        found["optimizer"] = type(optimizer).__name__
    steps = getattr(model, "steps_per_execution", None)
    if isinstance(steps, int):
        found["steps per execution"] = steps
    policy = getattr(getattr(model, "dtype_policy", None), "name", None)
    if policy:
        found["precision policy"] = str(policy)
    return found
