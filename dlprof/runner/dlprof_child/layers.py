"""The layer list of a network description: activation shapes and parameter shapes, in NHWC terms."""

from .faults import Unsupported


class Layer:
    """One layer: its description, the shape of its input and output without the batch, and its parameters' shapes."""

    def __init__(self, spec, shape_in, shape_out, parameters):
        self.spec = spec
        self.name = spec["name"]
        self.op = spec["op"]
        self.shape_in = shape_in
        self.shape_out = shape_out
        self.parameters = parameters  # {"w": shape, "b": shape} in canonical layout

    def get(self, key, default=None):
        return self.spec.get(key, default)


def pair(value):
    """3 -> (3, 3); [3, 5] -> (3, 5)."""
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _window(spec, shape):
    rows, columns = pair(spec["kernel"])
    down, right = pair(spec.get("stride", 1))
    if spec.get("padding", "valid") == "same":
        return (-(-shape[0] // down), -(-shape[1] // right))
    return ((shape[0] - rows) // down + 1, (shape[1] - columns) // right + 1)


def _conv(spec, shape):
    filters = spec["filters"]
    return (*_window(spec, shape), filters), {"w": (*pair(spec["kernel"]), shape[2], filters), "b": (filters,)}


def _pool(spec, shape):
    return (*_window(spec, shape), shape[2]), {}


def _flatten(spec, shape):
    total = 1
    for n in shape:
        total *= n
    return (total,), {}


def _gemm(spec, shape):
    return (spec["units"],), {"w": (shape[-1], spec["units"]), "b": (spec["units"],)}


_SHAPES = {"Conv": _conv, "AveragePool": _pool, "MaxPool": _pool, "Flatten": _flatten, "Gemm": _gemm}


def resolve(model):
    """The layers of a `[model]` table with shapes worked out. Raises Unsupported for an operator it does not know."""
    shape = tuple(model["input"])
    layers = []
    for spec in model["layers"]:
        if spec["op"] not in _SHAPES:
            raise Unsupported(
                "layer '%s': no operator '%s'" % (spec["name"], spec["op"]), "known: " + ", ".join(sorted(_SHAPES))
            )
        shape_out, parameters = _SHAPES[spec["op"]](spec, shape)
        if min(shape_out) < 1:
            raise Unsupported(
                "layer '%s': its window does not fit into an input of %s" % (spec["name"], "×".join(map(str, shape))),
                "make the kernel smaller or the input larger",
            )
        layers.append(Layer(spec, shape, shape_out, parameters))
        shape = shape_out
    return layers


def spatial_before(layers, index):
    """(rows, columns, channels) that the Flatten directly before layer `index` flattened, else None.

    A framework with channels first flattens in another order, so the next layer's weights must be permuted.
    """
    if index and layers[index - 1].op == "Flatten" and len(layers[index - 1].shape_in) == 3:
        return layers[index - 1].shape_in
    return None


def check_weights(layers, weights):
    """Raise Unsupported if the weights file does not hold exactly the parameters of the layers."""
    wanted = {}
    for layer in layers:
        for key, shape in layer.parameters.items():
            wanted[layer.name + "/" + key] = tuple(shape)
    found = {name: tuple(array.shape) for name, array in weights.items()}
    if wanted != found:
        odd = sorted(set(wanted.items()) ^ set(found.items()))
        raise Unsupported("the initial weights do not fit the layers: %s" % odd, "make the inputs anew")
