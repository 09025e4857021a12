"""``python -m obs_sse_guard``: the command line without its script."""

from __future__ import annotations

import sys

from obs_sse_guard._cli.main import main

if __name__ == "__main__":
    sys.exit(main())
