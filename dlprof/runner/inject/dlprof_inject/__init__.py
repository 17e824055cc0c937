"""What dlprof puts into a training script: it finds the steps, and holds each where dlprof says so.

Standard library only, Python 3.6 and newer; a framework is touched only once the script itself has imported it.

    imports.py       calls a hook when a module has been imported
    session.py       one watched process: what dlprof asks of it at the end of a step
    candidates.py    which of several calls is the step
    chosen.py        the object whose calls are steps, and the next one after its end
    named.py         a step that the user names
    lines.py         looks between two lines of a module
    of_torch.py …    a framework's steps, its synchronisation, what it knows of the work
    packages.py      the environment: versions, and modules that come from elsewhere than they should
    profilers.py     the frameworks' own profilers, started and stopped between two steps
"""

import os

from dlprof_inject import imports, named, session

SESSION = None
OWN = None


def install(address):
    """Wait for frameworks to be imported. address: path of the socket on which dlprof listens."""
    global SESSION
    SESSION = session.Session(address)
    imports.install(
        {"jax": ("of_jax", "counted")},
        {
            "torch.optim.optimizer": ("of_torch", "optimizers"),
            "torch.nn.modules.module": ("of_torch", "modules"),
            "jax": ("of_jax", "jitted"),
            "jax.profiler": ("of_jax", "annotated"),
            "keras.src.backend.torch.trainer": ("of_keras", "on_torch"),
            "keras.src.backend.jax.trainer": ("of_keras", "on_jax"),
            "keras.src.backend.tensorflow.trainer": ("of_keras", "on_tensorflow"),
            "keras.src.engine.training": ("of_keras", "keras_2"),
            "keras.engine.training": ("of_keras", "keras_2"),
            "tf_keras.src.engine.training": ("of_keras", "keras_2"),
            "tensorflow.python.keras.engine.training": ("of_keras", "keras_2"),
            "tensorflow.python.client.session": ("of_tensorflow", "sessions"),
            "tensorflow": ("of_tensorflow", "functions"),
            "mxnet.gluon.trainer": ("of_mxnet", "trainers"),
            "mxnet.module.module": ("of_mxnet", "modules"),
        },
        SESSION,
    )


def claim():
    """The script tells its steps itself, by dlprof_steps.py: nothing else is taken for one but what --step names."""
    global OWN
    if SESSION is not None and not os.environ.get("DLPROF_STEP"):
        SESSION.claimed = True
        OWN = named.Told(SESSION)


def stepped(result):
    """A step has ended, says the script."""
    if OWN is not None:
        named.ended(OWN, "each call of dlprof_steps.step() in the script itself", result)
