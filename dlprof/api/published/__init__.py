"""The original study's own way of measuring, `--method as-published`, behind one seam.

It is unsound and kept only to reproduce the study's conclusion. What the rest of the house asks of it is here:

    METHOD                      its name on the command line, in study files and manifests
    compare(options, progress)  measure and keep a comparison directory        method.py, runner/published.py
    checked(options)            the workload, if the method can measure it     method.py
    found(capture)              what a kept directory says                     statistics.py
    SIDES, ENVIRONMENT          its two sides, and the environment of both     releases.py
    ESTIMATE_S                  how long it takes
"""

from dlprof.api.published.method import ESTIMATE_S, METHOD, checked, compare
from dlprof.api.published.releases import ENVIRONMENT, SIDES
from dlprof.api.published.statistics import found

__all__ = ["ENVIRONMENT", "ESTIMATE_S", "METHOD", "SIDES", "checked", "compare", "found"]
