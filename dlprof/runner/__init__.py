"""THE CHILD: a separate program, run by path in a framework's own environment; not for import (see run.py)."""
