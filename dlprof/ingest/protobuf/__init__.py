"""XPlane and other protobuf traces: bytes in, typed columns out."""
