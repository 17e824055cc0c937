"""Traces for other tools: Chrome/Perfetto JSON, XPlane and TensorBoard directories."""
