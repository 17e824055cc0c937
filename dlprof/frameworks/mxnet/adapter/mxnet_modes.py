"""Which network class executes a mode of MXNet 1.x."""


def make_network(mx, mode, context, description, weights):
    """A Network for the mode."""
    if mode == "symbolic":
        from mxnet_symbolic import SymbolicNetwork

        return SymbolicNetwork(mx, context, description, weights)
    if mode == "estimator":
        from mxnet_estimator import EstimatorNetwork

        return EstimatorNetwork(mx, context, description, weights)
    from mxnet_network import GluonNetwork

    return GluonNetwork(mx, mode, context, description, weights)
