"""Perfetto's protobuf traces: packets, clocks, tracks and the state of their sequences; events out of them."""
