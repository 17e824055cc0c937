"""What XPlane's planes, lines, events and stats mean: columns in, rows out. TensorFlow's JSON shares its names."""
