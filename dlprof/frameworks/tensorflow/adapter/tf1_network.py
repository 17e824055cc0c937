"""A network in a session of TensorFlow 1: one graph, batches fed, the optimizer TensorFlow's own. Mode `graph`."""

from dlprof_child import layers as layer_list
from dlprof_child.backend import Network
from dlprof_child.faults import Unsupported
from tf_network import apply_layers, make_loss, softmax_kernel


class SessionNetwork(Network):
    """Weights and activations are NHWC. Results of a run are NumPy arrays: a session hands out nothing else."""

    def __init__(self, tf, recorder, device, config, seed, description, weights):
        self._tf = tf
        self._recorder = recorder
        self._kernels = dict(softmax_kernel(description["loss"]))
        graph = tf.Graph()
        with graph.as_default(), tf.device(device):
            tf.set_random_seed(seed)
            self._build(description, weights)
            self._session = tf.Session(graph=graph, config=config)
            self._state = tf.global_variables()
            self._session.run(tf.global_variables_initializer())

    def _build(self, description, weights):
        tf = self._tf
        self._x = tf.placeholder(tf.float32, (None, *description["model"]["input"]), name="input/x")
        self._y = tf.placeholder(tf.int32, (None,), name="input/y")
        self._variables = {
            name: tf.get_variable(name, initializer=value, use_resource=True) for name, value in sorted(weights.items())
        }
        listed = list(self._variables.values())
        with tf.name_scope("forward"):
            self._logits = apply_layers(tf, layer_list.resolve(description["model"]), self._x, self._variables)
        with tf.name_scope("loss"):
            self._loss = make_loss(tf, description["loss"])(self._logits, self._y)
        with tf.name_scope("backward"):
            self._gradients = tf.gradients(self._loss, listed)
        optimizer, kernel = _optimizer(tf, description["optimizer"])
        self._kernels[kernel] = len(listed)
        self._given = [tf.placeholder(tf.float32, variable.shape) for variable in listed]
        with tf.name_scope("optimizer"):
            self._train = optimizer.apply_gradients(zip(self._gradients, listed))
        with tf.name_scope("given"):
            self._apply = optimizer.apply_gradients(zip(self._given, listed))

    # Network

    def batch(self, images, labels):
        return images, labels

    def step(self, x, y, span):
        return self._recorder.run(self._session, [self._loss, self._train], {self._x: x, self._y: y})[0]

    def infer(self, x):
        return self._recorder.run(self._session, self._logits, {self._x: x})

    def sync(self, handle):
        """Nothing: Session.run returns when all that was asked for is done."""

    def numpy(self, handle):
        return handle

    def gradients(self, x, y):
        fetched = self._session.run([self._logits, self._loss, self._gradients], {self._x: x, self._y: y})
        return fetched[0], fetched[1], dict(zip(self._variables, fetched[2]))

    def apply(self, gradients):
        self._session.run(self._apply, {p: gradients[name] for name, p in zip(self._variables, self._given)})

    def weights(self):
        return self._session.run(self._variables)

    def snapshot(self):
        return self._session.run(self._state)

    def restore(self, state):
        for variable, value in zip(self._state, state):
            variable.load(value, self._session)

    def close(self):
        self._session.close()

    def facts(self):
        return {
            "layout": "NHWC",
            "dtype": sorted({variable.dtype.base_dtype.name for variable in self._variables.values()}),
            "input": "gathered and scaled by NumPy in every step, fed to Session.run",
            "synchronisation": "Session.run returns when its graph has run; the loss is fetched in every step",
            "loss": "mean over the batch, computed in every step",
        }

    def expected(self):
        return dict(self._kernels)


def _optimizer(tf, spec):
    """(optimizer, the kernel that updates one parameter)."""
    if spec["op"] == "Adam":
        adam = tf.train.AdamOptimizer(
            spec["learning_rate"], beta1=spec["beta1"], beta2=spec["beta2"], epsilon=spec["epsilon"]
        )
        return adam, "ResourceApplyAdam"
    if spec["op"] == "SGD":
        return tf.train.GradientDescentOptimizer(spec["learning_rate"]), "ResourceApplyGradientDescent"
    raise Unsupported("no optimizer '%s'" % spec["op"], "known: Adam, SGD")
