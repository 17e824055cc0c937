"""The compiled part of the trace readers: its C source, the library built of it, and the choice between both readers."""
