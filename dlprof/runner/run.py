"""THE CHILD's entry: `<python> run.py CONTROL_DIR` runs one framework and speaks the protocol of dlprof/protocol.

A separate program: the standard library, NumPy and one framework; Python 3.6 syntax; imports nothing of dlprof.
"""

import os
import signal
import sys
import time

STARTED_NS = int(time.time() * 1e9)


def main(argv):
    """Run the request in CONTROL_DIR; exit status 0 when result.json says ok, 1 when it says why not, 2 on misuse."""
    if len(argv) != 2:
        sys.stderr.write("usage: run.py CONTROL_DIR\n")
        return 2
    # The parent speaks to the user. Ctrl-C reaches the whole group: end at once, in C code too, and without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Files of this folder must not shadow the framework's: only the one package with an unusual name is needed from it.
    from dlprof_child.channel import Channel
    from dlprof_child.session import Session

    channel = Channel.take_standard_streams()
    return Session(os.path.abspath(argv[1]), channel, STARTED_NS).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv))
