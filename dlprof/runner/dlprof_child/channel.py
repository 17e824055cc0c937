"""The line protocol on pipes: JSON lines out on the real standard output, commands in on the real standard input."""

import json
import os
import sys


class Channel:
    """Protocol lines to the parent. Framework chatter never reaches it: descriptor 1 is redirected to standard error."""

    def __init__(self, reader, writer):
        self._reader = reader
        self._writer = writer

    @classmethod
    def take_standard_streams(cls):
        """Move the real streams away, so that nothing a framework prints (from C++ too) can mix with protocol lines."""
        writer = os.fdopen(os.dup(1), "wb", 0)
        reader = os.fdopen(os.dup(0), "rb")
        os.dup2(2, 1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        sys.stdout = sys.stderr
        return cls(reader, writer)

    def send(self, message):
        """Write one line. Raises BrokenPipeError when the parent is gone."""
        self._writer.write((json.dumps(message) + "\n").encode("utf-8"))

    def commands(self):
        """Yield each command (a dict) until the parent closes the pipe. A line that is no JSON object yields None."""
        for line in iter(self._reader.readline, b""):
            try:
                command = json.loads(line.decode("utf-8"))
            except ValueError:
                command = None
            yield command if isinstance(command, dict) else None


def write_json(path, value):
    """Write to a temporary name, then rename: a reader never sees half a file."""
    temporary = path + ".part"
    with open(temporary, "w") as stream:
        json.dump(value, stream, indent=1)
    os.replace(temporary, path)
