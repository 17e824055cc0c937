"""THE STUDY'S OWN METHOD, kept only to reproduce its conclusion: `<python> published.py CONTROL_DIR`. It is UNSOUND.

Both frameworks in one process, MXNet first, timed with time.process_time() (CPU seconds of all threads), without waiting
for MXNet's asynchronous engine: MXNet pays for queueing its work, and the work itself runs on in TensorFlow's slot.
"""

import os
import signal
import sys
import time

STARTED_NS = int(time.time() * 1e9)


def main(argv):
    """Run the request in CONTROL_DIR; exit status as that of run.py."""
    if len(argv) != 2:
        sys.stderr.write("usage: published.py CONTROL_DIR\n")
        return 2
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    from dlprof_child.channel import Channel
    from dlprof_child.published import run

    return run(os.path.abspath(argv[1]), Channel.take_standard_streams())


if __name__ == "__main__":
    sys.exit(main(sys.argv))
