"""``python -m llamabox`` is the same program as the console script ``llama-box``."""

import sys

from llamabox.cli import main

if __name__ == "__main__":
    sys.exit(main())
