"""`python -m dlprof` is `dlprof`."""

from dlprof.cli.main import main

raise SystemExit(main())
